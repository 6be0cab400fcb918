"""What staff do about notices from the console: orders to the worker, and what needs a second person.

`describe_start` says what is shown, approved and hashed, from plain columns. Pausing and stopping need no
order: see `steering`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.campaigns import frozen
from portal.campaigns.models import DRAFT, STOPPED, Campaign, NoticeWords
from portal.campaigns.refusals import REASONS, refused
from portal.campaigns.series import binding, drafting, steering
from portal.campaigns.tasks import jobs as tasks
from portal.core.i18n import best_language
from portal.core.settings import Settings
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.incidents.models import PUBLISHED
from portal.runtime.parts import WorkerParts
from portal.staff.approvals.service import Action, needs_unchanged
from portal.staff.orders import Acting, Order, Refused
from portal.staff.roles import Role

START = "notice.start"
AUTHOR = frozenset({Role.AUTHOR})
STEERING = frozenset({Role.AUTHOR, Role.APPROVER, Role.PRIVACY, Role.ADMIN})


def order_resume(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Let a paused notice go on. Fields: incident, notice."""
    try:
        with parts.db.write() as session:
            campaign = _found(session, fields, lock=True)
            alone = parts.settings.console.one_person
            steering.resume(session, parts.vault, campaign, parts.clock.now(), acting.by, alone=alone)
    except tuple(REASONS) as error:
        raise refused(error) from error
    return {}


def order_test(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Mail a notice to who asks, as everyone would get it. Fields: incident, notice, language."""
    from portal.campaigns import rehearsal  # noqa: PLC0415 - slow to import

    try:
        with parts.db.write() as session:
            campaign = _found(session, fields)
            incident = incidents.by_id(session, campaign.incident_id)
            words = frozen.read(session, parts.vault, campaign.id) if campaign.frozen else {}
            left = rehearsal.send_test(
                session,
                parts.vault,
                incident,
                words,
                address=acting.member.address,
                language=best_language(fields.get("language"), parts.settings.site.languages),
                now=parts.clock.now(),
            )
    except rehearsal.TooManyTests as error:
        raise Refused("too-many-tests") from error
    except tuple(REASONS) as error:
        raise refused(error) from error
    return {"left": left}


def describe_start(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what the second person approves: content, audience, count and waves of a draft.

    Fields: incident (slug), notice (number). Raises Refused where it cannot start.
    """
    try:
        campaign = _found(session, fields)
    except tuple(REASONS) as error:
        raise refused(error) from error
    if campaign.state == STOPPED or campaign.hold is not None:
        raise Refused("notice-state", state=steering.state_of(campaign))
    current = exposure.active(session, campaign.incident_id)
    if campaign.state == DRAFT and (current is None or current.id != campaign.list_id):
        raise Refused("list-changed")
    if campaign.state == DRAFT and binding.changed(session, campaign):
        raise Refused("left-out-changed")
    if incidents.by_id(session, campaign.incident_id).state != PUBLISHED:
        raise Refused("not-published")
    return drafting.described(session, campaign)


def perform_start(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Start a draft exactly as it was approved; a second run, after a crash, starts nothing.

    Another draft may have its number by then.
    """
    try:
        with parts.db.write() as session:
            campaign = _found(session, fields, lock=True)
            if campaign.begun_at is None:
                needs_unchanged(session, describe_start, fields, shown)
                steering.start(session, parts.vault, campaign, campaign.expected, parts.clock.now())
            return {"notice": campaign.number, "mails": campaign.expected}
    except tuple(REASONS) as error:
        raise refused(error) from error


def _left_out_reasons() -> Any:
    from portal.exposure.console.forms import LEFT_OUT_REASONS  # noqa: PLC0415 - as above

    return LEFT_OUT_REASONS


def _spoken(session: Session, shown: Mapping[str, Any]) -> dict[str, str]:
    """Return the statement's language in each mail that is shown, while the draft still says exactly that."""
    try:
        fields = {"incident": str(shown["incident"]), "notice": str(shown["number"])}
        campaign = _found(session, fields)
    except (steering.NoticeUnknown, incidents.IncidentUnknown, KeyError):
        return {}
    approved = {tag: words["fingerprint"] for tag, words in shown["words"].items()}
    rows = session.scalars(select(NoticeWords).where(NoticeWords.notice_id == campaign.id))
    return {
        row.language: frozen.plain(row).language
        for row in rows
        if frozen.shown_words(row)["fingerprint"] == approved.get(row.language)
    }


def _forms() -> Any:
    """Return what needs Flask, which the worker does not load."""
    from portal.campaigns import forms  # noqa: PLC0415

    return forms


def _warned(
    session: Session, settings: Settings, shown: Mapping[str, Any]
) -> Iterator[tuple[str, list[str]]]:
    """Return what an approver is warned of beside what is shown."""
    from portal.campaigns.drafts import warned  # noqa: PLC0415 - as above

    return warned.of_request(session, settings, shown)


def _found(session: Session, fields: Mapping[str, str], *, lock: bool = False) -> Campaign:
    try:
        incident, number = incidents.by_slug(session, fields["incident"]), int(fields["notice"])
    except (KeyError, ValueError) as error:
        raise steering.NoticeUnknown from error
    find = steering.locked if lock else steering.found
    return find(session, incident.id, number)


ORDERS = {
    **tasks.ORDERS,
    "notice-test": Order(order_test, STEERING, step_up=True),
    "notice-resume": Order(order_resume, frozenset({Role.APPROVER}), step_up=True),
}
ACTIONS = {
    **tasks.ACTIONS,
    START: Action(
        describe_start,
        perform_start,
        ask=AUTHOR,
        page="campaigns/console/_approval.html",
        more=lambda session, shown: {
            "kinds": _forms().KINDS,
            "bases": _forms().BASES,
            "left_out_reasons": _left_out_reasons(),
            "spoken": _spoken(session, shown),
        },
        warn=_warned,
    ),
}
