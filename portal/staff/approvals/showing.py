"""Show exactly what a request asks for: every fact that its hash covers, in words where there are some."""

import json
from collections.abc import Iterator
from typing import Any

from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session

from portal.crypto.vault import ConsoleVault
from portal.staff import members
from portal.staff.approvals import service
from portal.staff.approvals.models import Approval
from portal.staff.roles import Role
from portal.staff.words import SHORT_ROLES

TITLES = {
    "list.activate": lazy_gettext("Activate a list"),
    "list.purge": lazy_gettext("Destroy a list"),
    "staff.invite": lazy_gettext("Invite somebody"),
    "staff.passkey": lazy_gettext("Let somebody add a passkey"),
    "staff.roles": lazy_gettext("Change somebody’s roles"),
    "statement.publish": lazy_gettext("Publish the statement"),
    "reset.require": lazy_gettext("Lock passwords, and ask for new ones"),
    "update.post": lazy_gettext("Post an update"),
    "incident.facts": lazy_gettext("Change an incident’s facts"),
    "notice.start": lazy_gettext("Start a notice"),
    "people.export": lazy_gettext("Download a list of people"),
}
STATES = {
    "open": lazy_gettext("Waiting"),
    "approved": lazy_gettext("Approved, and under way"),
    "done": lazy_gettext("Approved and done"),
    "failed": lazy_gettext("Approved, but it didn’t work"),
    "sent-back": lazy_gettext("Sent back"),
    "withdrawn": lazy_gettext("Withdrawn"),
}
LABELS = {
    "member": lazy_gettext("Person"),
    "roles": lazy_gettext("Roles"),
    "before": lazy_gettext("Roles now"),
    "after": lazy_gettext("Roles after it"),
    "version": lazy_gettext("Version"),
    "incident": lazy_gettext("Incident"),
    "people": lazy_gettext("People"),
    "addresses": lazy_gettext("Addresses"),
    "bad_rows": lazy_gettext("Rejected rows, whose people get no notice"),
    "classes": lazy_gettext("People by kind of data"),
    "compared": lazy_gettext("Compared with the active version"),
    "new": lazy_gettext("new"),
    "gone": lazy_gettext("gone"),
    "changed": lazy_gettext("changed"),
    "loses_many": lazy_gettext("more than a tenth are gone"),
    "notice": lazy_gettext("Notice"),
    "copy": lazy_gettext("Copy"),
    "missed_failed": lazy_gettext("Addresses whose email failed"),
    "missed_uncertain": lazy_gettext("Addresses whose email was maybe sent"),
    "missed_not_queued": lazy_gettext("Addresses whose email was stopped before it was queued"),
    "reset_of": lazy_gettext("List (* is everyone with an account)"),
    "list_version": lazy_gettext("Version of the list"),
    "counted_at": lazy_gettext("Counted"),
    "reset_newly": lazy_gettext("Passwords to lock"),
    "reset_already": lazy_gettext("Locked before, and not renewed yet"),
    "reset_renewed": lazy_gettext("Renewed since, by an emailed link"),
    "reset_mails": lazy_gettext("Emails to owners"),
    "reset_accounts": lazy_gettext("Accounts found"),
    "reset_people": lazy_gettext("People on the list whose passwords were exposed"),
    "reset_altered": lazy_gettext("Tampered rows, skipped"),
}
_ROLES = ("roles", "before", "after")


def title_of(approval: Approval) -> str:
    """Return what a request is about, in words; the kind itself where there are none."""
    return str(TITLES.get(approval.kind, approval.kind))


def shown_facts(session: Session, vault: ConsoleVault, approval: Approval) -> list[tuple[str, str]]:
    """Return every fact that was shown, as label and text; parts of parts have their place in the label."""
    names = members.names(session, vault) if approval.kind.startswith("staff.") else {}
    return [
        (label, _written(key, value, names)) for key, label, value in _flat(service.shown_of(approval), "")
    ]


def _flat(shown: dict[str, Any], place: str) -> Iterator[tuple[str, str, Any]]:
    for key, value in shown.items():
        label = f"{place}{LABELS.get(key, key)}"
        if isinstance(value, dict):
            yield from _flat(value, f"{label}: ")
        else:
            yield key, label, value


def _written(key: str, value: Any, names: dict[bytes, str]) -> str:
    if key == "member" and names:
        return names.get(bytes.fromhex(str(value)), str(value))
    if key in _ROLES and names:
        return ", ".join(str(SHORT_ROLES[Role(role)]) for role in str(value).split()) or gettext("none")
    if isinstance(value, bool):
        return str(gettext("yes") if value else gettext("no"))
    if isinstance(value, list):
        return "\n".join(
            one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in value
        )
    return str(value)
