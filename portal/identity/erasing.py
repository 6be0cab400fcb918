"""Erase an account, or, of one in a store of the company's, what the portal keeps of its owner."""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.crypto.vault import WorkerVault
from portal.identity import unchecked
from portal.identity.builtin import costs, hashes, references
from portal.identity.builtin.hashes import FINGERPRINT
from portal.identity.builtin.models import AccountRow
from portal.identity.models import AccountState


def erase(session: Session, vault: WorkerVault, account_id: bytes) -> None:
    """Remove an account of the builtin store, with its references and its place in the counts of costs."""
    fingerprint = session.scalar(select(FINGERPRINT))
    stored = session.scalar(select(AccountRow.password_hash).where(AccountRow.id == account_id))
    if stored is not None:
        costs.went(session, hashes.decrypt(vault, account_id, stored, fingerprint))
    references.forget(session, vault, account_id)
    session.execute(delete(AccountRow).where(AccountRow.id == account_id))
    session.execute(delete(AccountState).where(AccountState.id == account_id))
    unchecked.forget(session, account_id)


def forget_owner(session: Session, account_id: bytes) -> None:
    """Forget who has an account of a store of the company's, and what they did.

    The row stays, without address and name: its version ends every link that was mailed, and what it says of
    a required reset keeps the stolen password from being chosen again.
    """
    session.execute(
        update(AccountState)
        .where(AccountState.id == account_id)
        .values(
            owner=None,
            version=AccountState.version + 1,
            password_changed_at=None,
            chosen_by_mail_at=None,
        )
    )
    unchecked.forget(session, account_id)
