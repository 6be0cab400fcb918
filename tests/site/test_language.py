"""Choosing a language takes no session, and no other site can do it."""

import pytest

# Nothing here is stored.
pytestmark = pytest.mark.sqlite


def test_the_form_sets_no_cookie_until_a_language_is_chosen(client):
    assert "Set-Cookie" not in client.get("/language/?back=/check/").headers
    chosen = client.submit("/language/", language="es").headers.getlist("Set-Cookie")
    assert [cookie.partition("=")[0] for cookie in chosen] == ["language"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://incident.northwind.example"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Referer": "https://incident.northwind.example/language/"}, 303),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 400),
        ({"Sec-Fetch-Site": "same-site"}, 400),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://incident.northwind.example"}, 400),
        ({"Origin": "https://evil.example"}, 400),
        ({"Origin": "https://incident.northwind.example.evil.example"}, 400),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://incident.northwind.example"}, 400),
        ({"Referer": "https://evil.example/language/"}, 400),
    ],
)
def test_another_site_cannot_choose_it(portal_with, headers, status):
    site = "https://incident.northwind.example"
    visitor = portal_with(environment="production", base_url=site).test_client()
    answer = visitor.post("/language/", data={"language": "es"}, base_url=site, headers=headers)
    assert answer.status_code == status
    assert ("Set-Cookie" in answer.headers) == (status == 303)
