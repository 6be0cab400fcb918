"""The console's pages of approvals: what waits, what exactly is asked for, and deciding it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babel.lists import format_list
from flask import abort, render_template, request
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.core.faults import parsed
from portal.crypto.webauthn import RelyingParty
from portal.staff import members, sending
from portal.staff.approvals import service
from portal.staff.approvals.forms import CommentForm
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import State
from portal.staff.approvals.showing import STATES, by_language, data_kind, shown_facts, title_of, warnings
from portal.staff.orders import canonical
from portal.staff.pages import StaffPages, current
from portal.staff.roles import Role
from portal.staff.sending import OrderRefused
from portal.staff.sign_in.forms import ConfirmForm
from portal.staff.words import refusal
from portal.web import frame
from portal.web.forms import EmptyForm

bp = StaffPages("approvals", __name__)

REFUSED = 422
# What these make shows on the public page of their incident.
PUBLIC = {"statement.publish", "update.post", "incident.facts", "list.activate"}
# The page of an incident where something is written and asked for.
WRITTEN_AT = {
    "statement.publish": "/incidents/{slug}/statement/publish/",
    "update.post": "/incidents/{slug}/timeline/",
    "incident.facts": "/incidents/{slug}/facts/",
    "list.activate": "/lists/{slug}/",
    "notice.start": "/notices/",
}


def ask(kind: str, fields: Mapping[str, str], reason: str = "") -> Response:
    """Ask for a second person, and show what was asked for. Raises OrderRefused.

    Where the company has one person, it is done by then.
    """
    told = sending.order("ask", kind=kind, fields=canonical(dict(fields)), reason=reason)
    if told.get("state") == State.FAILED:
        return sending.failed(_why_failed(told["result"]), f"/approvals/{told['approval']}/")
    if told.get("state"):
        said = _("Done, without a second person: approvals are set to one person.")
    else:
        said = _asked(told["told"])
    return sending.done(said, f"/approvals/{told['approval']}/")


@dataclass(frozen=True)
class Waiting:
    """A request that waits for a second person, for the page of what was asked for.

    `approvers` are the names of those who can approve it, `yours`: the signed-in member is one of them;
    `mine`: they may withdraw it.
    """

    approval: Approval
    approvers: str
    yours: bool
    mine: bool


def waiting(session: Session, kind: str, fields: Mapping[str, str]) -> Waiting | None:
    """Return the request for exactly this that waits and can be approved, or None."""
    console = sending.parts()
    found = service.find_waiting(session, console.actions, kind, fields, console.clock.now())
    return None if found is None else shown_waiting(session, found)


def waiting_ones(session: Session, *kinds: str) -> list[Approval]:
    """Return the requests of these kinds that wait and can be approved, the oldest first."""
    console = sending.parts()
    ours = [one for one in service.waiting(session) if one.kind in kinds]
    return service.by_validity(session, console.actions, ours, console.clock.now())[0]


def shown_waiting(session: Session, approval: Approval) -> Waiting:
    """Return a request that waits, with what pages say of it."""
    console, me = sending.parts(), current().member
    action = console.actions[approval.kind]
    able = [
        one
        for one in members.listed(session, console.vault)
        if one.active
        and one.roles & action.approve
        and one.id != approval.asked_by
        and not service.about(action, approval, one.id)
    ]
    names = [one.shown for one in able]
    return Waiting(
        approval,
        approvers=format_list(names, style="or", locale=get_locale()) if names else "",
        yours=me.id in {one.id for one in able},
        mine=approval.asked_by == me.id or Role.ADMIN in me.roles,
    )


def _asked(told: list[str]) -> str:
    """Return who hears of a request, and by when."""
    console = sending.parts()
    with console.db.read() as db_session:
        known = members.names(db_session, console.vault)
    names = [known.get(bytes.fromhex(member_id), "?") for member_id in told]
    if not names:
        return str(
            _("We’ve stored the request, but nobody else can approve it. Ask an admin to add an approver.")
        )
    said = ngettext(
        "We’ve asked for approval. %(names)s gets an email within 3 minutes.",
        "We’ve asked for approval. These people get an email within 3 minutes: %(names)s.",
        len(names),
        names=format_list(sorted(names), locale=get_locale()),
    )
    return str(said)


@bp.page("/approvals/")
def overview() -> str:
    """List what waits, what an edit cancelled, and what was decided lately."""
    console = sending.parts()
    with console.db.read() as db_session:
        open_ones, now = service.waiting(db_session), console.clock.now()
        waiting, void = service.by_validity(db_session, console.actions, open_ones, now)
        decided = [
            one for one in service.newest(db_session) if one.state != State.OPEN and service.readable(one)
        ]
        names = members.names(db_session, console.vault)
        titles = console.titles(db_session, frame.language())
    return render_template(
        "staff/console/approvals.html",
        waiting=waiting,
        void=void,
        decided=decided,
        names=names,
        title_of=lambda one: title_of(one, names),
        incident_of=lambda one: titles.get(service.subject_of(one), service.subject_of(one)),
        state_words=STATES,
    )


@bp.page("/approvals/<approval_id>/")
def one(approval_id: str) -> str:
    """Show exactly what is asked for."""
    return _page(_approval(approval_id), ConfirmForm(formdata=None), CommentForm(formdata=None))


@bp.page("/approvals/<approval_id>/approve/", methods=("POST",))
def approve(approval_id: str) -> Any:
    """Approve exactly what the page showed, with a passkey's signature over it, or a code."""
    approval, form = _approval(approval_id), ConfirmForm()
    answer = request.form.get("passkey", "")
    if not answer and not form.validate():
        return _page(approval, form, CommentForm(formdata=None)), REFUSED
    try:
        told = sending.order(
            "approve",
            approval=approval_id,
            digest=request.form.get("digest", ""),
            passkey=answer,
            code=(form.code.data or "")[:40],
        )
    except OrderRefused as error:
        fault = refusal(error.reason)
        return _page(_approval(approval_id), form, CommentForm(formdata=None), fault), REFUSED
    if told["state"] == State.FAILED:
        return sending.failed(_why_failed(told["result"]), f"/approvals/{approval_id}/")
    return sending.done(_("Approved and done."), f"/approvals/{approval_id}/")


@bp.page("/approvals/<approval_id>/send-back/", methods=("POST",))
def send_back(approval_id: str) -> Any:
    """Send a request back with a comment."""
    approval, form = _approval(approval_id), CommentForm()
    if not form.validate():
        return _page(approval, ConfirmForm(formdata=None), form), REFUSED
    try:
        sending.order("send-back", approval=approval_id, comment=form.comment.data or "")
    except OrderRefused as error:
        return _page(approval, ConfirmForm(formdata=None), form, refusal(error.reason)), REFUSED
    return sending.done(_("Sent back. We’ve emailed the author."), f"/approvals/{approval_id}/")


@bp.page("/approvals/<approval_id>/withdraw/", methods=("POST",))
def withdraw(approval_id: str) -> Response:
    """Withdraw a request."""
    _approval(approval_id)
    try:
        sending.order("withdraw", approval=approval_id)
    except OrderRefused as error:
        return sending.failed(refusal(error.reason), f"/approvals/{approval_id}/")
    return sending.done(_("The request is withdrawn."), f"/approvals/{approval_id}/")


def _why_failed(result: dict[str, Any]) -> str:
    return refusal(str(result.get("reason", "fault")), result)


def _approval(approval_id: str) -> Approval:
    try:
        row_id = bytes.fromhex(approval_id)
    except ValueError:
        abort(404)
    with sending.parts().db.read() as db_session:
        found = db_session.get(Approval, row_id)
    if found is None:
        abort(404)
    return found


def _page(approval: Approval, confirm: ConfirmForm, comment: CommentForm, fault: str = "") -> str:
    console, staff = sending.parts(), current()
    action = console.actions.get(approval.kind)
    with console.db.read() as db_session:
        names = members.names(db_session, console.vault)
        now = console.clock.now()
        valid = action is not None and (
            approval.state != State.OPEN or service.current(db_session, action, approval, now)
        )
        titles = console.titles(db_session, frame.language())
        shown = service.shown_of(approval)
        more = action.more(db_session, shown) if action is not None and action.more else {}
        warn = action.warn if action is not None and valid and approval.state == State.OPEN else None
        warned = list(warn(db_session, console.settings, shown)) if warn is not None else []
    settings, slug = console.settings, service.subject_of(approval)
    result = parsed(approval.result, service.TABLE, approval.id)
    party = RelyingParty.at(settings.base_url, settings.site.organisation)
    mine = approval.asked_by == staff.member.id
    may = action is not None and bool(action.approve & staff.member.roles)
    if action is not None and service.about(action, approval, staff.member.id):
        may = False
    return render_template(
        "staff/console/approval.html",
        approval=approval,
        title=title_of(approval, names),
        names=names,
        facts=shown_facts(approval, names, titles, frame.language(), settings.site.languages),
        by_language=lambda counts: by_language(counts, settings.site.languages),
        warned=[*warned, ("", warnings(approval))],
        incident=slug,
        incident_titles=titles,
        public=approval.kind in PUBLIC and approval.state == State.DONE,
        page=action.page if action is not None else "",
        shown=shown,
        data_kind=lambda name: data_kind(name, frame.language()),
        **more,
        state_words=STATES,
        valid=valid,
        fault=fault,
        form=confirm,
        comment=comment,
        empty=EmptyForm(),
        options=json.dumps(party.request(service.challenge_of(approval), {})),
        decides=may and not mine and valid and approval.state == State.OPEN,
        withdraws=(mine or Role.ADMIN in staff.member.roles) and approval.state == State.OPEN,
        mine=mine,
        result=result,
        why=_why_failed(result or {}) if approval.state == State.FAILED else "",
        written_at=WRITTEN_AT.get(approval.kind, "").format(slug=slug),
    )
