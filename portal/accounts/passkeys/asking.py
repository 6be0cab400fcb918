"""Ask this browser for a passkey, and read its answer: what every page with one shares.

`{{ passkey_form(options, ...) }}` of parts/passkey.html puts the question on a page; `static/js/passkey.js`
asks the browser, and sends the answer in the field `passkey`.
"""

import json
from secrets import token_hex

from flask import request, session
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.accounts.passkeys import service
from portal.accounts.passkeys.challenges import Asked, Purpose
from portal.accounts.passkeys.service import Proof
from portal.crypto.webauthn import RelyingParty
from portal.web import frame

FIELD = "passkey"
_BROWSER = "passkeys"
_SECRET_BYTES = 16


def asked_for(purpose: Purpose, account_id: bytes = b"", context: str = "") -> Asked:
    """Return what a question of this browser is bound to; its session keeps a secret from the first on."""
    browser = session.get(_BROWSER)
    if not isinstance(browser, str):
        browser = session[_BROWSER] = token_hex(_SECRET_BYTES)
    return Asked(purpose, browser, account_id, context)


def party() -> RelyingParty:
    """Return this site as authenticators know it."""
    return RelyingParty.of(frame.parts().settings)


def how_many(count: int) -> str:
    """Return how many passkeys an account has, in words."""
    words = ngettext("%(num)s passkey", "%(num)s passkeys", count) if count else _("You have none yet")
    return str(words)


def options(purpose: Purpose, account_id: bytes = b"", context: str = "") -> str:
    """Return the question as JSON, for a page; it can be answered for five minutes, and nothing is stored."""
    parts, asked = frame.parts(), asked_for(purpose, account_id, context)
    if not account_id:
        return json.dumps(service.open_request(parts.vault, party(), asked, parts.clock.now()))
    with parts.db.read() as db_session:
        found = service.request(db_session, parts.vault, party(), asked, parts.clock.now())
    return json.dumps(found)


def proof(purpose: Purpose, account_id: bytes = b"", context: str = "") -> Proof | None:
    """Return whose passkey answered in this request, or None whatever is wrong; each answer counts once."""
    parts, asked = frame.parts(), asked_for(purpose, account_id, context)
    with parts.db.write() as db_session:
        return service.verify(
            db_session,
            parts.vault,
            party(),
            request.form.get(FIELD, ""),
            asked,
            language=frame.language(),
            now=parts.clock.now(),
        )
