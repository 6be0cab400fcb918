"""What a browser does on the pages of passkeys, without a browser."""

import json
from html import unescape

from tests.accounts.passkeys.authenticator import Authenticator
from tests.visitor import SAME_SITE, hidden


def question(page: str) -> dict:
    """What a page asks the browser for."""
    return json.loads(unescape(page.split('data-passkey="')[1].split('"', maxsplit=1)[0]))


def sign_in_with(visitor, passkey: Authenticator, page: str = "/sign-in/", **lies):
    shown = visitor.get(page).text
    action = shown.split('<form method="post" action="/sign-in/passkey/')[1].split('"')[0]
    data = hidden(shown) | {"passkey": passkey.get(question(shown), **lies)}
    return visitor.post(f"/sign-in/passkey/{unescape(action)}", data=data, headers=SAME_SITE)


def add(visitor, name="Phone", public=(), **options):
    passkey = Authenticator(**options)
    shown = visitor.get("/account/passkeys/add/").text
    answer = passkey.create(question(shown), public=dict(public))
    data = hidden(shown) | {"name": name, "passkey": answer}
    return passkey, visitor.post("/account/passkeys/add/", data=data, headers=SAME_SITE)


def change(visitor, named: str, /, **fields):
    page = visitor.get("/account/passkeys/").text
    after = page.split(f"<dt>{named}</dt>")[1]
    path = unescape(after.split('<a href="')[1].split('"')[0])
    return visitor.post(
        "/account/passkeys/change/", data=hidden(visitor.get(path).text) | fields, headers=SAME_SITE
    )
