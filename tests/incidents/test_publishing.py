"""Nothing goes out by mistake: what would be public is shown, faults stop it, doubts are accepted by name."""

import re

import pytest
from sqlalchemy import select, text

from portal.audit.models import AuditEntry
from portal.incidents import service, writing
from portal.incidents.models import Section
from portal.incidents.writing import StatementText
from portal.subscriptions import service as subscriptions
from portal.subscriptions.service import Contact
from tests.configured import configured
from tests.incidents.conftest import CORRECTED, SLUG, SPANISH, STATEMENT


def publish(portal, *words, status=0):
    return portal("incidents", "publish", SLUG, *words, status=status).output


def subscribe(db, worker_vault, *addresses):
    with db.write() as session:
        incident_id = service.by_slug(session, SLUG).id
        for address in addresses:
            subscriptions.confirm(session, worker_vault, incident_id, Contact(address, "en"))


def test_without_confirm_it_says_what_would_be_public_and_publishes_nothing(portal, write, draft, client):
    portal("incidents", "statement", SLUG, write(STATEMENT))
    told = publish(portal, status=2)
    assert f"The incident becomes public: http://localhost:8000/incidents/{SLUG}/" in told
    assert "title: Theft of bookings" in told
    assert "statement, version 1 (en): Your booking was copied\n  all of it is new\n" in told
    assert "mails: none." in told
    assert f"portal incidents publish {SLUG} --confirm" in told
    assert client.get(f"/incidents/{SLUG}/").status_code == 404
    publish(portal, "--confirm")
    assert client.get(f"/incidents/{SLUG}/").status_code == 200


def test_a_correction_is_shown_beside_what_is_public(portal, write, published):
    portal("incidents", "statement", SLUG, write(CORRECTED))
    told = publish(portal, status=2)
    assert "  note: Passwords were copied too. We had missed them.\n  compared with version 1:\n" in told
    assert "    + • your nickname\n" in told
    assert "Someone copied our bookings" not in told  # it stays


def test_it_says_how_many_people_it_mails(portal, write, published, db, worker_vault):
    subscribe(db, worker_vault, "ana@example.com", "kim@example.com")
    with db.write() as session:  # a draft, as an incident that is not public yet has them
        words = writing.UpdateText("en", "contained", "Closed", "Closed.", None, writing.Notify.YES)
        row = writing.add_update(session, SLUG, words, service.by_slug(session, SLUG).created_at)
        row.published_at = None
    told = publish(portal, status=2)
    assert "update 1: contained" in told
    assert "mails: 1 update to 2 subscribers" in told


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<!-- ask legal -->", "comment"),
        ("<b>Now</b>", "html"),
        ("Call [PHONE NUMBER].", "placeholder"),
        ("![a chart](chart.png)", "image"),
        ("See [our page](/no-such-page/).", "link-nowhere"),
        ("See [that](/incidents/other/).", "link-nowhere"),
    ],
)
def test_what_must_not_go_out_is_refused_before_it_is_stored(portal, write, published, body, code):
    file = write(CORRECTED.replace("Call us.", f"Call us.\n\n{body}"))
    told = portal("incidents", "statement", SLUG, file, status=1).output
    assert re.search(r"line \d+: ", told)
    news = write(body)
    words = ("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed", news)
    assert "line 1: " in portal(*words, status=1).output
    shown = portal("incidents", "show", SLUG).output
    assert "version 2" not in shown
    assert "contained" not in shown
    if "other" not in body:  # `check` knows no incidents
        assert f"[{code}]" in portal("incidents", "check", file, status=1).output


def test_a_stored_draft_is_checked_again(portal, db, published, clock):
    """It may be older than the checker, or the page that it links to is gone."""
    with db.write() as session:
        section = Section("What happened", "See [this](/incidents/gone/)")
        words = StatementText("en", "T", "A", "B", "We said too little.", "We are sorry.", [section])
        writing.add_statement(session, SLUG, words, clock.now())
    for confirm in ((), ("--confirm",)):
        told = publish(portal, *confirm, status=1)
        assert "statement, version 2 (en): “What happened”: " in told
        assert "[link-nowhere]" in told
        assert "must be fixed" in told
    assert "draft" in portal("incidents", "show", SLUG).output


def test_what_is_asked_is_accepted_by_its_code_and_audited(portal, write, draft, db):
    lacking = STATEMENT.partition("## For more information")[0]
    portal("incidents", "statement", SLUG, write(lacking))
    assert "--accept missing-section" in publish(portal, status=2)
    assert "Nothing was published." in publish(portal, "--confirm", status=2)
    assert "published: statement" in publish(portal, "--confirm", "--accept", "missing-section")
    with db.read() as session:
        details = session.scalars(select(AuditEntry.details).order_by(AuditEntry.number.desc())).first()
    assert '"accepted":"missing-section"' in details


def test_a_short_note_is_asked(portal, write, published):
    portal(
        "incidents",
        "statement",
        SLUG,
        write(CORRECTED.replace("note: Passwords were copied too. We had missed them.", "note: Typos.")),
    )
    assert "--accept short-note" in publish(portal, "--confirm", status=2)


def test_drafts_that_changed_since_they_were_shown_are_not_published(portal, write, draft):
    portal("incidents", "statement", SLUG, write(STATEMENT))
    mark = re.findall(r"--text (\w+)", publish(portal, status=2))[0]
    portal("incidents", "statement", SLUG, write(STATEMENT.replace("Call us.", "Write to us.")))
    assert "The drafts have changed" in publish(portal, "--confirm", "--text", mark, status=1)
    again = re.findall(r"--text (\w+)", publish(portal, status=2))[0]
    assert "published: statement" in publish(portal, "--confirm", "--text", again)


def test_without_a_statement_or_a_contact_nothing_is_published(portal, write, draft, context):
    assert "[no-statement]" in publish(portal, "--confirm", status=1)
    portal("incidents", "statement", SLUG, write(STATEMENT))
    context.settings = configured(context.settings, site={"contact_email": "", "contact_phone": ""})
    assert "[no-contact]" in publish(portal, "--confirm", status=1)


def test_readers_of_a_language_that_stays_behind_are_told(portal, write, published, client):
    portal("incidents", "statement", SLUG, write(SPANISH))
    publish(portal, "--confirm")
    portal("incidents", "statement", SLUG, write(CORRECTED))
    told = publish(portal, "--confirm", status=0)
    assert "published: statement, version 2 (en)" in told
    page = client.get(f"/incidents/{SLUG}/", headers={"Accept-Language": "es"}).text
    assert "La versión más reciente está en inglés." in page
    assert f'href="/incidents/{SLUG}/statement/1/"' in page
    assert "The newest version is in" not in client.get(f"/incidents/{SLUG}/").text


def test_an_update_that_mails_is_confirmed_and_one_that_does_not_is_public_at_once(
    portal, write, published, db, worker_vault
):
    subscribe(db, worker_vault, "ana@example.com")
    command = ("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed")
    news = write("---\nnotify: yes\n---\nWe closed it.")
    told = portal(*command, news, status=2).output
    assert "mailed to 1 subscriber" in told
    assert "contained" not in portal("incidents", "show", SLUG).output
    assert "update 1: published" in portal(*command, news, "--confirm").output
    assert "update 2: published" in portal(*command, write("We checked it.")).output


def test_staged_classes_are_shown_and_published(portal, published, db):
    portal("incidents", "classes", SLUG, "Names;Passwords")
    told = publish(portal, status=2)
    assert "data classes: Names; Email addresses" in told or "data classes: Email addresses; Names" in told
    assert "then: " in told
    assert "statement, version 1 (en): the incident lists “Passwords”, and the text does not name it" in told
    assert "class-mismatch" in publish(portal, "--confirm", status=2)
    assert "published: data classes" in publish(portal, "--confirm", "--accept", "class-mismatch")
    with db.read() as session:
        assert session.scalar(text("SELECT staged_classes FROM incidents")) is None
