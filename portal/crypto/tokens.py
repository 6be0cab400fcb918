"""Derive and hash tokens and codes, and encrypt under them."""

import hashlib
from base64 import b32encode
from hashlib import blake2b
from os import urandom

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TOKEN_BYTES = 20
CODE_LENGTH = 8
AUTHENTICITY_LENGTH = 14
BROWSER_SECRET_BYTES = 16
NONCE_BYTES = 12
LENGTH_BYTES = 4
# What a lock adds to the size of its text: the nonce, the length and the tag of AES-GCM.
LOCK_BYTES = NONCE_BYTES + LENGTH_BYTES + 16
# The cost of one guess at a code with a stolen database: Argon2id (RFC 9106) at OWASP's minimum, 19 MiB and
# two passes. It turns 40 bits into years of guessing per answer. Both processes must agree on it, so it is no
# setting.
CODE_MEMORY, CODE_PASSES = 19_456, 2


class Unopenable(Exception):
    """The blob was locked under another secret or purpose, or was tampered with."""


def derive(key: bytes, purpose: str, row_id: bytes, length: int) -> str:
    """Return `length` (at most 32) lower-case base32 characters: a keyed hash of a purpose and a row id."""
    digest = blake2b(purpose.encode() + b"\0" + row_id, key=key, digest_size=TOKEN_BYTES).digest()
    return b32encode(digest).decode().lower()[:length]


def token_hash(token: str) -> bytes:
    """Return the 32-byte hash that a token is stored and found by.

    An unkeyed SHA-256 suffices: a token has 160 random bits.
    """
    return hashlib.sha256(b"portal token\0" + token.encode()).digest()


def shortened(pointer: str) -> str:
    """Return the token of what a longer secret leads to, which has the form of `derive`'s."""
    digest = blake2b(pointer.encode(), person=b"portal pointer", digest_size=TOKEN_BYTES).digest()
    return b32encode(digest).decode().lower()


def looks_like_token(text: str) -> bool:
    """Return whether `text` has the form of a token: 32 lower-case base32 characters (RFC 4648)."""
    return len(text) == TOKEN_BYTES * 8 // 5 and all(c in "abcdefghijklmnopqrstuvwxyz234567" for c in text)


def normalise_code(text: str) -> str:
    """Return a typed code in canonical form: lower case, no spaces or hyphens, 0, 1, 8 as o, l, b."""
    plain = "".join(c for c in text.lower() if not c.isspace() and c not in "-–.")
    return plain.translate(str.maketrans("018", "olb"))


def stretched(code: str, browser: str) -> bytes:
    """Return the 32-byte key derived (Argon2id) from a code and the 128-bit secret of the requesting browser.

    Takes about 30 ms and 19 MiB on purpose: the requester knows the browser's secret, and could otherwise
    try every code on a stolen database. Call it outside any transaction.
    """
    salt = blake2b(browser.encode(), person=b"portal code", digest_size=16).digest()
    return hash_secret_raw(code.encode(), salt, CODE_PASSES, CODE_MEMORY, 1, 32, Type.ID)


def grouped(code: str, size: int = 4) -> str:
    """Return a code in upper-case groups, for reading: `ABCD-EFGH`."""
    upper = code.upper()
    return "-".join(upper[i : i + size] for i in range(0, len(upper), size))


def lock(secret: bytes, plaintext: bytes, size: int, info: str) -> bytes:
    """Encrypt `plaintext`, padded to `size` bytes, under a key derived from `secret`, bound to `info`.

    HKDF-SHA256 (RFC 5869) and AES-256-GCM. The result has `size` + LOCK_BYTES bytes. Raises ValueError where
    the plaintext is longer than `size`.
    """
    if len(plaintext) > size:
        message = f"{info}: the text does not fit its fixed size"
        raise ValueError(message)
    padded = len(plaintext).to_bytes(LENGTH_BYTES) + plaintext.ljust(size, b"\0")
    nonce = urandom(NONCE_BYTES)
    return nonce + AESGCM(_key(secret, info)).encrypt(nonce, padded, info.encode())


def unlock(secret: bytes, blob: bytes, info: str) -> bytes:
    """Return the plaintext that `lock` encrypted. Raises Unopenable."""
    try:
        padded = AESGCM(_key(secret, info)).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], info.encode())
    except (
        InvalidTag,
        ValueError,
        TypeError,
    ) as error:  # SQLite stores any type: a forged value may be a text
        raise Unopenable from error
    return padded[LENGTH_BYTES : LENGTH_BYTES + int.from_bytes(padded[:LENGTH_BYTES])]


def _key(secret: bytes, info: str) -> bytes:
    return HKDF(SHA256(), 32, None, info.encode()).derive(secret)
