"""bcrypt, alone and of a digest of the password, as Django and WordPress store it.

What was longer than 72 bytes is cut there, as all original libraries did: the library used here refuses it.
"""

import os
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest, digest

import bcrypt

from portal.crypto.formats.cost import Cost, Format
from portal.crypto.formats.handlers import handler
from portal.crypto.formats.refusal import CutShort, HashRefused

PREFIXES = ("$2$", "$2a$", "$2b$", "$2x$", "$2y$")
DJANGO = "bcrypt_sha256$"
PASSLIB = "$bcrypt-sha256$"
WORDPRESS = "$wp$2"
MAX_BYTES = 72
_WHOLE = 60
_DIGEST = 31
_ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ENCODED = re.compile(
    r"\$(2[abxy]?)\$(0[4-9]|[12]\d|3[01])\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})", re.ASCII
)
_WORDS = MAX_BYTES // 4
_Key = Callable[[bytes], bytes]


def read(text: str) -> Format:
    """Return what an encoded hash is. Raises HashRefused, CutShort."""
    if text.startswith(DJANGO):
        return _read(text[len(DJANGO) :], "bcrypt of SHA-256 (Django)", _sha256)
    if text.startswith(PASSLIB):
        return _read_passlib(text)
    if text.startswith(WORDPRESS):
        return _read(text[3:], "bcrypt (WordPress)", _wordpress)
    return _read(text, "bcrypt", None)


def make(prefix: str, rounds: int, plain: bytes) -> str:
    """Return a new hash with a prefix of `2a`, `2b` or `2y`."""
    made = bcrypt.hashpw(plain[:MAX_BYTES], bcrypt.gensalt(rounds)).decode()
    return f"${prefix}${made[4:]}"


def make_django(rounds: int, plain: bytes) -> str:
    """Return a new hash as Django's BCryptSHA256PasswordHasher writes it."""
    return f"{DJANGO}{make('2b', rounds, _sha256(plain))}"


def make_wordpress(rounds: int, plain: bytes) -> str:
    """Return a new hash as WordPress writes it since 6.8."""
    return f"$wp{make('2y', rounds, _wordpress(plain))}"


def cost(rounds: int) -> Cost:
    """Return the cost of hashes with 2**rounds rounds."""
    return Cost("bcrypt", f"bcrypt {rounds}", 1 << rounds)


def dummy(rounds: int) -> str:
    """Return a hash of a cost that no known password matches."""
    random = "".join(chr(_ALPHABET[byte % 64]) for byte in os.urandom(31))
    return bcrypt.gensalt(rounds).decode() + random


def _read(text: str, name: str, key: _Key | None) -> Format:
    found = _ENCODED.fullmatch(text)
    if found is None:
        if len(text) < _WHOLE and re.fullmatch(r"(?:\$(?:2[abxy]?(?:\$[./$A-Za-z0-9]*)?)?)?", text):
            raise CutShort(f"{name}, cut short")
        raise HashRefused(f"{name}, but not as it is usually written")
    version, rounds, salt, value = found.groups()
    key = key or _KEYS.get(version) or _cut
    setting = f"$2b${rounds}${_canonical(salt)}".encode()
    return Format(
        name,
        cost(int(rounds)),
        lambda plain: compare_digest(bcrypt.hashpw(key(plain), setting)[-31:], value.encode()),
    )


def _read_passlib(text: str) -> Format:
    name = "bcrypt of SHA-256 (passlib)"
    taken = handler("bcrypt_sha256")
    try:
        read = taken.from_string(text)
    except (ValueError, TypeError):
        if len(text.rpartition("$")[2]) < _DIGEST and re.fullmatch(r"[\w./$=,-]*", text, re.ASCII):
            raise CutShort(f"{name}, cut short") from None
        raise HashRefused(f"{name}, but not as it is usually written") from None
    if read.checksum is None:
        raise CutShort(f"{name}, cut short")
    return Format(name, cost(read.rounds), lambda plain: bool(taken.verify(plain, text)))


def _canonical(salt: str) -> str:
    """Return a salt without the four bits at its end that no library reads, and some refuse."""
    return salt[:-1] + chr(_ALPHABET[_ALPHABET.index(salt[-1].encode()) & 0b110000])


def _cut(plain: bytes) -> bytes:
    return plain[:MAX_BYTES]


def _repeated(plain: bytes) -> bytes:
    """Return the key of the first version, which repeated the password without a zero behind it."""
    return (plain * MAX_BYTES)[:MAX_BYTES]


def _sign_extended(plain: bytes) -> bytes:
    """Return the key that early crypt_blowfish made: a byte above 127 set all bits before it in its word."""
    cyclic = plain + b"\0"
    words = []
    for word in range(_WORDS):
        value = 0
        for place in range(4 * word, 4 * word + 4):
            byte = cyclic[place % len(cyclic)]
            value = (value << 8 | (byte | -256 if byte & 0x80 else byte)) & 0xFFFFFFFF
        words.append(value.to_bytes(4))
    return b"".join(words)


def _sha256(plain: bytes) -> bytes:
    return sha256(plain).hexdigest().encode()


def _wordpress(plain: bytes) -> bytes:
    return b64encode(digest(b"wp-sha384", plain, "sha384"))


_KEYS: dict[str, _Key] = {"2": _repeated, "2x": _sign_extended}
