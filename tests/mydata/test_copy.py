"""A copy holds everything about one person, and nothing about anybody else; only they can take it."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from portal.accounts.address import service as addresses
from portal.core.db import Base
from portal.intake.models import IntakeRequest
from portal.mydata import jobs
from portal.mydata.models import DataCopy
from portal.worker import drain
from tests.accounts.known import recognise
from tests.authenticator import SECRET
from tests.mydata.conftest import COPY, holding, mailed
from tests.reset.journey import ANA, BEN, OLD
from tests.visitor import leads_to

ASK = "/account/data/copy/"
# Every table with an account's id, and where the copy has what is in it; or why there is nothing to say.
COVERED = {
    "account_events.account_id": "activity",
    "account_proofs.account_id": "a proof of the last minutes, worthless without its browser",
    "account_sessions.account_id": "devices",
    "account_state.id": "account",
    "address_changes.account_id": "account",
    "factor_removals.account_id": "a removal under way, of which every address was told",
    "identity_accounts.id": "account",
    "one_time_codes.account_id": "security",
    "passkeys.account_id": "security",
    "past_addresses.account_id": "account",
    "recovery_codes.account_id": "security",
    "rotation_choices.account_id": "reminders",
    "unchecked_passwords.account_id": "the version whose password is yet to be looked up",
}


@pytest.fixture
def ask(client, worker_parts, smtp):
    """Ask for a copy, and return its link."""

    def asked(visitor=client, to=ANA):
        assert leads_to(visitor.submit(ASK)) == "/account/data/sent/"
        drain(worker_parts)
        return mailed(smtp, COPY, to)

    return asked


def take(visitor, link):
    """Open a link and press its button."""
    return visitor.submit(visitor.get(link).location)


def copies(db):
    with db.read() as session:
        return session.execute(select(DataCopy.id, func.length(DataCopy.content))).all()


def test_the_copy_of_a_person_with_everything_holds_everything(everything, ask, client):
    ask()
    answer = take(client, ask())
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    data = json.loads(answer.text)
    assert (data["format"], data["version"], data["language"]) == ("portal-my-data", 1, "en")
    assert data["responsible"]["email"] == "help@northwind.example"
    assert data["account"]["address"] == ANA
    assert data["account"]["past_addresses"] == []
    assert data["account"]["name"] == "Ana Ruiz"
    assert data["account"]["customer_numbers"] == ["K-1"]
    assert data["account"]["language_from_the_company"] == "es"
    (incident,) = data["incidents"]
    assert (incident["incident"], incident["result"]) == ("november", "affected")
    assert incident["in_words"] == "You are affected"
    (entry,) = incident["entries"]
    assert (entry["address"], entry["customer_number"], entry["language"]) == (ANA, "K-1", "es")
    assert [one["name"] for one in entry["data"]] == ["Passwords", "Names"]
    assert incident["entries_of_other_people_at_this_address"] == 1
    assert [one["name"] for one in data["security"]["passkeys"]] == ["Blue phone"]
    assert data["security"]["authenticator_app"]["added_on"] == "2026-11-23"
    assert data["security"]["recovery_codes_left"] == 10
    assert len(data["devices"]) == 1
    assert "changed" in [event["what"] for event in data["activity"]]
    assert data["reminders"]["every_months"] == 6
    assert data["updates"] == [{"incident": "november", "state": "subscribed"}]
    assert sorted(mail["kind"] for mail in data["mails"]) == ["answer", "copy of your data", "reset link"]
    assert data["made_at"] == "2026-11-23T09:02:00+00:00"
    assert data["requests_not_answered_yet"] == []
    assert data["kept_for_days"]["account_events"] == 180


def test_it_holds_no_secret_and_nothing_of_anybody_else(everything, ask, client, people):
    told = take(client, ask()).text
    account = people.account(ANA)
    for secret in (OLD, account.password_hash, SECRET, *everything.recovery, account.id.hex()):
        assert secret not in told
    for other in (BEN, "Berta", "K-2", "K-3", "Ode", "Physical addresses"):
        assert other not in told


def test_no_table_with_an_account_is_forgotten(everything, db):
    named = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.name == "account_id"
    }
    assert named <= set(COVERED)
    assert holding(db, everything.id) <= set(COVERED)


def test_a_copy_is_in_the_readers_language(ana, lists, ask, client):
    lists.live(f"{ANA},K-1,,,,Passwords\n")
    client.post("/language/", data={"language": "es"}, headers={"Sec-Fetch-Site": "same-origin"})
    data = json.loads(take(client, ask()).text)
    assert data["incidents"][0]["entries"][0]["data"][0] == {"name": "Passwords", "in_words": "Contraseñas"}


def test_a_session_that_ended_gets_none(ana, client, worker_parts, smtp, db):
    client.submit(ASK)
    client.submit("/sign-out/")
    drain(worker_parts)
    assert (len(smtp.messages), copies(db)) == (0, [])


def test_the_link_alone_opens_nothing_and_a_sign_in_is_asked_for(ana, ask, client, app):
    link = ask()
    stranger = app.test_client()
    opened = stranger.get(link).location
    page = stranger.get(opened)
    assert (page.status_code, "Sign in first" in page.text) == (200, True)
    name = opened.partition("link=")[2]
    pressed = stranger.post(
        "/account/data/open/",
        data={"link": name, "csrf_token": token_of(stranger)},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert (pressed.status_code, ANA in pressed.text) == (303, False)
    client.submit("/sign-out/")
    assert "Sign in first" in client.get(client.get(link).location).text


def token_of(visitor):
    from tests.visitor import hidden

    return hidden(visitor.get("/check/").text)["csrf_token"]


def test_another_account_opens_nothing(ana, ask, people, app, sign_in):
    link = ask()
    people.add(BEN)
    ben = app.test_client()
    assert leads_to(sign_in(BEN, visitor=ben)) == "/account/"
    opened = ben.get(link).location
    assert ben.get(opened).status_code == 410
    pressed = ben.post(opened, data={"csrf_token": token_of(ben)}, headers={"Sec-Fetch-Site": "same-origin"})
    assert pressed.status_code == 410


def test_a_past_address_that_is_somebody_elses_now_brings_nothing_of_theirs(
    ana, ask, client, sign_in, people, lists, db, worker_vault, clock
):
    """An inbox is given to somebody else, and a later list is about them."""
    new = "ana@home.example"
    with db.write() as session:
        addresses.change(session, worker_vault, ana.id, new, clock.now())
    clock.advance(timedelta(days=9))
    ben = people.add(BEN, name="Ben Ode", ref="K-3")
    with db.write() as session:
        addresses.change(session, worker_vault, ben, ANA, clock.now())
    lists.live(f"{ANA},K-3,Ben Ode,,,Passwords\n{ANA},,Ana Ruiz,,,Names\n")
    assert leads_to(sign_in(new)) == "/account/"
    (here, before) = json.loads(take(client, ask(to=new)).text)["incidents"]
    assert (here["address"], here["result"]) == (new, "not_listed")
    assert [entry["name"] for entry in before["entries"]] == ["Ana Ruiz"]
    assert before["entries_of_other_people_at_this_address"] == 1
    lists.live(f"{ANA},,,,,Passwords\n")
    (_, before) = json.loads(take(client, ask(to=new)).text)["incidents"]
    assert (before["result"], before["entries"]) == ("not_listed", [])


def test_looking_at_the_page_hands_nothing_out_and_it_can_be_taken_twice(ana, ask, client):
    link = ask()
    page = client.get(client.get(link).location)
    assert (ANA in page.text, page.mimetype) == (False, "text/html")
    assert [take(client, link).status_code for _ in range(2)] == [200, 200]


def test_it_is_asked_for_three_times_a_day_at_most_and_every_row_has_one_length(
    ana, ask, client, worker_parts, smtp, db, people, sign_in, app
):
    for _ in range(4):
        ask()
    assert len(smtp.to(ANA)) == 3
    people.add(BEN)
    ben = app.test_client()
    sign_in(BEN, visitor=ben)
    ben.submit(ASK)
    drain(worker_parts)
    assert {length for _, length in copies(db)} == {65_568}


def test_a_copy_goes_with_its_link_after_a_week(ana, ask, client, clock, worker_parts, db):
    link = ask()
    clock.advance(timedelta(days=7, hours=2))
    jobs.tidy(worker_parts)
    assert copies(db) == []
    assert client.get(client.get(link).location).status_code == 200
    client.get("/sign-out/")


def test_a_recent_proof_is_asked_for(ana, client, clock):
    clock.advance(timedelta(minutes=11))
    for page in ("/account/data/", ASK, "/account/data/erase/"):
        assert leads_to(client.get(page)) == f"/account/confirm/?next={page}"


def test_a_request_says_nothing_of_who_asked(ana, client, db, people, app, sign_in, web_vault):
    people.add(BEN)
    ben = app.test_client()
    recognise(ben, web_vault, people.account(BEN))
    sign_in(BEN, visitor=ben)
    for visitor in (client, ben):
        visitor.submit(ASK)
    with db.read() as session:
        rows = session.execute(select(IntakeRequest.purpose, func.length(IntakeRequest.sealed))).all()
    assert len(set(map(tuple, rows))) == 1
    assert holding(db, ANA.encode()) == set()


def test_a_copy_that_somebody_altered_opens_nothing(ana, ask, client, db):
    link = ask()
    with db.write() as session:
        session.execute(text("UPDATE data_copies SET content = :bytes"), {"bytes": b"x" * 65_568})
    assert client.get(client.get(link).location).status_code == 410
