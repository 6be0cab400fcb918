"""An attacker on the web server can write the database, and must not choose what the worker acts on."""

import pytest
from sqlalchemy import select, text, update

from portal.campaigns import jobs as campaigns
from portal.campaigns.models import Campaign
from portal.core.db import new_id
from portal.crypto.vault import VaultError
from portal.exposure import jobs as exposure_jobs
from portal.exposure import service as exposure
from portal.exposure.models import ActiveList, ExposedPerson
from portal.incidents import service as incidents
from portal.intake import service as intake
from portal.intake.models import IntakeRequest
from portal.worker import drain
from tests import traces
from tests.lists import import_and_activate, import_file
from tests.visitor import hidden

LISTED, STRANGER = "ann@northwind.example", "eve@northwind.example"
HEADER = "email,account_ref,name,locale,jurisdiction,data_classes\n"


@pytest.fixture
def take_in(db, worker_vault, clock, database_url, tmp_path):
    """Import a list for an incident, which is made and published where it is new; return the version's id."""

    def done(slug: str, rows: str, *, activate: bool = True) -> int:
        now = clock.now()
        with db.write() as session:
            if slug not in {one.slug for one in incidents.every(session)}:
                incidents.create(session, slug, f"The incident {slug}", ("Names",), now)
                incidents.publish(session, slug, now)
            incident_id = incidents.by_slug(session, slug).id
        file = tmp_path / "list.csv"
        file.write_text(HEADER + rows, encoding="utf-8")
        if activate:
            return import_and_activate(db, worker_vault, clock, incident_id, file).list_id
        return import_file(db, worker_vault, clock, incident_id, file).list_id

    return done


def check(app, address):
    browser = app.test_client()
    form = hidden(browser.get("/check/").text)
    assert browser.post("/check/", data=form | {"email": address}).status_code == 303


def test_a_notice_that_nobody_with_the_worker_s_keys_began_mails_nobody(
    take_in, db, clock, worker_parts, smtp, caplog
):
    list_id = take_in("november", f"{LISTED},,,,,\n", activate=False)
    with db.write() as session:
        for _ in range(3):
            session.add(
                Campaign(
                    incident_id=new_id(),
                    number=1,
                    kind="first",
                    list_id=list_id,
                    state="running",
                    drafted_at=clock.now(),
                    begun_at=clock.now(),
                    addresses=1,
                    expected=1,
                    row_mac=bytes(32),
                )
            )
    campaigns.resume(worker_parts)
    drain(worker_parts)
    assert smtp.messages == []
    assert "without the worker's keys" in caplog.text


@pytest.mark.parametrize("forged", ["another incident's list", "a version that nobody activated"])
def test_answers_come_from_no_list_that_was_not_activated(
    take_in, db, app, worker_parts, smtp, forged, caplog
):
    take_in("november", f"{STRANGER},,,,,\n")
    other = take_in(
        "clinic" if "incident" in forged else "november", f"{LISTED},,,,,Passwords\n", activate=False
    )
    with db.write() as session:
        session.execute(update(ActiveList).values(list_id=other))
    check(app, LISTED)
    drain(worker_parts)
    with db.read() as session:
        assert session.scalar(select(IntakeRequest.state)) == "held", (
            "it must be answered when a list is there"
        )
    assert "altered or inserted" in caplog.text
    assert "northwind" not in caplog.text


@pytest.mark.parametrize("spoilt", ["blob = zeroblob(284)", "blob = 'text, which is no bytes'"])
def test_a_spoilt_row_does_not_show_whom_it_belongs_to(take_in, db, app, worker_parts, smtp, spoilt, caplog):
    take_in("november", f"{LISTED},,,,,\n")
    if not db.is_sqlite:
        spoilt = "blob = '\\x00'"
    with db.write() as session:
        session.execute(text(f"UPDATE exposure_people SET {spoilt}"))
    check(app, "first.of.this.network@elsewhere.example")
    drain(worker_parts)
    left = []
    for address in (LISTED, STRANGER):
        before = traces.lengths(db)
        check(app, address)
        with traces.statements(db) as seen:
            drain(worker_parts)
        left.append((seen, traces.change(before, traces.lengths(db))))
        assert len(smtp.to(address)) == 1
    assert left[0] == left[1]
    assert caplog.text == ""
    if "text" not in spoilt:
        exposure_jobs.inspect(worker_parts)
        assert "1 rows of list version 1 do not decrypt" in caplog.text


def test_a_list_s_key_opens_for_its_own_incident_and_number_alone(take_in, db, worker_vault):
    take_in("november", f"{LISTED},,,,,\n")
    with db.write() as session:
        session.execute(text("UPDATE exposure_lists SET number = 7"))
    with db.read() as session:
        version = exposure.version(session, session.scalars(select(ExposedPerson.list_id)).one())
        with pytest.raises(VaultError):
            exposure.open_list(worker_vault, version)


def test_forged_words_about_a_changed_password_frighten_nobody(
    people, db, web_vault, clock, worker_parts, smtp
):
    account_id = people.add("ana@northwind.example")
    for version in ("1", "2", "99", "-1", "x", ""):
        with db.write() as session:
            fields = {"account": account_id.hex(), "version": version, "language": "en"}
            intake.submit(session, web_vault, "password-changed", fields, clock.now())
    drain(worker_parts)
    assert smtp.messages == []
    people.require("ana@northwind.example")
    for _ in range(5):
        with db.write() as session:
            fields = {"account": account_id.hex(), "version": "2", "language": "en"}
            intake.submit(session, web_vault, "password-changed", fields, clock.now())
    drain(worker_parts)
    assert len(smtp.messages) == 1


def test_an_account_s_index_that_was_altered_leads_to_nobody_else(
    people, db, web_vault, app, worker_parts, smtp
):
    people.add("ana@northwind.example")
    with db.write() as session:
        index = web_vault.account_index("mallory@elsewhere.example")
        session.execute(text("UPDATE identity_accounts SET address_index = :index"), {"index": index})
    browser = app.test_client()
    form = hidden(browser.get("/reset/").text)
    browser.post("/reset/", data=form | {"email": "mallory@elsewhere.example"})
    drain(worker_parts)
    (mail,) = smtp.messages
    assert mail.recipients == ("mallory@elsewhere.example",)
    assert "couldn’t prepare your link" in mail.text
