"""Argon2id (RFC 9106) and the slots that costly hashes wait for.

Never more hashes are in flight than cores, over all processes of one user on this machine.
"""

import fcntl
import logging
import os
import tempfile
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from random import uniform
from time import monotonic, sleep

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION
from sqlalchemy import make_url

from portal.core.db import sqlite_file
from portal.core.settings import Argon2Parameters, Settings

WAIT_SECONDS = 2.0
RETRY_AFTER_SECONDS = 5
_POLL_SECONDS = (0.005, 0.02)
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class TooBusy(Exception):
    """Every core was hashing for as long as we waited; `retry_after` is in seconds. Nothing was stored."""

    def __init__(self, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        """Keep when to come back."""
        self.retry_after = retry_after
        super().__init__("all hashing slots are taken")


class HashSlots:
    """A fixed number of slots, shared by all processes that use the same folder.

    A slot is an advisory lock on a file (flock), so the kernel frees the slots of a process that dies. The
    folder must be on a local disk.
    """

    def __init__(self, folder: Path, count: int | None = None, wait: float = WAIT_SECONDS) -> None:
        """Use `count` slots (as many as cores, unless given); wait at most `wait` seconds for one."""
        self.folder = folder
        self.count = count or len(os.sched_getaffinity(0))
        self.wait = wait

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold one slot. Raises TooBusy."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        deadline = monotonic() + self.wait
        while (slot := self._free_slot()) is None:
            if monotonic() >= deadline:
                raise TooBusy
            sleep(uniform(*_POLL_SECONDS))  # noqa: S311 - spreads the waiters, is no secret
        try:
            yield
        finally:
            os.close(slot)

    def _free_slot(self) -> int | None:
        for number in range(self.count):
            descriptor = os.open(self.folder / f"{number}.lock", _OPEN, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            else:
                return descriptor
        return None


def hash_slots_for(settings: Settings) -> HashSlots:
    """Return the slots that all processes of one user with the same database share."""
    return HashSlots(folder_for(settings.database_url))


def folder_for(database_url: str) -> Path:
    """Return where the slots are: beside an SQLite file, else in this user's part of the temporary folder."""
    url = make_url(database_url)
    if (file := sqlite_file(url)) is not None:
        return file.parent / "hash-slots"
    # Of the password nothing may show in a name that everybody on this machine can read.
    name = blake2b(str(url.set(password=None)).encode(), digest_size=6).hexdigest()
    return Path(tempfile.gettempdir()) / f"portal-hash-slots-{os.geteuid()}-{name}"


MAX_CODE_POINTS = 256
SALT_BYTES = 16
HASH_BYTES = 32
# What an imported hash may cost: beyond this, one sign-in could bring the machine down.
MOST_MEMORY = 1_048_576
MOST_TIME = 64
MOST_LANES = 64

log = logging.getLogger(__name__)


class PasswordTooLong(ValueError):
    """The password has more than 256 code points, or is no text; it was not hashed."""


class Hasher:
    """Hashes and verifies passwords at one cost. Call it outside any database transaction: it takes its time.

    Passwords are compared in NFC (NIST SP 800-63B-4, 3.1.1.2), whole, up to 256 code points.
    """

    def __init__(self, parameters: Argon2Parameters, slots: HashSlots) -> None:
        """Take the cost of new hashes and the slots that hashes wait for."""
        self._argon2 = PasswordHasher(
            time_cost=parameters.time,
            memory_cost=parameters.memory,
            parallelism=parameters.lanes,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
            type=Type.ID,
        )
        self.argon2_params = f"m={parameters.memory},t={parameters.time},p={parameters.lanes}"
        self._slots = slots

    def hash(self, password: str) -> str:
        """Return the encoded hash of a new password. Raises PasswordTooLong, TooBusy."""
        prepared = prepare(password)
        with self._slots.taken():
            return self._argon2.hash(prepared)

    def verify(self, password_hash: str, password: str) -> bool:
        """Tell whether the password fits the hash. Raises PasswordTooLong, TooBusy."""
        prepared = prepare(password)
        with self._slots.taken():
            try:
                return self._argon2.verify(password_hash, prepared)
            except VerifyMismatchError:
                return False
            except (InvalidHashError, VerificationError):
                log.exception(
                    "a stored password hash cannot be read; its owner can choose a new password by mail"
                )
                return False

    def verify_dummy(self, password: str, password_hash: str | None = None) -> bool:
        """Spend the time of `verify` on somebody who has no account. Raises PasswordTooLong, TooBusy."""
        self.verify(password_hash or dummy_hash(self.argon2_params), password)
        return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Tell whether the hash has another cost than new ones get."""
        return self._argon2.check_needs_rehash(password_hash)


def prepare(password: str) -> bytes:
    """Return what is hashed: the password in NFC, as UTF-8. Raises PasswordTooLong."""
    if len(password) > MAX_CODE_POINTS:
        raise PasswordTooLong
    normalised = unicodedata.normalize("NFC", password)
    if len(normalised) > MAX_CODE_POINTS:
        raise PasswordTooLong
    try:
        return normalised.encode()
    except UnicodeEncodeError as error:
        raise PasswordTooLong from error


def argon2_params_of(password_hash: str) -> str:
    """Return the cost of an Argon2id hash, like `m=47104,t=1,p=1`. Raises ValueError for any other text.

    Only of version 1.3 (`v=19`): a hash of the version before has another form, and costs what no stand-in
    costs.
    """
    try:
        found = extract_parameters(password_hash)
    except InvalidHashError as error:
        message = "not an Argon2id hash"
        raise ValueError(message) from error
    if found.type is not Type.ID or found.version != ARGON2_VERSION:
        message = "not an Argon2id hash of version 1.3"
        raise ValueError(message)
    memory, time, lanes = found.memory_cost, found.time_cost, found.parallelism
    if not (1 <= time <= MOST_TIME and 1 <= lanes <= MOST_LANES and 8 * lanes <= memory <= MOST_MEMORY):
        message = "Argon2id parameters out of bounds"
        raise ValueError(message)
    return f"m={memory},t={time},p={lanes}"


def dummy_hash(argon2_params: str) -> str:
    """Return a hash of this cost that fits no password anybody knows: its salt and digest are random."""
    salt, digest = (_base64(os.urandom(size)) for size in (SALT_BYTES, HASH_BYTES))
    return f"$argon2id$v={ARGON2_VERSION}${argon2_params}${salt}${digest}"


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")
