"""One-time codes (TOTP, RFC 6238): six digits, 30 seconds, SHA-1, which every authenticator app knows."""

import unicodedata
from base64 import b32encode
from datetime import datetime
from hmac import compare_digest
from secrets import token_bytes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyotp import TOTP

SECONDS = 30
SECRET_BYTES = 20
# Clocks of phones are wrong, and people type slowly: the code before and the one after are right, too.
AROUND = 1


def new_secret() -> str:
    """Return a random secret of 160 bits: 32 base32 characters."""
    return b32encode(token_bytes(SECRET_BYTES)).decode()


def step_at(now: datetime) -> int:
    """Return the number of the 30-second step of a time."""
    return int(now.timestamp()) // SECONDS


def matching_step(secret: str, typed: str, now: datetime) -> int | None:
    """Return the step around `now` whose code was typed, the nearest to it, or None."""
    code, totp, step = normalised(typed), _totp(secret), step_at(now)
    around = [step, *(step + sign * away for away in range(1, AROUND + 1) for sign in (-1, 1))]
    # Every one is compared, in one time each: how long it takes does not say which digits are right.
    right = [one for one in around if compare_digest(totp.generate_otp(one).encode(), code.encode())]
    return right[0] if right else None


def normalised(typed: str) -> str:
    """Return a typed code without spaces and hyphens, with ASCII digits in the place of any other digits."""
    kept = (one for one in typed if not one.isspace() and unicodedata.category(one) != "Pd")
    return "".join(str(unicodedata.digit(one, one)) for one in kept)


def uri(secret: str, organisation: str, label: str) -> str:
    """Return the address that an authenticator app reads; nothing in it says whose account it is."""
    return _totp(secret).provisioning_uri(name=label, issuer_name=organisation)


def _totp(secret: str) -> "TOTP":
    from pyotp import TOTP  # noqa: PLC0415 - commands that check no code start without it

    return TOTP(secret)
