"""Layouts of plain digests, which nothing in a digest tells: what was digested, and in which order.

An operator declares one: `sha1(salt+password)`, `md5(md5(password)+salt)`, `hmac-sha256(salt,password)`.
Digests inside are lower-case hexadecimal, as PHP and others write them.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
MAX_LAYOUT = 100
_TOKEN = re.compile(r"(hmac-)?(md5|sha(?:1|224|256|384|512))\(|(salt|password)|([+,)])")
_DEEPEST = 3
_Part = Callable[[bytes, bytes], bytes]  # of a password and a salt


@dataclass(frozen=True)
class Layout:
    """What a digest was made of. `text` is its canonical form, `size` its length in bytes."""

    text: str
    size: int
    salted: bool
    digest: _Part


@dataclass(frozen=True, repr=False)
class Digest:
    """A digest of a password with its layout and salt."""

    layout: Layout
    salt: bytes
    value: bytes

    def fits(self, plain: bytes) -> bool:
        """Return whether a password has this digest."""
        return hmac.compare_digest(self.layout.digest(plain, self.salt), self.value)


def parse(text: str) -> Layout:
    """Return the layout of a text. Raises ValueError, with what is wrong, for the operator."""
    reader = _Reader("".join(text.lower().split()))
    algorithm, whole = reader.digest(0)
    if reader.rest:
        raise ValueError(f"nothing may follow its last bracket: '{reader.rest[:20]}'")
    if "password" not in reader.text:
        raise ValueError("it must contain the password, as in sha1(salt+password)")
    return Layout(reader.text, hashlib.new(algorithm).digest_size, "salt" in reader.text, whole)


class _Reader:
    """Reads a layout from left to right."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LAYOUT:
            raise ValueError(f"at most {MAX_LAYOUT} characters")
        self.text = self.rest = text

    def _take(self) -> re.Match[str]:
        found = _TOKEN.match(self.rest)
        if found is None:
            raise ValueError(
                "write it like sha1(salt+password), of md5, sha1, sha224, sha256, sha384, sha512, salt, "
                f"password, + and brackets; not '{self.rest[:20]}'"
            )
        self.rest = self.rest[found.end() :]
        return found

    def digest(self, depth: int) -> tuple[str, _Part]:
        """Read one digest; return its algorithm and itself."""
        found = self._take()
        if found[2] is None or depth == _DEEPEST:
            raise ValueError(
                "it must be a digest, as in sha1(salt+password), with at most two inside another"
            )
        return found[2], self._hmac(found[2], depth) if found[1] else self._plain(found[2], depth)

    def _part(self, depth: int) -> _Part:
        if word := re.match("salt|password", self.rest):
            self.rest = self.rest[word.end() :]
            return _salt if word[0] == "salt" else _password
        _, inner = self.digest(depth + 1)
        return lambda password, salt: inner(password, salt).hex().encode()

    def _plain(self, algorithm: str, depth: int) -> _Part:
        parts = [self._part(depth)]
        while (mark := self._take()[0]) == "+":
            parts.append(self._part(depth))
        _expect(mark, ")")
        return lambda password, salt: hashlib.new(
            algorithm, b"".join(part(password, salt) for part in parts)
        ).digest()

    def _hmac(self, algorithm: str, depth: int) -> _Part:
        key = self._part(depth)
        _expect(self._take()[0], ",")
        message = self._part(depth)
        _expect(self._take()[0], ")")
        return lambda password, salt: hmac.digest(key(password, salt), message(password, salt), algorithm)


def _expect(found: str, mark: str) -> None:
    if found != mark:
        raise ValueError(f"'{mark}' is missing before '{found}'")


def _salt(_: bytes, salt: bytes) -> bytes:
    return salt


def _password(password: bytes, _: bytes) -> bytes:
    return password
