"""The console's pages of who is staff, and of one's own ways to sign in."""

import json
from typing import Any

from flask import abort, render_template, request
from flask import session as flask_session
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from portal.crypto import tokens
from portal.staff import members, sending, sessions
from portal.staff.approvals.console import ask, shown_waiting, waiting_ones
from portal.staff.approvals.service import fields_of
from portal.staff.approvals.showing import title_of
from portal.staff.members import Member
from portal.staff.pages import StaffPages, current
from portal.staff.people.forms import InviteForm, RolesForm
from portal.staff.roles import Role, written
from portal.staff.sending import OrderRefused
from portal.staff.words import SHORT_ROLES, refusal
from portal.web import frame
from portal.web.forms import EmptyForm

bp = StaffPages("people", __name__)

ADMIN = frozenset({Role.ADMIN})
REFUSED = 422


@bp.page("/staff/")
def overview() -> str:
    """List everyone, with their roles."""
    console = sending.parts()
    with console.db.read() as db_session:
        found = members.listed(db_session, console.vault)
    return render_template("staff/console/people.html", people=found, names=SHORT_ROLES)


@bp.page("/staff/new/", roles=ADMIN, methods=("GET", "POST"), step_up=True)
def invite() -> Any:
    """Ask for somebody to be invited."""
    form, fault = InviteForm(), ""
    if form.validate_on_submit():
        wanted = " ".join(form.roles.data or [])
        try:
            told = sending.order("add", email=form.email.data or "", roles=wanted, language=frame.language())
            return ask("staff.invite", {"member": told["member"]})
        except OrderRefused as error:
            fault = refusal(error.reason)
    page = render_template("staff/console/invite.html", form=form, fault=fault)
    return page, REFUSED if fault or form.errors else 200


@bp.page("/staff/<member_id>/", roles=ADMIN, methods=("GET", "POST"), step_up=True)
def member(member_id: str) -> Any:
    """Show a member; ask for other roles or a new invitation; sign them out."""
    found = _member(member_id)
    form, fault = RolesForm(), ""
    if request.method == "GET":
        form.roles.data = [role.value for role in found.roles]
    if form.validate_on_submit():
        wanted = {Role(value) for value in form.roles.data or []}
        after = "" if form.remove.data else written(wanted)
        if not (after or form.remove.data):
            fault = _("Choose at least one role, or remove this person.")
        else:
            try:
                return ask("staff.roles", {"member": member_id, "roles": after})
            except OrderRefused as error:
                fault = refusal(error.reason)
    console = sending.parts()
    with console.db.read() as db_session:
        live = sessions.listed(db_session, console.vault, found.id, console.clock.now())
        asked = waiting_ones(db_session, "staff.roles", "staff.invite", "staff.passkey")
        waits = [
            (title_of(one, {found.id: found.shown}), shown_waiting(db_session, one))
            for one in asked
            if fields_of(one)["member"] == found.id.hex()
        ]
    page = render_template(
        "staff/console/member.html",
        member=found,
        form=form,
        fault=fault,
        live=live,
        waits=waits,
        empty=EmptyForm(),
    )
    return page, REFUSED if fault or form.errors else 200


@bp.page("/staff/<member_id>/invite/", roles=ADMIN, methods=("POST",), step_up=True)
def invite_again(member_id: str) -> Any:
    """Ask for a new invitation, in place of what a member signs in with."""
    found = _member(member_id)
    try:
        return ask("staff.invite", {"member": found.id.hex()})
    except OrderRefused as error:
        return sending.failed(refusal(error.reason), f"/staff/{member_id}/")


@bp.page("/staff/<member_id>/passkey/", roles=ADMIN, methods=("POST",), step_up=True)
def invite_passkey(member_id: str) -> Any:
    """Ask for an invitation with which a member adds a passkey to what they have."""
    found = _member(member_id)
    try:
        return ask("staff.passkey", {"member": found.id.hex()})
    except OrderRefused as error:
        return sending.failed(refusal(error.reason), f"/staff/{member_id}/")


@bp.page("/staff/<member_id>/sign-out/", roles=ADMIN, methods=("POST",))
def sign_out_member(member_id: str) -> Response:
    """Sign a member out everywhere."""
    found = _member(member_id)
    try:
        sending.order("end-sessions", member=found.id.hex())
    except OrderRefused as error:
        return sending.failed(refusal(error.reason), "/staff/")
    return sending.done(_("%(name)s is signed out everywhere.", name=found.shown), f"/staff/{member_id}/")


@bp.page("/me/")
def me() -> str:
    """Show one's own sessions and ways to sign in."""
    console, staff = sending.parts(), current()
    with console.db.read() as db_session:
        live = sessions.listed(db_session, console.vault, staff.member.id, console.clock.now())
    ways = sending.order("credentials")
    return render_template("staff/console/me.html", live=live, ways=ways, form=EmptyForm(), names=SHORT_ROLES)


@bp.page("/me/sessions/", methods=("POST",))
def end_session() -> Response:
    """End one of one's own sessions, or all others."""
    console, staff, form = sending.parts(), current(), EmptyForm()
    form.validate()
    with console.db.write() as db_session:
        if request.form.get("session") == "others":
            ended = sessions.end_all(db_session, staff.member.id, but=staff.id)
        else:
            try:
                wanted = bytes.fromhex(request.form.get("session", ""))
            except ValueError:
                abort(404)
            ended = [wanted] if sessions.end(db_session, staff.member.id, wanted) else []
    if ended:
        token = str(flask_session.get(sending.TOKEN, ""))
        ids = " ".join(one.hex() for one in ended)
        sending.tell("signed-out-elsewhere", session=token, sessions=ids)
    return sending.done(_("Signed out there."), "/me/")


@bp.page("/me/passkeys/", methods=("GET", "POST"), step_up=True)
def add_passkey() -> Any:
    """Add one more passkey."""
    fault = ""
    if request.method == "POST":
        try:
            sending.order(
                "add-passkey",
                passkey=request.form.get("passkey", ""),
                passkey_name=request.form.get("name", "")[:40],
            )
            return sending.done(_("Your passkey is ready. Use it the next time you sign in."), "/me/")
        except OrderRefused as error:
            fault = refusal(error.reason)
    try:
        options = sending.order("ask-new-passkey")["options"]
    except OrderRefused as error:
        here = "/confirm/?next=/me/passkeys/"
        return sending.failed(refusal(error.reason), here if error.reason == "old-passkey" else "/me/")
    page = render_template("staff/console/passkey.html", options=json.dumps(options), fault=fault)
    return page, REFUSED if fault else 200


@bp.page("/me/passkeys/remove/", methods=("POST",), step_up=True)
def remove_passkey() -> Response:
    """Remove one's own passkey; it ends the sessions."""
    try:
        sending.order("remove-passkey", id=request.form.get("id", ""))
    except OrderRefused as error:
        here = "/confirm/?next=/me/"
        return sending.failed(refusal(error.reason), here if error.reason == "old-passkey" else "/me/")
    return sending.done(_("The passkey is removed. Sign in again."), "/me/")


@bp.page("/me/recovery-codes/", methods=("POST",), step_up=True)
def recovery_codes() -> str:
    """Make new recovery codes, and show them once."""
    codes = [tokens.grouped(code) for code in sending.order("recovery-codes")["codes"]]
    return render_template("staff/console/recovery-codes.html", codes=codes, form=EmptyForm(), joined=False)


def _member(member_id: str) -> Member:
    console = sending.parts()
    with console.db.read() as db_session:
        listed = members.listed(db_session, console.vault)
    found = next((one for one in listed if one.id.hex() == member_id), None)
    return found or abort(404)
