"""The pages around a mailed link: request it, wait for it, enter its code, open it.

The session cookie holds, per purpose, the secrets of the browser's last three requests and the token opened
last. No address is looked up here: the worker does that and answers by mail.
"""

from dataclasses import dataclass
from secrets import token_hex

from flask import render_template, session
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from portal.crypto import tokens
from portal.crypto.hashing import TooBusy
from portal.intake import service
from portal.web import frame
from portal.web.forms import CodeForm

BROWSER_SECRETS = 3  # one address gets three mails a day (replies.CAP_PER_DAY)
LONGEST_TOKEN = 64
REFUSED = 400

Page = str | tuple[str, int] | Response


@dataclass(frozen=True)
class Flow:
    """One feature's flow. `ask`, `sent` and `opened` are endpoints; `sent_template` has the code form.

    `opened` is the page that link and code lead to. `drop_on_open` is the key of a session value to remove
    when another link is opened. Without `has_code` the mail has a link only.
    """

    purpose: str
    ask: str
    sent: str
    opened: str
    sent_template: str
    drop_on_open: str | None = None
    has_code: bool = True

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
            service.submit(db_session, parts.vault, purpose or self.purpose, request, parts.clock.now())
        # Earlier secrets stay, so that the code of an earlier mail works after another request.
        session[self._secrets_key] = [secret, *self.browser_secrets()][:BROWSER_SECRETS]
        session[self._account_key] = for_account
        return frame.see_other(self.sent)

    def sent_page(self, form: CodeForm | None = None) -> Page:
        """Show what happens next and the code form; redirect to the start when nothing was requested."""
        if not self.browser_secrets():
            return frame.see_other(self.ask)
        for_account = session.get(self._account_key, False)
        page = render_template(self.sent_template, form=form or CodeForm(), for_account=for_account)
        return (page, REFUSED) if form is not None else page

    def redeem(self) -> Page:
        """Exchange a code typed in the requesting browser for the link's token. Raises 429, 503."""
        secrets, form = self.browser_secrets(), CodeForm()
        if not secrets:
            return frame.see_other(self.ask)
        if not form.validate():
            return self.sent_page(form)
        typed = form.code.data or ""
        token = self._token_of_code(secrets, typed)
        if token is None:
            form.code.errors = [_why_wrong(typed)]
            return self.sent_page(form)
        return self.open_link(token)

    def open_link(self, token: str) -> Response:
        """Move a link's token from the URL to the session and redirect (303); nothing is read or spent."""
        session[self._token_key] = token[:LONGEST_TOKEN]
        if self.drop_on_open:
            session.pop(self.drop_on_open, None)
        return frame.see_other(self.opened)

    def token(self) -> str | None:
        """Return the token that this browser opened last, or None."""
        return session.get(self._token_key)

    def browser_secrets(self) -> list[str]:
        """Return the secrets of this browser's requests, newest first."""
        stored = session.get(self._secrets_key)
        return stored if isinstance(stored, list) else []

    def forget(self) -> None:
        """Remove the token and the browser's secrets from the session."""
        for key in (self._token_key, self._secrets_key, self._account_key):
            session.pop(key, None)

    def _token_of_code(self, secrets: list[str], typed: str) -> str | None:
        """Return the token that a code opens, or None. Raises 429, 503.

        An attempt costs a hash per secret, so it counts against the network's limit and waits for a hash
        slot.
        """
        parts = frame.parts()
        try:
            with parts.hash_slots.taken():
                with parts.db.write() as db_session:
                    frame.limit_intake(db_session, self.purpose)
                    locked = service.count_try(db_session, self.purpose, secrets, parts.clock.now())
                return service.open_by_code(locked, self.purpose, secrets, typed)
        except TooBusy as busy:
            frame.busy(busy.retry_after)
        except service.CodeWrong:
            return None

    @property
    def _secrets_key(self) -> str:
        return f"flow {self.purpose}"

    @property
    def _token_key(self) -> str:
        return f"token {self.purpose}"

    @property
    def _account_key(self) -> str:
        return f"account {self.purpose}"


def _why_wrong(typed: str) -> str:
    """Return the form error for a code that opens nothing in this browser."""
    if len(tokens.normalise_code(typed)) == tokens.AUTHENTICITY_LENGTH:
        return str(
            _(
                "This is the code that shows whether a message is really from us. "
                "The one for this page has 8 letters and digits."
            )
        )
    return str(_("This code is not right, or older than 30 minutes. Check it, or use the link in the mail."))
