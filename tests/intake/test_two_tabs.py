"""Two people share an inbox and a browser: each tab's page acts on the link that it was opened with."""

import re

import pytest
from flask import Flask

from portal.rotation.service import chosen
from portal.subscriptions import service as subscriptions
from portal.worker import drain
from tests.browser.house import PASSWORD as OLD
from tests.browser.house import SLUG
from tests.reset.journey import People, code_in, people
from tests.tabs import ANA, ANAS, BEN, BENS, CLEO, DAN, accounts, assert_gone, form_of, house, link_to, tab
from tests.traces import contents
from tests.visitor import hidden, leads_to

__all__ = ["accounts", "house", "link_to", "people"]

# What a session holds does not depend on the database.
pytestmark = pytest.mark.sqlite

GONE_ES = "Puede que desde entonces haya abierto otros enlaces en este navegador."
TITLE = "Theft of bookings"


@pytest.fixture
def published(house) -> None:
    house.command("incidents", "create", SLUG, "--title", TITLE, "--classes", "Names;Passwords;Phone numbers")
    house.publish(SLUG)
    house.live(f"{ANA},7,Ana,en,,Passwords", f"{BEN},8,Ben,en,,Phone numbers")


def test_each_tab_sets_the_password_and_the_reminder_of_its_own_account(
    client, link_to, accounts, people: People, db
):
    """The first tab's form is sent last, and the other way round."""
    tabs = [tab(client, link_to(address)) for address in (ANA, BEN)]
    forms = [form_of(client, address) for address in tabs]
    done = [client.post("/reset/choose/", data=forms[0] | {"password": ANAS})]
    assert people.signs_in_with(ANA, ANAS)
    assert people.signs_in_with(BEN, OLD)
    done.append(client.post("/reset/choose/", data=forms[1] | {"password": BENS}))
    assert people.signs_in_with(BEN, BENS)
    assert people.signs_in_with(ANA, ANAS)
    assert [leads_to(each) for each in done] == ["/reset/done/"] * 2
    finished = [form_of(client, str(each.location)) for each in done]
    for form, interval in zip(finished, ("3", "12"), strict=True):
        assert leads_to(client.post("/reset/done/", data=form | {"interval": interval})) == "/reset/done/"
    with db.read() as session:
        assert [chosen(session, people.account(each).id).interval for each in (ANA, BEN)] == ["3", "12"]
    assert [client.get(address).status_code for address in tabs] == [303, 303]


def test_a_form_that_was_refused_still_belongs_to_its_own_link(client, link_to, accounts, people: People):
    first, _second = (tab(client, link_to(address)) for address in (ANA, BEN))
    refused = client.post("/reset/choose/", data=form_of(client, first) | {"password": "short"})
    assert ANA in refused.text
    client.post("/reset/choose/", data=hidden(refused.text) | {"password": ANAS})
    assert people.signs_in_with(ANA, ANAS)
    assert people.signs_in_with(BEN, OLD)


def test_codes_of_two_people_lead_each_to_their_own_page(client, house, accounts, people: People):
    for address in (ANA, BEN):
        client.submit("/reset/", email=address)
    drain(house.worker)
    codes = [code_in(house.smtp.to(address)[-1]) for address in (ANA, BEN)]
    tabs = [str(client.submit("/reset/sent/", code=code).location) for code in codes]
    first = form_of(client, tabs[0])
    client.post("/reset/choose/", data=form_of(client, tabs[1]) | {"password": BENS})
    assert people.signs_in_with(BEN, BENS)
    client.post("/reset/choose/", data=first | {"password": ANAS})
    assert people.signs_in_with(ANA, ANAS)


def test_the_others_code_still_works_after_a_new_password(client, house, accounts, people: People):
    for address in (ANA, BEN):
        client.submit("/reset/", email=address)
    drain(house.worker)
    mails = [house.smtp.to(address)[-1] for address in (ANA, BEN)]
    first = tab(client, house.link_in(mails[0], "/reset/").removeprefix(house.url))
    waiting = form_of(client, "/reset/sent/")
    client.post("/reset/choose/", data=form_of(client, first) | {"password": ANAS})
    typed = client.post("/reset/sent/", data=waiting | {"code": code_in(mails[1])})
    client.post("/reset/choose/", data=form_of(client, str(typed.location)) | {"password": BENS})
    assert people.signs_in_with(BEN, BENS)
    assert client.get("/reset/sent/").location == "/reset/"


def test_of_four_links_the_first_is_gone_and_its_form_stores_nothing(
    client, link_to, accounts, people: People, db
):
    links = [link_to(address) for address in (ANA, BEN, CLEO, DAN)]
    first = tab(client, links[0])
    form = form_of(client, first)
    others = [tab(client, link) for link in links[1:]]
    before = contents(db)
    assert_gone(client.post("/reset/choose/", data=form | {"password": ANAS}), ANA, BEN, CLEO, DAN)
    assert_gone(client.get(first), ANA, BEN, CLEO, DAN)
    assert GONE_ES in client.get(first, headers={"Accept-Language": "es"}).text
    assert contents(db) == before
    assert [client.get(each).text.count(address) > 0 for each, address in zip(others, (BEN, CLEO, DAN),
            strict=True)] == [True] * 3  # fmt: skip
    again = tab(client, links[0])
    client.post("/reset/choose/", data=form_of(client, again) | {"password": ANAS})
    assert people.signs_in_with(ANA, ANAS)


def test_a_done_page_whose_change_is_forgotten_sets_no_reminder(client, app, link_to, accounts, db, people):
    changes = []
    for address in (ANA, BEN, CLEO, DAN):
        shown = tab(client, link_to(address))
        changes.append(str(client.post("/reset/choose/", data=form_of(client, shown) | {"password": ANAS})
                           .location))  # fmt: skip
        if address == ANA:
            form = form_of(client, changes[0])
    assert_gone(client.post("/reset/done/", data=form | {"interval": "3"}))
    assert_gone(client.get(changes[0]))
    with db.read() as session:
        assert {chosen(session, people.account(each).id).interval for each in (ANA, BEN, CLEO, DAN)} == {
            "off"
        }


def test_each_tab_shows_and_reloads_its_own_answer(client, link_to, published):
    tabs = [tab(client, link_to(address, "/check/", "/check/answer/")) for address in (ANA, BEN)]
    forms = [form_of(client, address) for address in tabs]
    shown = [client.post("/check/answer/", data=form).text for form in forms]
    for text in (shown, [client.get(address).text for address in tabs]):
        assert [ANA in text[0], BEN in text[0], ANA in text[1], BEN in text[1]] == [True, False, False, True]
        taken = [re.findall(r'(?s)<ul class="taken">\s*<li>(.*?)</li>', each) for each in text]
        assert taken == [["Passwords"], ["Phone numbers"]]


def test_the_button_of_one_tab_opens_no_answer_in_the_other(client, link_to, published):
    tabs = [tab(client, link_to(address, "/check/", "/check/answer/")) for address in (ANA, BEN)]
    client.post("/check/answer/", data=form_of(client, tabs[0]))
    assert "Show my answer" in client.get(tabs[1]).text
    assert ANA in client.get(tabs[0]).text


def test_closing_one_answer_leaves_the_other_tab_its_own(client, link_to, published):
    tabs = [tab(client, link_to(address, "/check/", "/check/answer/")) for address in (ANA, BEN)]
    shown = [client.post("/check/answer/", data=form_of(client, address)).text for address in tabs]
    closed = client.post("/check/answer/close/", data=hidden(shown[0]))
    assert closed.location == "/check/"
    assert_gone(client.get(tabs[0]), ANA, BEN)
    assert_gone(client.post("/check/answer/", data=hidden(shown[0])), ANA, BEN)
    assert BEN in client.get(tabs[1]).text
    client.post("/check/answer/close/", data=hidden(shown[1]))
    assert client.get("/check/answer/").location == "/check/"


def test_each_tab_confirms_its_own_subscription(client, house, link_to, published, db, worker_vault):
    tabs = [tab(client, link_to(address, "/subscribe/", "/subscribe/confirm/")) for address in (ANA, BEN)]
    forms = [form_of(client, address) for address in tabs]
    confirmed = client.post("/subscribe/confirm/", data=forms[0])
    drain(house.worker)
    assert subscribers(db, worker_vault) == [ANA]
    assert "Your updates are confirmed" in client.get(str(confirmed.location)).text
    assert "Confirm your updates" in client.get(tabs[1]).text
    client.post("/subscribe/confirm/", data=forms[1])
    drain(house.worker)
    assert subscribers(db, worker_vault) == [ANA, BEN]


def test_a_forgotten_confirmation_confirms_nobody(client, house, link_to, published, db, worker_vault):
    links = [link_to(address, "/subscribe/", "/subscribe/confirm/") for address in (ANA, BEN, CLEO, DAN)]
    first = form_of(client, tab(client, links[0]))
    for link in links[1:]:
        tab(client, link)
    assert_gone(client.post("/subscribe/confirm/", data=first))
    drain(house.worker)
    assert subscribers(db, worker_vault) == []


def subscribers(db, vault) -> list[str]:
    with db.read() as session:
        (incident,) = session.connection().exec_driver_sql("SELECT id FROM incidents").scalars()
        rows = subscriptions.next_batch(session, incident, None, 10)
        return sorted(subscriptions.contact_of(vault, row).address for row in rows)


@pytest.mark.parametrize("send", ["get", "post"])
def test_without_a_name_only_a_single_link_is_acted_on(client, link_to, accounts, people, db, send):
    tab(client, link_to(ANA))
    fields = {"csrf_token": form_of(client, "/reset/choose/")["csrf_token"], "password": "too short"}
    assert ANA in client.post("/reset/choose/", data=fields).text
    tab(client, link_to(BEN))
    before = contents(db)
    assert_gone(getattr(client, send)("/reset/choose/", data=fields | {"password": ANAS}), ANA, BEN)
    assert contents(db) == before


def test_a_forged_name_opens_nothing(client, link_to, accounts):
    shown = tab(client, link_to(ANA))
    for name in ("0" * 32, "x", "ñ", "\1", "a" * 5000):
        assert_gone(client.get("/reset/choose/", query_string={"link": name}), ANA)
    assert client.get(shown).status_code == 200


def test_a_page_of_a_link_in_a_browser_without_one_leads_to_the_start(client, app, link_to, accounts):
    shown = tab(client, link_to(ANA))
    form = form_of(client, shown)
    stranger = app.test_client()
    assert stranger.get(shown).location == "/reset/"
    own = hidden(stranger.get("/reset/").text)
    assert_gone(stranger.post("/reset/choose/", data=form | own | {"password": ANAS}), ANA)


def test_a_name_tells_nothing_and_the_page_is_kept_nowhere(client, app, link_to, accounts):
    link = link_to(ANA)
    token = link.split("/")[2]
    names = set()
    for path in (link, f"/check/answer/{token}/", f"/subscribe/confirm/{token}/"):
        brought = client.get(path)
        (name,) = re.findall(r"\?link=([0-9a-f]{32})\Z", str(brought.location))
        names.add(name)
        assert token not in str(brought.location)
        page = client.get(str(brought.location))
        assert "no-store" in page.headers["Cache-Control"]
        assert token not in page.text
    assert len(names) == 3


def test_opening_any_link_sets_a_cookie_of_one_length(app, link_to, accounts):
    lengths = set()
    for token in (link_to(ANA).split("/")[2], "a" * 32, "short", "A" * 500, "%01", "é"):
        browser = app.test_client()
        browser.get("/reset/")
        brought = browser.get(f"/reset/{token}/")
        lengths.add((len(brought.headers["Set-Cookie"]), len(str(brought.location))))
    assert len(lengths) == 1


def test_the_choice_of_a_language_leads_back_to_the_same_link(client, link_to, accounts):
    first = tab(client, link_to(ANA))
    tab(client, link_to(BEN))
    chosen_language = client.submit(first, to="/language/", language="es")
    assert ANA in client.get(str(chosen_language.location)).text


def test_every_form_on_the_page_of_a_link_names_it(client, link_to, accounts, published):
    """Where a form forgets the field, it still fails closed; but then nobody can use it with two tabs."""
    reset = tab(client, link_to(ANA))
    done = client.post("/reset/choose/", data=form_of(client, reset) | {"password": ANAS}).location
    check = tab(client, link_to(ANA, "/check/", "/check/answer/"))
    confirm = tab(client, link_to(CLEO, "/subscribe/", "/subscribe/confirm/"))
    pages = [client.get(tab(client, link_to(BEN))).text, client.get(str(done)).text,
             client.get(check).text, client.get(confirm).text]  # fmt: skip
    pages.append(client.post("/check/answer/", data=hidden(pages[2])).text)
    for page in pages:
        forms = re.findall(r'<form method="post"(?! action="/language/").*?</form>', page, re.DOTALL)
        assert forms
        for form in forms:
            assert re.fullmatch(r"[0-9a-f]{32}", hidden(form)["link"])


class TestAnUpgradeInTheMiddle:
    """The former version kept one token of a purpose, and its forms named none."""

    @pytest.fixture
    def former(self, client, link_to, accounts):
        token = link_to(ANA).split("/")[2]
        client.get("/reset/")
        with client.session_transaction() as session:
            session["token reset"] = token
        return client

    def test_a_page_opened_now_shows_the_link_and_names_it(self, former, people):
        form = form_of(former, "/reset/choose/")
        assert leads_to(former.post("/reset/choose/", data=form | {"password": ANAS})) == "/reset/done/"
        assert people.signs_in_with(ANA, ANAS)
        assert former.get("/reset/choose/").location == "/reset/"

    def test_a_form_from_before_may_belong_to_an_earlier_link(self, former, people):
        form = {"csrf_token": form_of(former, "/reset/choose/")["csrf_token"], "password": ANAS}
        assert_gone(former.post("/reset/choose/", data=form), ANA)
        assert people.signs_in_with(ANA, OLD)

    def test_nor_does_it_act_on_a_link_opened_since(self, former, link_to, people):
        before = form_of(former, "/reset/choose/")
        former.post("/reset/choose/", data=before | {"password": ANAS})
        tab(former, link_to(BEN))
        assert_gone(
            former.post("/reset/choose/", data={"csrf_token": before["csrf_token"], "password": BENS}), BEN
        )
        assert people.signs_in_with(BEN, OLD)

    def test_the_reminder_of_a_former_page_is_not_stored(self, former, people, db):
        with former.session_transaction() as session:
            session["reset done"] = {"account": people.account(ANA).id.hex(), "signed_in": False,
                                     "until": "2026-11-24T00:00:00+00:00"}  # fmt: skip
        assert former.get("/reset/done/").location == "/reset/"
        form = {"csrf_token": form_of(former, "/reset/")["csrf_token"], "interval": "3"}
        assert_gone(former.post("/reset/done/", data=form))


def test_the_fullest_session_fits_into_a_cookie(app: Flask, client, link_to, accounts):
    """Browsers drop a cookie of more than 4,096 bytes, and with it everything that it held."""
    client.submit("/sign-in/", email=ANA, password=OLD)
    for number in range(20):
        client.submit("/reminders/elsewhere/", site=f"{'x' * 40}.{'y' * 40}.{number:010}.example")
    for page in ("/check/", "/reset/") * 3:
        client.submit(page, email=DAN)
    for address in (BEN, CLEO, DAN):
        form = form_of(client, tab(client, link_to(address)))
        form = form_of(client, str(client.post("/reset/choose/", data=form | {"password": ANAS}).location))
        client.post("/reset/done/", data=form | {"interval": "12"})
    for letter in "abc":
        for path in ("/reset", "/check/answer", "/subscribe/confirm"):
            client.get(f"{path}/{letter * 32}/")
        client.submit(str(client.get(f"/check/notice/{letter * 69}/").location))
    cookie = client.get_cookie("session")
    assert cookie is not None
    assert 3000 < len(f"__Host-session={cookie.value}") < 4096
