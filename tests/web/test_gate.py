"""However many forms arrive at once, half of the threads are left for reading; nobody waits for a refusal."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.web import frame
from portal.web.limits import RateBucket
from tests.visitor import Visitor

# What stands before the application does not depend on the database.
pytestmark = pytest.mark.sqlite

TOKEN = "abcdefghijklmnopqrstuvwxyz234567"


class Rush:
    """Forms that arrive while others are in progress: each is answered only after the next ones."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.inside: list[Callable[[], object]] = []
        # Instead of threads: a form in progress is one that has called the next.
        app.add_url_rule("/hold/", view_func=frame.csrf.exempt(self._hold), methods=["POST"])

    def _hold(self) -> str:
        self.inside.pop(0)()
        return "done"

    def client(self, network: str = "203.0.113.7") -> Visitor:
        client = self.app.test_client()
        client.environ_base["REMOTE_ADDR"] = network
        assert isinstance(client, Visitor)
        return client

    def during(self, networks: list[str], then: Callable[[], object]) -> list[int]:
        """Do `then` while a form of each network is in progress; return the forms' statuses."""
        statuses: list[int] = []

        def send(remaining: list[str]) -> None:
            if not remaining:
                then()
                return
            self.inside.append(lambda: send(remaining[1:]))
            statuses.append(self.client(remaining[0]).post("/hold/").status_code)

        send(networks)
        return statuses


@pytest.fixture
def rush(app):
    return Rush(app)


def others(number: int) -> list[str]:
    return [f"198.51.100.{last}" for last in range(number)]


def test_six_forms_are_worked_on_and_the_seventh_is_told_at_once_when_to_come_back(rush):
    answers = []
    assert rush.during(others(6), lambda: answers.append(rush.client().post("/hold/"))) == [200] * 6
    assert answers[0].status_code == 503
    assert int(answers[0].headers["Retry-After"]) in range(2, 7)
    assert rush.during(others(1), lambda: None) == [200]


def test_reading_takes_no_ticket(rush):
    answers: list[int] = []

    def read():
        answers.extend(rush.client().get(page).status_code for page in ("/", "/check/", "/healthz"))
        answers.append(rush.client().head("/").status_code)

    rush.during(others(6), read)
    assert answers == [200] * 4


def test_one_network_gets_two_tickets_and_leaves_the_rest_to_others(rush):
    answers = []

    def send():
        answers.append(rush.client("2001:db8::1").post("/sign-in/").status_code)
        answers.append(rush.client("2001:db8:0:1::1").post("/sign-in/").status_code)

    assert rush.during(["2001:db8::7", "2001:db8::8"], send) == [200, 200]
    assert answers == [503, 400]


def test_networks_are_told_apart_behind_a_proxy(portal_with):
    rush = Rush(portal_with(trusted_proxies=1))
    answers: list[int] = []

    def send():
        answers.extend(
            rush.client().post("/sign-in/", headers={"X-Forwarded-For": address}).status_code
            for address in ("203.0.113.9", "203.0.113.10")
        )

    def first():
        rush.inside.append(second)
        forwarded = {"X-Forwarded-For": "203.0.113.9"}
        rush.client().post("/hold/", headers=forwarded)

    def second():
        rush.inside.append(send)
        rush.client().post("/hold/", headers={"X-Forwarded-For": "203.0.113.9"})

    first()
    assert answers == [503, 400]


@pytest.mark.parametrize("path", [f"/unsubscribe/{TOKEN}/", f"/reminders/off/{TOKEN}/"])
def test_leaving_by_one_click_gets_through_a_rush_of_other_forms(rush, path):
    answers = []
    rush.during(others(6), lambda: answers.append(rush.client().post(path)))
    assert [answer.status_code for answer in answers] == [200]


def test_a_rush_of_one_clicks_is_bounded_too(rush, app):
    app.view_functions["subscriptions.leave"] = frame.csrf.exempt(lambda token: rush._hold())
    statuses = []

    def leave(remaining: int) -> None:
        rush.inside.append(lambda: leave(remaining - 1) if remaining else None)
        statuses.append(rush.client().post(f"/unsubscribe/{TOKEN}/").status_code)
        if statuses[-1] == 503:
            rush.inside.clear()

    # Two are kept for them, and then they are forms like any other: two of one network.
    leave(9)
    assert statuses == [503, 200, 200, 200, 200]


def test_a_form_that_fails_gives_its_ticket_back(rush, app):
    def fail():
        raise RuntimeError

    for _ in range(7):
        assert rush.during(others(1), fail) == [500]
    assert rush.during(others(6), lambda: None) == [200] * 6


def test_who_is_refused_can_read_why_in_their_language_and_whom_to_call(rush):
    pages = []

    def refused():
        for tag, chosen in (("en", None), ("es", None), ("en", "es")):
            client = rush.client()
            if chosen:
                client.set_cookie("language", chosen)
            form = {"email": "ana@northwind.example"}
            path = f"/reset/{TOKEN}/?q={TOKEN}"
            pages.append(client.post(path, data=form, headers={"Accept-Language": tag}))

    rush.during(others(6), refused)
    english, spanish, chosen = pages
    assert "you can safely send it again" in english.text
    assert "Wait a few seconds, go back, and send it again." in english.text
    assert "Espere unos segundos, vuelva atrás y envíelo de nuevo." in spanish.text
    assert '<html lang="es"' in spanish.text
    assert chosen.text == spanish.text
    for page in pages:
        assert page.status_code == 503
        assert "+1 555 0100" in page.text
        assert TOKEN not in page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in page.headers
        assert len(page.headers.getlist("Retry-After")) == 1


def test_a_refused_form_is_counted_nowhere(rush, db):
    form = {"email": "ana@northwind.example", "password": "eleven owls at noon"}
    client = rush.client()
    statuses = []
    rush.during(others(6), lambda: statuses.append(client.submit("/sign-in/", **form).status_code))
    assert statuses == [503]
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(RateBucket)) == 0
    assert client.submit("/sign-in/", **form).status_code == 400


def test_a_body_that_nobody_asked_for_is_not_waited_for(app):
    """Reading it would hold one of the threads that forms leave free."""

    class Slow:
        def read(self, *_: object) -> bytes:
            raise AssertionError

        readline = readinto = read

    for path in ("/reset/choose/", "/check/answer/", "/check/"):
        environ = {"wsgi.input": Slow(), "CONTENT_TYPE": "application/x-www-form-urlencoded"}
        answer = app.test_client().get(path, environ_overrides=environ | {"CONTENT_LENGTH": "100"})
        assert answer.status_code in (200, 303)


def test_the_page_of_a_refusal_shows_nothing_of_who_was_refused_first(rush):
    pages = []
    for host in ("x" * 300, "localhost:8000"):
        refuse = lambda host=host: pages.append(  # noqa: E731
            rush.client().post("/check/", headers={"Host": host}).text
        )
        rush.during(["203.0.113.7"] * 2, refuse)
    assert pages[0] == pages[1]
