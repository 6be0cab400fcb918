"""`portal settings`: operators see what admins saved, and put their own values back."""

import json
from datetime import timedelta

import pytest

from portal.core.clock import SystemClock
from portal.site.saved import service
from portal.worker import drain
from tests.colleagues import ENVIRON


@pytest.fixture
def saved(db, worker_vault, settings, office):
    """A contact and a legal page that an admin saved."""
    person = office.add("admin", name="Ada")
    with db.write() as session:
        now = SystemClock().now()
        by = f"staff {person.id.hex()}"
        text = service.store_content(session, b"# Privacy\n\nShort.\n", now)
        for name, value in (("contact_email", "desk@northwind.example"), ("privacy.en", text)):
            service.change(session, worker_vault, settings, name, value, base=0, by=by, now=now)


def test_both_values_are_shown_and_who_saved_one(run, saved):
    told = run("settings", "show").output
    assert "contact_email: desk@northwind.example (saved by Ada on " in told
    assert "instead of help@northwind.example)" in told
    assert "organisation: Northwind Travel\n" in told
    assert "privacy.en: sha256:" in told
    rows = {row["name"]: row for row in json.loads(run("settings", "show", "--json").stdout)}
    assert rows["contact_email"]["yours"] == "help@northwind.example"
    assert rows["contact_email"]["saved"] == "desk@northwind.example"
    assert rows["contact_email"]["saved_by"] == "Ada"
    assert rows["contact_phone"]["saved"] is None


def test_the_operators_value_is_put_back_and_admins_are_told(run, saved, db, worker_vault, smtp, office):
    told = run("settings", "reset", "PORTAL_CONTACT_EMAIL", **ENVIRON).output
    assert told.startswith("contact_email: your own value counts again.")
    with db.read() as session:
        assert service.saved(session, worker_vault)["contact_email"].value is None
    office.clock.at = SystemClock().now() + timedelta(seconds=1)
    drain(office.parts)
    [mail] = smtp.messages
    assert mail.recipients == ("ada@northwind.example",)
    assert "Contact email" in mail.text
    again = run("settings", "reset", "contact_email", **ENVIRON)
    assert again.exit_code == 1
    assert "portal settings show" in again.output


def test_commands_know_what_was_saved(run, saved, db, worker_vault, settings):
    with db.write() as session:
        now = SystemClock().now()
        service.change(session, worker_vault, settings, "languages", "en", base=0, by="staff 00", now=now)
    refused = run(
        "incidents", "create", "november", "--title", "A theft", "--classes", "Names", "--language", "es"
    )
    assert refused.exit_code != 0
