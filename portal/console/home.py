"""The console's first page: what each incident needs next, and what is wrong."""

from flask import render_template

from portal.staff import members, sending
from portal.staff.approvals import service as approvals
from portal.staff.approvals.showing import title_of
from portal.staff.pages import StaffPages

bp = StaffPages("home", __name__)


@bp.page("/")
def home() -> str:
    """Show what waits for whom."""
    console = sending.parts()
    with console.db.read() as db_session:
        waiting = approvals.waiting(db_session)
        names = members.names(db_session, console.vault)
    return render_template("console/home.html", waiting=waiting, names=names, title_of=title_of)
