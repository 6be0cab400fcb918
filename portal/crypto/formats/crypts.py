"""md5crypt, sha256crypt, sha512crypt and phpass: libpass computes them in Python, in a process of its own."""

import os
import re
from typing import Any

from portal.crypto.formats import children
from portal.crypto.formats.cost import Cost, Format, rounded
from portal.crypto.formats.handlers import handler
from portal.crypto.formats.refusal import CutShort, HashRefused

_CHARS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MD5_ROUNDS = 1000
# By prefix: passlib's handler, the kind of cost, and the characters of a whole last field.
_KNOWN = {
    "$1$": ("md5_crypt", "md5-crypt", 22),
    "$apr1$": ("apr_md5_crypt", "md5-crypt", 22),
    "$5$": ("sha256_crypt", "sha256-crypt", 43),
    "$6$": ("sha512_crypt", "sha512-crypt", 86),
    "$P$": ("phpass", "phpass", 31),
    "$H$": ("phpass", "phpass", 31),
}
PREFIXES = tuple(_KNOWN)
_NAMES = {
    "md5-crypt": "md5crypt",
    "sha256-crypt": "sha256crypt",
    "sha512-crypt": "sha512crypt",
    "phpass": "phpass",
}


def read(text: str) -> Format:
    """Return what an encoded hash is. Raises HashRefused, CutShort."""
    prefix = next(one for one in PREFIXES if text.startswith(one))
    which, kind, digest_chars = _KNOWN[prefix]
    name = _NAMES[kind]
    taken = handler(which)
    try:
        read = taken.from_string(text)
        # libpass takes a phpass hash of any length.
        whole = read.checksum is not None and len(text.rpartition("$")[2]) == digest_chars
    except (ValueError, TypeError, IndexError):
        last = text.rpartition("$")[2]
        if len(last) >= digest_chars or not re.fullmatch(r"[\w./$=]*", text, re.ASCII):
            raise HashRefused(f"{name}, but not as it is usually written") from None
        whole = False
    if not whole:
        raise CutShort(f"{name}, cut short")
    return Format(name, _cost(kind, read), lambda plain: children.verify(which, text, plain))


def dummy(cost_class: str) -> str | None:
    """Return a hash of this class that no known password matches, or None for a class of another kind."""
    kind, _, rounds = cost_class.partition(" ")
    if kind == "phpass":
        return f"$P${_CHARS[int(rounds).bit_length() - 1]}{_random(30)}"
    if kind == "md5-crypt":
        return f"$1${_random(8)}${_random(21)}."
    if kind in ("sha256-crypt", "sha512-crypt"):
        ident, chars, last = (5, 42, "1") if kind == "sha256-crypt" else (6, 85, "1")
        return f"${ident}$rounds={rounds}${_random(16)}${_random(chars)}{last}"
    return None


def make(name: str, plain: bytes, **settings: object) -> str:
    """Return a new hash by a handler of passlib, made in the other process."""
    return children.make(name, plain, settings)


def _cost(kind: str, read: Any) -> Cost:
    if kind == "phpass":
        rounds = 1 << read.rounds
    elif kind == "md5-crypt":
        rounds = _MD5_ROUNDS
    else:
        rounds = read.rounds
    return Cost(kind, f"{kind} {rounded(rounds) if kind != 'phpass' else rounds}", rounds)


def _random(chars: int) -> str:
    return "".join(_CHARS[byte % 64] for byte in os.urandom(chars))
