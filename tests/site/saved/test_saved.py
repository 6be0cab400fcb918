"""What admins save counts in every process within a second, and only what the worker wrote."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from portal.audit.models import AuditEntry
from portal.core.settings.site import SettingInvalid
from portal.crypto import keys
from portal.crypto.vault import ConsoleVault
from portal.outbox.compose import Composer
from portal.reset.emails import PasswordChanged
from portal.site.saved import jobs, service
from portal.site.saved.fresh import Fresh
from portal.site.saved.models import SiteChange, SiteContent
from portal.site.saved.pictures import PictureRefused
from portal.worker import drain
from tests.configured import configured
from tests.outgoing import enqueue
from tests.pictures import png

__all__ = ["enqueue"]


@pytest.fixture
def save(db, worker_vault, settings, clock):
    """Save a setting as the worker does; the value of a logo or a legal page is given as bytes."""

    def change(name, value, base=0, given=settings):
        with db.write() as session:
            if isinstance(value, bytes):
                value = service.store_content(session, value, clock.now())
            return service.change(
                session, worker_vault, given, name, value, base=base, by="staff 00", now=clock.now()
            )

    return change


def test_a_page_has_a_saved_value_at_once_and_the_operators_again_after_a_reset(client, save):
    assert "help@northwind.example" in client.get("/privacy/").text
    number = save("contact_email", " Desk@Northwind.example ")
    assert "Desk@northwind.example" in client.get("/privacy/").text
    assert "help@northwind.example" not in client.get("/privacy/").text
    save("contact_email", None, number)
    assert "help@northwind.example" in client.get("/privacy/").text


def test_the_next_mail_has_what_was_saved(worker_parts, enqueue, save, smtp):
    enqueue()
    drain(worker_parts)
    save("organisation", "Südwind Reisen")
    save("contact_email", "desk@northwind.example")
    save("contact_phone", "+49 30 5550100")
    save("brand_colour", "#7a1fa2")
    enqueue()
    drain(worker_parts)
    before, after = smtp.messages
    assert "Northwind Travel" in before.message["From"]
    assert "Südwind Reisen" in after.message["From"]
    assert after.message["Reply-To"] == "desk@northwind.example"
    assert "+49 30 5550100" in after.text
    assert "#7a1fa2" in after.html


def test_a_worker_that_runs_on_writes_the_next_mail_with_what_was_saved(worker_parts, save, clock):
    composer = Composer(worker_parts.settings, worker_parts.vault, {})
    mail = PasswordChanged.sample()

    def written():
        return composer.render(mail, "sam@example.com", "en", bytes(16), clock.now()).content

    assert b"+1 555 0100" in written()
    save("contact_phone", "+49 30 5550100")
    worker_parts.look()
    assert b"+49 30 5550100" in written()


def test_the_languages_and_their_order_are_those_that_were_saved(client, save):
    assert '<html lang="en"' in client.get("/check/").text
    number = save("languages", "es,en")
    assert '<html lang="es"' in client.get("/check/").text
    save("languages", "en", number)
    page = client.get("/check/", headers={"Accept-Language": "es"}).text
    assert '<html lang="en"' in page
    assert 'action="/language/"' not in page


def test_another_look_of_the_site_has_another_address(client, save):
    page = client.get("/check/").text
    assert 'href="/theme.css?v=1d5b8f"' in page
    save("brand_colour", "#7A1FA2")
    save("logo", png(64, 32))
    page = client.get("/check/").text
    assert 'href="/theme.css?v=7a1fa2"' in page
    style = client.get("/theme.css?v=7a1fa2")
    assert "#7a1fa2" in style.text
    assert style.headers["Cache-Control"] == "public, max-age=3600"
    [logo] = [part.split('"')[0] for part in page.split('src="') if part.startswith("/logo?v=")]
    picture = client.get(logo)
    assert (picture.data, picture.mimetype) == (png(64, 32), "image/png")
    assert picture.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert picture.headers["X-Content-Type-Options"] == "nosniff"


def test_nobody_keeps_a_new_colour_under_an_old_address_or_the_reverse(client):
    assert client.get("/theme.css?v=ffffff").headers["Cache-Control"] == "no-store"
    assert client.get("/theme.css").headers["Cache-Control"] == "public, max-age=3600"


def test_a_logo_for_dark_screens_needs_one_for_light_ones(client, save):
    with pytest.raises(SettingInvalid):
        save("logo_dark", png())
    number = save("logo", png(64, 64))
    save("logo_dark", png())
    assert client.get("/logo-dark").data == png()
    save("logo", None, number)
    assert client.get("/logo-dark").status_code == 404
    assert client.get("/logo").status_code == 404


def test_a_legal_page_that_was_saved_comes_before_the_operators_file(portal_with, save, tmp_path):
    (tmp_path / "imprint.en.md").write_text("# Imprint\n\nFrom the file.\n", encoding="utf-8")
    visitor = portal_with(site={"legal_dir": tmp_path}).test_client()
    assert "From the file." in visitor.get("/imprint/").text
    number = save("imprint.en", b"# Legal notice\n\nWritten by **us**, {organisation}.\n")
    page = visitor.get("/imprint/").text
    assert "<h1>Legal notice</h1>" in page
    assert "Written by <strong>us</strong>, Northwind Travel." in page
    save("imprint.en", None, number)
    assert "From the file." in visitor.get("/imprint/").text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("organisation", ""),
        ("organisation", "Two\nlines"),
        ("organisation", "North\u202ewind"),
        ("organisation", "x" * 301),
        ("contact_email", "nobody"),
        ("contact_email", "a@example.com\r\nBcc: b@example.com"),
        ("contact_phone", "1\x002"),
        ("contact_phone", "1" * 61),
        ("contact_hours", "9\u202817"),
        ("exit_url", "javascript:alert(1)"),
        ("exit_url", "http://www.example.com/"),
        ("exit_url", "https://www.example.com/ x"),
        ("brand_colour", "red"),
        ("brand_colour", "#fff"),
        ("brand_colour", "#12345g"),
        ("languages", ""),
        ("languages", ",,"),
        ("languages", "xx"),
        ("languages", "../../etc"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("privacy.en", b""),
        ("privacy.en", b"   \n"),
        ("privacy.en", b"\xff\xfe"),
        ("privacy.en", b"# Privacy\n\na\x1bb"),
        ("privacy.en", "# Privacy\n\nall\u202ered".encode()),
        ("privacy.en", b"x" * (100 * 1024 + 1)),
    ],
)
def test_what_the_environment_refuses_is_refused_here(save, db, name, value):
    with pytest.raises(SettingInvalid):
        save(name, value)
    with db.read() as session:
        assert service.version(session) == (0, 0)


def test_no_other_name_is_a_setting(save):
    for name in ("base_url", "mail_sender", "legal_dir", "privacy", "privacy.", "terms.en", "logo_file", ""):
        with pytest.raises(LookupError):
            save(name, "x")


def test_what_is_no_picture_is_no_logo(save):
    with pytest.raises(PictureRefused):
        save("logo", b"<svg/>")
    with pytest.raises(service.ContentMissing):
        save("logo", "00" * 32)


def test_of_two_changes_on_one_value_the_second_is_refused(save, db, worker_vault):
    first = save("contact_phone", "+1 555 0101")
    with pytest.raises(service.Outdated):
        save("contact_phone", "+1 555 0102")
    assert save("contact_phone", "+1 555 0101", first) == 0  # the same again
    assert save("contact_phone", "+1 555 0102", first) > first
    with db.read() as session:
        assert service.saved(session, worker_vault)["contact_phone"].value == "+1 555 0102"


def test_each_change_is_in_the_log_with_what_was_there_before(save, db):
    first = save("contact_email", "desk@northwind.example")
    save("contact_email", None, first)
    save("privacy.en", b"# Privacy\n\nShort.\n")
    with db.read() as session:
        entries = session.query(AuditEntry).order_by(AuditEntry.number).all()
    assert [entry.action for entry in entries] == ["settings.change", "settings.reset", "settings.change"]
    assert '"before":"help@northwind.example"' in entries[0].details
    assert '"after":"desk@northwind.example"' in entries[0].details
    assert '"before":"desk@northwind.example"' in entries[1].details
    assert '"after":"sha256:' in entries[2].details


@pytest.mark.parametrize("mac", ["row_mac", "web_mac", "console_mac"])
def test_who_writes_to_the_database_alone_changes_nothing(
    client, save, db, worker_vault, worker_keys, worker_parts, clock, caplog, mac
):
    number = save("contact_email", "desk@northwind.example")
    with db.write() as session:
        session.execute(update(SiteChange).values(value="thief@evil.example"))
        row = session.get(SiteChange, number)
        stolen = getattr(row, mac)  # each process takes its own MAC alone
        session.add(
            SiteChange(
                number=number + 5,
                name="exit_url",
                value="https://evil.example/",
                at=clock.now(),
                who="staff 00",
                row_mac=stolen,
                web_mac=stolen,
                console_mac=stolen,
            )
        )
    page = client.get("/privacy/").text
    assert "help@northwind.example" in page
    assert "evil" not in page
    with db.read() as session:
        assert service.saved(session, worker_vault) == {}
        assert service.saved(session, ConsoleVault(keys.for_console(worker_keys))) == {}
    jobs.tidy(worker_parts)
    assert caplog.text.count("altered without the worker's keys") == 2


def test_a_content_that_was_altered_counts_for_nothing(client, save, db):
    save("privacy.en", b"# Privacy\n\nWe keep little.\n")
    assert "We keep little." in client.get("/privacy/").text
    with db.write() as session:
        session.execute(update(SiteContent).values(content=b"# Privacy\n\nCall the thief.\n"))
    save("contact_phone", "+1 555 0101")  # everything is read again
    page = client.get("/privacy/").text
    assert "thief" not in page
    assert "We keep little." not in page


def test_what_nobody_saved_is_forgotten_after_a_day_and_what_was_saved_is_not(save, db, worker_parts, clock):
    save("logo", png())
    with db.write() as session:
        service.store_content(session, b"a draft", clock.now())
    jobs.tidy(worker_parts)
    with db.read() as session:
        assert session.query(SiteContent).count() == 2
    clock.advance(timedelta(hours=25))
    jobs.tidy(worker_parts)
    with db.read() as session:
        assert [one.content for one in session.query(SiteContent)] == [png()]


def test_a_process_looks_at_most_once_a_second_and_keeps_what_it_has_meanwhile(db, web_vault, settings, save):
    own, at = configured(settings, saved=type(settings.saved)()), [100.0]
    fresh = Fresh(own, db, web_vault, 1.0, now=lambda: at[0])
    save("organisation", "Südwind Reisen")
    fresh.look()
    assert own.site.organisation == "Northwind Travel"
    at[0] = 101.0
    fresh.look()
    assert own.site.organisation == "Südwind Reisen"
    assert own.given.organisation == "Northwind Travel"


def test_while_the_database_fails_the_saved_values_stay(db, web_vault, settings, save):
    save("organisation", "Südwind Reisen")
    fresh = Fresh(settings, db, web_vault, 0.0)
    with db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE site_changes RENAME TO gone")
    fresh.look()
    assert settings.site.organisation == "Südwind Reisen"


def test_a_saved_value_that_this_version_no_longer_takes_leaves_the_operators(
    db, worker_vault, web_vault, settings, clock, caplog
):
    values = (1, "timezone", 1, "Atlantis/Poseidonis", "staff 00")
    with db.write() as session:
        row = SiteChange(
            number=1, name="timezone", value="Atlantis/Poseidonis", at=clock.now(), who="staff 00"
        )
        row.row_mac = worker_vault.row_mac("site change", *values)
        row.web_mac = worker_vault.page_mac("site change", *values)
        row.console_mac = worker_vault.staff.page_mac("site change", *values)
        session.add(row)
    Fresh(settings, db, web_vault)
    assert settings.site.timezone == "UTC"
    assert "portal settings reset timezone" in caplog.text


def test_the_doctor_finds_a_change_that_was_taken_away(save, db, doctor):
    save("contact_email", "desk@northwind.example")
    told = doctor().output
    assert "contact_email: an admin's value counts instead of yours" in told
    assert "portal settings reset contact_email" in told
    with db.write() as session:
        session.execute(delete(SiteChange))
    told = doctor().output
    assert "gone from site_changes" in told
