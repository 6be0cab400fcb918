"""Which second factors an account has, and whether what somebody gives for one is right.

Every try is counted before it is checked, in the same transaction: a check is too quick to be worth a hash
slot, and parallel tries wait for each other at the count.
"""

import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.orm import Session

from portal.accounts import lockout
from portal.accounts import service as sessions
from portal.accounts.activity import service as activity
from portal.accounts.factors import proofs
from portal.accounts.factors.models import FactorRemoval, OneTimeCode, RecoveryCode
from portal.accounts.factors.proofs import Purpose
from portal.accounts.lockout import Bucket, Lockout
from portal.accounts.models import FailureCount
from portal.accounts.passkeys.models import Passkey
from portal.core import db
from portal.core.clock import start_of_day
from portal.crypto import tokens, totp
from portal.crypto.vault import Cell, VaultError, WebVault
from portal.identity import state
from portal.identity.account import REPORTED, Account
from portal.identity.models import AccountState

RECOVERY_CODES = 10
# 16 base32 characters: nobody guesses these, so no lockout applies to them.
RECOVERY_BYTES = 10
LONGEST_TYPED = 60
_SECRET_SIZES = (64,)
_SECRETS = "portal one-time code secrets"


class Kind(Enum):
    """A kind of second factor."""

    PASSKEY = "passkey"
    CODE = "code"
    RECOVERY = "recovery"


class From(Enum):
    """Where a factor is asked for; each has its own count of wrong codes, 100 together.

    A stranger who has the password must not use up the tries of a browser that the account knows or that is
    signed in, and neither must somebody who only opened a mailed link.
    """

    STRANGER = "stranger"
    DEVICE = "device"
    LINK = "link"


_BUCKETS: dict[From, Bucket] = {
    From.STRANGER: FailureCount.strangers,
    From.DEVICE: FailureCount.devices,
    From.LINK: FailureCount.sessions,
}


# One statement, built once: every sign-in asks.
_COUNTED = (Kind.PASSKEY, Kind.CODE, Kind.RECOVERY)
_KINDS = select(
    *(
        exists().where(table.account_id == bindparam("account"))
        for table in (Passkey, OneTimeCode, RecoveryCode)
    )
)


class Answer(Enum):
    """What became of a try. CLOSED: too many wrong codes; recovery codes and passkeys still work.

    CLOSES: a wrong code, and the last that is checked.
    """

    RIGHT = "right"
    WRONG = "wrong"
    CLOSES = "closes"
    CLOSED = "closed"


@dataclass(frozen=True)
class Factors:
    """What the owner sees of an account's factors; the times are days."""

    code_added: datetime | None = None
    code_used: datetime | None = None
    recovery_left: int = 0


def kinds(session: Session, account_id: bytes) -> frozenset[Kind]:
    """Return the kinds of second factor that an account has. Ask only after the password was right.

    A row that was tampered with counts: it fits nothing, but it is not a way around.
    """
    found = session.execute(_KINDS, {"account": account_id}).one()
    return frozenset(kind for kind, has in zip(_COUNTED, found, strict=True) if has)


def link_is_enough(
    session: Session, store: str, account: Account, link: bytes, token: str | None, now: datetime
) -> bool:
    """Return whether a mailed link may change an account's password: it needs no factor, or was given one.

    `link` is the id of the link's reply, `token` that of the proof which this browser got for it.
    """
    if not kinds(session, account.id):
        return True
    proved = proofs.find(session, store, Purpose.RESET, token, now) if token else None
    return proved is not None and (proved.account.id, proved.bound_to) == (account.id, link)


def factors_of(session: Session, account_id: bytes) -> Factors:
    """Return what the owner sees of an account's codes."""
    row = session.execute(
        select(OneTimeCode.added_on, OneTimeCode.used_on).where(OneTimeCode.account_id == account_id)
    ).first()
    mine = RecoveryCode.account_id == account_id
    left = session.scalar(select(func.count()).select_from(RecoveryCode).where(mine)) or 0
    return Factors(row.added_on if row else None, row.used_on if row else None, left)


def add_code(
    session: Session, vault: WebVault, account: Account, secret: str, typed: str, now: datetime
) -> bool:
    """Store the secret of an authenticator app, confirmed by its first code; return False if that is wrong.

    It takes the place of an earlier one.
    """
    step = totp.matching_step(secret, typed, now)
    if step is None:
        return False
    values: dict[str, Any] = {
        "secret": vault.encrypt_own(_SECRETS, _cell(account.id), secret.encode(), _SECRET_SIZES),
        "last_step": _step_key(vault, account.id, step),
        "added_on": start_of_day(now),
        "used_on": None,
    }
    session.execute(
        db.insert(session, OneTimeCode)
        .values(account_id=account.id, **values)
        .on_conflict_do_update(index_elements=[OneTimeCode.account_id], set_=values)
    )
    _end_proofs(session, account.id)
    return True


def remove_code(session: Session, account_id: bytes) -> bool:
    """Remove the authenticator app of an account; return whether it had one.

    Recovery codes only replace another factor: they go with the last one.
    """
    removed = session.execute(
        delete(OneTimeCode).where(OneTimeCode.account_id == account_id).returning(OneTimeCode.account_id)
    ).first()
    after_removal(session, account_id)
    return removed is not None


def remove_recovery_codes(session: Session, account_id: bytes) -> bool:
    """Remove an account's recovery codes; return whether it had any."""
    removed = delete(RecoveryCode).where(RecoveryCode.account_id == account_id).returning(RecoveryCode.key)
    had = bool(session.execute(removed).all())
    _end_proofs(session, account_id)
    return had


def after_addition(session: Session, account_id: bytes) -> None:
    """End what was proved with fewer factors: every browser of the account proves it anew."""
    _end_proofs(session, account_id)


def after_removal(session: Session, account_id: bytes) -> None:
    """End what was proved with a factor that is gone, and remove recovery codes that replace no other."""
    if kinds(session, account_id) <= {Kind.RECOVERY}:
        session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    _end_proofs(session, account_id)


def remove_all(session: Session, account_id: bytes) -> None:
    """Remove every factor of an account, and end what was proved with them."""
    session.execute(delete(OneTimeCode).where(OneTimeCode.account_id == account_id))
    session.execute(delete(Passkey).where(Passkey.account_id == account_id))
    session.execute(delete(FactorRemoval).where(FactorRemoval.account_id == account_id))
    after_removal(session, account_id)


def make_recovery_codes(session: Session, vault: WebVault, account_id: bytes) -> list[str]:
    """Make ten recovery codes in the place of the former ones, and return them; they are stored nowhere."""
    made = [
        b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _number in range(RECOVERY_CODES)
    ]
    state.get_many(session, [account_id], for_update=True)  # of two at once, one replaces the other's
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    rows = [{"key": _recovery_key(vault, account_id, code), "account_id": account_id} for code in made]
    db.insert_many(session, RecoveryCode, sorted(rows, key=lambda row: row["key"]))
    return made


def are_recovery_codes(session: Session, vault: WebVault, account_id: bytes, typed: list[str]) -> bool:
    """Return whether these are unused recovery codes of an account, for the file that it downloads."""
    keys = {_recovery_key(vault, account_id, code) for code in typed}
    found = select(func.count()).where(RecoveryCode.key.in_(keys), RecoveryCode.account_id == account_id)
    return bool(keys) and session.scalar(found) == len(keys) == len(typed)


def check(
    session: Session, vault: WebVault, account: Account, kind: Kind, typed: str, come: From, now: datetime
) -> Answer:
    """Count a try at a code or a recovery code, and return whether it is right; what is right is used up.

    Commit it whatever the answer.
    """
    typed = typed[:LONGEST_TYPED]
    if kind is Kind.RECOVERY:
        right = _use_recovery_code(session, vault, account.id, typed)
        if right:
            used(session, vault, account.id, now)
        return Answer.RIGHT if right else Answer.WRONG
    bucket = _BUCKETS[come]
    counts = Lockout(vault.bucket("second step", account.id.hex()), account.version)
    left = lockout.count(session, vault, counts, bucket, now)
    if left is None:
        return Answer.CLOSED
    if not _use_code(session, vault, account.id, typed, now):
        return Answer.WRONG if left else Answer.CLOSES
    lockout.clear(session, vault, counts, bucket)
    used(session, vault, account.id, now)
    return Answer.RIGHT


def used(session: Session, vault: WebVault, account_id: bytes, now: datetime) -> None:
    """Note that a factor was right: not all of them are lost, so their removal ends, and its owner is told.

    It may be a thief's factor that ends its owner's removal. The mail says so, with the link that locks; and
    after a report no factor ends a removal any more, but a new password and the mailed stop do.
    """
    reported = select(AccountState.id).where(
        AccountState.id == account_id, AccountState.reset_reason == REPORTED
    )
    ended = session.execute(
        delete(FactorRemoval)
        .where(FactorRemoval.account_id == account_id, ~reported.exists())
        .returning(FactorRemoval.account_version, FactorRemoval.ends_at)
    ).first()
    if ended is None or ended.ends_at <= now:
        return
    account = state.get(session, account_id)
    if account is not None and account.version == ended.account_version:
        kind = activity.Kind.REMOVAL_ENDED
        activity.tell(session, vault, account_id, kind, now, device="", language="")


def _use_code(session: Session, vault: WebVault, account_id: bytes, typed: str, now: datetime) -> bool:
    stored = session.scalar(select(OneTimeCode.secret).where(OneTimeCode.account_id == account_id))
    if stored is None:
        return False
    try:
        secret = vault.decrypt_own(_SECRETS, _cell(account_id), stored).decode()
    except VaultError:
        return False
    step = totp.matching_step(secret, typed, now)
    if step is None:
        return False
    # A step that was used is behind, at or, because clocks differ, at most two steps ahead of this one.
    used = [_step_key(vault, account_id, step + ahead) for ahead in range(2 * totp.AROUND + 1)]
    result = session.execute(
        update(OneTimeCode)
        .where(
            OneTimeCode.account_id == account_id,
            OneTimeCode.secret == stored,
            OneTimeCode.last_step.not_in(used),
        )
        .values(last_step=used[0], used_on=start_of_day(now))
        .returning(OneTimeCode.account_id)
    )
    return result.first() is not None


def _use_recovery_code(session: Session, vault: WebVault, account_id: bytes, typed: str) -> bool:
    mine = (RecoveryCode.key == _recovery_key(vault, account_id, typed)) & (
        RecoveryCode.account_id == account_id
    )
    return session.execute(delete(RecoveryCode).where(mine).returning(RecoveryCode.key)).first() is not None


def _end_proofs(session: Session, account_id: bytes) -> None:
    proofs.end_all(session, account_id)
    sessions.unprove(session, account_id)


def _recovery_key(vault: WebVault, account_id: bytes, typed: str) -> bytes:
    return vault.bucket("recovery code", account_id.hex(), tokens.normalise_code(typed))


def _step_key(vault: WebVault, account_id: bytes, step: int) -> bytes:
    return vault.bucket("one-time code step", account_id.hex(), str(step))


def _cell(account_id: bytes) -> Cell:
    return Cell("one_time_codes", "secret", account_id)
