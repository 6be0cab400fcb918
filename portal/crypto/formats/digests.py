"""Fast digests: those of LDAP servers, which say how they were made, and plain ones of a declared layout."""

import os
import re
from base64 import b64decode, b64encode
from binascii import Error

from portal.crypto.formats import layouts
from portal.crypto.formats.cost import FREE, Cost, Format
from portal.crypto.formats.layouts import Digest, Layout
from portal.crypto.formats.refusal import CutShort, HashRefused

MAX_SALT = 64
_LDAP = re.compile(r"\{(S?)(MD5|SHA)-?(1|224|256|384|512)?\}([A-Za-z0-9+/]*={0,2})", re.IGNORECASE)
_HEX = re.compile(r"(?:0x|\\x)?([0-9a-fA-F]+)", re.ASCII)
_NAMED = re.compile(r"(?:md5|sha(?:1|224|256|384|512))\$", re.ASCII)
_COST = Cost(FREE, "digest", 0)


def read_ldap(text: str) -> Format | None:
    """Return what a hash in braces is, like {SSHA}, or None if it is none of these. Raises CutShort."""
    found = _LDAP.fullmatch(text)
    if found is None:
        return None
    salted, family, size, value = found.groups()
    algorithm = family.lower() + (size or ("1" if family.upper() == "SHA" else ""))
    if algorithm not in layouts.ALGORITHMS:
        return None
    layout = layouts.parse(f"{algorithm}(password{'+salt' if salted else ''})")
    name = text[: text.index("}") + 1].upper()
    try:
        raw = b64decode(value, validate=True)
    except Error:
        raise CutShort(f"{name}, cut short") from None
    if len(raw) < layout.size + bool(salted):
        raise CutShort(f"{name}, cut short")
    if len(raw) > layout.size + (MAX_SALT if salted else 0):
        raise HashRefused(f"{name} with a digest of another length")
    return _format(name, Digest(layout, raw[layout.size :], raw[: layout.size]))


def read_plain(text: str, layout: Layout) -> Format:
    """Return what a plain digest of a declared layout is. Raises HashRefused.

    The salt stands before or behind the hexadecimal digest, divided by a colon or dollar sign. The digest's
    algorithm may stand before the salt: `sha1$salt$digest`.
    """
    text = _NAMED.sub("", text, count=1)
    chars = 2 * layout.size
    splits = [("", text)]
    for mark in ":$":
        splits += [text.rpartition(mark)[::2], text.partition(mark)[::-2]] if mark in text else []
    fitting = {
        (salt, found[1].lower())
        for salt, value in splits
        if (found := _HEX.fullmatch(value)) and len(found[1]) == chars
    }
    if not fitting:
        raise HashRefused(f"not the digest that --digest '{layout.text}' declares")
    if len(fitting) > 1:
        raise HashRefused("salt and digest look alike: nothing tells which is which")
    ((salt, value),) = fitting
    if bool(salt) != layout.salted:
        raise HashRefused(
            f"--digest '{layout.text}' declares {'a' if layout.salted else 'no'} salt, and this hash has "
            f"{'none' if layout.salted else 'one'}"
        )
    if len(salt.encode()) > MAX_SALT:
        raise HashRefused(f"a salt of more than {MAX_SALT} bytes")
    return _format(layout.text, Digest(layout, salt.encode(), bytes.fromhex(value)))


def dummy() -> str:
    """Return a digest that no known password matches."""
    return "{SHA256}" + b64encode(os.urandom(32)).decode()


def _format(name: str, digest: Digest) -> Format:
    return Format(name, _COST, digest.fits, digest)
