"""Exchange a typed code, for the pages that take one."""

from portal.intake import service
from portal.kit import web
from portal.kit.slots import TooBusy


def token_for(purpose: str, browser: str, typed: str) -> str | None:
    """Return the token that the code stands for in the browser that asked, or None where it is wrong.

    A try costs a hash, so it is counted against the network's limit, and waits for a slot; raises 429 and 503.
    """
    parts = web.parts()
    try:
        with parts.slots.taken():
            with parts.db.write() as session:
                web.limit_intake(session)
                locked = service.count_try(session, purpose, browser, parts.clock.now())
            return service.open_by_code(locked, purpose, browser, typed)
    except TooBusy as busy:
        web.busy(busy.retry_after)
    except service.CodeWrong:
        return None
