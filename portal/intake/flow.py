"""The pages around a mailed link: request it, wait for it, enter its code, open it.

The session cookie holds, per purpose, the secrets of the browser's last three requests and the tokens of the
last three links; each page of a link names its own (`portal/web/tabs.py`). No address is looked up here: the
worker does that and answers by mail.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from secrets import token_hex
from typing import Any

from flask import abort, render_template, session
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from portal.crypto import tokens
from portal.crypto.hashing import TooBusy
from portal.intake import service
from portal.web import frame
from portal.web.forms import AddressForm, CodeForm
from portal.web.tabs import TabValue, TabValues

BROWSER_SECRETS = 3  # one address gets three mails a day (replies.CAP_PER_DAY)
NO_TOKEN = "-" * 32  # stored for a malformed token, so that cookies of one step have one length
REFUSED = 400
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# Longer waits are told in steps of five minutes, and in hours from here on.
EXACT, LONG = 10 * MINUTE, 90 * MINUTE
# Why a flow's page led to its start: the session lacks a request, or a link.
NOT_REQUESTED, NOT_OPENED = "not requested", "not opened"

Page = str | tuple[str, int] | Response


@dataclass(frozen=True)
class Flow:
    """One feature's flow. `ask`, `sent` and `opened` are endpoints; `sent_template` has the code form.

    `opened` is the page that link and code lead to. Without `has_code` the mail has a link only.
    """

    purpose: str
    ask: str
    sent: str
    opened: str
    sent_template: str
    has_code: bool = True

    def submit_address(self, form: AddressForm, **fields: str) -> Page:
        """Submit a valid form with an address, and more fields; first ask about one that looks mistyped."""
        address = form.email.data or ""
        meant = form.meant()
        if meant is not None:
            return render_template("intake/did-you-mean.html", typed=address, meant=meant, fields=fields)
        return self.submit({"email": address, **fields})

    def submit(
        self, fields: dict[str, str], *, purpose: str | None = None, for_account: bool = False
    ) -> Response:
        """Submit a request to the worker, commit it, and redirect (303) to the `sent` page. Raises 429.

        `purpose` overrides the flow's purpose in the request; `for_account` means that no address was typed.
        The same steps run whatever the fields hold.
        """
        parts = frame.parts()
        secret = token_hex(tokens.BROWSER_SECRET_BYTES)
        request = fields | {"language": frame.language()} | ({"browser": secret} if self.has_code else {})
        with parts.db.write() as db_session:
            frame.limit_intake(db_session, self.purpose)
            service.submit(
                db_session,
                parts.vault,
                purpose or self.purpose,
                request,
                parts.clock.now(),
                lane=frame.client_lane(),
            )
        # Earlier secrets stay, so that the code of an earlier mail works after another request.
        session[self._secrets_key] = [secret, *self.browser_secrets()][:BROWSER_SECRETS]
        session[self._account_key] = for_account
        return frame.see_other(self.sent)

    def sent_page(self, form: CodeForm | None = None, **values: Any) -> Page:
        """Show what happens next and the code form; redirect to the start when nothing was requested.

        `values` are for the template.
        """
        if not self.browser_secrets():
            return self._to_start(NOT_REQUESTED)
        for_account = session.get(self._account_key, False)
        page = render_template(
            self.sent_template,
            form=form or CodeForm(),
            for_account=for_account,
            wait=_present_wait(),
            **values,
        )
        return (page, REFUSED) if form is not None else page

    def redeem(self) -> Page:
        """Exchange a code typed in the requesting browser for the link's token. Raises 429, 503."""
        secrets, form = self.browser_secrets(), CodeForm()
        if not secrets:
            return self._to_start(NOT_REQUESTED)
        if not form.validate():
            return self.sent_page(form)
        typed = form.code.data or ""
        token = self._token_of_code(secrets, typed)
        if token is None:
            form.code.errors = [_why_wrong(typed)]
            return self.sent_page(form)
        return self.open_link(token)

    def open_link(self, token: str, state: Any = None) -> Response:
        """Move a link's token from the URL to the session and redirect (303); nothing is read or spent."""
        name = self._links.put(token if tokens.looks_like_token(token) else NO_TOKEN, state)
        return frame.see_other(self.opened, link=name)

    def link(self) -> TabValue:
        """Return the link that this request names: its token, and the state that its page stored.

        Ends the request where there is none: with a redirect to the start, or with 410.
        """
        link = self._links.find()
        if link is None:
            abort(self._to_start(NOT_OPENED))
        return link

    def why_here(self) -> str | None:
        """Return once why a page of this flow led to its start, or None."""
        why = session.pop(self._why_key, None)
        return str(why) if why else None

    def _to_start(self, why: str) -> Response:
        session[self._why_key] = why
        return frame.see_other(self.ask)

    def change(self, link: TabValue, state: Any) -> None:
        """Store what the page of a link did; opening the link again resets it to None."""
        self._links.change(link, state)

    def browser_secrets(self) -> list[str]:
        """Return the secrets of this browser's requests, newest first."""
        stored = session.get(self._secrets_key)
        return stored if isinstance(stored, list) else []

    def forget(self, link: TabValue, browser: bytes | None) -> None:
        """Remove a link from the session, with the secret of its request; those of other tabs stay.

        `browser` is the hash of that secret (`Opened.browser`), if the link's reply is still there.
        """
        self._links.forget(lambda token: token == link.value)
        secrets = [secret for secret in self.browser_secrets() if service.browser_hash(secret) != browser]
        session[self._secrets_key] = secrets

    def _token_of_code(self, secrets: list[str], typed: str) -> str | None:
        """Return the token that a code opens, or None. Raises 429, 503.

        An attempt costs a hash per secret, so it counts against the network's limit and waits for a hash
        slot. One that gets none uses up no try.
        """
        parts = frame.parts()
        with parts.db.write() as db_session:
            frame.limit_intake(db_session, self.purpose)
            locked = service.count_try(db_session, self.purpose, secrets, parts.clock.now())
        try:
            with parts.hash_slots.taken():
                return service.open_by_code(locked, self.purpose, secrets, typed)
        except TooBusy as busy:
            with parts.db.write() as db_session:
                service.forgive_try(db_session, secrets, locked)
            frame.busy(busy.retry_after)
        except service.CodeWrong:
            return None

    @property
    def _secrets_key(self) -> str:
        return f"flow {self.purpose}"

    @property
    def _why_key(self) -> str:
        return f"why {self.purpose}"

    @property
    def _links(self) -> TabValues:
        return TabValues(f"links {self.purpose}", former=f"token {self.purpose}")

    @property
    def _account_key(self) -> str:
        return f"account {self.purpose}"


def _present_wait() -> dict[str, int]:
    """Return how many minutes or hours a mail takes at present, nothing for less than one.

    It is the same for everyone.
    """
    parts = frame.parts()
    now = parts.clock.now()
    with parts.db.read() as db_session:
        wait = sum((estimate(db_session, now) for estimate in parts.waits), timedelta())
    if wait < MINUTE:
        return {}
    if wait > LONG:
        return {"hours": ceil(wait / HOUR)}
    return {"minutes": ceil(wait / MINUTE) if wait <= EXACT else 5 * ceil(wait / (5 * MINUTE))}


def _why_wrong(typed: str) -> str:
    """Return the form error for a code that opens nothing in this browser."""
    if len(tokens.normalise_code(typed)) == tokens.AUTHENTICITY_LENGTH:
        return str(
            _(
                "That code is for checking if a message is really from us. "
                "The code for this page has 8 letters and digits."
            )
        )
    return str(_("This code is wrong or older than 30 minutes. Check it, or use the link in the email."))
