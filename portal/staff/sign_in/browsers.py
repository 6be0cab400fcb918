"""Marks of browsers in which a member signed in before: a stranger cannot use up the tries of these."""

from datetime import datetime, timedelta
from hmac import compare_digest
from secrets import token_hex

from portal.crypto.vault import WorkerVault

LIFETIME = timedelta(days=180)
NUMBER_LENGTH, MAC_LENGTH = 32, 64  # hexadecimal digits
_DAY = timedelta(days=1).total_seconds()


def mark(vault: WorkerVault, member_id: bytes, now: datetime) -> str:
    """Return a new mark of a browser in which a member has just signed in, for a cookie."""
    number, day = token_hex(NUMBER_LENGTH // 2), int(now.timestamp() // _DAY)
    return f"{number}-{day}-{_mac(vault, member_id, number, day)}"


def number_of(vault: WorkerVault, written: str, member_id: bytes, now: datetime) -> str:
    """Return the number of a browser that this member signed in with in the last half year, or nothing."""
    number, _dash, rest = written.partition("-")
    day, _dash, mac = rest.partition("-")
    if len(number) != NUMBER_LENGTH or len(mac) != MAC_LENGTH or not (day.isascii() and day.isdecimal()):
        return ""
    made = int(day[:9])
    if not compare_digest(mac.encode(), _mac(vault, member_id, number, made).encode()):
        return ""
    age = now.timestamp() - made * _DAY
    return number if age < LIFETIME.total_seconds() else ""


def _mac(vault: WorkerVault, member_id: bytes, number: str, day: int) -> str:
    return vault.row_mac("staff browser", member_id, number, day).hex()
