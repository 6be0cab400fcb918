"""Whose passwords a job requires anew, read a page at a time: the people of a list, or all accounts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from portal.core.addresses import sign_in_name
from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.exposure.people import Person
from portal.identity.builtin import finding
from portal.identity.builtin.finding import Owned
from portal.identity.builtin.store import BuiltinStore

EVERYONE = ""
PASSWORDS = "Passwords"
PAGE = 500


class ListReplaced(Exception):
    """Another version of the list was activated while the job ran; `number` is the new one."""

    def __init__(self, number: int) -> None:
        """Store the number."""
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Tools:
    """The parts that the job needs."""

    db: Database
    vault: WorkerVault
    clock: Clock
    store: BuiltinStore


@dataclass(frozen=True, repr=False)
class Owner:
    """An account that a step leads to, with its owner as far as it decrypts, and the list's locale."""

    account: Owned
    locale: str = ""


@dataclass(frozen=True, repr=False)
class Step:
    """One row of a list, or one account; once it is done, the job's cursor is `cursor`.

    `altered` are accounts that were found by an address which is not theirs. `tampered`: the row of the list
    does not decrypt.
    """

    cursor: bytes
    people: int = 1
    owners: tuple[Owner, ...] = ()
    altered: tuple[bytes, ...] = ()
    tampered: bool = False


@dataclass(frozen=True)
class Everyone:
    """All accounts, in the order of their ids."""

    subject: str = EVERYONE
    list_version: int | None = None
    people: int = 0

    def page(self, tools: Tools, cursor: bytes) -> list[Step]:
        """Return the next steps; none at the end."""
        with tools.db.read() as session:
            accounts = finding.page(session, tools.vault, cursor, PAGE)
        return [Step(account.id, owners=(Owner(account),)) for account in accounts]


@dataclass(frozen=True)
class Listed:
    """The people of one version of an incident's list whose passwords were exposed, in the list's order.

    `subject` is the incident's slug, `people` how many the list counts.
    """

    subject: str
    list_version: int
    people: int
    incident_id: bytes

    def page(self, tools: Tools, cursor: bytes) -> list[Step]:
        """Return the next steps; none at the end.

        Opens a page of the list in memory, and finds its accounts with one statement each for addresses and
        customer numbers. Raises ListNotActive, ListReplaced, ListDestroyed, VaultError.
        """
        with tools.db.read() as session:
            version = exposure.needed(session, tools.vault, self.incident_id)
            if version.number != self.list_version:
                raise ListReplaced(version.number)
            rows, _ = exposure.people_after(session, tools.vault, version, cursor, PAGE)
            return _steps(session, tools.vault, rows)


Cohort = Everyone | Listed


def _steps(session: Session, vault: WorkerVault, rows: Sequence[tuple[bytes, Person | None]]) -> list[Step]:
    exposed = {key: person for key, person in rows if person and exposure.exposes(person, PASSWORDS)}
    people = exposed.values()
    found = finding.by_address(session, vault, {person.address for person in people})
    numbered = finding.by_reference(
        session, vault, {person.account_ref for person in people if person.account_ref}
    )
    steps = []
    for key, row in rows:
        person = exposed.get(key)
        if person is None:
            steps.append(Step(key, people=0, tampered=row is None))
            continue
        accounts = {account.id: account for account in numbered.get(person.account_ref, ())}
        altered: tuple[bytes, ...] = ()
        account = found.get(vault.account_index(person.address))
        if account is not None and _belongs(account, person):
            accounts[account.id] = account
        elif account is not None:
            altered = (account.id,)
        owners = tuple(Owner(account, person.locale) for account in accounts.values())
        steps.append(Step(key, owners=owners, altered=altered))
    return steps


def _belongs(account: Owned, person: Person) -> bool:
    """Return whether the account found by an address has it in its profile, which only the worker can write.

    The web process can write the index columns: by inserting rows for guessed addresses and watching which of
    them are closed, a thief could otherwise learn who is on the list.
    """
    return account.profile is not None and sign_in_name(account.profile.address) == sign_in_name(
        person.address
    )
