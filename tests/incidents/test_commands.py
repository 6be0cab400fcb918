"""`portal incidents`, as an author under pressure uses it."""

import re
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import select

from portal.audit import service as audit
from portal.audit.models import AuditEntry
from tests.incidents.conftest import CORRECTED, SLUG, SPANISH, STATEMENT


@pytest.fixture
def audited(db):
    """What the log holds, as actions with their details."""

    def read():
        with db.read() as session:
            found = session.execute(select(AuditEntry.action, AuditEntry.details).order_by(AuditEntry.number))
            return [tuple(row) for row in found]

    return read


def test_an_incident_goes_from_nothing_to_the_public(portal, write, client):
    assert "There is no incident" in portal("incidents", "list").output
    portal(
        "incidents",
        "create",
        SLUG,
        "--title",
        "Theft of bookings",
        "--classes",
        "Names; email ADDRESSES;Names",
    )
    assert "version 1 (en) is a draft" in portal("incidents", "statement", SLUG, write(STATEMENT)).output
    update = write("---\noccurred_at: 2026-11-22T08:00Z\n---\nWe saw it.\n")
    assert (
        portal("incidents", "update", SLUG, "--phase", "detected", "--title", "Seen", update).output
        == "update 1: draft\n"
    )
    assert client.get(f"/incidents/{SLUG}/").status_code == 404
    assert "draft  -  Theft of bookings" in portal("incidents", "list").output
    assert portal("incidents", "publish", SLUG, "--confirm").output.splitlines() == [
        "published: statement, version 1 (en)",
        "published: update 1",
        f"http://localhost:8000/incidents/{SLUG}/",
    ]
    assert client.get(f"/incidents/{SLUG}/").status_code == 200
    shown = portal("incidents", "show", SLUG).output
    assert "data: Names; Email addresses" in shown
    assert "version 1 (en)  2026-11-23 09:00 UTC  Your booking was copied" in shown
    assert "1  2026-11-22 08:00 UTC  detected  Seen" in shown
    assert (
        portal("incidents", "publish", SLUG, "--confirm").output
        == f"{SLUG} is public, and there was no draft to publish.\n"
    )


def test_an_update_of_a_public_incident_is_public_at_once(portal, write, published, client):
    told = portal(
        "incidents", "update", SLUG, "--phase", "contained", "--title", "Closed", write("Closed.")
    ).output
    assert told == f"update 1: published\nhttp://localhost:8000/incidents/{SLUG}/updates/1/\n"
    assert "Closed" in client.get(f"/incidents/{SLUG}/").text
    edited = portal("incidents", "update", SLUG, "--edit", "1", write("Closed, and checked.")).output
    assert edited.startswith("update 1: published, changed\n")
    assert "Closed, and checked." in client.get(f"/incidents/{SLUG}/").text


def test_an_update_that_would_be_public_at_once_asks_before(portal, write, published, client, audited):
    command = ("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed")
    file = write("Closed, says [somebody of us].")
    told = portal(*command, file, status=2).output
    assert "“[somebody of us]” looks like a placeholder" in told
    assert "Nothing was stored." in told
    assert "--accept maybe-placeholder" in told
    assert "somebody of us" not in client.get(f"/incidents/{SLUG}/").text
    portal(*command, write("Closed."))
    edit = ("incidents", "update", SLUG, "--edit", "1", file)
    assert "Nothing was stored." in portal(*edit, status=2).output
    portal(*edit, "--accept", "maybe-placeholder")
    assert "somebody of us" in client.get(f"/incidents/{SLUG}/").text
    action, details = audited()[-1]
    assert action == "incidents.edit-update"
    assert "maybe-placeholder" in str(details)


def test_an_update_of_a_draft_is_asked_about_when_it_is_published(portal, write, draft):
    command = ("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed")
    assert "update 1: draft" in portal(*command, write("Closed, says [somebody of us].")).output


def test_every_bracket_of_the_template_must_be_filled_in(portal, tmp_path, draft):
    for language in ("en", "es"):
        file = tmp_path / f"{language}.md"
        portal("incidents", "new", file, "--language", language)
        lines = file.read_text("utf-8").splitlines()
        brackets = [number for number, line in enumerate(lines) if "[" in line]
        assert len(brackets) == 9
        for left in brackets:
            filled = [
                line if number == left or number not in brackets else line.partition("[")[0] + "Words"
                for number, line in enumerate(lines)
            ]
            file.write_text("\n".join(filled), "utf-8")
            assert (
                f"line {left + 1}: a placeholder"
                in portal("incidents", "statement", SLUG, file, status=1).output
            )


def test_a_command_that_is_sent_twice_publishes_once(portal, write, published):
    command = ("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed")
    portal(*command, write("Closed."))
    assert "Update 1 already has this text" in portal(*command, write("Closed."), status=1).output
    assert portal(*command, write("Closed for good.")).output.startswith("update 2: published")
    assert portal(*command, write("Closed.")).output.startswith("update 3: published")


def test_phase_and_title_may_stand_in_the_file(portal, write, published):
    file = write("---\nphase: contained\ntitle: Closed\n---\nClosed.")
    assert "update 1: published" in portal("incidents", "update", SLUG, file).output
    told = portal("incidents", "update", SLUG, "--phase", "detected", file, status=1).output
    assert "line 2: phase: differs from the command line" in told
    assert (
        "needs --phase and --title" in portal("incidents", "update", SLUG, write("Closed."), status=2).output
    )


def test_a_translation_of_an_update_is_told_that_it_needs_a_title(portal, published, write):
    text = write("---\noccurred_at: 2026-11-22T08:00Z\n---\nWe saw it.\n")
    said = portal("incidents", "update", SLUG, text, "--phase", "detected", "--title", "Seen").output
    number = re.findall(r"update (\d+): ", said)[0]
    spanish = write("---\nlanguage: es\n---\nLo vimos.\n")
    said = portal("incidents", "update", SLUG, spanish, "--edit", number, status=1).output
    assert said == (
        f"Error: Update {number} has no text in es yet: give its title with --title, "
        "or as title: in the front matter.\n"
    )
    portal("incidents", "update", SLUG, spanish, "--edit", number, "--title", "Visto")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", SLUG, "--title", "T", "--classes", "Names"), f"There is already an incident '{SLUG}'."),
        (("create", "No Slug", "--title", "T", "--classes", "Names"), "A slug is at most 60"),
        (("create", "other", "--title", "", "--classes", "Names"), "A title is one line"),
        (("show", "other"), "There is no incident 'other'. See: portal incidents list"),
        (("publish", "other"), "There is no incident 'other'. See: portal incidents list"),
        (
            ("preview", "other", "--output", "/nowhere/x.html"),
            "There is no incident 'other'. See: portal incidents list",
        ),
        (("preview", SLUG, "--output", "/nowhere/x.html"), "/nowhere/x.html cannot be written"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(portal, published, arguments, told):
    output = portal("incidents", *arguments, status=1).output
    assert told in output
    assert len(output.splitlines()) == 1


def test_a_title_is_given_in_each_of_the_portals_languages(portal, published):
    assert portal("incidents", "title", SLUG, "--language", "es", "Robo").output == f"{SLUG} (es): Robo\n"
    portal("incidents", "title", SLUG, "--language", "en", "Theft of our bookings")
    assert portal("incidents", "show", SLUG).output.splitlines()[:2] == [
        f"{SLUG}: Theft of our bookings",
        "  es: Robo",
    ]
    assert (
        "must be one of en, es"
        in portal("incidents", "title", SLUG, "--language", "xx", "T", status=2).output
    )
    assert (
        "A title is one line" in portal("incidents", "title", SLUG, "--language", "es", " ", status=1).output
    )


def test_a_misspelled_kind_of_data_is_refused_with_what_was_meant(portal):
    told = portal("incidents", "create", SLUG, "--title", "T", "--classes", "Pasword", status=2).output
    assert "'Pasword' is not a data class. Did you mean Passwords" in told
    told = portal("incidents", "create", SLUG, "--title", "T", "--classes", "Emails", status=2).output
    assert "Did you mean Email addresses? To find one: portal exposure classes WORD" in told
    assert (
        "--classes is empty"
        in portal("incidents", "create", "a", "--title", "T", "--classes", ";", status=2).output
    )


def test_a_bad_file_is_named_and_nothing_is_kept(portal, write, published):
    bad = write(CORRECTED.replace("note:", "because:"))
    told = portal("incidents", "statement", SLUG, bad, status=1).output
    assert told.startswith(f"Error: {bad}: line 6: 'because' is not one of")
    huge = write(b"x" * 10_000_000)
    assert "is larger than 200 kB" in portal("incidents", "statement", SLUG, huge, status=1).output
    note = write(STATEMENT)
    assert (
        "Version 2 corrects an earlier one" in portal("incidents", "statement", SLUG, note, status=1).output
    )
    assert "version 2" not in portal("incidents", "show", SLUG).output


def test_an_author_is_told_of_a_missing_section(portal, write, draft):
    lacking = STATEMENT.partition("## For more information")[0]
    assert "missing: For more information" in portal("incidents", "statement", SLUG, write(lacking)).output


def test_the_preview_needs_nothing_else_and_publishes_nothing(portal, write, published, client, tmp_path):
    portal("incidents", "statement", SLUG, write(CORRECTED))
    before = client.get(f"/incidents/{SLUG}/").data
    file = tmp_path / "preview.html"
    portal("incidents", "preview", SLUG, "--output", file)
    html = file.read_text(encoding="utf-8")
    assert "We had missed them." in html
    assert "<strong>Draft</strong>" in html
    assert "--accent" in html  # the styles are inside
    assert not re.search(r"<script|<link|src=\"(?!data:)|url\((?!data:)|@import", html)
    assert not re.search(r'(?:href|src)="/', html)
    assert client.get(f"/incidents/{SLUG}/").data == before


def test_the_preview_speaks_the_readers_language(portal, write, published, tmp_path):
    portal("incidents", "statement", SLUG, write(SPANISH))
    file = tmp_path / "preview.html"
    portal("incidents", "preview", SLUG, "--output", file, "--language", "es")
    html = file.read_text(encoding="utf-8")
    assert '<html lang="es"' in html
    assert "No protegimos su reserva." in html
    assert portal("incidents", "preview", SLUG, "--output", file, "--language", "fr", status=2)


def test_every_command_that_changes_something_is_in_the_log(portal, write, published, db):
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed", write("Closed."))
    with db.read() as session:
        audit.verify(session)
        actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.number)))
    assert actions == ["incidents.create", "incidents.statement", "incidents.publish", "incidents.update"]


@pytest.mark.parametrize(
    "title", ["Bad\x0bnews", "\u202enraw gnihton", " ", "", "two\nlines", "x" * 201, "\ufffe"]
)
def test_a_title_on_the_command_line_is_judged_as_one_in_a_file(portal, published, write, client, title):
    words = write("We know more.\n")
    for arguments in (
        ("update", SLUG, words, "--phase", "detected", "--title", title),
        ("title", SLUG, title, "--language", "en"),
        ("create", "other", "--title", title, "--classes", "Names"),
    ):
        assert "A title is one line" in portal("incidents", *arguments, status=1).output
    ET.fromstring(client.get("/feed.atom").data)


def test_what_the_notice_says_is_chosen_with_the_incident_and_later(portal, audited):
    given = ("--title", "T", "--classes", "Names", "--happened", "2026-10-28", "--discreet")
    portal("incidents", "create", SLUG, *given)
    shown = portal("incidents", "show", SLUG).output
    assert "happened: 2026-10-28\n" in shown
    assert "discreet: mails say only that there is a message\n" in shown
    assert (
        "the next notice and updates tell what happened"
        in portal("incidents", "discreet", SLUG, "off").output
    )
    assert "happened on 2026-10-27" in portal("incidents", "happened", SLUG, "2026-10-27").output
    assert "discreet" not in portal("incidents", "show", SLUG).output
    assert "say only that" in portal("incidents", "discreet", SLUG, "on").output
    assert audited() == [
        ("incidents.create", '{"classes":1,"discreet":true}'),
        ("incidents.discreet", '{"discreet":false}'),
        ("incidents.happened", '{"day":"2026-10-27"}'),
        ("incidents.discreet", '{"discreet":true}'),
    ]
    assert "no incident" in portal("incidents", "discreet", "elsewhere", "on", status=1).output


@pytest.mark.parametrize("day", ["2026-11-25", "28 October", "2026-13-01"])
def test_the_day_of_an_incident_is_a_date_that_has_come(portal, day):
    given = ("--title", "T", "--classes", "Names", "--happened", day)
    portal("incidents", "create", SLUG, *given, status=2)
    assert "There is no incident" in portal("incidents", "list").output


def test_a_statement_too_long_for_the_notice_asks_for_a_summary(portal, write):
    portal("incidents", "create", SLUG, "--title", "T", "--classes", "Names")
    long = STATEMENT.replace("We closed the way in.", "We closed the way in. " * 300)
    said = portal("incidents", "statement", SLUG, write(long)).output
    assert re.search(r"too long for the notice: the sections have 6\d{3} characters, at most 6000", said)
    summed_up = long.replace("role:", "summary: We closed the way in.\nrole:")
    assert "too long" not in portal("incidents", "statement", SLUG, write(summed_up)).output
    assert "too long" not in portal("incidents", "statement", SLUG, write(STATEMENT)).output


def test_all_that_is_wrong_with_a_file_is_told_with_how_to_write_it(portal, write, draft):
    leaking = STATEMENT.replace("Call us.", "<b>Call</b> us at [NUMBER].").replace(
        "title: Your", "titel: Your"
    )
    told = portal("incidents", "statement", SLUG, write(leaking), status=1).output
    for line in (
        "line 2: 'titel' is not one of title, language,",
        "    title: Your booking was copied",
        "line 28: HTML is shown to readers as it is: “<b>”",
        "    **bold**",
        "line 28: a placeholder: “[NUMBER]”",
    ):
        assert line in told
    assert "There is no statement yet" not in told
    assert "version 1" not in portal("incidents", "show", SLUG).output


def test_a_link_of_an_update_that_leads_nowhere_is_named(portal, write, published):
    words = "See [the first](../1/), [question one](#q1) and https://www.lanternfold.example/x."
    update = ("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed")
    told = portal(*update, write(words), "--accept", "link-place").output
    assert "update 1: published" in told
    assert "ask  line 1: the link “question one” to “#q1” leads nowhere" in told
    refused = portal(*update, write("See [the ninth](../9/)."), status=1).output
    assert "line 1: the link “the ninth” to “../9/” leads nowhere: there is no update 9" in refused
