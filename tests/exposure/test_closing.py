"""On a device that others use, an answer can be closed; the link in the mail keeps working."""

from tests.exposure.conftest import link_in
from tests.visitor import hidden


def test_a_closed_answer_is_gone_from_the_browser_and_not_from_the_mail(lists, check, client):
    lists.live("ann@northwind.example,7,Ann,en,,Passwords\n")
    link = link_in(check("ann@northwind.example"))
    client.get(link)
    shown = client.submit("/check/answer/")
    assert 'action="/check/answer/close/"' in shown.text
    closed = client.post("/check/answer/close/", data=hidden(shown.text))
    assert (closed.status_code, closed.location) == (303, "/check/")
    assert closed.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert client.get("/check/answer/").location == "/check/"
    client.get(link)
    assert "Passwords" in client.submit("/check/answer/").text


def test_the_button_needs_the_form_s_token(client):
    assert client.post("/check/answer/close/").status_code == 400
