"""Tell the formats of password hashes apart, by their beginnings and lengths. No text of a hash is quoted."""

import re
from base64 import b64decode

from portal.crypto.hashing import MAX_ENCODED, MAX_IMPORTED_MEMORY, argon2_params_of

EMPTY = "empty"
MARKED = "says that there is no password"
CUT = "cut short"

_ARGON2ID = "$argon2id$"
_SHORTEST_DIGEST = 16
_DIGEST_STEP = 8
# What systems and exports write where there is no password; also whatever begins with ! or *.
_MARKS = frozenset(
    ("-", "--", "x", "np", "null", "\\n", "none", "nil", "nan", "n/a", "#n/a", "na", "locked", "disabled")
)
_HEX = r"(?:0x|\\x)?[0-9a-f]"
# The first that fits is the format. Salted digests have their salt before or behind.
_FORMATS = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("MySQL's PASSWORD()", r"\*[0-9a-f]{40}\Z"),
        ("bcrypt", r"\$2[abxy]?\$|bcrypt(?:_sha256)?\$|\$bcrypt-sha256\$|\{bcrypt\}|\$wp\$2"),
        ("Argon2i", r"(?:\{argon2\}|argon2)?\$argon2i\$"),
        ("Argon2d", r"(?:\{argon2\}|argon2)?\$argon2d\$"),
        ("Argon2id with a prefix", r"(?:argon2|\{[\w-]+\})\$argon2id\$"),
        ("PBKDF2", r"\{?\$?pbkdf2|sha(?:1|256|512):\d+:|AQAAAA[\w+/]{78}"),
        ("scrypt", r"\{?\$?scrypt|\$7\$|\$s0\$"),
        ("yescrypt", r"\$g?y\$"),
        ("phpass", r"\$[PH]\$"),
        ("salted SHA-512 of Drupal", r"U?\$S\$"),
        ("md5crypt", r"\$1\$|\$apr1\$"),
        ("sha1crypt", r"\$sha1\$"),
        ("sha256crypt", r"\$5\$"),
        ("sha512crypt", r"\$6\$"),
        ("salted MD5", rf"\{{SMD5\}}|md5\$|{_HEX}{{32}}:"),
        ("salted SHA-1", rf"\{{SSHA\}}|sha1\$|{_HEX}{{40}}:"),
        ("salted SHA-256", rf"\{{SSHA256\}}|sha256\$|{_HEX}{{64}}:"),
        ("salted SHA-512", rf"\{{SSHA512\}}|sha512\$|{_HEX}{{128}}:"),
        ("MD5", rf"\{{MD5\}}|{_HEX}{{32}}\Z"),
        ("SHA-1", rf"\{{SHA1?\}}|{_HEX}{{40}}\Z"),
        ("SHA-224", rf"{_HEX}{{56}}\Z"),
        ("SHA-256", rf"\{{SHA-?256\}}|{_HEX}{{64}}\Z"),
        ("SHA-384", rf"{_HEX}{{96}}\Z"),
        ("SHA-512", rf"\{{SHA-?512\}}|{_HEX}{{128}}\Z"),
        ("a format in braces", r"\{[\w-]+\}"),
    )
)
_ENCODED = re.compile(
    r"\$argon2id(?:\$v=\d+)?\$m=\d+,t=\d+,p=\d+(?:,\w+=[\w+/]+)*"
    r"\$[A-Za-z0-9+/]+\$(?P<digest>[A-Za-z0-9+/]+)\Z"
)


class HashRefused(Exception):
    """A hash that cannot be verified, although it may be a good one; the message says why."""


def unusable(text: str) -> str | None:
    """Return why no password can ever match a hash, or None if one may."""
    if not text:
        return EMPTY
    name = other_format(text)
    if name is None and (text.lower() in _MARKS or text[0] in "!*"):
        return MARKED
    if _ARGON2ID.startswith(text) or (text.startswith(_ARGON2ID) and _is_cut(text)):
        return CUT
    return None


def check(text: str) -> None:
    """Raise HashRefused unless a hash that is not `unusable` can be verified."""
    if text.startswith(_ARGON2ID):
        try:
            if len(text) > MAX_ENCODED:
                raise ValueError
            argon2_params_of(text, MAX_IMPORTED_MEMORY)
        except ValueError:
            raise HashRefused(
                "must be an Argon2id hash (v=19) with usual parameters and at most 256 MiB"
            ) from None
        return
    name = other_format(text)
    raise HashRefused(f"{name} is not taken yet" if name else "not a password hash of a known format")


def other_format(text: str) -> str | None:
    """Return the name of the format of a hash that is not verified, or None if it is unknown."""
    return next((name for name, pattern in _FORMATS if pattern.match(text)), None)


def _is_cut(text: str) -> bool:
    """Return whether the end of an Argon2id hash is missing: another column was shorter than the hash."""
    if len(text) > MAX_ENCODED:
        return False
    found = _ENCODED.match(text)
    if found is None:
        return True
    try:
        argon2_params_of(text, MAX_IMPORTED_MEMORY)
    except ValueError:  # of another version, or of a cost that nobody can bear
        return False
    digest = found["digest"]
    if len(digest) % 4 == 1:
        return True
    size = len(b64decode(digest + "=" * (-len(digest) % 4)))
    return size < _SHORTEST_DIGEST or bool(size % _DIGEST_STEP)
