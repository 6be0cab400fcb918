"""Argon2i, Argon2d and Argon2id in their usual spellings, and digests that were wrapped in Argon2id here."""

import os
import re
from base64 import b64decode, b64encode

from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import Type, verify_secret

from portal.crypto.formats import layouts
from portal.crypto.formats.cost import Cost, Format
from portal.crypto.formats.layouts import Digest
from portal.crypto.formats.refusal import CutShort, HashRefused

WRAPPED = "$wrapped$"
SALT_BYTES = 16
HASH_BYTES = 32
MAX_MEMORY = 1_048_576  # KiB; what PORTAL_ARGON2 may be set to
_SHORTEST_DIGEST = 16
_DIGEST_STEP = 8
_NEWEST, _FIRST = 19, 16
_TYPES = {"i": Type.I, "d": Type.D, "id": Type.ID}
_ENCODED = re.compile(
    r"\$argon2(?P<type>id|i|d)(?:\$v=(?P<version>16|19))?\$m=(?P<memory>\d{1,9}),t=(?P<time>\d{1,9}),p=(?P<lanes>\d{1,9})"
    r"\$(?P<salt>[A-Za-z0-9+/]+)\$(?P<digest>[A-Za-z0-9+/]+)",
    re.ASCII,
)
_CLASS = re.compile(
    r"(?:argon2(?P<type>id|i|d)(?:-(?P<version>16))? )?(?P<params>m=\d+,t=\d+,p=\d+)", re.ASCII
)
_WRAPPED = re.compile(
    r"\$wrapped\$(?P<layout>[\w+,()-]+)\$(?P<salt>[\w+/]*)(?P<inner>\$argon2id\$.+)", re.ASCII
)


def read(text: str) -> Format:
    """Return what an encoded hash is. Raises HashRefused, CutShort."""
    found = _ENCODED.fullmatch(text)
    name = "Argon2" + text[7:].partition("$")[0]
    if found is None:
        if _is_cut(text):
            raise CutShort(f"{name}, cut short")
        raise HashRefused(f"{name}, but not as it is usually written")
    memory, time, lanes = (int(found[part]) for part in ("memory", "time", "lanes"))
    if not (time and lanes and 8 * lanes <= memory <= MAX_MEMORY):
        raise HashRefused(f"{name} with numbers that Argon2 does not allow")
    if not _whole(found["digest"]):
        raise CutShort(f"{name}, cut short")
    encoded, which = text.encode(), _TYPES[found["type"]]
    version = int(found["version"] or _FIRST)
    cost = Cost("argon2", _class(found["type"], version, memory, time, lanes), memory * time, memory, lanes)
    return Format(name, cost, lambda plain: _fits(encoded, plain, which))


def read_wrapped(text: str) -> Format:
    """Return what a wrapped digest is. Raises HashRefused."""
    found = _WRAPPED.fullmatch(text)
    if found is None:
        raise HashRefused("a wrapped digest, but not as it is written here")
    inner = read(found["inner"])
    layout, salt = layouts.parse(found["layout"]), _unbase64(found["salt"])
    return Format(
        f"{layout.text} in {inner.name}",
        inner.cost,
        lambda plain: inner.fits(layout.digest(plain, salt)),
    )


def wrapped(digest: Digest, inner: str) -> str:
    """Return the encoded form of a digest whose Argon2id hash is `inner`."""
    return f"{WRAPPED}{digest.layout.text}${base64(digest.salt)}{inner}"


def encoded(params: str, digest: bytes, kind: str = "id", version: int = _NEWEST) -> str:
    """Return a hash with a random salt and this digest."""
    shown = f"$v={version}" if version != _FIRST else ""
    return f"$argon2{kind}{shown}${params}${base64(os.urandom(SALT_BYTES))}${base64(digest)}"


def dummy(cost_class: str) -> str | None:
    """Return a hash of this class that no known password matches, or None for a class of another kind."""
    found = _CLASS.fullmatch(cost_class)
    if found is None:
        return None
    return encoded(
        found["params"], os.urandom(HASH_BYTES), found["type"] or "id", int(found["version"] or _NEWEST)
    )


def base64(raw: bytes) -> str:
    """Return base64 without padding, as in encoded hashes."""
    return b64encode(raw).decode().rstrip("=")


def _unbase64(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))


def _class(kind: str, version: int, memory: int, time: int, lanes: int) -> str:
    params = f"m={memory},t={time},p={lanes}"
    if version == _FIRST:
        return f"argon2{kind}-{_FIRST} {params}"
    return params if kind == "id" else f"argon2{kind} {params}"


def _fits(stored: bytes, plain: bytes, which: Type) -> bool:
    try:
        return verify_secret(stored, plain, which)
    except VerifyMismatchError:
        return False
    except (InvalidHashError, VerificationError) as error:
        raise HashRefused("an Argon2 hash that the library does not take") from error


def _whole(digest: str) -> bool:
    """Return whether a digest has a length that systems use."""
    if len(digest) % 4 == 1:
        return False
    raw = _unbase64(digest)
    return len(raw) >= _SHORTEST_DIGEST and not len(raw) % _DIGEST_STEP and base64(raw) == digest


def _is_cut(text: str) -> bool:
    """Return whether fields are missing at the end of a text that is no whole hash."""
    fields = text.split("$")[2:]
    needed = 4 if fields and fields[0].startswith("v") else 3
    usual = re.fullmatch(r"[A-Za-z0-9+/$=,]+", text) is not None
    return usual and (len(fields) < needed or not fields[-1])
