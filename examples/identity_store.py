"""A user store that the portal can ask: the five endpoints of `docs/identity-store.openapi.yaml`.

    SECRET=whsec_... python identity_store.py 8090

It listens on this machine alone: put a server with TLS before it.
Put your own tables in the place of ACCOUNTS, HASHES, CLOSED and SESSIONS. What must stay: the signature is
checked first, an unknown account takes as long as any other, and a change that is asked for twice with the
same id is made once and answered alike.
"""

import base64
import hmac
import os
import sys
import time
from threading import Lock
from typing import Any

from flask import Flask, abort, request
from werkzeug.security import check_password_hash, generate_password_hash

SECRETS = [base64.b64decode(secret.removeprefix("whsec_")) for secret in os.environ["SECRET"].split()]
WINDOW = 300  # seconds by which the two clocks may differ; an answer is remembered for twice as long
UNUSABLE = generate_password_hash(os.urandom(16).hex())  # fits nothing, and takes as long as any other
ACCOUNTS: dict[str, dict[str, Any]] = {
    "1001": {"id": "1001", "address": "ann@example.com", "name": "Ann", "references": ["C-1"]},
    "1002": {"id": "1002", "address": "Bob@example.com", "locale": "es", "references": ["C-2"]},
}
HASHES = {account: generate_password_hash("correct horse battery") for account in ACCOUNTS}
CLOSED: dict[str, str] = {}
SESSIONS = {account: ["a browser"] for account in ACCOUNTS}
ANSWERED: dict[str, tuple[float, dict[str, Any]]] = {}  # several processes need a table for this
ONE_CHANGE = Lock()  # a repetition waits for the first try
app = Flask(__name__)


@app.post("/accounts/<verb>")
def answer(verb: str) -> Any:
    message, sent = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    content = f"{message}.{sent}.".encode() + request.get_data()
    ours = [b"v1," + base64.b64encode(hmac.digest(secret, content, "sha256")) for secret in SECRETS]
    theirs = request.headers.get("webhook-signature", "").encode().split()
    genuine = any(hmac.compare_digest(one, other) for one in ours for other in theirs)
    check(genuine and sent.isdecimal() and abs(time.time() - int(sent)) <= WINDOW, 401, "signature")
    asked = request.get_json()
    check(verb in VERBS and asked.pop("type") == f"accounts.{verb}", 400, "malformed")
    if verb not in CHANGES:
        return VERBS[verb](**asked)
    with ONE_CHANGE:
        for old in [one for one, (when, _) in ANSWERED.items() if when < time.time() - 2 * WINDOW]:
            del ANSWERED[old]
        if message not in ANSWERED:
            ANSWERED[message] = time.time(), VERBS[verb](**asked) or {}
        return ANSWERED[message][1]


def check(condition: bool, status: int, error: str) -> None:
    if not condition:
        abort(app.make_response(({"error": error}, status)))


def find(addresses=(), references=(), ids=(), after="", limit=0) -> dict[str, Any]:  # type: ignore[no-untyped-def]
    lower = {address.lower() for address in addresses}  # ignore the case, as your sign-in does
    found = {*ids, *sorted(one for one in ACCOUNTS if one > (after or ""))[:limit]}
    found |= {one for one, account in ACCOUNTS.items() if account["address"].lower() in lower}
    found |= {one for one, account in ACCOUNTS.items() if {*account.get("references", ())} & {*references}}
    return {"accounts": [account for one, account in ACCOUNTS.items() if one in found]}


def verify(id: str | None, password: str, which: str) -> dict[str, Any]:  # noqa: A002
    stored = (HASHES if which == "current" else CLOSED).get(id or "", UNUSABLE)
    return {"verdict": "fits" if check_password_hash(stored, password) else "wrong"}


def set_password(id: str, password: str) -> None:  # noqa: A002
    check(id in ACCOUNTS, 404, "unknown-account")
    check(len(password) >= 8, 422, "password-refused")  # your own rules
    HASHES[id] = generate_password_hash(password)


def require_change(ids: list[str]) -> dict[str, Any]:
    still_open = [one for one in ids if HASHES.get(one, UNUSABLE) != UNUSABLE]
    CLOSED.update({one: HASHES[one] for one in still_open})
    HASHES.update(dict.fromkeys(still_open, UNUSABLE))
    return {"required": len(still_open)}


def end_sessions(ids: list[str]) -> None:
    SESSIONS.update({one: [] for one in ids if one in SESSIONS})


CHANGES = {"password": set_password, "require-change": require_change, "end-sessions": end_sessions}
VERBS: dict[str, Any] = {"find": find, "verify": verify, **CHANGES}
if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), threaded=True)
