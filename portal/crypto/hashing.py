"""Hash passwords with Argon2id (RFC 9106) and verify hashes of other formats, at most one per core at a time.

The limit holds across all processes of one user on this machine.
"""

import fcntl
import logging
import os
import stat
import tempfile
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from queue import Empty, SimpleQueue
from random import uniform
from threading import Lock
from time import monotonic

from argon2 import PasswordHasher, Type
from sqlalchemy import make_url

from portal.core.db import sqlite_file
from portal.core.settings import Argon2Parameters, Settings
from portal.crypto import threads
from portal.crypto.formats import argon, registry
from portal.crypto.formats.layouts import Digest, Layout
from portal.crypto.formats.refusal import HashingFailed, HashRefused

log = logging.getLogger(__name__)

WAIT_SECONDS = 2.0
RETRY_AFTER_SECONDS = 5
# One thread of a process looks at a time, so this may be short.
_POLL_SECONDS = (0.001, 0.003)
# How often a slot is handed on within a process before any process may have it: some tenths of a second.
_MOST_HANDED_ON = 3
_OTHERS = 0o077
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class TooBusy(Exception):
    """No slot became free while waiting; nothing was hashed or stored. `retry_after` is in seconds."""

    def __init__(self, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        """Store after how many seconds to retry."""
        self.retry_after = retry_after
        super().__init__("all hashing slots are taken")


@dataclass(frozen=True)
class _Slot:
    """A slot that this process holds: the descriptor of its locked file, and how often it was handed on."""

    file: int
    handed_on: int = 0


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
        self._turn = Lock()
        # Where the thread whose turn it is waits for a slot of another thread.
        self._waiting: SimpleQueue[_Slot] | None = None
        self._handing_on = Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold one slot for the duration of the block. Raises TooBusy.

        Never wait for the database inside: who waits for a slot would wait for that too.
        """
        slot = self._take()
        try:
            yield
        finally:
            self._hand_on(slot)

    def _take(self) -> _Slot:
        """Return a slot. The threads of a process look for one in turn. Raises TooBusy."""
        deadline = monotonic() + self.wait
        if not self._turn.acquire(timeout=self.wait):
            raise TooBusy
        try:
            return self._look(deadline)
        finally:
            self._turn.release()

    def _look(self, deadline: float) -> _Slot:
        """Return the first slot that is free, or that another thread of this process hands on."""
        folder, handed_on, files = _private_folder(self.folder), SimpleQueue[_Slot](), set[int]()
        try:
            for number in range(self.count):
                files.add(os.open(f"{folder}/{number}.lock", _OPEN, 0o600))
            while True:
                with self._handing_on:  # before it looks: a slot is then either handed on, or seen to be free
                    self._waiting = handed_on
                if (file := _locked(files)) is not None:
                    files.discard(file)
                    return _Slot(file)
                with suppress(Empty):
                    return handed_on.get(timeout=uniform(*_POLL_SECONDS))  # noqa: S311 - jitter
                if monotonic() >= deadline:
                    raise TooBusy
        finally:
            with self._handing_on:
                self._waiting = None
            while not handed_on.empty():  # came as another was taken, or as the time was over
                files.add(handed_on.get().file)
            for each in files:
                os.close(each)

    def _hand_on(self, slot: _Slot) -> None:
        """Give a slot to the thread whose turn it is, or free it for every process."""
        with self._handing_on:
            if self._waiting is not None and slot.handed_on < _MOST_HANDED_ON:
                self._waiting.put(_Slot(slot.file, slot.handed_on + 1))
                self._waiting = None
            else:
                os.close(slot.file)


def _locked(files: Collection[int]) -> int | None:
    """Return the first of these open files that could be locked, or None."""
    for file in files:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
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
_ARGON2ID = "$argon2id$v=19$"


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
            hash_len=argon.HASH_BYTES,
            salt_len=argon.SALT_BYTES,
            type=Type.ID,
        )
        self.argon2_params = f"m={parameters.memory},t={parameters.time},p={parameters.lanes}"
        self._slots = slots

    @property
    def seconds(self) -> float:
        """Return how long hashing one password takes on this machine, in seconds of one core."""
        return registry.read(registry.dummy(self.argon2_params)).cost.seconds

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
            return threads.run(self._argon2.hash, prepared)

    def make(self, format_name: str, password: str) -> str:
        """Return a new password's hash in a company's own format: `registry.written_formats`.

        Raises PasswordTooLong, TooBusy.
        """
        prepared = prepare(password)
        with self._slot():
            try:
                return threads.run(registry.make, format_name, prepared)
            except HashingFailed as error:
                raise TooBusy from error

    def wrap(self, digest: Digest) -> str:
        """Return the encoded hash of a fast digest, so that guessing costs as much as for a new password.

        In the caller's turn, without a slot: an import wraps for hours.
        """
        return argon.wrapped(digest, self._argon2.hash(digest.value))

    def verify(self, password_hash: str, password: str, layout: Layout | None = None) -> bool:
        """Return whether the password matches a hash of any format. Raises PasswordTooLong, TooBusy."""
        return self._matches(password_hash, prepare(password), layout)

    def verify_typed(self, password_hash: str, typed: str, layout: Layout | None = None) -> Match:
        """Return whether a typed password matches the hash, in NFC or as typed.

        Other systems hashed what the browser sent, on some devices accents as characters of their own (NFD).
        A text that is not in NFC always costs two hashes, so that time tells nothing about the account.
        `layout` is that of plain digests in a store that has them. Raises PasswordTooLong, TooBusy.
        """
        in_nfc = self.verify(password_hash, typed, layout)
        if unicodedata.is_normalized("NFC", typed):
            return Match(in_nfc)
        return Match(in_nfc, self._matches(password_hash, typed.encode(), layout))

    def _matches(self, password_hash: str, prepared: bytes, layout: Layout | None) -> bool:
        with self._slot():
            try:
                return threads.run(registry.verify, password_hash, prepared, layout)
            except HashingFailed as error:
                raise TooBusy from error
            except HashRefused as error:
                log.error(
                    "hashing: a stored password hash is malformed (%s), sign-in refused; "
                    "its owner can set a new password at /reset/",
                    error,
                )
                return False

    def verify_dummy(self, password: str, password_hash: str | None = None) -> bool:
        """Take as long as `verify_typed`, for an address without an account, and return False.

        Raises PasswordTooLong, TooBusy.
        """
        self.verify_typed(password_hash or dummy_hash(self.argon2_params), password)
        return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Return whether the hash has another format or cost than new ones."""
        if not password_hash.startswith(_ARGON2ID):
            return True
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


def dummy_hash(argon2_params: str) -> str:
    """Return a hash of this cost that no known password matches: its salt and digest are random."""
    return argon.encoded(argon2_params, os.urandom(argon.HASH_BYTES))


def unset_hash(argon2_params: str) -> str:
    """Return the hash of an account that has no password yet: no known password matches its digest, zero.

    Verifying it takes as long as verifying any other hash of this cost.
    """
    return argon.encoded(argon2_params, bytes(argon.HASH_BYTES))


def is_unset(password_hash: str) -> bool:
    """Return whether a hash is one of `unset_hash`."""
    return password_hash.endswith(_UNSET)


_UNSET = "$" + argon.base64(bytes(argon.HASH_BYTES))
