"""The page after a new password: what was done, what else helps, and the reminder."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, abort, render_template, session
from flask.typing import ResponseReturnValue

from portal.accounts import login
from portal.intake.flow import REFUSED
from portal.rotation import service as rotation
from portal.rotation.forms import ReminderForm
from portal.web import frame
from portal.web.tabs import TabValue, TabValues

bp = Blueprint("reset_done", __name__)
UNLISTED_PATHS = ()

# Each value is an account's id, the Unix time until which the page works, whether it is signed in, and
# whether every other device is certainly signed out; its state is the reminder's interval once that was
# chosen.
DONE = TabValues("resets done", former="reset done")
DONE_FOR = timedelta(minutes=30)
OVER = "reset over"

Page = ResponseReturnValue


@dataclass(frozen=True)
class Finished:
    """A password that was set a while ago: whose, and what the page about it says."""

    entry: TabValue
    account_id: bytes
    signed_in: bool
    signed_out: bool


@bp.get("/reset/done/")
def done() -> Page:
    """Confirm the new password and show what else helps; offer the reminder for 30 minutes."""
    finished = _finished()
    with frame.parts().db.read() as db_session:
        chosen = rotation.chosen(db_session, finished.account_id)
    return _done_page(finished, ReminderForm(formdata=None, interval=chosen.interval), finished.entry.state)


@bp.post("/reset/done/")
def remind() -> Page:
    """Store the chosen reminder interval for the account whose password this page is about."""
    finished, form, parts = _finished(), ReminderForm(), frame.parts()
    if not form.validate():
        return _done_page(finished, form, None), REFUSED
    with parts.db.write() as db_session:
        rotation.choose(db_session, finished.account_id, form.interval.data, parts.clock.now())
    DONE.change(finished.entry, form.interval.data)
    return frame.see_other("reset_done.done", link=finished.entry.name)


def to_done(
    account_id: bytes, version: int, now: datetime, *, signed_in: bool, signed_out: bool = True
) -> Page:
    """Redirect to the last page, valid for 30 minutes, and mark this browser as a known device.

    `version` is the account's with the new password. `signed_out`: it is certain that every device was.
    """
    until = int((now + DONE_FOR).timestamp())
    name = DONE.put(f"{account_id.hex()} {until} {int(signed_in)} {int(signed_out)}")
    response = frame.see_other("reset_done.done", link=name)
    login.remember_device(response, account_id, version)
    return response


def _finished() -> Finished:
    """Return the change of a password that a page names; redirect to the start where it is over."""
    entry = DONE.find()
    if entry is None:
        abort(frame.see_other("reset.ask"))
    account, until, signed_in, *signed_out = entry.value.split()
    if frame.parts().clock.now().timestamp() >= int(until):
        session[OVER] = True
        abort(frame.see_other("reset.ask"))
    # Values of a former version end earlier.
    return Finished(entry, bytes.fromhex(account), signed_in == "1", signed_out != ["0"])


def _done_page(finished: Finished, form: ReminderForm, chosen: str | None) -> str:
    return render_template(
        "reset/done.html",
        form=form,
        saved=chosen,
        signed_in=finished.signed_in,
        signed_out=finished.signed_out,
    )
