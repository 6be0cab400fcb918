"""What is known of one hash: its name and cost, as a class to count and as time on this machine."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import thread_time

import bcrypt
from argon2.low_level import Type, hash_secret_raw

from portal.crypto.formats.handlers import handler
from portal.crypto.formats.layouts import Digest

# Of hashes whose cost nobody who runs this machine chose. Memory in KiB.
MAX_MEMORY = 262_144
MAX_LANES = 64
MAX_SECONDS = 1.0
_SALT = bytes(16)
_TRIES = 3
_EXACT_DIGITS = 3


@dataclass(frozen=True)
class Cost:
    """The cost of one hash: work in units of its kind, memory in KiB, and the name of its class.

    Hashes of one class take the same time. A class names a kind and its numbers, never a salt.
    """

    kind: str
    name: str
    work: int
    memory: int = 0
    lanes: int = 1

    @property
    def seconds(self) -> float:
        """Return how long one hash takes on this machine, in seconds of one core."""
        return self.work * seconds_per_unit(self.kind)


@dataclass(frozen=True, repr=False)
class Format:
    """A hash that was read: its format's name for people, its cost, and whether a password matches it.

    `digest` is set where the hash is a fast digest: it is wrapped in Argon2id before it is stored.
    """

    name: str
    cost: Cost
    fits: Callable[[bytes], bool]
    digest: Digest | None = None

    @property
    def cost_class(self) -> str:
        """Return the name of its class of costs."""
        return self.cost.name


def rounded(number: int) -> int:
    """Return a number of rounds with three digits: few classes where each account has its own number."""
    step = int(10 ** max(0, len(str(number)) - _EXACT_DIGITS))
    return round(number / step) * step


@cache
def seconds_per_unit(kind: str) -> float:
    """Return the time of one unit of work, measured once, in CPU time: other load does not count."""
    if kind == FREE:
        return 0.0
    hash_once, units = _MEASURED[kind]
    return min(_seconds(hash_once) for _ in range(_TRIES)) / units


def _seconds(hash_once: Callable[[], object]) -> float:
    before = thread_time()
    hash_once()
    return thread_time() - before


def _pbkdf2(algorithm: str) -> Callable[[], object]:
    return lambda: hashlib.pbkdf2_hmac(algorithm, b"", _SALT, 2000)


def _crypt(name: str, **settings: object) -> Callable[[], object]:
    return lambda: handler(name).using(**settings).hash("")


FREE = "digest"
# By kind: something that is hashed once, and how many units of work that is.
_MEASURED: dict[str, tuple[Callable[[], object], int]] = {
    "argon2": (lambda: hash_secret_raw(b"", _SALT, 1, 8192, 1, 32, Type.ID), 8192),
    "bcrypt": (lambda: bcrypt.hashpw(b"", b"$2b$05$......................"), 1 << 5),
    "pbkdf2-sha1": (_pbkdf2("sha1"), 2000),
    "pbkdf2-sha256": (_pbkdf2("sha256"), 2000),
    "pbkdf2-sha512": (_pbkdf2("sha512"), 2000),
    "scrypt": (lambda: hashlib.scrypt(b"", salt=_SALT, n=1024, r=8, p=1), 1024 * 8),
    "md5-crypt": (_crypt("md5_crypt"), 1000),
    "sha256-crypt": (_crypt("sha256_crypt", rounds=1000), 1000),
    "sha512-crypt": (_crypt("sha512_crypt", rounds=1000), 1000),
    "phpass": (_crypt("phpass", rounds=10), 1 << 10),
}
