"""The language that a person chooses on the pages is that of their mails, asked for or not."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.intake.models import IntakeRequest
from portal.intake.service import submit
from portal.reset.require.cohorts import Everyone, Tools
from portal.reset.require.run import require
from portal.rotation.jobs import remind
from portal.rotation.service import choose
from portal.worker import drain
from tests.accounts.conftest import STORE
from tests.accounts.known import recognise


@pytest.fixture
def spoken(db, worker_vault, ana, worker_parts):
    """Return the language of Ana's mails once the worker has seen every request."""

    def read() -> str:
        drain(worker_parts)
        with db.read() as session:
            assert session.query(IntakeRequest).count() == 0
            return STORE.profile(session, worker_vault, ana.id).language

    return read


def test_a_choice_while_signed_in_is_kept_where_only_the_worker_reads_it(
    client, db, ana, sign_in, spoken, web_vault
):
    recognise(client, web_vault, ana)
    sign_in()
    assert client.submit("/language/", language="es", back="/account/").location == "/account/"
    with db.read() as session:
        request = session.query(IntakeRequest).one()
    assert request.purpose == "language"
    assert ana.id not in request.sealed
    assert spoken() == "es"
    client.submit("/language/", language="en")
    assert spoken() == "en"


def test_a_choice_before_the_sign_in_counts_too(client, sign_in, spoken):
    client.submit("/language/", language="es")
    assert spoken() == ""
    sign_in()
    assert spoken() == "es"


def test_without_a_choice_nothing_is_asked(client, db, ana, sign_in, web_vault):
    recognise(client, web_vault, ana)
    sign_in(headers={"Accept-Language": "es"})
    with db.read() as session:
        assert session.query(IntakeRequest).count() == 0


def test_a_failed_sign_in_changes_nothing(client, db, ana, sign_in, spoken):
    client.submit("/language/", language="es")
    sign_in("not her password at all")
    with db.read() as session:
        assert session.query(IntakeRequest).one().purpose == "failed-sign-in"
    assert spoken() == ""


def test_who_is_signed_out_may_choose_all_the_same(client, db, ana):
    assert client.submit("/language/", language="es").status_code == 303
    with db.read() as session:
        assert session.query(IntakeRequest).count() == 0


def test_choosing_has_the_limit_of_every_form(portal_with, ana, sign_in):
    client = portal_with(limits={"intake_ip": "3 per hour"}).test_client()
    sign_in(visitor=client)
    statuses = [client.submit("/language/", language="es").status_code for _ in range(4)]
    assert statuses == [303, 303, 303, 429]


@pytest.mark.parametrize(
    "fields",
    [{"language": "xx"}, {"language": ""}, {"account": "zz"}, {"account": ""}, {"account": "00" * 16}],
)
def test_a_forged_choice_changes_nothing(db, ana, web_vault, clock, spoken, fields):
    with db.write() as session:
        submit(
            session, web_vault, "language", {"account": ana.id.hex(), "language": "es"} | fields, clock.now()
        )
        submit(session, web_vault, "language", {}, clock.now())
    assert spoken() == ""


def test_a_profile_that_was_altered_holds_nothing_up(db, ana, web_vault, worker_parts, clock, caplog):
    with db.write() as session:
        session.execute(text("UPDATE identity_accounts SET profile = :none"), {"none": b"x" * 300})
        submit(session, web_vault, "language", {"account": ana.id.hex(), "language": "es"}, clock.now())
    drain(worker_parts)
    with db.read() as session:
        assert session.query(IntakeRequest).count() == 0
    assert "language not stored" in caplog.text


def test_mails_that_nobody_asked_for_come_in_it(
    client, db, ana, sign_in, spoken, web_vault, worker_vault, worker_parts, clock, smtp
):
    recognise(client, web_vault, ana)
    sign_in()
    client.submit("/language/", language="es")
    assert spoken() == "es"
    with db.write() as session:
        choose(session, ana.id, "3", clock.now())
    clock.advance(timedelta(days=100))
    remind(worker_parts)
    require(Tools(db, worker_vault, clock), Everyone(), lambda _: None)
    drain(worker_parts)
    assert [mail.message["Content-Language"] for mail in smtp.messages] == ["es", "es"]
