"""Challenges that need no storage until they are answered.

A challenge is a random number, a random seed, the time, and a MAC under a key of the web process, which binds
it to what it is for, to the browser that asked and, where known, to the account. The number of an answered
one is stored, so that it is answered once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hmac import compare_digest
from os import urandom

from sqlalchemy.orm import Session

from portal.accounts.passkeys.models import SpentChallenge
from portal.core import db
from portal.crypto.vault import INDEX_BYTES, WebVault
from portal.crypto.webauthn import LIFETIME
from portal.runtime.turns import MOST_ROWS, delete_some

SEED_BYTES = 32
_TIME_BYTES = 8
_LENGTH = INDEX_BYTES + SEED_BYTES + _TIME_BYTES + INDEX_BYTES


class Purpose(StrEnum):
    """What a passkey is asked for. The values enter MACs: they stay."""

    SIGN_IN = "sign-in"
    SECOND = "second"
    CONFIRM = "confirm"
    RESET = "reset"
    ADD = "add"


class ChallengeInvalid(Exception):
    """The challenge is none of ours, too old, or was made for something else; never say which."""


@dataclass(frozen=True, repr=False)
class Asked:
    """For whom and what a challenge is. `browser` is a secret of the browser's session.

    `account_id` is empty where nobody is known yet. `context` binds it further, such as to a link.
    """

    purpose: Purpose
    browser: str
    account_id: bytes = b""
    context: str = ""


@dataclass(frozen=True, repr=False)
class Genuine:
    """The random number of a valid challenge, and its seed, which is stored nowhere."""

    number: bytes
    seed: bytes


def new(vault: WebVault, asked: Asked, now: datetime) -> bytes:
    """Return a new challenge."""
    content = urandom(INDEX_BYTES + SEED_BYTES) + int(now.timestamp()).to_bytes(_TIME_BYTES)
    return content + _mac(vault, asked, content)


def seed_of(challenge: bytes) -> bytes:
    """Return the seed of a challenge that was just made."""
    return challenge[INDEX_BYTES : INDEX_BYTES + SEED_BYTES]


def check(vault: WebVault, asked: Asked, challenge: bytes, now: datetime) -> Genuine:
    """Return the number and the seed of a challenge made for this. Raises ChallengeInvalid."""
    content, mac = challenge[:-INDEX_BYTES], challenge[-INDEX_BYTES:]
    if len(challenge) != _LENGTH or not compare_digest(mac, _mac(vault, asked, content)):
        raise ChallengeInvalid
    made_at = int.from_bytes(content[-_TIME_BYTES:])
    if now.timestamp() - made_at >= LIFETIME.total_seconds():
        raise ChallengeInvalid
    return Genuine(challenge[:INDEX_BYTES], seed_of(challenge))


def spend(session: Session, number: bytes, now: datetime) -> bool:
    """Note that a challenge was answered; return False if it was before. Of parallel calls, one is first."""
    ends_at = now.replace(minute=0, second=0, microsecond=0) + LIFETIME + timedelta(hours=1)
    inserted = session.execute(
        db.insert(session, SpentChallenge)
        .values(number=number, ends_at=ends_at)
        .on_conflict_do_nothing(index_elements=[SpentChallenge.number])
        .returning(SpentChallenge.number)
    )
    return inserted.first() is not None


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` challenges that have ended; return how many."""
    return delete_some(session, SpentChallenge, SpentChallenge.ends_at <= now, limit)


def _mac(vault: WebVault, asked: Asked, content: bytes) -> bytes:
    return vault.bucket(
        "passkey challenge",
        asked.purpose.value,
        asked.browser,
        asked.account_id.hex(),
        asked.context,
        content.hex(),
    )
