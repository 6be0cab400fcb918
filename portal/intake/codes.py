"""Exchange a typed code, for the pages that take one."""

from flask_babel import gettext as _

from portal.intake import service
from portal.kit import tokens, web
from portal.kit.slots import TooBusy


def token_for(purpose: str, browsers: list[str], typed: str) -> str | None:
    """Return the token that the code stands for in the browser that asked, or None where it is wrong.

    `browsers` are the secrets of its last flows. A try costs a hash for each of them, so it is counted
    against the network's limit, and waits for a slot; raises 429 and 503.
    """
    parts = web.parts()
    try:
        with parts.slots.taken():
            with parts.db.write() as session:
                web.limit_intake(session)
                locked = service.count_try(session, purpose, browsers, parts.clock.now())
            return service.open_by_code(locked, purpose, browsers, typed)
    except TooBusy as busy:
        web.busy(busy.retry_after)
    except service.CodeWrong:
        return None


def why_wrong(typed: str) -> str:
    """Return what to do about a code that opens nothing in this browser."""
    if len(tokens.normalise_code(typed)) == tokens.AUTHENTICITY_LENGTH:
        return str(
            _(
                "This is the code that shows whether a message is really from us. "
                "The one for this page has 8 letters and digits."
            )
        )
    return str(_("This code is not right, or older than 30 minutes. Check it, or use the link in the mail."))
