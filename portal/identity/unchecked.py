"""New passwords that could not be compared with every list: they are looked up at the next sign-in.

The lists may be away when a password is chosen. Only its owner brings it again.
"""

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from portal.core import db
from portal.identity.models import UncheckedPassword

# Built once: every sign-in asks.
_NOTED = select(UncheckedPassword.version).where(UncheckedPassword.account_id == bindparam("account"))


def note(session: Session, account_id: bytes, version: int) -> None:
    """Note that the password of an account at this version was not compared with every list."""
    session.execute(
        db.insert(session, UncheckedPassword)
        .values(account_id=account_id, version=version)
        .on_conflict_do_update(index_elements=[UncheckedPassword.account_id], set_={"version": version})
    )


def is_noted(session: Session, account_id: bytes, version: int) -> bool:
    """Return whether the password of an account at this version is still to be looked up."""
    return session.scalar(_NOTED, {"account": account_id}) == version


def forget(session: Session, account_id: bytes) -> None:
    """Forget what was noted of an account."""
    session.execute(delete(UncheckedPassword).where(UncheckedPassword.account_id == account_id))
