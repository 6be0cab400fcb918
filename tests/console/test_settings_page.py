"""Staff change what people see, each setting on a page of its own; what operators set is only shown."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from flask import Flask, request
from flask_babel import Babel

from portal.audit.models import AuditEntry
from portal.console.settings import editing, reading, words
from portal.core.settings import Settings, SettingsInvalid
from portal.site.saved import service
from portal.site.saved.models import SiteContent
from portal.site.saved.service import Change
from portal.worker import drain
from tests.colleagues import ENVIRON
from tests.pictures import png
from tests.visitor import SAME_SITE, hidden, main_of

PO = Path(__file__).parents[2] / "portal/translations"
HARM = "<svg onload=alert(1)>\"'"
MARKDOWN = "# Privacy <script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>\n"


@pytest.fixture
def admin(office):
    return office.as_role("admin")


def save(browser, name, **fields):
    page = f"/settings/{name}/"
    return browser.post(
        page, data=hidden(browser.get(page).text) | {"act": "save"} | fields, headers=SAME_SITE
    )


def now(office, name):
    with office.db.read() as session:
        change = service.saved(session, office.parts.vault).get(name)
    return change.value if change else None


def test_an_admin_changes_a_contact_and_the_public_site_has_it(office, admin, client):
    answer = save(admin, "contact_email", value="desk@northwind.example")
    assert (answer.status_code, answer.location) == (303, "/settings/")
    page = main_of(admin.get("/settings/").text)
    assert "Saved. Pages and emails have it within seconds." in page
    assert "desk@northwind.example" in page
    assert "The operator’s value is help@northwind.example." in page
    assert "desk@northwind.example" in client.get("/privacy/").text
    shown = main_of(admin.get("/settings/contact_email/").text)
    assert 'Saved by Admin0 on <time datetime="2026-11-23">23 November 2026</time>.' in shown
    assert '<td><time datetime="2026-11-23T' in shown
    answer = save(admin, "contact_email", act="reset")
    assert answer.location == "/settings/"
    assert "help@northwind.example" in client.get("/privacy/").text


def test_a_value_is_shown_from_the_moment_that_it_is_saved(environ):
    settings, at = Settings.from_env(environ | ENVIRON), datetime(2026, 11, 29, tzinfo=UTC)
    saved = Change("contact_hours", 1, "Monday to Friday, 9 to 5", at, "staff 1")
    assert editing.setting(settings, "contact_hours", []).value == ""
    assert editing.setting(settings, "contact_hours", [saved]).value == "Monday to Friday, 9 to 5"
    undone = replace(saved, number=2, value=None)
    assert editing.setting(settings, "contact_hours", [undone, saved]).value == ""


def test_every_admin_is_mailed_and_the_log_says_what_was_there(office, admin, smtp):
    office.as_role("admin")
    office.as_role("author")
    save(admin, "contact_email", value="desk@northwind.example")
    save(admin, "brand_colour", value="#7a1fa2")
    drain(office.parts)
    assert sorted(one.recipients[0] for one in smtp.messages) == [
        "admin0@northwind.example",
        "admin1@northwind.example",
    ]
    assert "Contact email" in smtp.messages[0].text
    assert "http://localhost:8001/settings/contact_email/" in smtp.messages[0].text
    assert "desk@" not in smtp.messages[0].text.partition("Questions?")[0]
    save(admin, "logo", file=(BytesIO(png()), "logo.png"))  # it could be a picture of a number to call
    drain(office.parts)
    assert len(smtp.messages) == 4
    assert "/settings/logo/" in smtp.messages[-1].text
    page = main_of(admin.get("/audit/").text)
    assert "Changed a setting: Contact email. It was “help@northwind.example”" in page
    assert "Changed a setting: Brand colour. It was “#1d5b8f”" in page


def test_every_word_that_an_operator_may_write_is_shown_as_what_it_means(environ):
    """What a setting may be is what its own refusal names."""
    shown = {one.variable for rows in reading.operators(Settings.from_env(environ)).values() for one in rows}
    app, walked = Flask("words"), {}
    Babel(
        app,
        locale_selector=lambda: request.args["language"],
        default_translation_directories=str(PO),
    )
    for variable in sorted(shown):
        with pytest.raises(SettingsInvalid) as refused:
            Settings.from_env(environ | {variable: "nonsense", "PORTAL_ARGON2": "nonsense"})
        for fault in refused.value.faults:
            if found := re.fullmatch(rf"{variable}: must be one of (.+)", fault):
                walked[variable] = found[1].split(", ")
    for variable, allowed in walked.items():
        for text in allowed:
            said = []
            for language in ("en", "es"):
                with app.test_request_context(f"/?language={language}"):
                    said.append(words.value(variable, text))
            assert text not in said, (variable, text)
            assert said[0] != said[1], (variable, text)
            assert words.is_word(variable)
    assert walked == {
        "PORTAL_APPROVALS": ["two", "one"],
        "PORTAL_CLI_APPROVAL": ["audited", "required"],
        "PORTAL_ENVIRONMENT": ["production", "demo", "test"],
        "PORTAL_IDENTITY_STORE": ["builtin", "http", "link", "sql"],
    }


def test_a_word_of_the_operators_is_shown_beside_what_it_means(admin):
    page = main_of(admin.get("/settings/").text)
    assert "<td>Two: a second person approves <code>two</code>" in page
    assert "<td>In this portal <code>builtin</code>" in page
    assert "<td>no limit <span" not in page
    assert "<td>no limit</td>" in page


def test_an_old_confirmation_loses_nothing_that_was_typed(office):
    person = office.add("admin")
    browser = office.sign_in(person)
    token = hidden(browser.get("/settings/privacy.en/").text)
    office.advance(timedelta(minutes=20))
    text = "# Privacy\n\nWe keep little.\n"
    answer = browser.post(
        "/settings/privacy.en/", data=token | {"act": "save", "value": text}, headers=SAME_SITE
    )
    assert answer.location.startswith("/confirm/")
    assert now(office, "privacy.en") is None
    office.confirm(browser, person)
    page = main_of(browser.get("/settings/privacy.en/").text)
    assert "This isn’t saved yet." in page
    assert "We keep little." in page
    assert "We keep little." not in browser.get("/settings/privacy.en/").text  # once
    browser.post("/settings/privacy.en/", data=token | {"act": "save", "value": text}, headers=SAME_SITE)
    assert now(office, "privacy.en") is not None
    assert "This isn’t saved yet." not in browser.get("/settings/privacy.en/").text


def test_a_long_text_of_a_session_that_is_over_is_given_back(office, admin):
    token = hidden(admin.get("/settings/privacy.en/").text)
    office.advance(timedelta(minutes=31))
    text = "# Privacy\n\n" + "We keep <little>. " * 10
    form = token | {"act": "save", "value": text}
    shown = admin.post("/settings/privacy.en/", data=form, headers=SAME_SITE)
    assert shown.status_code == 403
    assert "nothing was saved" in shown.text
    assert "We keep &lt;little&gt;. We keep" in main_of(shown.text)
    assert token["csrf_token"] not in shown.text
    assert 'href="/sign-in/?next=/settings/privacy.en/"' in shown.text
    assert now(office, "privacy.en") is None
    elsewhere = admin.post("/settings/privacy.en/", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 303, "another site's words are not shown as if they were ours"


def test_what_was_saved_after_a_confirmation_waits_no_more(office):
    person = office.add("admin")
    browser = office.sign_in(person)
    form = hidden(browser.get("/settings/contact_hours/").text) | {"act": "save", "value": "Mon to Fri"}
    office.advance(timedelta(minutes=20))
    assert browser.post("/settings/contact_hours/", data=form, headers=SAME_SITE).status_code == 307
    office.confirm(browser, person)
    assert browser.post("/settings/contact_hours/", data=form, headers=SAME_SITE).status_code == 303
    assert "This isn’t saved yet." not in browser.get("/settings/contact_hours/").text


def test_two_admins_at_once_lose_nothing(office, admin):
    other = office.as_role("admin")
    opened = hidden(other.get("/settings/contact_phone/").text)
    save(admin, "contact_phone", value="+1 555 0101")
    mine = {"act": "save", "value": "+1 555 0102"}
    answer = other.post("/settings/contact_phone/", data=opened | mine, headers=SAME_SITE)
    assert answer.status_code == 409
    page = main_of(answer.text)
    assert "Somebody else changed this meanwhile." in page
    assert 'value="+1 555 0102"' in page
    assert "+1 555 0101" in page
    assert now(office, "contact_phone") == "+1 555 0101"
    again = other.post("/settings/contact_phone/", data=hidden(answer.text) | mine, headers=SAME_SITE)
    assert again.status_code == 303
    assert now(office, "contact_phone") == "+1 555 0102"


def test_a_logo_is_uploaded_and_anything_else_refused(office, admin, client):
    def send(content, name="logo.png"):
        return save(admin, "logo", file=(BytesIO(content), name))

    for content, said in (
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            "SVG files can hold programs",
        ),
        (b"<html>", "This is no PNG, JPEG or WebP file, whatever its name says."),
        (png(3000, 16), "Your logo must be 16 to 2000 pixels wide and high."),
        (png() + bytes(300_000), "Save your logo with at most 256 KB."),
        (b"", "Choose your logo’s file."),
    ):
        answer = send(content)
        assert answer.status_code == 422
        assert said in answer.text
    assert now(office, "logo") is None
    assert send(png(), "../../etc/passwd").status_code == 303
    assert client.get("/logo").data == png()
    huge = {"data": bytes(2 * 1024 * 1024), "content_type": "multipart/form-data; boundary=x"}
    assert admin.post("/settings/logo/", headers=SAME_SITE, **huge).status_code == 413


def test_languages_are_chosen_with_their_order(office, admin, client):
    assert "100% translated" in main_of(admin.get("/settings/languages/").text)
    assert "Choose at least one language." in save(admin, "languages").text
    same = save(admin, "languages", **{"place-en": "1", "place-es": "1"})
    assert "Give each language a place of its own." in same.text
    assert save(admin, "languages", **{"place-en": "2", "place-es": "1"}).status_code == 303
    assert now(office, "languages") == "es,en"
    assert '<html lang="es"' in client.get("/check/").text


def test_a_colour_is_tried_before_it_is_saved(office, admin):
    page = main_of(save(admin, "brand_colour", act="preview", value="#ffee00").text)
    assert "Contrast of #ffee00" in page
    assert now(office, "brand_colour") is None
    told = admin.get("/settings/colour.json?colour=ffee00").get_json()
    assert set(told["light"]) == {"accent", "button", "link", "text"}
    for colour in ("ffffff", "000000", "ffee00", "808080", "ff0000"):
        told = admin.get(f"/settings/colour.json?colour={colour}").get_json()
        assert min(told["light"]["text"], told["dark"]["text"]) >= 7
        assert min(told["light"]["button"], told["dark"]["button"]) >= 4.5
    assert admin.get("/settings/colour.json?colour=red").status_code == 404
    style = admin.get("/settings/colour.css?colour=1d5b8f")
    assert style.mimetype == "text/css"
    assert admin.get("/settings/colour.css?colour=%7D*%7B").status_code == 404


def test_a_legal_page_is_previewed_saved_and_an_earlier_text_opened_again(office, admin, client):
    assert "People see our draft now." in admin.get("/settings/privacy.en/").text
    shown = save(admin, "privacy.en", act="preview", value="# Privacy\n\nAsk {contact} at {site}.\n")
    assert 'href="mailto:help@northwind.example"' in main_of(shown.text)
    assert "http://localhost:8000" in main_of(shown.text)
    with office.db.read() as session:
        assert session.query(SiteContent).count() == 0
    save(admin, "privacy.en", value="# Privacy\r\n\r\nThe first text.\r\n")
    save(admin, "privacy.en", value="# Privacy\n\nThe second text.\n")
    assert "The second text." in client.get("/privacy/").text
    page = admin.get("/settings/privacy.en/").text
    earlier = [part.split('"')[0] for part in page.split('href="/settings/privacy.en/?change=')[1:]][-1]
    assert "The first text." in admin.get(f"/settings/privacy.en/?change={earlier}").text


def test_a_legal_page_with_absurdly_many_marks_is_refused_with_the_line(office, admin):
    for act in ("preview", "save"):
        answer = save(admin, "privacy.en", act=act, value="# Privacy\n\n" + "[a\n" * 2_500)
        assert answer.status_code == 422
        assert "This text has too many marks, like brackets and stars. See line 2003." in answer.text
    with office.db.read() as session:
        assert session.query(SiteContent).count() == 0


def test_what_is_typed_is_shown_as_it_is_and_runs_nowhere(office, admin, client):
    for name in ("contact_email", "exit_url", "timezone", "brand_colour"):
        answer = save(admin, name, value=HARM)
        assert answer.status_code == 422, name
        assert "<svg onload" not in answer.text, name
    for name in ("organisation", "contact_phone", "contact_hours"):
        assert save(admin, name, value=HARM).status_code == 303, name
    assert now(office, "organisation") == HARM
    for page in (
        admin.get("/settings/"),
        admin.get("/settings/organisation/"),
        admin.get("/audit/"),
        client.get("/check/"),
    ):
        assert "<svg onload" not in page.text
    shown = main_of(save(admin, "privacy.en", act="preview", value=MARKDOWN).text)
    save(admin, "privacy.en", value=MARKDOWN)
    for page in (shown.split('class="legal-preview"')[1], main_of(client.get("/privacy/").text)):
        assert "<script" not in page
        assert "javascript:" not in page.replace("[x](javascript:", "")
        assert "<img src=x" not in page


def test_an_order_from_another_role_changes_nothing(office, admin):
    author = office.as_role("author")
    token = hidden(author.get("/").text)
    data = token | {"act": "save", "base": "0", "value": "thief@evil.example"}
    assert author.post("/settings/contact_email/", data=data, headers=SAME_SITE).status_code == 403
    assert now(office, "contact_email") is None
    with office.db.read() as session:
        assert session.query(AuditEntry).filter_by(action="settings.change").count() == 0


def test_what_is_no_setting_is_no_page(admin):
    for name in ("base_url", "privacy.fr", "privacy", "mail_sender", "..", "logo_file"):
        assert admin.get(f"/settings/{name}/").status_code == 404, name
    token = hidden(admin.get("/settings/logo/").text)
    made_up = token | {"act": "save", "kept": "0" * 64}
    assert admin.post("/settings/logo/", data=made_up, headers=SAME_SITE).status_code == 422
    assert admin.post("/settings/logo/", data=token | {"base": "x"}, headers=SAME_SITE).status_code == 400


def test_values_of_operators_are_shown_with_their_variables(admin):
    page = main_of(admin.get("/settings/").text)
    for variable in ("MAIL_SENDER", "APPROVALS", "RETENTION_CASES"):
        assert f"PORTAL_{variable}" in page
    assert "Sender of all emails" in page


def test_each_value_of_an_operator_has_words_beside_its_variable(admin):
    table = main_of(admin.get("/settings/").text).split("What operators set")[1]
    titles = dict(
        re.findall(r'<th scope="row">(.*?)\s*<small class="soft"><code>(.*?)</code></small></th>', table)
    )
    assert len(titles) == len(re.findall("<tr><th scope=.row", table)) > 20
    assert [title for title in titles if "PORTAL" in title] == []


def test_no_secret_is_shown(environ):
    secrets = {
        "PORTAL_MAIL_URL": "smtp://user:hunter2-secret@relay.example:587?tls=starttls",
        "PORTAL_DATABASE_URL": "postgresql://portal:hunter2-secret@db.example/portal",
    }
    settings = Settings.from_env(environ | ENVIRON | secrets)
    assert "hunter2-secret" not in repr(reading.operators(settings))


def test_languages_say_how_much_is_translated(office):
    settings = office.parts.settings
    assert [(one.tag, one.percent) for one in reading.languages(settings)] == [("en", 100), ("es", 100)]
