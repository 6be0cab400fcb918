"""The device cookie: by it a browser that signed in before is told from strangers who guess.

It holds a random number and, for each account that signed in here, a keyed hash of that number, the account
and the account's version. It signs nobody in, names nobody, and is worth nothing once the password has
changed.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hmac import compare_digest
from os import urandom

from portal.kit.vault import INDEX_BYTES, WebVault

NUMBER_BYTES = 16
MOST_ACCOUNTS = 5
LIFETIME_SECONDS = 400 * 24 * 3600  # the longest that browsers keep a cookie

# A name, and what its user agent says; the first that fits. No version and no model: an owner tells devices
# apart, and nobody else learns much.
_BROWSERS = (
    ("Edge", "Edg"),
    ("Opera", "OPR/"),
    ("Samsung Internet", "SamsungBrowser/"),
    ("Firefox", "Firefox/"),
    ("Firefox", "FxiOS/"),
    ("Chrome", "Chrome/"),
    ("Chrome", "CriOS/"),
    ("Safari", "Safari/"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac", "Macintosh"),
    ("ChromeOS", "CrOS"),
    ("Linux", "Linux"),
)


def known_number(vault: WebVault, cookie: str | None, account: bytes, version: int) -> str | None:
    """Return the device's number where this account signed in on it at this version, else None."""
    number, proofs = _parse(cookie)
    genuine = _proof(vault, number, account, version)
    found = [compare_digest(proof, genuine) for proof in proofs]
    return number.hex() if any(found) else None


def remembering(vault: WebVault, cookie: str | None, account: bytes, version: int) -> str:
    """Return the cookie that a browser gets when the account signs in; it keeps the latest five."""
    number, proofs = _parse(cookie)
    if not proofs:
        number = urandom(NUMBER_BYTES)
    proof = _proof(vault, number, account, version)
    kept = [other for other in proofs if not compare_digest(other, proof)]
    return urlsafe_b64encode(number + b"".join([*kept, proof][-MOST_ACCOUNTS:])).decode()


def describe(user_agent: str) -> str:
    """Return browser and system as `Firefox/Android`, either of them empty where it is not a usual one."""
    browser = next((name for name, sign in _BROWSERS if sign in user_agent), "")
    system = next((name for name, sign in _SYSTEMS if sign in user_agent), "")
    return f"{browser}/{system}"


def _parse(cookie: str | None) -> tuple[bytes, list[bytes]]:
    """Return the number and the proofs of a cookie; one that we did not make has none."""
    try:
        raw = urlsafe_b64decode(cookie or "")
    except (Error, ValueError):
        raw = b""
    most = NUMBER_BYTES + MOST_ACCOUNTS * INDEX_BYTES
    if not NUMBER_BYTES + INDEX_BYTES <= len(raw) <= most or (len(raw) - NUMBER_BYTES) % INDEX_BYTES:
        return bytes(NUMBER_BYTES), []
    rest = raw[NUMBER_BYTES:]
    return raw[:NUMBER_BYTES], [rest[i : i + INDEX_BYTES] for i in range(0, len(rest), INDEX_BYTES)]


def _proof(vault: WebVault, number: bytes, account: bytes, version: int) -> bytes:
    return vault.bucket("known device", number.hex(), account.hex(), str(version))
