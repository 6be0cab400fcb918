"""The worker's side of the console: publish with a second person, post alone, confirm, cancel, withdraw."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.incidents import service
from portal.incidents.checker.findings import accepted_words
from portal.incidents.drafts import edits, erasing, facts, posting, releasing
from portal.incidents.drafts.facts import Facts
from portal.incidents.drafts.posting import ConfirmRefused, Post
from portal.incidents.drafts.releasing import NotReleasable, Release
from portal.incidents.models import PHASES, Update
from portal.incidents.publishing import promises, scheduling, withdrawing
from portal.incidents.reading import SO_FAR
from portal.incidents.writing import UpdateUnknown, UpdateWithdrawn
from portal.runtime.parts import IncidentUses, WorkerParts
from portal.staff import members
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import REQUEST, Action, State, fields_of, genuine
from portal.staff.approvals.service import withdraw as withdraw_request
from portal.staff.emails import PostedAlone, tell
from portal.staff.orders import Acting, Order, Refused
from portal.staff.roles import Role

AUTHORS = frozenset({Role.AUTHOR, Role.APPROVER})
APPROVERS = frozenset({Role.APPROVER})
PUBLISH, POST, FACTS = "statement.publish", "update.post", "incident.facts"
PAGE = "incidents/console/_approval.html"
REFUSALS: dict[type[Exception], str] = {
    service.IncidentUnknown: "gone",
    scheduling.NotScheduled: "not-scheduled",
    withdrawing.AlreadyWithdrawn: "withdrawn",
    withdrawing.NotPublished: "not-public",
    withdrawing.ReasonInvalid: "reason",
    promises.ChoiceInvalid: "promise-choice",
    UpdateUnknown: "gone",
    UpdateWithdrawn: "withdrawn",
}


def actions(uses: IncidentUses) -> dict[str, Action]:
    """Return what needs a second person, by kind; `uses` says who would be mailed."""

    def publish(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
        wanted, now = Release.read(fields), parts.clock.now()
        with _refused(), parts.db.write() as session:
            return releasing.release(
                session,
                parts.vault,
                parts.settings,
                uses.subscribers,
                wanted,
                shown,
                now,
                fields.get(REQUEST, ""),
            )

    def post(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
        wanted, now = Post.read(fields), parts.clock.now()
        with _refused(), parts.db.write() as session:
            count = uses.subscribers
            row = posting.post(session, parts.vault, parts.settings, count, wanted, shown, now)
            return {"update": row.number} if row else {}

    def change(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
        with _refused(), parts.db.write() as session:
            facts.change(session, parts.vault, Facts.read(fields), shown, parts.clock.now())
        return {}

    return {
        FACTS: Action(_describe_facts, change, AUTHORS, APPROVERS),
        PUBLISH: Action(_describe_release, publish, AUTHORS, APPROVERS, PAGE, _beside),
        POST: Action(_describe_post, post, AUTHORS, APPROVERS, PAGE, _beside),
    }


def orders(uses: IncidentUses) -> dict[str, Order]:
    """Return what one member of staff does alone, by name."""

    def post_alone(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
        """Post an update without a second person, and tell those who confirm. Fields: of the post, reason."""
        wanted, now = _post(fields), parts.clock.now()
        with _refused(), parts.db.write() as session:
            row = posting.post_alone(
                session,
                parts.vault,
                parts.settings,
                uses.subscribers,
                wanted,
                fields["reason"],
                acting.by,
                now,
            )
            if row is None:
                raise NotReleasable("gone")
            _withdraw_requests(session, parts, acting, wanted)
            if row.published_at is not None:
                _tell_approvers(session, parts, acting, wanted.slug, row)
            return {"update": row.number}

    def withdraw(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
        """Withdraw a public text.

        Fields: slug, what (version or update), number, reason, reasons (by other languages, JSON), erase,
        promise (keep, back, or empty for what is usual).
        """
        slug, number, erase = fields["slug"], int(fields["number"]), fields["erase"] == "yes"
        now, reason, others = parts.clock.now(), fields["reason"], json.loads(fields["reasons"])
        promise, language = fields.get("promise", ""), parts.settings.default_language
        with _refused(), parts.db.write() as session:
            if fields["what"] == "update":
                update_id = withdrawing.withdraw_update(
                    session, slug, number, reason, now,
                    erase=erase, others=others, promise=promise, language=language,
                )  # fmt: skip
                uses.forget_update(session, update_id)
                if erase:
                    erasing.of_update(session, parts.vault, slug, number, acting.member.id, now)
                return {}
            incident = service.by_slug(session, slug)
            rows = withdrawing.published_version(session, incident, number)
            since = min(row.published_at or row.written_at for row in rows)
            withdrawing.withdraw_version(
                session, slug, number, reason, now,
                erase=erase, others=others, promise=promise, language=language,
            )  # fmt: skip
            if erase:
                uses.forget_notices(session, incident.id, since, now)
                erasing.of_version(session, parts.vault, slug, number, since, acting.member.id, now)
            return {}

    return {
        "incident-create": Order(_create, AUTHORS, counted=True),
        "incident-change": Order(_change, AUTHORS),
        "update-alone": Order(post_alone, AUTHORS, step_up=True),
        "update-confirm": Order(_confirm, APPROVERS, step_up=True),
        "publication-cancel": Order(_cancel, AUTHORS),
        "text-withdraw": Order(withdraw, AUTHORS, step_up=True),
    }


def _beside(session: Session, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an approval's page shows beside what is approved: how it differs from what is public."""
    changed = releasing.changes_of(session, shown) if "statements" in shown else {}
    said = {code: accepted_words(code) for code in shown.get("accepted") or ()}
    return {
        "changed": changed,
        "edited": edits.changed_of(shown),
        "phases": PHASES,
        "so_far": SO_FAR,
        "accepted_words": said,
    }


def _describe_release(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    with _refused():
        return releasing.described(session, Release.read(fields))


def _describe_post(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    with _refused():
        return posting.described(session, Post.read(fields))


def _describe_facts(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    with _refused():
        return facts.described(session, Facts.read(fields))


def _create(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Create an incident as a draft. Fields: of its facts, discovered (ISO 8601, empty for now)."""
    try:
        typed = fields.get("discovered", "")
        discovered_at = datetime.fromisoformat(typed).astimezone(UTC) if typed else None
    except (ValueError, OverflowError) as error:
        raise Refused("discovered") from error
    with _refused(), parts.db.write() as session:
        wanted = Facts.read(fields)
        return {"slug": facts.create(session, wanted, parts.clock.now(), discovered_at).slug}


def _change(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Change the facts of an incident that is not public. Fields: of its facts."""
    with _refused(), parts.db.write() as session:
        facts.change(session, parts.vault, Facts.read(fields), None, parts.clock.now())
    return {}


def _post(fields: Mapping[str, str]) -> Post:
    with _refused():
        return Post.read(fields)


def _confirm(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Confirm an update that its author posted alone. Fields: slug, id."""
    try:
        row_id = bytes.fromhex(fields["id"])
    except ValueError as error:
        raise Refused("gone") from error
    with _refused(), parts.db.write() as session:
        try:
            posting.confirm(session, fields["slug"], row_id, acting.by, parts.clock.now())
        except ConfirmRefused as error:
            raise Refused(error.reason) from error
    return {}


def _cancel(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Forget that drafts are published at a set time. Fields: slug."""
    with _refused(), parts.db.write() as session:
        scheduling.cancel(session, fields["slug"], parts.clock.now())
    return {}


def _withdraw_requests(session: Session, parts: WorkerParts, acting: Acting, posted: Post) -> None:
    """Withdraw what waits for a second person to post the same entry: nobody has to ask for it again."""
    waits = select(Approval).where(Approval.kind == POST, Approval.state == State.OPEN)
    for one in session.scalars(waits.with_for_update()):
        if not genuine(parts.vault, one):  # doctor names it; a new row MAC would make it ours
            continue
        asked = Post.read(fields_of(one))
        if (asked.slug, asked.key) == (posted.slug, posted.key):
            withdraw_request(session, parts.vault, one, acting.member.id, parts.clock.now())


def _tell_approvers(session: Session, parts: WorkerParts, acting: Acting, slug: str, row: Update) -> None:
    """Mail each approver at once: what was posted alone is public, so nothing of it is gathered."""
    alone = posting.newest_alone(session, row)
    url = f"{parts.settings.console.url}/incidents/{slug}/timeline/alone/{alone.id.hex()}/"
    for member in members.with_role(session, parts.vault, Role.APPROVER):
        if member.id != acting.member.id:
            tell(session, parts, member, PostedAlone(url))


@contextmanager
def _refused() -> Iterator[None]:
    """Turn the services' errors into what the console has words for."""
    try:
        yield
    except NotReleasable as error:
        raise Refused(error.reason, **error.values) from error
    except tuple(REFUSALS) as error:
        raise Refused(REFUSALS[type(error)]) from error
