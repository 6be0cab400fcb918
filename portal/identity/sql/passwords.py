"""Verify the company's hashes, make new ones in its format, and hashes that no password matches."""

import re
from secrets import token_urlsafe
from threading import Lock

from portal.core.settings.sql import SqlIdentity
from portal.crypto.hashing import Hasher, PasswordTooLong, TooBusy
from portal.identity.ports import StoreFault, StoreUnavailable

# A digest of zeros, as bcrypt and phpass, Base64 and hexadecimal write it. No known password has one.
_CLOSED = re.compile(r"(?:\.{22,}|A{40,}={0,2}|0{40,})\Z")
# Where the digest begins, and how a zero is written there, by what the hash begins with.
_DIGESTS = (
    (re.compile(r"(.*\$2[abxy]\$\d\d\$.{22})(.{31})\Z"), "."),
    (re.compile(r"(\$[PH]\$.{9})(.{22})\Z"), "."),
    (re.compile(r"(\$6\$.*\$)(.{86})\Z"), "."),
    (re.compile(r"(.*\$)([0-9a-f]{40,})\Z"), "0"),
    (re.compile(r"(.*\$)([A-Za-z0-9+/.]{40,})={0,2}\Z"), "A"),
)


class Passwords:
    """What the store does with passwords, at most one hash per core at a time. Raises StoreUnavailable."""

    def __init__(self, settings: SqlIdentity, hasher: Hasher) -> None:
        """Take the format of new hashes, and what hashes."""
        self._format = settings.format
        self._hasher = hasher
        self._closed: str | None = None
        self._lock = Lock()

    def make(self, plain: str) -> str:
        """Return the hash of a new password, in NFC. Raises StoreFault where it is too long."""
        try:
            return self._hasher.hash(plain)
        except TooBusy as error:
            raise StoreUnavailable("all hashing slots are taken") from error
        except PasswordTooLong as error:
            raise StoreFault("the new password is too long") from error

    def fits(self, encoded: str | None, plain: str) -> bool:
        """Return whether a typed password matches; without a hash it takes as long, and does not."""
        try:
            if encoded is None:
                return self._hasher.verify_dummy(plain)
            return self._hasher.verify_typed(encoded, plain).fits
        except TooBusy as error:
            raise StoreUnavailable("all hashing slots are taken") from error
        except PasswordTooLong:
            return False

    def outdated(self, encoded: str) -> bool:
        """Return whether a hash is of another format or cost than new ones."""
        return self._hasher.needs_rehash(encoded)

    def closed(self) -> str:
        """Return a hash in the company's format that no password matches; making the first one is slow."""
        with self._lock:
            if self._closed is None:
                self._closed = _without_digest(self.make(token_urlsafe()))
            return self._closed


def is_open(encoded: str) -> bool:
    """Return whether some password may match what a column has: it is neither empty, marked nor closed."""
    return bool(encoded) and encoded[0] not in "!*" and not _CLOSED.search(encoded)


def _without_digest(encoded: str) -> str:
    for pattern, zero in _DIGESTS:
        if found := pattern.match(encoded):
            rest = encoded[found.end(2) :]
            return found[1] + zero * len(found[2]) + rest
    raise StoreFault("hashes of PORTAL_IDENTITY_SQL_FORMAT cannot be closed")
