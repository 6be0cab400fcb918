"""Leave out the rows of people who have changed their address here: the company's file has the old one.

Stored as they are, they would be second accounts, with the old passwords.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts.address import past
from portal.core.addresses import sign_in_name
from portal.crypto.vault import WorkerVault
from portal.identity.builtin import finding, references
from portal.identity.builtin.adding import NewAccount


def left_out(session: Session, vault: WorkerVault, accounts: Sequence[NewAccount], now: datetime) -> set[str]:
    """Return the sign-in names of rows that are not imported: one or two statements, however many rows.

    An address that is some account's today is imported as ever. One that an account had is left out for a
    week after the change, in which it can be undone. Afterwards it is imported where its customer numbers say
    that another customer has it now.
    """
    by_name = {sign_in_name(account.profile.address): account for account in accounts}
    formerly = past.accounts_with(session, vault, by_name)
    if not formerly:
        return set()
    present = finding.by_name(session, vault, formerly)
    held = past.held(session, vault, formerly, now)
    ids = sorted({one for found in formerly.values() for one in found})
    numbers = references.of_accounts(session, vault, ids)
    return {
        name
        for name, found in formerly.items()
        if name not in present
        and (name in held or any(not _are_two(by_name[name], numbers.get(one, set())) for one in found))
    }


def _are_two(row: NewAccount, numbers: AbstractSet[str]) -> bool:
    return bool(row.references and numbers) and not row.references & numbers
