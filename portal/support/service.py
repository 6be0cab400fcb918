"""Look up one address for support: on the lists, its account, its mails, its subscriptions.

Nothing is shown that the answer page does not show to the owner of the mailbox, but states and times.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.addresses import AddressInvalid, folded, normalise
from portal.core.db import Database
from portal.crypto.vault import VaultError, WorkerVault
from portal.exposure import answers, left_out
from portal.exposure import service as exposure
from portal.identity import state
from portal.identity.account import AccountMissing
from portal.identity.builtin.store import BuiltinStore
from portal.identity.ports import Entry
from portal.incidents import service as incidents
from portal.incidents.models import PUBLISHED, Incident
from portal.intake import service as intake
from portal.support import mails
from portal.support.accounts import AccountFound, account_at
from portal.support.mails import MailFound

LOOKED = "support.find"
MOST_OPENED = 1_000
MOST_READ = 100_000
# Of a scan: more addresses than ever belong to one person.
MOST_FOUND = 20
# Who looks: the user who logged in, as whom the command runs, and why.
Staff = tuple[str, str, str]
_ANSWER_REFERENCE = re.compile(r"([A-Z2-7]{5})-?([A-Z2-7]{5})")


@dataclass(frozen=True, repr=False)
class Tools:
    """What a look needs: the worker's keys, and which user store is in use.

    `company_page` is where people choose a new password, where the portal cannot see accounts.
    """

    vault: WorkerVault
    store: str
    company_page: str | None = None


@dataclass(frozen=True, repr=False)
class OnList:
    """The result for one incident: `answer` as the page shows it, for exactly this address.

    `left_out` of its people get no notice, on request.
    """

    slug: str
    published: bool
    answer: answers.IncidentAnswer
    left_out: int = 0

    @property
    def listed(self) -> bool:
        """Whether the address is on the active list."""
        return self.answer.outcome is answers.Outcome.AFFECTED


@dataclass(frozen=True, repr=False)
class Subscribed:
    """Whether the address gets the updates of one incident; `left`: its owner unsubscribed."""

    slug: str
    left: bool


@dataclass(frozen=True)
class Requests:
    """What waits in intake: how many were opened, of how many, and when this address asked."""

    waiting: int
    opened: int
    asked: tuple[tuple[str, str, datetime], ...]


@dataclass(frozen=True, repr=False)
class Found:
    """Everything about one address. `twins` accounts sign in with it elsewhere, where that are several.

    `company_page` is set where accounts cannot be seen, so that no account means nothing.
    """

    address: str
    lists: tuple[OnList, ...]
    account: AccountFound | None
    mails: tuple[MailFound, ...]
    subscriptions: tuple[Subscribed, ...]
    requests: Requests
    twins: int = 0
    company_page: str | None = None


def record(session: Session, vault: WorkerVault, text: str, staff: Staff, now: datetime) -> int:
    """Write that somebody looks, before they see anything; return the number of the audit entry.

    What they look for is kept as a keyed hash, which the worker's keys alone can compare.
    """
    user, ran_as, reason = staff
    index = vault.list_index("support look", text).hex()
    details = {"reason": reason, "looked_for": index, "ran_as": ran_as}
    return audit.record(session, LOOKED, user, details, now)


@dataclass(frozen=True)
class Looker:
    """How often a user looked since a day, at how many different people, and when last."""

    user: str
    looks: int
    people: int
    last_at: datetime


def lookers(session: Session, since: datetime) -> list[Looker]:
    """Return who looked since a day, the busiest first. Reads the newest entries, at most MOST_READ."""
    by_user: dict[str, list[tuple[datetime, str]]] = {}
    for entry in audit.newest(session, MOST_READ, LOOKED, since):
        looked_for = str(json.loads(entry.details).get("looked_for", ""))
        by_user.setdefault(entry.subject, []).append((entry.at, looked_for))
    found = [
        Looker(user, len(looks), len({person for _, person in looks}), max(at for at, _ in looks))
        for user, looks in by_user.items()
    ]
    return sorted(found, key=lambda each: (-each.looks, each.user))


def look(session: Session, tools: Tools, address: str, now: datetime, entries: Sequence[Entry] = ()) -> Found:
    """Return everything about one normalised address; `entries` are its accounts in a store elsewhere."""
    every = incidents.every(session)
    lists, listed_as = _lists(session, tools.vault, every, address)
    account = account_at(session, tools.vault, tools.store, address, entries)
    return Found(
        address,
        lists,
        account,
        tuple(mails.of_address(session, tools.vault, every, address, listed_as, account, now)),
        tuple(
            Subscribed(incident.slug, state.left and state.subscription_id is None)
            for incident, state in mails.subscriptions(session, tools.vault, every, address)
        ),
        requests_of(session, tools.vault, address, account),
        len(entries) if len(entries) > 1 else 0,
        tools.company_page,
    )


def _lists(
    session: Session, vault: WorkerVault, every: Sequence[Incident], address: str
) -> tuple[tuple[OnList, ...], frozenset[str]]:
    """Return the results by incident, and the stored addresses of the people found."""
    found = answers.candidates(session, vault, [incident.id for incident in every], address)
    findings = answers.findings(address, found)
    packed = answers.unpack(answers.pack(vault, address, findings))
    silent = {
        finding.incident_id: len(
            left_out.among(
                session, vault, finding.incident_id, [left_out.who_of(person) for person in finding.people]
            )
        )
        for finding in findings
    }
    by_id = {incident.id: incident for incident in every}
    lists = tuple(
        OnList(
            by_id[each.incident_id].slug,
            by_id[each.incident_id].state == PUBLISHED,
            each,
            silent[each.incident_id],
        )
        for each in packed.incidents
    )
    return lists, frozenset(person.address for finding in findings for person in finding.people)


def requests_of(session: Session, vault: WorkerVault, address: str, account: AccountFound | None) -> Requests:
    """Return what waits in intake, and what of it an address or its account asked for."""
    waiting = sum(intake.counts(session).values())
    opened = intake.open_waiting(session, vault, MOST_OPENED) if waiting else []
    asked = [
        (each.purpose, each.state, each.asked_at)
        for each in opened
        if _is_from(each.fields, address, account)
    ]
    return Requests(waiting, min(waiting, MOST_OPENED), tuple(asked))


def _is_from(fields: dict[str, str], address: str, account: AccountFound | None) -> bool:
    if account is not None and fields.get("account") == account.id.hex():
        return True
    try:
        return folded(normalise(fields.get("email", ""))) == folded(address)
    except AddressInvalid:
        return False


def addresses_of_accounts(session: Session, tools: Tools, reference: str) -> list[str]:
    """Return the addresses of the builtin store's accounts with a customer number: a look-up in an index."""
    found: list[str] = []
    if tools.store != BuiltinStore.name:
        return found
    for account in BuiltinStore().find_by_ref(session, tools.vault, reference):
        try:
            profile = state.owner(session, tools.vault, account.id)
        except (AccountMissing, VaultError):
            continue
        found.append(profile.address)
    return found


def scan_size(session: Session, vault: WorkerVault) -> int:
    """Return how many people the active lists hold together."""
    ids = [incident.id for incident in incidents.every(session)]
    return sum(version.people for version in exposure.verified_active(session, vault, ids).values())


def scan(db: Database, vault: WorkerVault, reference: str) -> Iterator[tuple[int, set[str]]]:
    """Read every active list; yield, page by page, how many people were read and the addresses found.

    Finds the company's customer number, and the reference of an answer, which derives from address, incident
    and list version. A person's number is compared exactly.
    """
    with db.read() as session:
        ids = [incident.id for incident in incidents.every(session)]
        versions = list(exposure.verified_active(session, vault, ids).values())
    match = _ANSWER_REFERENCE.fullmatch(reference.upper())
    wanted = match[1] + match[2] if match else ""
    for version in versions:
        after, last = b"", ""
        while True:
            with db.read() as session:
                page, after = exposure.people_after(session, vault, version, after, exposure.PAGE)
            found = set()
            for person in (person for _, person in page if person is not None):
                answered = (
                    bool(wanted)
                    and person.address != last
                    and wanted == _reference(vault, person.address, version.incident_id, version.number)
                )
                if answered or person.account_ref == reference:
                    found.add(person.address)
                last = person.address
            yield len(page), found
            if not after:
                break


def _reference(vault: WorkerVault, address: str, incident_id: bytes, number: int) -> str:
    finding = answers.Finding(incident_id, number, None, answers.Outcome.AFFECTED)
    return answers.reference(vault, address, finding)
