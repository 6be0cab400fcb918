"""Tell formats of password hashes apart, verify and write them. No text of a hash is quoted in an error."""

import re
from collections.abc import Callable
from functools import partial

from argon2 import PasswordHasher, Type

from portal.crypto.formats import argon, bcrypts, crypts, derived, digests
from portal.crypto.formats.cost import MAX_LANES, MAX_MEMORY, MAX_SECONDS, Format
from portal.crypto.formats.layouts import Layout
from portal.crypto.formats.refusal import CutShort, HashRefused

# The longest hash that is read, in characters; one of the usual cost has about 100.
MAX_ENCODED = 510
_SPELLINGS = re.compile(
    r"\{crypt\}(?=\$)|\{bcrypt\}(?=\$)|bcrypt\$\$?(?=\$2)|\{(?:x-)?argon2(?:@[\w-]+)?\}(?=\$)|argon2(?=\$argon2)",
    re.IGNORECASE | re.ASCII,
)
_READERS: tuple[tuple[tuple[str, ...], Callable[[str], Format]], ...] = (
    ((argon.WRAPPED,), argon.read_wrapped),
    (("$argon2",), argon.read),
    ((*bcrypts.PREFIXES, bcrypts.DJANGO, bcrypts.PASSLIB, bcrypts.WORDPRESS), bcrypts.read),
    (derived.PREFIXES, derived.read),
    (crypts.PREFIXES, crypts.read),
)
# What is told apart, and not verified. The first that fits is the format.
_HEX = r"(?:0x|\\x)?[0-9a-f]"
_OTHERS = tuple(
    (name, re.compile(pattern, re.IGNORECASE | re.ASCII))
    for name, pattern in (
        ("MySQL's PASSWORD()", r"\*[0-9a-f]{40}\Z"),
        ("bcrypt", r"\$2[a-z]?\$|bcrypt|\$bcrypt|\{bcrypt|\$wp"),
        ("Argon2", r"(?:\{\w+\}|argon2)?\$argon2"),
        ("PBKDF2", r"\{?\$?pbkdf2|sha(?:1|256|512):\d+:"),
        ("PBKDF2 of ASP.NET", r"AQAAAA[\w+/]{76}"),
        ("scrypt", r"\{?\$?scrypt|\$s0\$"),
        ("yescrypt", r"\$g?y\$"),
        ("salted SHA-512 of Drupal", r"U?\$S\$"),
        ("sha1crypt", r"\$sha1\$"),
    )
)
_DIGESTS = tuple(
    (name, re.compile(pattern, re.IGNORECASE | re.ASCII))
    for name, pattern in (
        ("salted MD5", rf"md5\$|{_HEX}{{32}}[:$]|[^:$]+[:$]{_HEX}{{32}}\Z"),
        ("salted SHA-1", rf"sha1\$|{_HEX}{{40}}[:$]|[^:$]+[:$]{_HEX}{{40}}\Z"),
        ("salted SHA-256", rf"sha256\$|{_HEX}{{64}}[:$]|[^:$]+[:$]{_HEX}{{64}}\Z"),
        ("salted SHA-512", rf"sha512\$|{_HEX}{{128}}[:$]|[^:$]+[:$]{_HEX}{{128}}\Z"),
        ("MD5", rf"{_HEX}{{32}}\Z"),
        ("SHA-1", rf"{_HEX}{{40}}\Z"),
        ("SHA-224", rf"{_HEX}{{56}}\Z"),
        ("SHA-256", rf"{_HEX}{{64}}\Z"),
        ("SHA-384", rf"{_HEX}{{96}}\Z"),
        ("SHA-512", rf"{_HEX}{{128}}\Z"),
    )
)
_BRACES = re.compile(r"\{[\w-]+\}", re.ASCII)


def read(encoded: str, layout: Layout | None = None) -> Format:
    """Return what a hash is; with `layout`, a plain digest may be one. Raises HashRefused, CutShort."""
    if len(encoded) > MAX_ENCODED:
        raise HashRefused(f"longer than {MAX_ENCODED} characters")
    text = derived.of_ldap(_SPELLINGS.sub("", encoded, count=1) if _SPELLINGS.match(encoded) else encoded)
    for prefixes, reader in _READERS:
        if text.startswith(prefixes):
            return reader(text)
        if text and any(prefix.startswith(text) for prefix in prefixes):
            raise CutShort("cut short")
    found = digests.read_ldap(text)
    if found is not None:
        return found
    digest = next((name for name, pattern in _DIGESTS if pattern.match(text)), None)
    if digest is not None and layout is None:
        raise HashRefused(
            f"{digest}. Nothing in it says how it was made: declare it, like --digest '{_likely(digest)}'"
        )
    if layout is not None and not _BRACES.match(text):
        return digests.read_plain(text, layout)
    name = next((name for name, pattern in _OTHERS if pattern.match(text)), None)
    name = name or ("a format in braces" if _BRACES.match(text) else None)
    raise HashRefused(f"{name} is not taken" if name else "not a password hash of a known format")


def _likely(digest: str) -> str:
    """Return the layout that a digest is most often made by, for its name in _DIGESTS."""
    algorithm = digest.removeprefix("salted ").replace("-", "").lower()
    return f"{algorithm}(salt+password)" if digest.startswith("salted ") else f"{algorithm}(password)"


def identify(encoded: str, layout: Layout | None = None) -> Format | None:
    """Return what a hash is, or None where it cannot be verified."""
    try:
        return read(encoded, layout)
    except HashRefused:
        return None


def check(encoded: str, layout: Layout | None = None) -> Format:
    """Return what a hash is, where verifying it is bearable. Raises HashRefused, CutShort."""
    found = read(encoded, layout)
    if found.cost.memory > MAX_MEMORY:
        raise HashRefused(f"{found.name} that takes more than {MAX_MEMORY >> 10} MiB of memory")
    if found.cost.lanes > MAX_LANES:
        raise HashRefused(f"{found.name} of more than {MAX_LANES} lanes")
    if found.cost.seconds > MAX_SECONDS:
        raise HashRefused(f"{found.name} that takes more than a second on this machine")
    return found


def verify(encoded: str, plain: bytes, layout: Layout | None = None) -> bool:
    """Return whether a password matches a hash. Raises HashRefused, HashingFailed."""
    return read(encoded, layout).fits(plain)


def cost_class(encoded: str, layout: Layout | None = None) -> str:
    """Return the class of a hash's cost, at most 60 characters. Raises HashRefused."""
    return read(encoded, layout).cost_class


def dummy(cost: str) -> str:
    """Return a hash of a class that no known password matches. Raises ValueError for an unknown class."""
    if cost == "digest":
        return digests.dummy()
    if cost.startswith("bcrypt "):
        return bcrypts.dummy(int(cost.removeprefix("bcrypt ")))
    found = argon.dummy(cost) or derived.dummy(cost) or crypts.dummy(cost)
    if found is None:
        raise ValueError(f"no class of costs: {cost}")
    return found


def make(format_name: str, plain: bytes) -> str:
    """Return a new hash of one of `written_formats`. Raises KeyError, HashingFailed."""
    return _WRITERS[format_name](plain)


def written_formats() -> tuple[str, ...]:
    """Return the names of the formats that can be written, for a store of the company."""
    return tuple(_WRITERS)


def _argon2(memory: int, time: int, lanes: int, plain: bytes) -> str:
    return PasswordHasher(time, memory, lanes, argon.HASH_BYTES, argon.SALT_BYTES, type=Type.ID).hash(plain)


def _django_argon2(plain: bytes) -> str:
    return "argon2" + _argon2(102_400, 2, 8, plain)


# What a store of the company is given, at the cost that its own library uses for new passwords today:
# PHP 8.4 and WordPress 6.8, Django 6.0, Werkzeug 3.1, passlib 1.7.4, bcrypt-ruby 3.1, argon2-cffi 25.
_WRITERS: dict[str, Callable[[bytes], str]] = {
    "argon2id": partial(_argon2, 65_536, 3, 4),
    "bcrypt-2a": partial(bcrypts.make, "2a", 12),
    "bcrypt-2b": partial(bcrypts.make, "2b", 12),
    "bcrypt-2y": partial(bcrypts.make, "2y", 12),
    "django-argon2": _django_argon2,
    "django-bcrypt-sha256": partial(bcrypts.make_django, 12),
    "django-pbkdf2-sha256": partial(derived.make_passlib, "django_pbkdf2_sha256", 1_200_000),
    "django-scrypt": partial(derived.make_django_scrypt, 16_384, 8, 5),
    "passlib-pbkdf2-sha256": partial(derived.make_passlib, "pbkdf2_sha256", 29_000),
    "phpass": partial(crypts.make, "phpass", rounds=13),
    "sha512-crypt": partial(crypts.make, "sha512_crypt", rounds=656_000),
    "werkzeug-pbkdf2-sha256": partial(derived.make_werkzeug, "pbkdf2:sha256:1000000"),
    "werkzeug-scrypt": partial(derived.make_werkzeug, "scrypt:32768:8:1"),
    "wordpress": partial(bcrypts.make_wordpress, 12),
}
