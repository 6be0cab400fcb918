"""The log of what people do with their account names nobody, and opens nothing."""

import logging
import re

import pytest

from portal.cases import jobs as cases
from portal.intake import service as intake
from portal.worker import drain
from tests.authenticator import SECRET, App
from tests.reset.journey import ANA, OLD
from tests.visitor import hidden, leads_to

# What is logged does not depend on the database.
pytestmark = pytest.mark.sqlite

NEW, PHONE = "ana@home.example", "34 600 123 456"
NEXT = "marmalade violin staircase"


def test_no_line_holds_an_address_a_password_a_code_or_a_link(
    everything, client, app, db, clock, sign_in, web_vault, worker_parts, smtp, caplog
):
    caplog.set_level(logging.DEBUG)
    for page in ("/account/data/copy/", "/account/data/erase/", "/account/factors/recovery/"):
        assert client.submit(page).status_code in (200, 303)
    client.submit("/account/address/", email=NEW)
    token = hidden(client.get("/account/confirm/").text)
    client.post("/account/confirm/passkey/", data=token | {"passkey": '{"id": "AAAA", "response": {}}'})
    drain(worker_parts)

    thief, codes = app.test_client(), [App(clock).code(1), *everything.recovery]
    sign_in(ANA, NEXT, visitor=thief)
    asked = sign_in(visitor=thief).location
    for typed in ("000000", everything.recovery[0]):
        assert thief.submit(asked, code=typed).status_code == 400
    assert leads_to(thief.submit("/sign-in/second/lost/")) == "/second-step/sent/"
    assert leads_to(thief.submit(asked, code=codes[0])) == "/account/"
    opened = hidden(thief.submit("/cases/new/", contact=PHONE).text)
    for code in ("wrong", opened["code"]):
        thief.submit("/cases/", number=opened["number"], code=code)
    drain(worker_parts)
    cases.look(worker_parts)

    mails = "".join(mail.text for mail in smtp.messages)
    links = re.findall(r"http://localhost:8000((?:/[a-z-]+)+/)([a-z2-7]{32})/", mails)
    assert {"/not-me", "/second-step", "/account/data/open", "/account/erase"} <= {
        path.removesuffix("/") for path, _ in links
    }
    for path, link in links:
        thief.get(f"{path}{link}/", follow_redirects=True)
    (report,) = [f"{path}{link}/" for path, link in links if path == "/not-me/"][-1:]
    assert thief.submit(thief.get(report).location, sure="y").status_code == 303
    drain(worker_parts)

    # What is said where something is wrong: a link that is none of these kinds.
    for purpose in ("not-me", "erase-confirmed", "case-stop", "address-undo", "reset-renewal"):
        with db.write() as session:
            intake.submit(session, web_vault, purpose, {"token": links[0][1]}, clock.now())
    drain(worker_parts)

    ours = [record for record in caplog.records if record.name != "mail.log"]  # the tests' own mail server
    assert len([record for record in ours if record.name.startswith("portal.")]) >= 5
    secrets = {ANA, NEW, PHONE, OLD, NEXT, SECRET, "ana.ruiz", opened["number"], opened["code"], *codes}
    said = " ".join(f"{record.getMessage()} {record.exc_text or ''}" for record in ours)
    assert {secret for secret in secrets | {link for _, link in links} if secret in said} == set()
