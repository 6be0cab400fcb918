"""Keys and a database that an earlier version wrote: every row opens, every mail and cookie still works.

The files in `written_before` were dumped from that version: its keys, and a database with four customers and
one incident with its affected list, mails sent and waiting. Never regenerate them with the current code: that
would prove nothing.
"""

import json
import shutil
import sqlite3
from base64 import b64decode
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from portal.accounts import service as accounts
from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.crypto import keys, self_test
from portal.crypto.keys import WebKeys, WorkerKeys
from portal.crypto.vault import WebVault, WorkerVault
from portal.identity.account import Profile
from portal.identity.builtin.jobs import encrypt_hashes
from portal.rotation import jobs as rotation
from portal.rotation import service as reminders
from portal.runtime import schema
from portal.subscriptions import jobs as subscriptions
from portal.web import limits
from portal.worker import drain
from tests.open_store import OpenStore
from tests.visitor import Visitor, leads_to

FOLDER = Path(__file__).with_name("written_before")
WRITTEN: dict[str, Any] = json.loads((FOLDER / "portal.json").read_text())
MAILS: dict[str, dict[str, str]] = WRITTEN["mails"]
REVISION = "0011_intake_order"
PASSWORD = "a lantern for eleven owls"
ANA, BEN, EVE, LOU = (f"{name}@northwind.example" for name in ("ana", "ben", "eve", "lou"))
STORE = OpenStore()


@pytest.fixture(scope="module")
def web_keys() -> WebKeys:
    return keys.read_web(FOLDER / "web-keys.json")


@pytest.fixture(scope="module")
def worker_keys() -> WorkerKeys:
    return keys.read_worker(FOLDER / "worker-keys.json")


@pytest.fixture(scope="module")
def key_files(tmp_path_factory) -> Path:
    """A folder with the former files, under today's names."""
    folder: Path = tmp_path_factory.mktemp("keys")
    for name in ("web", "worker"):
        shutil.copyfile(FOLDER / f"{name}-keys.json", folder / f"{name}.json")
    return folder


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory) -> Path:
    """The earlier version's database, with the migrations that came since."""
    file = tmp_path_factory.mktemp("former") / "portal.db"
    db = Database(f"sqlite:///{file}")
    schema.upgrade(db, REVISION)
    connection = sqlite3.connect(file)
    with connection:
        for table, rows in WRITTEN["rows"].items():
            connection.execute(f"DELETE FROM {table}")
            for row in rows:
                values = [b64decode(one["bytes"]) if isinstance(one, dict) else one for one in row.values()]
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", values)
    connection.close()
    schema.upgrade(db)
    db.dispose()
    return file


@pytest.fixture
def database_url(upgraded, tmp_path) -> str:
    (tmp_path / "portal.db").write_bytes(upgraded.read_bytes())
    return f"sqlite:///{tmp_path / 'portal.db'}"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.fromisoformat(WRITTEN["now"]))


def account_id(db: Database, vault: WorkerVault, address: str) -> bytes:
    with db.read() as session:
        account = STORE.find(session, vault, address)
    assert account is not None
    return account.id


def with_cookies(app, cookies: dict[str, str]) -> Visitor:
    """A browser that has the cookies of WRITTEN; the session's is signed anew, because its time is over."""
    visitor: Visitor = app.test_client()
    contents = app.session_interface.get_signing_serializer(app).loads(cookies["session"])
    with visitor.session_transaction() as session:
        session.update(contents)
    if "device" in cookies:
        visitor.set_cookie("device", cookies["device"])
    return visitor


def change(db: Database, *statements: str) -> None:
    with db.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def count(db: Database, condition: str) -> int:
    with db.engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT count(*) FROM {condition}").scalar()
    assert isinstance(found, int)
    return found


def test_the_key_files_are_written_as_they_were(web_keys, worker_keys, tmp_path):
    keys.write_pair(web_keys, worker_keys, tmp_path / "web-keys.json", tmp_path / "worker-keys.json")
    for name in ("web-keys.json", "worker-keys.json"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_the_database_knows_its_keys(db, web_keys, worker_keys):
    assert self_test.check(db, WorkerVault(worker_keys))
    self_test.check_web(db, WebVault(web_keys))


def test_accounts_are_found_and_their_profiles_open(db, worker_vault):
    with db.read() as session:
        (ana,) = STORE.find_by_ref(session, worker_vault, "A-1")
        assert STORE.profile(session, worker_vault, ana.id) == Profile(ANA, "Ana", "A-1", "es")
    assert ana.id == account_id(db, worker_vault, ANA)


def test_passwords_sign_in_and_failures_still_count(app):
    assert app.test_client().submit("/sign-in/", email=LOU, password=PASSWORD).status_code == 303
    # Sixty failures by strangers were counted for this address.
    assert app.test_client().submit("/sign-in/", email=BEN, password=PASSWORD).status_code != 303


def test_passwords_stay_valid_when_the_worker_has_encrypted_their_hashes(app, db, worker_parts):
    assert count(db, "identity_accounts WHERE password_hash LIKE '$%'") == 4
    encrypt_hashes(worker_parts)
    assert count(db, "identity_accounts WHERE password_hash LIKE '$%'") == 0
    assert count(db, "account_state WHERE closed LIKE '$%'") == 0
    test_passwords_sign_in_and_failures_still_count(app)


def test_a_signed_in_browser_stays_signed_in(app):
    browser = with_cookies(app, WRITTEN["signed_in_browser"])
    shown = browser.get("/account/")
    assert shown.status_code == 200
    assert ANA in shown.text
    assert browser.get("/account/sessions/").status_code == 200


def test_a_known_device_stays_known(db, web_vault, worker_vault):
    cookie, ana = WRITTEN["signed_in_browser"]["device"], account_id(db, worker_vault, ANA)
    assert accounts.known_device(web_vault, cookie, ana, 1)
    assert not accounts.known_device(web_vault, cookie, ana, 2)


def test_a_link_opens_its_answer(client):
    assert client.get(MAILS["check"]["path"]).status_code == 303
    assert "The incident" in client.submit("/check/answer/").text


@pytest.mark.real_codes
def test_a_code_opens_the_answer_in_the_browser_that_asked(app):
    code = MAILS["check"]["code"]
    opened = with_cookies(app, WRITTEN["asking_browser"]).submit("/check/sent/", code=code)
    assert (opened.status_code, leads_to(opened)) == (303, "/check/answer/")


@pytest.mark.parametrize("mail", ["reset", "required"])
def test_a_link_sets_a_new_password(client, mail):
    assert leads_to(client.get(MAILS[mail]["path"])) == "/reset/choose/"
    chosen = client.submit("/reset/choose/", password="nine quiet otters by the mill")
    assert (chosen.status_code, leads_to(chosen)) == (303, "/reset/done/")


def test_a_link_confirms_a_subscription(client, db, worker_parts):
    client.get(MAILS["subscribe"]["path"])
    assert client.submit("/subscribe/confirm/").status_code == 303
    drain(worker_parts)
    assert count(db, "subscriptions") == 2


def test_who_subscribed_before_is_not_subscribed_twice(client, db, worker_parts, smtp):
    assert client.submit("/subscribe/", email=ANA, incident="november").status_code == 303
    drain(worker_parts)
    (mail,) = [mail for mail in smtp.to(ANA) if "/subscribe/confirm/" in mail.text]
    client.get("/subscribe/confirm/" + mail.text.split("/subscribe/confirm/")[1].split()[0])
    assert client.submit("/subscribe/confirm/").status_code == 303
    drain(worker_parts)
    assert count(db, "subscriptions") == 1


def test_a_waiting_update_is_mailed_and_can_be_unsubscribed_from(client, db, worker_parts, smtp):
    subscriptions.announce(worker_parts)
    drain(worker_parts)
    (mail,) = [mail for mail in smtp.to(ANA) if "There’s news for you" in mail.text]
    link = str(mail.message["List-Unsubscribe"]).strip("<>").removeprefix("http://localhost:8000")
    assert client.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert count(db, "subscriptions") == 0


def test_an_update_that_was_signed_without_its_text_is_mailed_without_a_word_of_it(db, worker_parts, smtp):
    change(db, "UPDATE incidents_wordings SET body = 'Pay at evil.example'")
    subscriptions.announce(worker_parts)
    drain(worker_parts)
    (mail,) = [mail for mail in smtp.to(ANA) if "There’s news for you" in mail.text]
    said = f"{mail.message['Subject']} {mail.text} {mail.html}"
    assert not any(word in said for word in ("evil.example", "We closed the gap", "november"))


def test_a_link_switches_reminders_off(client, db, worker_vault):
    ana = account_id(db, worker_vault, ANA)
    for expected in ("3", "off"):
        with db.read() as session:
            assert reminders.chosen(session, ana).interval == expected
        assert client.post(MAILS["reminder"]["path"]).status_code == 200


@pytest.mark.parametrize("mail", MAILS)
def test_the_page_is_it_real_knows_every_mail(client, mail):
    shown = client.submit("/is-it-real/", code=MAILS[mail]["is_it_real"])
    assert shown.status_code == 200
    assert MAILS[mail]["subject"] in shown.text


def test_a_waiting_request_is_answered_and_waiting_mails_go_out(worker_parts, smtp):
    drain(worker_parts)
    assert sorted(address for mail in smtp.messages for address in mail.recipients) == [ANA, EVE, LOU]


def test_the_affected_list_answers(client, app, worker_parts, smtp):
    client.submit("/check/", email=EVE)
    drain(worker_parts)
    (mail,) = [mail for mail in smtp.to(EVE) if "/check/answer/" in mail.text]
    browser = app.test_client()
    browser.get("/check/answer/" + mail.text.split("/check/answer/")[1].split()[0])
    assert "Password" in browser.submit("/check/answer/").text


def test_a_fourth_answer_a_day_is_still_too_many(client, worker_parts, smtp):
    client.submit("/check/", email=ANA)
    drain(worker_parts)
    assert not [mail for mail in smtp.to(ANA) if "/check/answer/" in mail.text]


def test_a_notice_that_starts_over_writes_to_nobody_twice(db, run):
    change(
        db,
        "UPDATE notices SET state = 'running', ended_at = NULL",
        "UPDATE notice_waves SET state = 'running', cursor = x''",
    )
    done = run("campaigns", "notify", "november", "--confirm", "2")
    assert done.exit_code == 0, done.output
    assert count(db, "outbox_mails WHERE purpose = 'notice'") == 2
    assert count(db, "notices JOIN notice_waves ON notice_id = id WHERE notices.state = 'ended'") == 1
    assert count(db, "notice_waves WHERE cursor <> x''") == 1


def test_a_reset_that_starts_over_mails_nobody_twice(db, run):
    change(
        db,
        "UPDATE account_state SET must_reset = 0",
        "UPDATE reset_requirements SET finished_at = NULL, cursor = x''",
    )
    done = run("reset", "require", "november")
    assert done.exit_code == 0, done.output
    assert count(db, "account_state WHERE must_reset") == 1
    assert count(db, "outbox_mails WHERE purpose = 'reset-required'") == 1


def test_a_reminder_comes_once_a_month(db, worker_parts):
    change(
        db,
        "UPDATE rotation_choices SET next_due_at = counted_from, counted_from = '2026-01-01 00:00:00.000000'",
    )
    assert rotation.remind(worker_parts) == 0
    assert count(db, "rotation_choices WHERE counted_from > '2026-11'") == 1


def test_the_audit_log_is_whole_and_signed(run):
    verified = run("audit", "verify")
    assert verified.exit_code == 0, verified.output
    assert "7 entries, signed up to entry 7" in verified.output


def test_a_limit_that_was_used_up_still_is(db, web_vault, clock):
    with db.write() as session:
        now = clock.now()
        assert not limits.hit(session, web_vault, "2 per day", "network", "192.0.2.9", now=now).allowed
        assert limits.hit(session, web_vault, "2 per day", "network", "192.0.2.8", now=now).allowed
