"""The console's first page: what each incident needs next, and what is wrong."""

import pytest

from portal.incidents import service as incidents
from tests.visitor import main_of

TITLE = "Theft of our order archive"


def create(office, title=TITLE):
    with office.db.write() as session:
        incidents.create(session, "order-archive", title, ("Names",), office.clock.now())


@pytest.fixture
def author(office):
    return office.as_role("author")


def test_whoever_cannot_do_the_step_sees_who_does(office):
    create(office)
    shown = main_of(office.as_role("admin").get("/").text)
    assert "(an author)" in shown
    assert "/incidents/order-archive/" not in shown


def test_the_next_step_of_a_draft_is_its_statement(office, author):
    create(office)
    assert '<a class="button" href="/incidents/order-archive/statement/">Write the statement</a>' in (
        author.get("/").text
    )


def test_a_title_of_markup_stays_a_text(office, author):
    create(office, "<script>alert(1)</script>")
    shown = author.get("/").text
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown


def test_a_worker_that_is_not_there_is_the_first_thing_said(author):
    assert "The worker isn’t running" in main_of(author.get("/").text)
