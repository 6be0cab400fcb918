"""Choosing a language takes no session, and no other site can do it."""

import re

import pytest

from tests.visitor import SAME_SITE, hidden

TOKEN = "abcdefghijklmnopqrstuvwxyz234567"
# Nothing here is stored.
pytestmark = pytest.mark.sqlite


def test_the_form_sets_no_cookie_until_a_language_is_chosen(client):
    assert "Set-Cookie" not in client.get("/language/?back=/check/").headers
    chosen = client.submit("/language/", language="es").headers.getlist("Set-Cookie")
    assert [cookie.partition("=")[0] for cookie in chosen] == ["language"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "https://incident.northwind.example"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://incident.northwind.example"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Origin": "null"}, 400),
        ({"Referer": "https://incident.northwind.example/language/"}, 400),
        ({"Sec-Fetch-Site": "none"}, 400),
        ({"Sec-Fetch-Site": "none", "Origin": "https://incident.northwind.example"}, 400),
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


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost", 303), ("http://localhost:8000", 303), ("http://evil.example", 400)],
)
def test_nor_on_a_machine_without_tls(client, origin, status):
    assert (
        client.post("/language/", data={"language": "es"}, headers={"Origin": origin}).status_code == status
    )


def menu(page):
    """Return where the header's menu leads back to, and its languages with their names."""
    (form,) = re.findall(r'<form method="post" action="/language/".*?</form>', page, re.DOTALL)
    return hidden(form), dict(re.findall(r'<button name="language" value="([^"]*)"[^>]*>([^<]*)<', form))


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/check/", "/check/"),
        ("/protect-yourself/?from=mail&to=a%26b", "/protect-yourself/?from=mail&to=a%26b"),
        ("/nothing/?a=%C3%A9&b=%22", "/nothing/?a=%C3%A9&b=%22"),
        ("/no%3Fthing/", "/no%3Fthing/"),
        ("/%F0%9F%90%99/", "/%F0%9F%90%99/"),
        (f"/unsubscribe/{TOKEN}/", "/"),
        ("/language/?back=/check/", "/check/"),
    ],
)
def test_one_press_on_any_page_leads_back_to_it(client, path, back):
    page = client.get(path)
    fields, languages = menu(page.text)
    assert fields == {"back": back}
    assert languages == {"en": "English", "es": "Español"}
    chosen = client.post("/language/", data=fields | {"language": "es"}, headers=SAME_SITE)
    assert (chosen.status_code, chosen.location) == (303, back)
    again = client.get(path)
    assert (again.status_code, again.headers["Content-Language"]) == (page.status_code, "es")


def test_from_the_answer_to_a_form_that_has_no_page_it_leads_to_the_front(client):
    assert menu(client.post("/account/answer/").text)[0] == {"back": "/"}


def test_from_a_form_that_was_wrong_it_leads_to_the_form(client):
    assert menu(client.submit("/check/", email="nobody").text)[0] == {"back": "/check/"}


@pytest.mark.parametrize("path", ["/", "/protect-yourself/", "/incidents/"])
def test_a_public_page_with_the_menu_is_everyones(client, path):
    page = client.get(path)
    assert len(menu(page.text)[1]) == 2
    assert page.headers["Cache-Control"].startswith("public")
    assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize("path", ["/", "/incidents/", "/protect-yourself/"])
def test_what_one_visitor_asked_for_is_not_where_the_menu_leads_others(client, path):
    client.get(f"{path}?from=mail")
    assert menu(client.get(path).text)[0] == {"back": path}


def test_many_languages_are_behind_one_word_which_opens_without_script(portal_with):
    many = portal_with(site={"languages": ("en", "es", "pt-BR", "ar")}).test_client()
    page = many.get("/check/").text
    assert list(menu(page)[1].values()) == ["English", "Español", "Português (Brasil)", "العربية"]
    assert re.search(r"<details>\s*<summary>.*English</summary>", page)
    assert 'lang="pt-BR">' in page


def test_one_language_needs_no_menu(portal_with):
    assert "/language/" not in portal_with(site={"languages": ("en",)}).test_client().get("/check/").text
