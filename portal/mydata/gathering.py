"""Gather everything that the portal has of one person, in the shape that docs/guide/data-rights.md names."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.accounts import service as sessions
from portal.accounts.activity import service as activity
from portal.accounts.address import past as past_service
from portal.accounts.address import service as addresses
from portal.accounts.factors import service as factors
from portal.accounts.factors.lost.emails import PURPOSE as LOST
from portal.accounts.passkeys import service as passkeys
from portal.core.addresses import AddressInvalid, normalise, plain_marks
from portal.core.i18n import catalogue, mark
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.datakinds.taxonomy import worst_first
from portal.exposure import answers
from portal.exposure.answers import Outcome
from portal.exposure.people import Person, classes_of, names
from portal.identity import state
from portal.identity.account import Account, Profile
from portal.identity.builtin.store import BuiltinStore
from portal.identity.ports import Entry
from portal.identity.service import is_external
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.mydata.emails import COPY, ERASE
from portal.rotation import service as rotation
from portal.rotation.emails import PURPOSE as REMINDER
from portal.runtime.parts import WorkerParts
from portal.support import mails, shown
from portal.support import service as support
from portal.support.accounts import account_at

# What mails a link that support is not asked about.
LINKS = mails.FORMS | {
    COPY: "copy of your data",
    ERASE: "delete your account",
    LOST: "second step lost",
    REMINDER: "reminder link",
}
FORMAT, VERSION = "portal-my-data", 1
# In the words of the answer's page.
SAID = {
    Outcome.AFFECTED: mark("You are affected"),
    Outcome.NOT_LISTED: mark("You’re not on our list"),
    Outcome.NOT_CHECKED: mark("Not checked yet"),
    Outcome.OTHER_SPELLING: mark("Not clear yet"),
    Outcome.UNREADABLE: mark("Not clear yet"),
}


def gather(
    session: Session, parts: WorkerParts, account: Account, owner: Profile, language: str, now: datetime
) -> dict[str, Any]:
    """Return what the portal has of an account's owner, for JSON. No secret, and nobody else's data.

    Raises VaultError where a row of theirs was altered.
    """
    vault, settings = parts.vault, parts.settings
    entry = state.entry(session, vault, account.id) if is_external(settings) else None
    references = _references(session, vault, account, entry)
    address = typed(owner.address)
    every = incidents.every(session)
    own = [incident for incident in every if incident in incidents.published(session)]
    found = account_at(session, vault, settings.identity.store, address, [entry] if entry else [])
    past = addresses.past_addresses(session, vault, account.id)
    others = past_service.of_others(session, vault, account.id, past)
    people = _Lists(session, vault, own, [address, *past], references, owner.name, others)
    return {
        "format": FORMAT,
        "version": VERSION,
        "made_at": now,
        "language": language,
        "responsible": _responsible(settings),
        "account": {
            "address": owner.address,
            "past_addresses": past,
            "name": owner.name,
            "customer_numbers": references,
            "language_from_the_company": owner.locale,
            "language_chosen": owner.chosen,
            "password_changed_on": _day(account.password_changed_at),
            "password_chosen_by_mail_on": _day(account.chosen_by_mail_at),
            "new_password_required_at": account.reset_required_at,
            "new_password_required_because": account.reset_reason,
            "sign_in_restricted": bool(found and found.restricted),
            "kept_by": "the company's own system" if entry else "this site",
        },
        "incidents": people.results(language),
        "security": _security(session, vault, account),
        "devices": _devices(session, vault, account, now),
        "activity": _activity(session, parts, account, language, now),
        "reminders": _reminders(session, account),
        "updates": [
            {"incident": incident.slug, "state": "left" if each.subscription_id is None else "subscribed"}
            for incident, each in mails.subscriptions(session, vault, every, address)
        ],
        "mails": [
            shown.mail_as_data(each)
            for each in mails.of_address(
                session, vault, every, address, people.spellings(), found, now, LINKS
            )
        ],
        "requests_not_answered_yet": [
            {"form": form, "state": state_, "asked_at": at}
            for form, state_, at in support.requests_of(session, vault, address, found).asked
            if form != COPY  # the request that this is the answer to
        ],
        "kept_for_days": _periods(settings),
    }


class _Lists:
    """What the affected lists say about one person, and about nobody else at the same address."""

    def __init__(
        self,
        session: Session,
        vault: WorkerVault,
        published: Sequence[Incident],
        addresses: Iterable[str],
        references: Sequence[str],
        name: str,
        of_others: Collection[str],
    ) -> None:
        self._vault, self._incidents = vault, {incident.id: incident for incident in published}
        # Past addresses that are other accounts' today: a row there may be about them.
        self._references, self._name, self._of_others = references, name, of_others
        self._found = []
        for address in addresses:
            candidates = answers.candidates(session, vault, [one.id for one in published], address)
            self._found += [(address, finding) for finding in answers.findings(address, candidates)]

    def spellings(self) -> frozenset[str]:
        """Return the addresses of this person as the lists hold them."""
        return frozenset(person.address for _, finding in self._found for person in finding.people)

    def results(self, language: str) -> list[dict[str, Any]]:
        """Return the result for each published incident and address."""
        return [self._result(address, finding, language) for address, finding in self._found]

    def _result(self, address: str, finding: answers.Finding, language: str) -> dict[str, Any]:
        incident = self._incidents[finding.incident_id]
        alone = len(finding.people) == 1 and address not in self._of_others
        mine = [person for person in finding.people if self._is_mine(person, alone=alone)]
        outcome = finding.outcome
        if outcome is Outcome.AFFECTED and not mine:
            outcome = Outcome.NOT_LISTED
        return {
            "incident": incident.slug,
            "title": incident.title_in(language),
            "address": address,
            "result": outcome.name.lower(),
            "in_words": catalogue(language).gettext(SAID[outcome]),
            "list_version": finding.list_number,
            "list_imported_at": finding.as_of,
            "reference": answers.reference(self._vault, address, finding),
            "entries": [_entry(person, language) for person in mine],
            "entries_of_other_people_at_this_address": len(finding.people) - len(mine),
        }

    def _is_mine(self, person: Person, *, alone: bool) -> bool:
        """Return whether a row is this person's: by the customer number, or else alone or by the name."""
        if alone and not (person.account_ref and self._references):
            return True
        return names(person, self._references, self._name)


def _entry(person: Person, language: str) -> dict[str, Any]:
    said = catalogue(language).gettext
    return {
        "address": person.address,
        "name": person.name,
        "customer_number": person.account_ref,
        "language": person.locale,
        "country_or_state": person.jurisdiction,
        "data": [
            {"name": each.name, "in_words": said(each.name)}
            for each in worst_first(one.name for one in classes_of(person.classes))
        ],
    }


def _references(session: Session, vault: WorkerVault, account: Account, entry: Entry | None) -> list[str]:
    if entry is not None:
        return sorted(entry.references)
    return BuiltinStore().references(session, vault, account.id)


def typed(stored: str) -> str:
    """Return an account's address as people type it; former versions took typographic marks into them."""
    try:
        return normalise(plain_marks(stored))
    except AddressInvalid:
        return stored


def _responsible(settings: Settings) -> dict[str, Any]:
    return {
        "organisation": settings.site.organisation,
        "email": settings.site.contact_email,
        "phone": settings.site.contact_phone,
        "site": settings.base_url,
        "privacy_notice": f"{settings.base_url}/privacy/",
    }


def _security(session: Session, vault: WorkerVault, account: Account) -> dict[str, Any]:
    found = factors.factors_of(session, account.id)
    app = {"added_on": _day(found.code_added), "used_on": _day(found.code_used)}
    return {
        "passkeys": [
            {"name": one.name, "added_on": one.added_on, "used_on": one.used_on, "stopped": one.stopped}
            for one in passkeys.listed(session, vault, account.id)
        ],
        "authenticator_app": app if found.code_added else None,
        "recovery_codes_left": found.recovery_left,
    }


def _devices(session: Session, vault: WorkerVault, account: Account, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "browser": one.device.partition("/")[0],
            "system": one.device.partition("/")[2],
            "signed_in_at": one.began_at,
            "last_seen_at": one.seen_at,
        }
        for one in sessions.devices_of(session, vault, account, now)
    ]


def _activity(
    session: Session, parts: WorkerParts, account: Account, language: str, now: datetime
) -> list[dict[str, Any]]:
    kept, said = parts.settings.retention.account_events, catalogue(language).gettext
    return [
        {
            "at": event.at,
            "what": event.kind.value,
            "in_words": said(activity.SAID[event.kind]),
            "device": event.device,
        }
        for event in activity.events_of(session, parts.vault, account.id, now, kept)
    ]


def _reminders(session: Session, account: Account) -> dict[str, Any]:
    chosen = rotation.chosen(session, account.id)
    months = None if chosen.interval == rotation.OFF else int(chosen.interval)
    return {"every_months": months, "next_on": _day(chosen.next_due_at)}


def _periods(settings: Settings) -> dict[str, int | None]:
    """Return the periods of the settings, in days; None: for as long as the portal is run."""
    return {name: period and period.days for name, period in vars(settings.retention).items()}


def _day(at: datetime | None) -> str | None:
    return at.date().isoformat() if at else None
