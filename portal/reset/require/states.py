"""What an account is to a job, and whose accounts its steps lead to."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from portal.identity.account import Account
from portal.reset.require.cohorts import Owner, Step


class State(Enum):
    """An account's state in a job: to be required now, required before, or renewed through a mailed link."""

    NEWLY = "newly"
    ALREADY = "already"
    RENEWED = "renewed"


def state_of(account: Account, since: datetime) -> State:
    """Return an account's state in a job; `since` is when a new password begins to count as renewed."""
    if account.must_reset:
        return State.ALREADY
    # Not `password_changed_at`: a thief with the exposed password could have changed it. A choice through a
    # mailed link did not rely on that password.
    if account.chosen_by_mail_at is not None and account.chosen_by_mail_at >= since:
        return State.RENEWED
    return State.NEWLY


def owners_of(steps: Sequence[Step]) -> dict[bytes, Owner]:
    """Return the owners by account; several people may share one, of whom one has a locale."""
    owners: dict[bytes, Owner] = {}
    for owner in (owner for step in steps for owner in step.owners):
        known = owners.get(owner.account.id)
        if known is None or not known.locale:
            owners[owner.account.id] = owner
    return owners
