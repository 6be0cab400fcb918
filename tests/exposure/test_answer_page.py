"""The answer page: what comes first, how to return to it, and how to close it on a shared device."""

from tests.exposure.conftest import code_in, link_in, words
from tests.visitor import hidden, leads_to


def test_a_closed_answer_is_gone_from_the_browser_and_not_from_the_mail(lists, check, client):
    lists.live("ann@northwind.example,7,Ann,en,,Passwords\n")
    link = link_in(check("ann@northwind.example"))
    client.get(link)
    shown = client.submit("/check/answer/")
    assert 'action="/check/answer/close/"' in shown.text
    assert "<span data-ticks-note hidden> Closing it also removes your ticks.</span>" in shown.text
    closed = client.post("/check/answer/close/", data=hidden(shown.text))
    assert (closed.status_code, closed.location) == (303, "/check/")
    assert closed.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert client.get("/check/answer/").location == "/check/"
    client.get(link)
    assert "Passwords" in client.submit("/check/answer/").text


def test_a_closed_answer_is_said_to_be_closed_once(lists, check, client):
    lists.live("ann@northwind.example,7,Ann,en,,Passwords\n")
    client.get(link_in(check("ann@northwind.example")))
    client.post("/check/answer/close/", data=hidden(client.submit("/check/answer/").text))
    assert "Your answer is closed" in client.get("/check/").text
    assert "Your answer is closed" not in client.get("/check/").text


def test_who_pressed_the_button_may_come_back_to_the_answer_until_it_is_closed(lists, check, client):
    lists.live("ann@northwind.example,7,Ann,en,,Passwords\n")
    link = link_in(check("ann@northwind.example"))
    client.get(link)
    assert "Passwords" not in client.get("/check/answer/").text
    shown = client.submit("/check/answer/")
    again = client.get("/check/answer/")
    assert "Passwords" in again.text
    assert again.headers["Cache-Control"] == "no-store"
    client.get(link)  # brought anew: a scanner, or somebody else at this device
    assert "Passwords" not in client.get("/check/answer/").text
    client.submit("/check/answer/")
    client.post("/check/answer/close/", data=hidden(shown.text))
    client.get(link)
    assert "Passwords" not in client.get("/check/answer/").text


def test_where_there_is_nothing_to_tick_no_ticks_are_spoken_of(lists, check, client):
    lists.live("ann@northwind.example,7,Ann,en,,Passwords\n")
    client.get(link_in(check("ben@northwind.example")))
    shown = client.submit("/check/answer/").text
    assert "Close the answer when you’ve read it." in shown
    assert "your ticks" not in shown.lower()


def test_the_button_needs_the_form_s_token(client):
    assert client.post("/check/answer/close/").status_code == 400


def test_the_answer_begins_with_what_was_exposed_and_what_was_not(lists, check, read):
    lists.live("ann@northwind.example,7,Ann,en,,Names;Dates of birth\n")
    page = words(read(check("ann@northwind.example")))
    assert "What was taken Dates of birth Names Not yours" in page
    assert "Not yours: this was taken from others Email addresses What to do" in page
    lists.live("ben@northwind.example,7,Ben,en,,Names;Email addresses;Dates of birth\n")
    assert "taken from others" not in words(read(check("ben@northwind.example")))


def test_the_code_of_an_earlier_mail_works_in_the_same_browser(lists, check, client):
    lists.live("ann@northwind.example,7,Ann,en,,Passwords\n")
    first = check("ann@northwind.example")
    check("ann@northwind.example")
    assert leads_to(client.submit("/check/sent/", code=code_in(first))) == "/check/answer/"
