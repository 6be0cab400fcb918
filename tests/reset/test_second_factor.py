"""Who reads the inbox does not get in: a link asks for the second factor before a new password counts."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.accounts import jobs
from portal.accounts.factors import service
from portal.accounts.factors.models import Proof
from portal.identity.builtin.passwords import NewPassword
from portal.reset import service as resets
from tests.authenticator import WRONG, App
from tests.reset.journey import ANA, NEW, OLD, link_in
from tests.visitor import SAME_SITE, hidden, leads_to


@pytest.fixture
def phone(clock) -> App:
    return App(clock)


@pytest.fixture
def recovery(ana, people, db, web_vault, phone) -> list[str]:
    return phone.protect(db, web_vault, people.account(ana))


@pytest.fixture
def asked(client, recovery, ask):
    """The page that an opened link leads to: it asks for the factor."""
    form = str(client.get(link_in(ask(ANA))).location)
    answer = client.get(form)
    assert leads_to(answer) == "/reset/confirm/"
    return str(answer.location)


def test_a_code_and_then_the_new_password_and_the_factor_stays(client, asked, phone, people, db):
    form = client.submit(asked, code=phone.code())
    assert leads_to(form) == "/reset/choose/"
    done = client.submit(form.location, password=NEW)
    assert leads_to(done) == "/reset/done/"
    assert people.signs_in_with(ANA, NEW)
    with db.read() as session:
        assert service.kinds(session, people.account(ANA).id) == {service.Kind.CODE, service.Kind.RECOVERY}
    assert leads_to(client.submit("/sign-in/", email=ANA, password=NEW)) == "/sign-in/second/"


def test_a_recovery_code_does_too(client, asked, recovery):
    page = f"{asked}&use=recovery"
    assert "Use a recovery code" in client.get(asked).text
    assert leads_to(client.submit(page, to=page, code=recovery[0])) == "/reset/choose/"


def test_a_forced_reset_asks_for_the_factor_as_well(client, people, recovery, ask, phone):
    people.require(ANA)
    form = client.get(link_in(ask(ANA))).location
    page = client.get(form).location
    assert leads_to(client.submit(page, code=phone.code())) == "/reset/choose/"
    assert leads_to(client.submit(form, password=NEW)) == "/reset/done/"
    assert people.signs_in_with(ANA, NEW)


def test_without_it_no_form_is_shown_and_none_is_taken(client, asked, people):
    form = hidden(client.get(asked).text)
    sent = client.post("/reset/choose/", data=form | {"password": NEW}, headers=SAME_SITE)
    assert leads_to(sent) == "/reset/confirm/"
    kept = client.post("/reset/choose/", data=form | {"keep": "yes"}, headers=SAME_SITE)
    assert leads_to(kept) == "/reset/confirm/"
    assert people.signs_in_with(ANA, OLD)


def test_a_wrong_code_is_counted_and_says_what_to_do(client, asked):
    wrong = client.submit(asked, code=WRONG)
    assert (wrong.status_code, "Wait until your app shows a new one" in wrong.text) == (400, True)
    assert client.submit(asked, code="").status_code == 400


def test_twenty_wrong_codes_of_one_link_are_enough(client, asked, phone, clock):
    form = hidden(client.get(asked).text)
    for _try in range(20):
        assert client.post("/reset/confirm/", data=form | {"code": WRONG}).status_code == 400
    assert client.post("/reset/confirm/", data=form | {"code": phone.code()}).status_code == 429
    clock.advance(timedelta(hours=1))
    over = client.post("/reset/confirm/", data=form | {"code": phone.code()})
    assert "Use a recovery code instead." in over.text


def test_another_browser_with_the_same_link_must_give_it_too(app, client, recovery, ask, phone, people):
    """The thief reads the inbox while the owner is at it."""
    mail = link_in(ask(ANA))
    page = client.get(client.get(mail).location).location
    client.submit(page, code=phone.code())
    thief = app.test_client()
    form = thief.get(mail).location
    assert leads_to(thief.get(form)) == "/reset/confirm/"
    tokens = hidden(thief.get(thief.get(form).location).text)
    sent = thief.post("/reset/choose/", data=tokens | {"password": NEW}, headers=SAME_SITE)
    assert leads_to(sent) == "/reset/confirm/"
    assert people.signs_in_with(ANA, OLD)


@pytest.mark.parametrize("ended", ["time", "removed", "replaced"])
def test_a_proof_that_ended_is_none_even_where_the_cookie_holds_it(
    client, asked, phone, people, db, web_vault, clock, ended
):
    form = client.submit(asked, code=phone.code()).location
    assert client.get(form).status_code == 200
    sent = hidden(client.get(form).text) | {"password": NEW}
    if ended == "time":
        clock.advance(timedelta(minutes=30))
    else:
        with db.write() as session:
            service.remove_all(session, people.account(ANA).id)
        phone.protect(db, web_vault, people.account(ANA))
    assert leads_to(client.post("/reset/choose/", data=sent, headers=SAME_SITE)) == "/reset/confirm/"
    assert people.signs_in_with(ANA, OLD)


def test_the_store_refuses_a_new_password_by_itself(client, asked, people, db, web_vault, clock):
    """Where a page forgot to ask, nothing is stored, and the link still works."""
    with client.session_transaction() as stored:
        token = stored["links reset"][0][0]
    new = NewPassword("$argon2id$new")
    with db.read() as session:
        link = resets.open_link(session, "builtin", token, clock.now())

    def finish():
        with db.write() as session:
            resets.finish(session, web_vault, link, new, language="en", now=clock.now())

    with pytest.raises(resets.FactorMissing):
        finish()
    with db.read() as session:
        assert resets.open_link(session, "builtin", token, clock.now()).account.id == people.account(ANA).id


def test_nothing_is_left_of_proofs_when_they_are_over(client, asked, phone, db, worker_parts, clock):
    client.submit(asked, code=phone.code())
    clock.advance(timedelta(minutes=30))
    jobs.tidy(worker_parts)
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(Proof)) == 0


def test_an_account_without_a_factor_goes_on_as_before(client, ana, ask):
    form = client.get(link_in(ask(ANA))).location
    assert client.get(form).status_code == 200
    assert leads_to(client.get(form.replace("choose", "confirm"))) == "/reset/choose/"
