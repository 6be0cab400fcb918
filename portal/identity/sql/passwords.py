"""Verify the company's hashes, make new ones in its format, and hashes that no password matches."""

import logging
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from secrets import token_urlsafe
from threading import Lock

from portal.core.settings.sql import SqlIdentity
from portal.crypto.formats import layouts, registry
from portal.crypto.formats.refusal import CutShort, HashRefused
from portal.crypto.hashing import Hasher, PasswordTooLong, TooBusy
from portal.identity.ports import StoreFault, StoreUnavailable

log = logging.getLogger("portal.identity")

ARGON2ID = "argon2id"  # at the cost of PORTAL_ARGON2, which every library verifies
NO_PASSWORD, CLOSED = "no password", "closed by the portal"
# A digest of zeros, as bcrypt and phpass, Base64 and hexadecimal write it. No known password has one.
_CLOSED = re.compile(r"(?:\.{22,}|A{40,}={0,2}|0{40,})\Z")
# Where the digest is, and how a zero is written there.
_DIGESTS = (
    (re.compile(r"(.*\$2[aby]\$\d\d\$.{22})(.{31})"), "."),
    (re.compile(r"(\$P\$.{9})(.{22})"), "."),
    (re.compile(r"(\$6\$.*\$)(.{86})"), "."),
    (re.compile(r"(.*\$)([0-9a-f]{40,})"), "0"),
    (re.compile(r"(.*\$)([A-Za-z0-9+/.]{40,})(?:={0,2})"), "A"),
)


class Passwords:
    """What the store does with passwords, at most one hash per core at a time. Raises StoreUnavailable."""

    def __init__(self, settings: SqlIdentity, hasher: Hasher) -> None:
        """Take the format of new hashes, and what hashes. Raises StoreFault for an unknown format."""
        written = registry.written_formats()
        if settings.format not in written:
            raise StoreFault(f"PORTAL_IDENTITY_SQL_FORMAT: must be one of {', '.join(sorted(written))}")
        try:
            self._layout = layouts.parse(settings.digest) if settings.digest else None
        except ValueError as error:
            raise StoreFault(f"PORTAL_IDENTITY_SQL_DIGEST: {error}") from error
        self._format = settings.format
        self._hasher = hasher
        self._closed: str | None = None
        self._lock = Lock()
        self._classes: tuple[str, ...] = ()

    def make(self, plain: str) -> str:
        """Return the hash of a new password, in NFC. Raises StoreFault where it is too long."""
        try:
            if self._format == ARGON2ID:
                return self._hasher.hash(plain)
            return self._hasher.make(self._format, plain)
        except TooBusy as error:
            raise StoreUnavailable("all hashing slots are taken") from error
        except PasswordTooLong as error:
            raise StoreFault("the new password is too long") from error

    def fits(self, encoded: str, plain: str, seed: bytes = b"") -> bool:
        """Return whether a typed password matches; without a usable hash it takes as long, and does not.

        `seed` draws the cost that it then takes.
        """
        usable = is_open(encoded)
        if usable:
            try:
                registry.check(encoded, self._layout)
            except HashRefused as refused:
                log.warning("identity: a hash in the company's table is not verified: %s", refused)
                usable = False
        try:
            if not usable:
                return self._hasher.verify_dummy(plain, self._dummy(seed))
            return self._hasher.verify_typed(encoded, plain, self._layout).fits
        except TooBusy as error:
            raise StoreUnavailable("all hashing slots are taken") from error
        except PasswordTooLong:
            return False

    def outdated(self, encoded: str) -> bool:
        """Return whether a hash is of another format than new ones, or costs less."""
        if self._format == ARGON2ID:
            return self._hasher.needs_rehash(encoded)
        found, new = registry.read(encoded, self._layout), registry.read(self.closed())
        return found.name != new.name or found.cost.seconds < new.cost.seconds

    def closed(self) -> str:
        """Return a hash in the company's format that no password matches; making the first one is slow."""
        with self._lock:
            if self._closed is None:
                self._closed = _without_digest(self.make(token_urlsafe()))
            return self._closed

    def learn(self, hashes: Iterable[str]) -> None:
        """Take some of the company's hashes: a try without an account then costs as much as one of theirs."""
        classes = []
        for each in filter(is_open, hashes):
            with suppress(HashRefused):  # such a hash is not verified at all
                classes.append(registry.check(each, self._layout).cost_class)
        self._classes = tuple(sorted(classes))

    def count(self, hashes: Iterable[str]) -> Counter[tuple[str, bool]]:
        """Count hashes by what they are, and whether a password can sign in with one."""
        return Counter(self._kind(each) for each in hashes)

    def _kind(self, encoded: str) -> tuple[str, bool]:
        if not is_open(encoded):
            return CLOSED if _CLOSED.search(encoded) else NO_PASSWORD, False
        try:
            found = registry.check(encoded, self._layout)
        except CutShort:
            return "cut short", False
        except HashRefused as refused:
            # The message names the option of an import; here a setting declares it.
            return str(refused).replace("--digest ", "PORTAL_IDENTITY_SQL_DIGEST="), False
        return f"{found.name}, {found.cost_class}", True

    def _dummy(self, seed: bytes) -> str | None:
        """Return a hash of one of the company's costs, the same for a seed while these costs stay."""
        if not self._classes:
            return None
        # A proportion, not a remainder: other hashes move only seeds close to a boundary.
        place = int.from_bytes(seed) * len(self._classes) >> 8 * len(seed)
        return registry.dummy(self._classes[place])


def is_open(encoded: str) -> bool:
    """Return whether some password may match what a column has: it is neither empty, marked nor closed."""
    return bool(encoded) and encoded[0] not in "!*" and not _CLOSED.search(encoded)


def _without_digest(encoded: str) -> str:
    for pattern, zero in _DIGESTS:
        if found := pattern.fullmatch(encoded):
            return found[1] + zero * len(found[2]) + encoded[found.end(2) :]
    raise StoreFault("hashes in the format of PORTAL_IDENTITY_SQL_FORMAT cannot be closed")
