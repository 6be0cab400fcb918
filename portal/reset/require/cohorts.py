"""Whose passwords a job requires anew, read a page at a time: the people of a list, or all accounts."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from time import sleep

from sqlalchemy.orm import Session

from portal.accounts.address import past
from portal.core.addresses import sign_in_name
from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.vault import Cell, WorkerVault
from portal.exposure import service as exposure
from portal.exposure.models import ExposureList
from portal.exposure.people import Person
from portal.identity import state
from portal.identity.account import Profile
from portal.identity.builtin import finding
from portal.identity.builtin.finding import Owned
from portal.identity.ports import Entry, ExternalStore
from portal.incidents import service as incidents

EVERYONE = ""
PASSWORDS = "Passwords"
PAGE = 500
# A company's own id of an account may be its address, and nobody reads one in the database.
_CURSOR, _CURSOR_SIZES = Cell("reset_requirements", "cursor", b""), (1024,)


class ListReplaced(Exception):
    """Another version of the list was activated while the job ran; `number` is the new one."""

    def __init__(self, number: int) -> None:
        """Store the number."""
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Tools:
    """The parts that the job needs. `store` is the company's own, None for the builtin one.

    `pause` waits so many seconds before a store that is away is called again.
    """

    db: Database
    vault: WorkerVault
    clock: Clock
    store: ExternalStore | None = None
    pause: Callable[[float], None] = sleep


@dataclass(frozen=True, repr=False)
class Owner:
    """An account that a step leads to, with its owner as far as it decrypts, and the list's locale.

    `entry` is the account in the company's own store.
    """

    account: Owned
    locale: str = ""
    entry: Entry | None = None


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
        """Return the next steps; none at the end. Raises StoreUnavailable, StoreFault, VaultError."""
        if tools.store is not None:
            after = tools.vault.decrypt(_CURSOR, cursor).decode() if cursor else None
            return [
                Step(
                    tools.vault.encrypt(_CURSOR, entry.id.encode(), _CURSOR_SIZES),
                    owners=(owner_of(tools.vault, tools.store, entry),),
                )
                for entry in tools.store.page(after, PAGE)
            ]
        with tools.db.read() as session:
            accounts = finding.page(session, tools.vault, cursor, PAGE)
        return [Step(account.id, owners=(Owner(account),)) for account in accounts]

    def check(self, tools: Tools) -> None:
        """Accept a page that was read a while ago."""


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

        Opens a page of the list in memory, and finds its accounts with one question each for addresses and
        customer numbers: of the database, or of the company's store once no session is open. Raises
        ListNotActive, ListReplaced, ListDestroyed, VaultError, StoreUnavailable, StoreFault.
        """
        with tools.db.read() as session:
            version = self._version(session, tools.vault)
            rows, _ = exposure.people_after(session, tools.vault, version, cursor, PAGE)
            exposed = {key: person for key, person in rows if person and exposure.exposes(person, PASSWORDS)}
            if tools.store is None:
                found = _found(session, tools.vault, exposed.values())
        if tools.store is not None:
            found = _found_in_store(tools.vault, tools.store, exposed.values())
        return [
            _step(found, key, exposed[key])
            if key in exposed
            else Step(key, people=0, tampered=person is None)
            for key, person in rows
        ]

    def check(self, tools: Tools) -> None:
        """Accept a page that was read a while ago, or raise ListNotActive or ListReplaced."""
        with tools.db.read() as session:
            self._version(session, tools.vault)

    def _version(self, session: Session, vault: WorkerVault) -> ExposureList:
        version = exposure.needed(session, vault, self.incident_id)
        if version.number != self.list_version:
            raise ListReplaced(version.number)
        return version


Cohort = Everyone | Listed


def listed(tools: Tools, slug: str) -> Listed:
    """Return the people of an incident's active list whose passwords were exposed.

    Raises IncidentUnknown, ListNotActive, ListDestroyed, VaultError.
    """
    with tools.db.read() as session:
        incident = incidents.by_slug(session, slug)
        version = exposure.needed(session, tools.vault, incident.id)
        exposure.open_list(tools.vault, version)
        people = exposure.exposed_count(session, tools.vault, incident.id, PASSWORDS)
        return Listed(slug, version.number, people, incident.id)


@dataclass(frozen=True, repr=False)
class _Found:
    """The accounts of some people, by the name they sign in with, and by customer number.

    `formerly` are those whose owners signed in with that name before they changed their address.
    """

    named: dict[str, list[Owner]]
    numbered: dict[str, list[Owner]]
    formerly: dict[str, list[Owner]] = field(default_factory=dict)


def _found(session: Session, vault: WorkerVault, people: Collection[Person]) -> _Found:
    names = {sign_in_name(person.address) for person in people}
    named = finding.by_name(session, vault, names)
    numbered = finding.by_reference(session, vault, _numbers(people), named.values())
    formerly = past.accounts_with(session, vault, names)
    moved = finding.by_id(session, vault, {one for accounts in formerly.values() for one in accounts})
    return _Found(
        {name: [Owner(account)] for name, account in named.items()},
        {number: [Owner(account) for account in owned] for number, owned in numbered.items()},
        {name: [Owner(moved[one]) for one in ids if one in moved] for name, ids in formerly.items()},
    )


def _found_in_store(vault: WorkerVault, store: ExternalStore, people: Collection[Person]) -> _Found:
    """Return what the company's store finds. Two accounts at one address are both theirs."""
    found = _Found(defaultdict(list), defaultdict(list))
    addresses, numbers = {person.address for person in people}, _numbers(people)
    for entry in store.find(sorted(addresses)) if addresses else ():
        found.named[sign_in_name(entry.address)].append(owner_of(vault, store, entry))
    if numbers and store.capabilities.find_by_reference:
        for entry in store.find_by_reference(sorted(numbers)):
            for number in numbers.intersection(entry.references):
                found.numbered[number].append(owner_of(vault, store, entry))
    return found


def _numbers(people: Collection[Person]) -> set[str]:
    return {person.account_ref for person in people if person.account_ref}


def _step(found: _Found, key: bytes, person: Person) -> Step:
    altered, name = [], sign_in_name(person.address)
    listed = [*found.numbered.get(person.account_ref, ()), *found.formerly.get(name, ())]
    owners = {owner.account.id: owner for owner in listed}
    for owner in found.named.get(name, ()):
        if _belongs(owner, name):
            owners[owner.account.id] = owner
        else:
            altered.append(owner.account.id)
    return Step(
        key,
        owners=tuple(Owner(one.account, person.locale, one.entry) for one in owners.values()),
        altered=tuple(altered),
    )


def owner_of(vault: WorkerVault, store: ExternalStore, entry: Entry) -> Owner:
    """Return who has an account in the company's own store, under the id that the portal gives it."""
    account_id = state.account_id(vault, store.name, entry.id)
    return Owner(Owned(account_id, Profile(entry.address, entry.name, "", entry.locale)), entry=entry)


def _belongs(owner: Owner, name: str) -> bool:
    """Return whether the account found by an address has it in its profile, which only the worker can write.

    The web process can write the index columns: by inserting rows for guessed addresses and watching which of
    them are closed, a thief could otherwise learn who is on the list.
    """
    profile = owner.account.profile
    return profile is not None and sign_in_name(profile.address) == name
