"""Affected, not affected or unknown: every form gives the same responses, statements and rows."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from portal.accounts import lockout
from portal.accounts.models import FailureCount
from portal.core.db import new_id
from portal.crypto.hashing import dummy_hash
from portal.exposure.models import ExposedPerson
from portal.exposure.people import Indexer
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.models import AccountRow
from portal.incidents import service as incidents
from portal.intake import jobs as intake
from portal.intake.models import IntakeRequest
from portal.subscriptions import service as subscriptions
from portal.worker import drain
from tests import traces
from tests.lists import import_and_activate
from tests.open_store import OpenStore
from tests.visitor import Visitor, hidden

SLUGS = ("november", "second")
AFFECTED = "ann@northwind.example"
LISTED_ELSEWHERE = "bob@northwind.example"
CUSTOMER = "customer.who.is.on.no.list@a-much-longer-domain-than-the-others.example"
UNKNOWN = "eve@northwind.example"
# On a list and with an account, but both rows were damaged.
SPOILT = "dan@northwind.example"
EVERYONE = (AFFECTED, LISTED_ELSEWHERE, CUSTOMER, UNKNOWN, SPOILT)
FORMS = {"/check/": {}, "/reset/": {}, "/subscribe/": {"incident": SLUGS[0]}}
LISTS = {
    "november": f"{AFFECTED},7,Ann,en,ES,Passwords;Dates of birth\nx@northwind.example,1,,,,\n",
    "second": "".join(f"{AFFECTED},{i},{'Ann' * i},en,,Passwords\n" for i in range(20))
    + f"{LISTED_ELSEWHERE},8,Bob,en,,Phone numbers\n"
    + f"{SPOILT},9,Dan,en,,Passwords\n"
    + "a.n.n.a@gmail.com,10,Anna,en,,Passwords\n",
}


@pytest.fixture
def listed(db, worker_vault, clock, database_url, tmp_path: Path) -> None:
    """Two incidents with lists, three accounts, and one affected customer who is a subscriber too."""
    now = clock.now()
    for slug, rows in LISTS.items():
        with db.write() as session:
            incident = incidents.create(session, slug, f"The incident {slug}", ("Names",), now)
            incidents.publish(session, slug, now)
        file = tmp_path / f"{slug}.csv"
        file.write_text(f"email,account_ref,name,locale,jurisdiction,data_classes\n{rows}", encoding="utf-8")
        import_and_activate(db, worker_vault, clock, incident.id, file)
        with db.write() as session:
            subscriptions.confirm(session, worker_vault, incident.id, subscriptions.Contact(AFFECTED, "en"))
    customers = (AFFECTED, CUSTOMER, SPOILT)
    accounts = [NewAccount(Profile(address), dummy_hash("m=64,t=1,p=1")) for address in customers]
    with db.write() as session:
        OpenStore().add(session, worker_vault, accounts, now)
        session.execute(
            update(AccountRow)
            .where(AccountRow.address_index == worker_vault.account_index(SPOILT))
            .values(profile=bytes(284))
        )
        session.execute(
            update(ExposedPerson)
            .where(ExposedPerson.fold_index == Indexer(worker_vault).fold(SPOILT))
            .values(blob=bytes(284))
        )
    clock.advance(timedelta(days=1))


def fill_in(browser: Visitor, form: str, address: str):
    return browser.post(form, data=hidden(browser.get(form).text) | FORMS[form] | {"email": address})


@pytest.mark.parametrize("form", FORMS)
def test_the_browser_gets_the_same_bytes(listed, app, form):
    ways = []
    for address in EVERYONE:
        browser = app.test_client()
        asked = fill_in(browser, form, address)
        sent = browser.get(asked.location)
        way = [asked, sent]
        if 'name="code"' in sent.text:
            way.append(browser.post(asked.location, data=hidden(sent.text) | {"code": "AAAA-AAAA"}))
        ways.append([traces.response(page) for page in way])
    assert ways == [ways[0]] * 5
    assert ways[0][0][0] == 303


@pytest.mark.parametrize("form", FORMS)
def test_the_web_process_runs_the_same_statements_and_writes_the_same_rows(listed, app, db, form):
    fill_in(app.test_client(), form, "first.of.this.network@elsewhere.example")
    left = []
    for address in EVERYONE:
        before = traces.lengths(db)
        with traces.statements(db) as seen:
            fill_in(app.test_client(), form, address)
        left.append((seen, traces.change(before, traces.lengths(db))))
    assert left == [left[0]] * 5
    assert len(left[0][1]["intake_requests"][0]) == 1


@pytest.mark.parametrize("form", FORMS)
def test_the_worker_runs_the_same_statements_and_leaves_the_same_rows(
    listed, app, db, worker_parts, smtp, form
):
    left = []
    for address in EVERYONE:
        fill_in(app.test_client(), form, address)
        before = traces.lengths(db)
        with traces.statements(db) as seen:
            intake.answer(worker_parts)
        answered = traces.lengths(db)
        drain(worker_parts)
        left.append((seen, traces.change(before, answered), traces.change(answered, traces.lengths(db))))
        assert len(smtp.to(address)) == 1, address
    assert left == [left[0]] * 5
    assert set(left[0][1]) == {"intake_requests", "intake_caps", "intake_replies", "outbox_mails"}


@pytest.mark.parametrize("form", FORMS)
def test_every_mail_has_the_same_size(listed, app, worker_parts, smtp, form):
    sizes = set()
    for address in (AFFECTED, LISTED_ELSEWHERE, UNKNOWN, SPOILT):  # of one length each
        fill_in(app.test_client(), form, address)
        drain(worker_parts)
        (mail,) = smtp.to(address)
        sizes.add(len(mail.content))
    assert len(sizes) == 1


@pytest.mark.parametrize("form", FORMS)
def test_no_row_names_the_outcome_or_the_person(listed, app, db, worker_parts, form):
    for address in EVERYONE:
        fill_in(app.test_client(), form, address)
    drain(worker_parts)
    with db.engine.connect() as connection:
        shown = set(connection.exec_driver_sql("SELECT purpose, state, reason FROM outbox_mails").all())
    assert len(shown) == 1
    assert re.match(r"(check|reset|subscribe)\b", next(iter(shown))[0])


@pytest.mark.parametrize("form", FORMS)
def test_no_value_is_shared_by_the_rows_of_one_person(listed, app, db, worker_parts, form):
    """Someone with a copy of the database who asked for an address could find that person's other rows."""
    before = traces.contents(db)
    for address in (AFFECTED, AFFECTED.upper(), UNKNOWN, UNKNOWN.upper()):
        fill_in(app.test_client(), form, address.replace("NORTHWIND.EXAMPLE", "northwind.example"))
        drain(worker_parts)
        worker_parts.clock.advance(timedelta(hours=1))
    after = traces.contents(db)
    for table in ("intake_replies", "outbox_mails"):
        seen = [
            {bytes(value) for value in row if isinstance(value, bytes | memoryview) and value}
            for row in after[table]
            if row not in before[table]
        ]
        assert len(seen) in ({2, 4} if form == "/subscribe/" else {4})
        assert len(set().union(*seen)) == sum(map(len, seen))


@pytest.mark.parametrize("form", ["/check/", "/reset/"])
def test_the_same_cap_stands_for_everyone(listed, app, worker_parts, smtp, form):
    for _ in range(5):
        for address in EVERYONE:
            fill_in(app.test_client(), form, address)
        drain(worker_parts)
    assert [len(smtp.to(address)) for address in EVERYONE] == [3, 3, 3, 3, 3]


@pytest.fixture
def guessed(listed, app, db, worker_vault, clock) -> tuple[str, ...]:
    """Addresses guessed at twice before an incident: one must reset, one has an account, one is unknown."""
    for address in (AFFECTED, CUSTOMER, UNKNOWN):
        for _ in range(2):
            assert guess(app.test_client(), address) == 400
    clock.advance(timedelta(days=31))
    with db.write() as session:
        account = OpenStore().find(session, worker_vault, AFFECTED)
        assert account is not None
        OpenStore().require_reset(session, [account.id], "exposed", clock.now())
    return AFFECTED, CUSTOMER, UNKNOWN


def guess(browser: Visitor, address: str) -> int:
    return browser.submit("/sign-in/", email=address, password="no password of anybody's").status_code


def test_a_guess_at_the_door_leaves_the_same_statements_and_rows(guessed, app, db):
    guess(app.test_client(), "first.of.this.hour@elsewhere.example")
    left = []
    for address in guessed:
        before = traces.lengths(db)
        with traces.statements(db) as seen:
            assert guess(app.test_client(), address) == 400
        left.append((seen, traces.change(before, traces.lengths(db))))
    assert left[0] == left[1] == left[2]


def test_the_guess_that_closes_sign_in_leaves_the_same_statements_and_rows(
    guessed, app, db, web_vault, clock
):
    """Whoever it was, the web process submits the same request for a link."""
    guess(app.test_client(), "first.of.this.hour@elsewhere.example")
    with db.write() as session:
        for address in guessed:
            account = OpenStore().find(session, web_vault, address)
            index, version = web_vault.account_index(address), account.version if account else 1
            guesses = (lockout.lockout_of(web_vault, index, version), FailureCount.strangers, clock.now())
            while lockout.count(session, web_vault, *guesses) != 1:
                pass
    left = []
    for address in guessed:
        before, browser = traces.lengths(db), app.test_client()
        form = hidden(browser.get("/sign-in/").text)
        with traces.statements(db) as seen:
            refused = browser.post("/sign-in/", data=form | {"email": address, "password": "x" * 20})
        status, headers, body = traces.response(refused)
        same = [header for header in headers if header[0] != "Content-Length"]  # the page shows the address
        rows = traces.change(before, traces.lengths(db))
        left.append((seen, rows, status, same, body.replace(address.encode(), b"")))
    assert left[0] == left[1] == left[2]
    assert len(left[0][1]["intake_requests"][0]) == 1


def test_who_knows_when_and_how_often_they_guessed_finds_nobody_in_the_rows_that_it_left(guessed, app, db):
    """Without a key no failure count reveals an account, or a reset required in between."""
    for address in guessed:
        guess(app.test_client(), address)
    everything = traces.contents(db)
    doors = everything.pop("sign_in_doors")
    assert len(doors) == len(guessed)
    values = [bytes(value) for row in doors for value in row if isinstance(value, bytes | memoryview)]
    assert len(set(values)) == len(values) == 4 * len(doors)
    assert len({value for row in doors for value in row if not isinstance(value, bytes | memoryview)}) == 1
    elsewhere = {
        bytes(value)
        for rows in everything.values()
        for row in rows
        for value in row
        if isinstance(value, bytes | memoryview)
    }
    assert not elsewhere & set(values)


@pytest.mark.parametrize("size", [1024, 2048])
def test_a_field_that_is_too_long_does_not_tell_who_is_listed_under_another_spelling(
    listed, db, web_vault, worker_parts, smtp, clock, size
):
    """The answer goes to the longer address on the list: with a long field beside it, it would not fit."""
    for length in range(920, 980, 5):
        for address in ("anna@gmail.com", "carl@gmail.com"):
            forge(db, web_vault, clock, size, email=address, language="x" * length)
        before = traces.lengths(db)
        intake.answer(worker_parts)
        change = traces.change(before, traces.lengths(db))
        mails = list(change["outbox_mails"][0].values()) if "outbox_mails" in change else []
        assert mails in ([], [2]), f"{length}: the two were not treated alike"
        assert mails == ([2] if size == 1024 else [])
        clock.advance(timedelta(days=1))


def forge(db, web_vault, clock, size: int, **fields: str) -> None:
    """Submit a request of this size, as whoever stole the web process's keys can."""
    row_id = new_id()
    content = json.dumps(fields, separators=(",", ":")).encode()
    padded = (len(content).to_bytes(2) + content).ljust(size, b"\0")
    values = {"state": "waiting", "asked_at": clock.now(), "due_at": clock.now(), "attempts": 0}
    with db.write() as session:
        sealed = web_vault.seal("check", row_id, padded)
        session.execute(insert(IntakeRequest).values(id=row_id, purpose="check", sealed=sealed, **values))


def test_the_trap_of_these_tests_closes(listed, app, db, worker_parts):
    fill_in(app.test_client(), "/check/", "not-ascii-ö@northwind.example")
    before = traces.lengths(db)
    intake.answer(worker_parts)
    assert "outbox_mails" not in traces.change(before, traces.lengths(db))
