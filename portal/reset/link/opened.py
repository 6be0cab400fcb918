"""The link that a page of a reset was opened with."""

from portal.intake import service as intake
from portal.intake.flow import Flow
from portal.reset import service
from portal.reset.emails import PURPOSE
from portal.web import frame
from portal.web.tabs import TabValue

FLOW = Flow(
    PURPOSE,
    ask="reset.ask",
    sent="reset.sent",
    opened="reset.choose",
    sent_template="reset/sent.html",
)


def live_link(opened: TabValue) -> service.Link:
    """Return the link that a page names, or end with the page for invalid links (410)."""
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            store = parts.settings.identity.store
            return service.open_link(db_session, store, opened.value, parts.clock.now())
    except intake.LinkInvalid:
        frame.gone()
