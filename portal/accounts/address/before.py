"""What protected an account before its address was changed, so that an undo removes what was added since."""

from base64 import b64decode, b64encode
from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.accounts.factors import service as factors
from portal.accounts.factors.models import FactorRemoval, OneTimeCode, RecoveryCode
from portal.accounts.passkeys.models import Passkey
from portal.core.db import ID_BYTES
from portal.crypto.vault import INDEX_BYTES, WorkerVault

_APP = "app before"
# Which passkeys (ids), which app (a keyed hash of its stored secret), which recovery codes (their keys).
PASSKEYS, APP, RECOVERY = "passkeys", "app", "recovery"


def take(session: Session, vault: WorkerVault, account_id: bytes) -> dict[str, str]:
    """Return which factors an account has; at most 700 bytes."""
    passkeys = session.scalars(select(Passkey.id).where(Passkey.account_id == account_id))
    recovery = session.scalars(select(RecoveryCode.key).where(RecoveryCode.account_id == account_id))
    return {
        PASSKEYS: b64encode(b"".join(sorted(passkeys))).decode(),
        APP: _app(session, vault, account_id),
        RECOVERY: b64encode(b"".join(sorted(recovery))).decode(),
    }


def remove_later(session: Session, vault: WorkerVault, account_id: bytes, had: Mapping[str, str]) -> None:
    """Remove every factor that an account did not have then, and end a removal that is under way.

    What was removed since does not come back: nothing of it is kept.
    """
    passkeys, recovery = _parts(had[PASSKEYS], ID_BYTES), _parts(had[RECOVERY], INDEX_BYTES)
    session.execute(delete(Passkey).where(Passkey.account_id == account_id, Passkey.id.not_in(passkeys)))
    session.execute(
        delete(RecoveryCode).where(RecoveryCode.account_id == account_id, RecoveryCode.key.not_in(recovery))
    )
    if _app(session, vault, account_id) != had[APP]:
        session.execute(delete(OneTimeCode).where(OneTimeCode.account_id == account_id))
    session.execute(delete(FactorRemoval).where(FactorRemoval.account_id == account_id))
    factors.after_removal(session, account_id)


def _app(session: Session, vault: WorkerVault, account_id: bytes) -> str:
    """Return a keyed hash of the app's secret as it is stored: with each new app it is another."""
    stored = session.scalar(select(OneTimeCode.secret).where(OneTimeCode.account_id == account_id))
    return vault.list_index(_APP, stored.hex()).hex() if stored is not None else ""


def _parts(packed: str, size: int) -> list[bytes]:
    raw = b64decode(packed)
    return [raw[start : start + size] for start in range(0, len(raw), size)]
