"""Hash passwords with Argon2id (RFC 9106), at most one per core at a time.

The limit holds across all processes of one user on this machine.
"""

import fcntl
import logging
import os
import stat
import tempfile
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
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

log = logging.getLogger(__name__)

WAIT_SECONDS = 2.0
RETRY_AFTER_SECONDS = 5
_POLL_SECONDS = (0.005, 0.02)
_OTHERS = 0o077
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class TooBusy(Exception):
    """No slot became free while waiting; nothing was hashed or stored. `retry_after` is in seconds."""

    def __init__(self, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        """Store after how many seconds to retry."""
        self.retry_after = retry_after
        super().__init__("all hashing slots are taken")


class HashSlots:
    """A fixed number of slots, shared by all processes that use the same folder.

    A slot is an advisory lock on a file (flock(2)), so the kernel frees the slots of a process that dies. The
    folder must be on a local disk. Nobody else may enter it: a user who can open a file can hold its slot.
    """

    def __init__(self, folder: Path, count: int | None = None, wait: float = WAIT_SECONDS) -> None:
        """Use `count` slots, by default one per core; wait at most `wait` seconds for one."""
        self.folder = folder
        self.count = count or len(os.sched_getaffinity(0))
        self.wait = wait

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold one slot for the duration of the block. Raises TooBusy.

        Never wait for the database inside: who waits for a slot would wait for that too.
        """
        folder = _private_folder(self.folder)
        deadline = monotonic() + self.wait
        while (slot := self._free_slot(folder)) is None:
            if monotonic() >= deadline:
                raise TooBusy
            sleep(uniform(*_POLL_SECONDS))  # noqa: S311 - jitter, not a secret
        try:
            yield
        finally:
            os.close(slot)

    def _free_slot(self, folder: Path) -> int | None:
        for number in range(self.count):
            descriptor = os.open(folder / f"{number}.lock", _OPEN, 0o600)
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


def _private_folder(wanted: Path) -> Path:
    """Return the folder `wanted`, which is created if it is missing, or one with a random name beside it.

    Its name can be guessed, and in a temporary folder any local user can take it first. All processes of this
    user then share the random folder: the first by name, should several have been created at once.
    """
    with suppress(FileExistsError):
        wanted.mkdir(parents=True, mode=0o700)
    if _is_private(wanted):
        return wanted
    beside = sorted(filter(_is_private, wanted.parent.glob(f"{wanted.name}-*")))
    if beside:
        return beside[0]
    made = Path(tempfile.mkdtemp(prefix=f"{wanted.name}-", dir=wanted.parent))
    log.error(
        "hashing: %s is not a private folder of this user (%d); remove it. Until then %s is used",
        wanted,
        os.geteuid(),
        made,
    )
    return made


def _is_private(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS


def hash_slots_for(settings: Settings) -> HashSlots:
    """Return the slots shared by all of a user's processes that use the same database."""
    return HashSlots(folder_for(settings.database_url))


def folder_for(database_url: str) -> Path:
    """Return the folder of the slots: beside an SQLite file, else in the temporary folder, one per user."""
    url = make_url(database_url)
    if (file := sqlite_file(url)) is not None:
        return file.parent / "hash-slots"
    # Without the password: every user of this machine can read the name.
    name = blake2b(str(url.set(password=None)).encode(), digest_size=6).hexdigest()
    return Path(tempfile.gettempdir()) / f"portal-hash-slots-{os.geteuid()}-{name}"


MAX_CODE_POINTS = 256
SALT_BYTES = 16
HASH_BYTES = 32
# The longest encoded hash that is stored, in characters; one of the usual cost has about 100.
MAX_ENCODED = 510
# Limits for hashes: beyond them, one sign-in could exhaust the machine. Memory in KiB; imported hashes may
# take less of it, because nobody who runs this machine chose their cost.
MAX_MEMORY = 1_048_576
MAX_IMPORTED_MEMORY = 262_144
MAX_TIME = 64
MAX_LANES = 64


class PasswordTooLong(ValueError):
    """The password has over 256 code points, or lone surrogates; it was not hashed."""


@dataclass(frozen=True)
class Match:
    """Whether a typed password matches a hash: in NFC, or only exactly as typed, in another form."""

    in_nfc: bool
    as_typed: bool = False

    @property
    def fits(self) -> bool:
        """Return whether it matches at all."""
        return self.in_nfc or self.as_typed


class Hasher:
    """Hashes passwords at one cost and verifies them. Slow: call it outside any database transaction.

    Passwords are normalised to NFC (NIST SP 800-63B-4, 3.1.1.2), never truncated, and have at most 256 code
    points.
    """

    def __init__(self, parameters: Argon2Parameters, slots: HashSlots) -> None:
        """Store the cost of new hashes, and the slots."""
        self._parameters = parameters
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

    @contextmanager
    def in_one_slot(self) -> Iterator["Hasher"]:
        """Yield a hasher for several hashes in one slot, which is waited for once. Raises TooBusy."""
        with self._slot():
            yield _InSlot(self._parameters, self._slots)

    def _slot(self) -> AbstractContextManager[None]:
        return self._slots.taken()

    def hash(self, password: str) -> str:
        """Return the encoded hash of a new password. Raises PasswordTooLong, TooBusy."""
        prepared = prepare(password)
        with self._slot():
            return self._argon2.hash(prepared)

    def verify(self, password_hash: str, password: str) -> bool:
        """Return whether the password matches the hash. Raises PasswordTooLong, TooBusy."""
        return self._matches(password_hash, prepare(password))

    def verify_typed(self, password_hash: str, typed: str) -> Match:
        """Return whether a typed password matches the hash, in NFC or as typed.

        Other systems hashed what the browser sent, on some devices accents as characters of their own (NFD).
        A text that is not in NFC always costs two hashes, so that time tells nothing about the account.
        Raises PasswordTooLong, TooBusy.
        """
        in_nfc = self.verify(password_hash, typed)
        if unicodedata.is_normalized("NFC", typed):
            return Match(in_nfc)
        return Match(in_nfc, self._matches(password_hash, typed.encode()))

    def _matches(self, password_hash: str, prepared: bytes) -> bool:
        with self._slot():
            try:
                return self._argon2.verify(password_hash, prepared)
            except VerifyMismatchError:
                return False
            except (InvalidHashError, VerificationError) as error:
                log.error(
                    "hashing: a stored password hash is malformed (%s), sign-in refused; "
                    "its owner can set a new password at /reset/",
                    type(error).__name__,
                )
                return False

    def verify_dummy(self, password: str, password_hash: str | None = None) -> bool:
        """Take as long as `verify_typed`, for an address without an account, and return False.

        Raises PasswordTooLong, TooBusy.
        """
        self.verify_typed(password_hash or dummy_hash(self.argon2_params), password)
        return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Return whether the hash has another cost than new ones."""
        return self._argon2.check_needs_rehash(password_hash)


class _InSlot(Hasher):
    """A hasher for a caller that holds a slot already."""

    def _slot(self) -> AbstractContextManager[None]:
        return nullcontext()


def too_long(password: str) -> bool:
    """Return whether a password has too many characters to be checked here, as typed or in NFC."""
    return len(password) > MAX_CODE_POINTS or len(unicodedata.normalize("NFC", password)) > MAX_CODE_POINTS


def prepare(password: str) -> bytes:
    """Return the bytes to hash: the password in NFC, as UTF-8. Raises PasswordTooLong."""
    if too_long(password):
        raise PasswordTooLong
    try:
        return unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError as error:
        raise PasswordTooLong from error


def argon2_params_of(password_hash: str, max_memory: int = MAX_MEMORY) -> str:
    """Return the cost of an Argon2id hash, like `m=47104,t=1,p=1`. Raises ValueError for any other text.

    Accepts version 1.3 (`v=19`) only: dummy hashes have that version, and a hash of another would take a
    different time, which would show that there is an account.
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
    if not (1 <= time <= MAX_TIME and 1 <= lanes <= MAX_LANES and 8 * lanes <= memory <= max_memory):
        message = "Argon2id parameters out of bounds"
        raise ValueError(message)
    return f"m={memory},t={time},p={lanes}"


def dummy_hash(argon2_params: str) -> str:
    """Return a hash of this cost that no known password matches: its salt and digest are random."""
    return _encoded(argon2_params, os.urandom(HASH_BYTES))


def unset_hash(argon2_params: str) -> str:
    """Return the hash of an account that has no password yet: no known password matches its digest, zero.

    Verifying it takes as long as verifying any other hash of this cost.
    """
    return _encoded(argon2_params, bytes(HASH_BYTES))


def is_unset(password_hash: str) -> bool:
    """Return whether a hash is one of `unset_hash`."""
    return password_hash.endswith(_UNSET)


def _encoded(argon2_params: str, digest: bytes) -> str:
    return f"$argon2id$v={ARGON2_VERSION}${argon2_params}${_base64(os.urandom(SALT_BYTES))}${_base64(digest)}"


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")


_UNSET = "$" + _base64(bytes(HASH_BYTES))
