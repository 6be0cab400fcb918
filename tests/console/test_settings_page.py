"""What staff read of the settings: values with their variables, and never a secret."""

import pytest

from portal.console.settings import reading
from portal.core.settings import Settings
from tests.colleagues import ENVIRON
from tests.visitor import main_of

# What the page shows does not depend on the database.
pytestmark = pytest.mark.sqlite

HARM = "<svg onload=alert(1)>"


def test_values_are_shown_with_their_variables(office):
    page = main_of(office.as_role("admin").get("/settings/").text)
    assert "Northwind Travel" in page
    assert "help@northwind.example" in page
    for variable in ("ORGANISATION", "BRAND_COLOUR", "MAIL_SENDER", "APPROVALS", "RETENTION_CASES"):
        assert f"PORTAL_{variable}" in page.replace("<wbr>", "")


def test_no_secret_is_shown(environ):
    secrets = {
        "PORTAL_MAIL_URL": "smtp://user:hunter2-secret@relay.example:587?tls=starttls",
        "PORTAL_DATABASE_URL": "postgresql://portal:hunter2-secret@db.example/portal",
    }
    settings = Settings.from_env(environ | ENVIRON | secrets)
    groups = [*reading.seen(settings).values(), *reading.operators(settings).values()]
    assert "hunter2-secret" not in repr(groups)


def test_languages_say_how_much_is_translated(office):
    settings = office.parts.settings
    assert [(one.tag, one.percent) for one in reading.languages(settings)] == [("en", 100), ("es", 100)]


def test_a_colour_is_tried_without_changing_anything(office):
    browser = office.as_role("admin")
    page = main_of(browser.get("/settings/?colour=%23ffee00").text)
    assert "#ffee00 on the pages" in page
    assert "#ffee00" not in main_of(browser.get("/settings/").text)
    [light, dark] = reading.colours("#ffee00")
    assert min(light.link, dark.link) >= 7


def test_what_is_no_colour_is_told_and_harmless(office):
    answer = office.as_role("admin").get("/settings/", query_string={"colour": HARM})
    assert answer.status_code == 422
    assert "<svg" not in main_of(answer.text).replace('<svg class="icon"', "")
    assert "Type a colour like #1d5b8f." in answer.text
