import re
from datetime import timedelta
from html import unescape

import pytest
from markupsafe import escape
from sqlalchemy import inspect, text

# The pages; what they read and write is tried on both databases in test_service.py.
pytestmark = pytest.mark.sqlite

SAM = "sam@northwind.example"


@pytest.fixture
def sam_signed_in(house):
    house.account(SAM)
    return house.signed_in(SAM)


def checked(page: str) -> str:
    (value,) = re.findall(r'<input checked[^>]*value="(\w+)"', page)
    return value


class TestTheChoiceInTheAccount:
    def test_it_is_for_who_is_signed_in(self, house):
        for page in ("/account/reminders/", "/account/reminders/calendar.ics"):
            answer = house.visitor().get(page)
            assert answer.status_code == 303
            assert answer.location.startswith("/sign-in/")

    def test_off_is_what_nobody_chose_otherwise(self, sam_signed_in):
        page = sam_signed_in.get("/account/reminders/").text
        assert checked(page) == "off"
        assert "Reminders are off" in page

    @pytest.mark.parametrize(
        ("interval", "date"), [("3", "23 February 2027"), ("6", "23 May 2027"), ("12", "23 November 2027")]
    )
    def test_a_choice_is_saved_and_shown_with_the_next_date(self, sam_signed_in, interval, date):
        answer = sam_signed_in.submit("/account/reminders/", interval=interval)
        assert (answer.status_code, answer.location) == (303, "/account/reminders/")
        page = sam_signed_in.get("/account/reminders/").text
        assert "Saved" in page
        assert checked(page) == interval
        assert date in page
        assert date in sam_signed_in.get("/account/").text
        assert "Saved" not in sam_signed_in.get("/account/reminders/").text

    def test_switching_off_says_so(self, sam_signed_in):
        sam_signed_in.submit("/account/reminders/", interval="3")
        sam_signed_in.submit("/account/reminders/", interval="off")
        assert "We won’t remind you" in sam_signed_in.get("/account/reminders/").text
        assert "Reminders are off" in sam_signed_in.get("/account/reminders/").text

    @pytest.mark.parametrize("interval", ["", "1", "never", "3\0", "9" * 10_000])
    def test_anything_else_is_an_error_and_keeps_the_choice(self, sam_signed_in, interval):
        sam_signed_in.submit("/account/reminders/", interval="3")
        answer = sam_signed_in.submit("/account/reminders/", interval=interval)
        assert answer.status_code == 400
        assert "<title>Error:" in answer.text
        assert checked(sam_signed_in.get("/account/reminders/").text) == "3"

    def test_a_form_without_its_token_changes_nothing(self, sam_signed_in):
        assert sam_signed_in.post("/account/reminders/", data={"interval": "3"}).status_code == 400
        assert checked(sam_signed_in.get("/account/reminders/").text) == "off"

    def test_the_page_is_honest_about_required_changes(self, sam_signed_in):
        page = unescape(sam_signed_in.get("/account/reminders/").text)
        assert "NIST, advise against it" in page
        assert "Change it straight away if" in page

    def test_one_person_does_not_see_or_change_anothers_choice(self, house, sam_signed_in):
        sam_signed_in.submit("/account/reminders/", interval="3")
        house.account("robin@northwind.example")
        robin = house.signed_in("robin@northwind.example")
        assert checked(robin.get("/account/reminders/").text) == "off"
        robin.submit("/account/reminders/", interval="12")
        assert checked(sam_signed_in.get("/account/reminders/").text) == "3"


class TestTheCalendarFile:
    def test_anyone_gets_one_per_interval(self, client):
        for interval in ("3", "6", "12"):
            answer = client.get(f"/reminders/{interval}.ics")
            assert answer.status_code == 200
            assert answer.content_type == "text/calendar; charset=utf-8"
            assert f"INTERVAL={interval}\r\n".encode() in answer.data
            assert "public" in answer.headers["Cache-Control"]
            assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize("interval", ["0", "1", "4", "off", "33", "-3"])
    def test_other_intervals_have_none(self, client, interval):
        assert client.get(f"/reminders/{interval}.ics").status_code == 404

    def test_the_accounts_own_begins_with_the_next_reminder_and_names_nobody(self, sam_signed_in, clock):
        sam_signed_in.submit("/account/reminders/", interval="6")
        clock.advance(timedelta(minutes=20))
        answer = sam_signed_in.get("/account/reminders/calendar.ics")
        assert b"DTSTART;VALUE=DATE:20270523\r\n" in answer.data
        assert answer.headers["Cache-Control"] == "no-store"
        assert b"sam@" not in answer.data.lower()

    def test_while_reminders_are_off_there_is_no_own_one(self, sam_signed_in):
        answer = sam_signed_in.get("/account/reminders/calendar.ics")
        assert (answer.status_code, answer.location) == (303, "/account/reminders/")

    def test_it_speaks_the_readers_language(self, client):
        english = client.get("/reminders/3.ics").data
        spanish = client.get("/reminders/3.ics", headers={"Accept-Language": "es"}).data
        summaries = [re.findall(rb"SUMMARY:(.*)", content) for content in (english, spanish)]
        assert summaries[0] != summaries[1]


class TestOtherSites:
    PAGE = "/reminders/elsewhere/"

    def test_each_site_gets_a_link_to_its_own_page_for_changing_passwords(self, client):
        client.submit(self.PAGE, site="https://Shop.example.com/login")
        client.submit(self.PAGE, site="müller.de")
        page = client.get(self.PAGE).text
        assert 'href="https://shop.example.com/.well-known/change-password" rel="noopener noreferrer' in page
        assert 'href="https://xn--mller-kva.de/.well-known/change-password"' in page
        assert "müller.de (xn--mller-kva.de)" in page

    def test_a_site_is_listed_once_and_taken_off_when_done(self, client):
        for site in ("shop.example", "SHOP.example", "bank.example"):
            client.submit(self.PAGE, site=site)
        assert client.get(self.PAGE).text.count("/.well-known/change-password") == 2
        client.submit(self.PAGE, forget="shop.example")
        page = client.get(self.PAGE).text
        assert "shop.example" not in page
        assert "bank.example" in page
        client.submit(self.PAGE, forget="")
        assert "bank.example" not in client.get(self.PAGE).text

    @pytest.mark.parametrize(
        "words", ["The corner shop", "all", "localhost", "javascript:alert(1)", '"><script>alert(1)</script>']
    )
    def test_any_other_words_are_listed_without_a_link(self, client, words):
        assert client.submit(self.PAGE, site=words).status_code == 303
        page = client.get(self.PAGE).text
        assert f'Change it at <b dir="auto">{escape(words)}</b>' in page
        assert "/.well-known/change-password" not in page
        client.submit(self.PAGE, forget=words)
        assert "Change it at" not in client.get(self.PAGE).text

    def test_nothing_typed_is_an_error(self, client):
        answer = client.submit(self.PAGE, site=" ")
        assert answer.status_code == 400
        assert "<title>Error:" in answer.text

    @pytest.mark.parametrize(
        ("site", "fits"),
        [("{0}." + "a" * 42 + "." + "a" * 40 + ".example", 17), ("{0} " + "店" * 50, 5)],
    )
    def test_the_list_has_an_end_and_still_fits_the_cookie(self, client, site, fits):
        answers = [client.submit(self.PAGE, site=site.format(number)) for number in range(fits + 1)]
        assert [answer.status_code for answer in answers] == [303] * fits + [400]
        assert "full" in answers[-1].text
        cookie = client.get_cookie("session")
        assert len(cookie.value) < 4000
        assert client.get(self.PAGE).text.count("Done, remove it") == fits

    def test_nothing_of_it_reaches_the_database(self, client, db):
        client.submit(self.PAGE, site="very-secret-shop.example")
        with db.engine.connect() as connection:
            for table in inspect(connection).get_table_names():
                for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                    assert "very-secret-shop" not in repr(tuple(row))

    def test_another_browser_does_not_see_it(self, house):
        first, second = house.visitor(), house.visitor()
        first.submit(self.PAGE, site="shop.example")
        assert "shop.example" not in second.get(self.PAGE).text
