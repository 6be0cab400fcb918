"""PBKDF2 and scrypt, as Django, Werkzeug, passlib and LDAP servers write them.

libpass takes apart what passlib knows; Werkzeug's own function would bring Werkzeug into the worker. All of
them compute with hashlib.
"""

import hashlib
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from hmac import compare_digest

from portal.crypto.formats.cost import Cost, Format, rounded
from portal.crypto.formats.handlers import handler
from portal.crypto.formats.refusal import CutShort, HashRefused

_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}
_LDAP = re.compile(r"\{PBKDF2(?:-(SHA(?:1|256|512)))?\}", re.IGNORECASE)
_WERKZEUG = re.compile(
    r"(?:pbkdf2:(?P<algorithm>sha1|sha256|sha512):(?P<rounds>\d{1,9})"
    r"|scrypt:(?P<n>\d{1,9}):(?P<r>\d{1,4}):(?P<p>\d{1,4}))\$(?P<salt>[^$]*)\$(?P<value>[0-9a-f]*)",
    re.ASCII,
)
_DJANGO_SCRYPT = re.compile(
    r"scrypt\$(?P<n>\d{1,9})\$(?P<salt>[^$]+)\$(?P<r>\d{1,4})\$(?P<p>\d{1,4})\$(?P<value>[\w+/=]*)", re.ASCII
)
_SCRYPT_BYTES = 64
_KIB = 1024
_ATLASSIAN_ROUNDS = 10_000
_P5K2 = "$p5k2$"
_P5K2_OTHER = ("dlitz_pbkdf2_sha1", "sha1", "PBKDF2 (dlitz)", 32)
_P5K2_OTHER_DIGEST = 32
_BYTES = {"atlassian_pbkdf2_sha1": 32, "dlitz_pbkdf2_sha1": 24}
# By prefix: passlib's handler, the algorithm, a name for people, and the characters of a whole digest.
_PASSLIB = {
    "pbkdf2_sha256$": ("django_pbkdf2_sha256", "sha256", "PBKDF2 (Django)", 44),
    "pbkdf2_sha1$": ("django_pbkdf2_sha1", "sha1", "PBKDF2 (Django)", 28),
    "$pbkdf2$": ("pbkdf2_sha1", "sha1", "PBKDF2 (passlib)", 27),
    "$pbkdf2-sha1$": ("pbkdf2_sha1", "sha1", "PBKDF2 (passlib)", 27),
    "$pbkdf2-sha256$": ("pbkdf2_sha256", "sha256", "PBKDF2 (passlib)", 43),
    "$pbkdf2-sha512$": ("pbkdf2_sha512", "sha512", "PBKDF2 (passlib)", 86),
    "$scrypt$": ("scrypt", "", "scrypt (passlib)", 43),
    "{PKCS5S2}": ("atlassian_pbkdf2_sha1", "sha1", "PBKDF2 (Atlassian)", 64),
    "grub.pbkdf2.sha512.": ("grub_pbkdf2_sha512", "sha512", "PBKDF2 (GRUB)", 128),
    _P5K2: ("cta_pbkdf2_sha1", "sha1", "PBKDF2 (cryptacular)", 32),
    "$7$": ("scrypt", "", "scrypt (libxcrypt)", 43),
}
PREFIXES = (*_PASSLIB, "pbkdf2:", "scrypt:", "scrypt$")


def read(text: str) -> Format:
    """Return what an encoded hash is. Raises HashRefused, CutShort."""
    if text.startswith(("pbkdf2:", "scrypt:")):
        return _read_own(text, _WERKZEUG.fullmatch(text), "Werkzeug", bytes.fromhex)
    if text.startswith("scrypt$"):
        return _read_own(text, _DJANGO_SCRYPT.fullmatch(text), "Django", b64decode)
    prefix = next(one for one in _PASSLIB if text.startswith(one))
    which, algorithm, name, digest_chars = _PASSLIB[prefix]
    if prefix == _P5K2 and len(text.rpartition("$")[2]) == _P5K2_OTHER_DIGEST:
        which, algorithm, name, digest_chars = _P5K2_OTHER
    return _read_passlib(text.replace("$pbkdf2-sha1$", "$pbkdf2$"), which, algorithm, name, digest_chars)


def of_ldap(text: str) -> str:
    """Return a hash of an LDAP server as passlib writes it."""
    found = _LDAP.match(text)
    if found is None:
        return text
    algorithm = f"-{found[1].lower()}" if found[1] else ""
    return f"$pbkdf2{algorithm}${text[found.end() :]}"


def pbkdf2_cost(algorithm: str, rounds: int) -> Cost:
    """Return the cost of a derived key as long as the algorithm's digest."""
    return Cost(f"pbkdf2-{algorithm}", f"pbkdf2-{algorithm} {rounded(rounds)}", rounds)


def scrypt_cost(n: int, r: int, p: int) -> Cost:
    """Return the cost of scrypt with its three numbers."""
    return Cost("scrypt", f"scrypt {n}:{r}:{p}", n * r * p, (n + p) * r * 128 // _KIB)


def dummy(cost_class: str) -> str | None:
    """Return a hash of this class that no known password matches, or None for a class of another kind."""
    kind, _, numbers = cost_class.partition(" ")
    salt = os.urandom(8).hex()
    if kind == "scrypt":
        return f"scrypt:{numbers}${salt}${os.urandom(_SCRYPT_BYTES).hex()}"
    if kind.startswith("pbkdf2-"):
        algorithm = kind.partition("-")[2]
        return f"pbkdf2:{algorithm}:{numbers}${salt}${os.urandom(_SIZES[algorithm]).hex()}"
    return None


def make_werkzeug(method: str, plain: bytes) -> str:
    """Return a new hash as Werkzeug writes it, for a method like `pbkdf2:sha256:1000000`."""
    salt = os.urandom(8).hex()
    kind, *numbers = method.split(":")
    if kind == "scrypt":
        n, r, p = map(int, numbers)
        value = _scrypt(plain, salt.encode(), n, r, p)
    else:
        value = hashlib.pbkdf2_hmac(numbers[0], plain, salt.encode(), int(numbers[1]))
    return f"{method}${salt}${value.hex()}"


def make_django_scrypt(n: int, r: int, p: int, plain: bytes) -> str:
    """Return a new hash as Django's ScryptPasswordHasher writes it."""
    salt = os.urandom(11).hex()
    value = b64encode(_scrypt(plain, salt.encode(), n, r, p)).decode()
    return f"scrypt${n}${salt}${r}${p}${value}"


def make_passlib(name: str, rounds: int, plain: bytes) -> str:
    """Return a new hash by a handler of passlib."""
    made: str = handler(name).using(rounds=rounds).hash(plain)
    return made


def _read_own(text: str, found: re.Match[str] | None, of: str, decode: Callable[[str], bytes]) -> Format:
    name = f"{'scrypt' if text.startswith('scrypt') else 'PBKDF2'} ({of})"
    if found is None:
        raise _malformed(text, name, 40)
    parts = found.groupdict()
    algorithm = parts.get("algorithm")
    size = _SIZES[algorithm] if algorithm else _SCRYPT_BYTES
    try:
        value = decode(parts["value"])
    except ValueError:
        value = b""
    if len(value) < size:
        raise CutShort(f"{name}, cut short")
    if len(value) > size:
        raise HashRefused(f"{name} with a digest of another length")
    salt = parts["salt"].encode()
    if algorithm:
        rounds = int(parts["rounds"])
        if not rounds:
            raise HashRefused(f"{name} with no rounds")
        return Format(
            name,
            pbkdf2_cost(algorithm, rounds),
            lambda plain: compare_digest(hashlib.pbkdf2_hmac(algorithm, plain, salt, rounds), value),
        )
    n, r, p = (int(parts[part]) for part in "nrp")
    _check_scrypt(name, n, r, p)
    return Format(
        name, scrypt_cost(n, r, p), lambda plain: compare_digest(_scrypt(plain, salt, n, r, p), value)
    )


def _read_passlib(text: str, which: str, algorithm: str, name: str, digest_chars: int) -> Format:
    taken = handler(which)
    try:
        read = taken.from_string(text)
    except (ValueError, TypeError, OverflowError):
        raise _malformed(text, name, digest_chars) from None
    if read.checksum is None:
        raise CutShort(f"{name}, cut short")
    if algorithm:
        # A longer key than the digest is derived in several blocks, of all rounds each.
        blocks = -(-_BYTES.get(which, 0) // _SIZES[algorithm]) or 1
        cost = pbkdf2_cost(algorithm, getattr(read, "rounds", _ATLASSIAN_ROUNDS) * blocks)
    else:
        # passlib keeps the exponent.
        _check_scrypt(name, 1 << min(read.rounds, 40), read.block_size, read.parallelism)
        cost = scrypt_cost(1 << read.rounds, read.block_size, read.parallelism)
    return Format(name, cost, lambda plain: bool(taken.verify(plain, text)))


def _malformed(text: str, name: str, digest_chars: int) -> HashRefused:
    last = re.split(r"[$:}.]" if "grub" in text else r"[$:}]", text)[-1]
    if len(last) < digest_chars and re.fullmatch(r"[\w+./$:=,{}-]*", text, re.ASCII):
        return CutShort(f"{name}, cut short")
    return HashRefused(f"{name}, but not as it is usually written")


def _check_scrypt(name: str, n: int, r: int, p: int) -> None:
    if n < 2 or n & (n - 1) or not (r and p) or r * p >= 1 << 30:  # noqa: PLR2004 - RFC 7914, 2
        raise HashRefused(f"{name} with numbers that scrypt does not allow")


def _scrypt(plain: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    memory = 128 * r * (n + p + 2)
    return hashlib.scrypt(plain, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=_SCRYPT_BYTES)
