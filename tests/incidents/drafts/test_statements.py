"""A statement in its parts: how its languages stand, and what the checker says of which part."""

from datetime import timedelta

import pytest

from portal.incidents import service
from portal.incidents.drafts import statements, store
from portal.incidents.drafts.statements import document, open_draft
from tests.incidents.conftest import CORRECTED, SLUG, SPANISH, STATEMENT

ENGLISH_AND_SPANISH = ("en", "es")


@pytest.fixture
def opened(db):
    """The statement as its author opens it."""

    def read(language="en"):
        with db.read() as session:
            return open_draft(session, service.by_slug(session, SLUG), language)

    return read


@pytest.fixture
def write_parts(db, clock, opened):
    """Changes parts of the draft in a language."""

    def write(language="en", **parts):
        clock.advance(timedelta(minutes=2))
        now = opened(language)
        with db.write() as session:
            store.save(session, SLUG, document(language), now.parts | parts, now.revision, "Ana", clock.now())

    return write


@pytest.fixture
def told(db, settings, opened):
    """What the checker says, as codes with their places."""

    def read(language="en"):
        draft = opened(language)
        with db.read() as session:
            incident = service.by_slug(session, SLUG)
            found = statements.findings(session, settings, incident, draft)
        return [(one.finding.weight.value, one.finding.code, one.part, one.line) for one in found]

    return read


@pytest.fixture
def standing(db):
    def read():
        with db.read() as session:
            incident = service.by_slug(session, SLUG)
            found = statements.standings(session, incident, ENGLISH_AND_SPANISH)
        return [(one.language, one.state, one.changed) for one in found]

    return read


def test_a_statement_begins_with_the_usual_headings_in_its_language(draft, opened):
    fresh = opened("es")
    assert (fresh.revision, fresh.changed, fresh.number) == (0, False, 1)
    assert fresh.parts["heading4"] == "Qué puede hacer usted"
    assert [part for part, text in fresh.parts.items() if text] == [f"heading{one}" for one in range(1, 6)]


def test_a_command_and_the_editor_go_on_with_the_same_text(portal, write, draft, opened, write_parts):
    portal("incidents", "statement", SLUG, write(STATEMENT))
    assert opened().parts["apology"] == "We are sorry. We did not keep your booking safe."
    write_parts(apology="We are very sorry.")
    portal("incidents", "statement", SLUG, write(CORRECTED))
    stands = opened()
    assert stands.parts["note"] == "Passwords were copied too. We had missed them."
    assert stands.revision == 3


def test_an_author_who_has_it_open_is_told_of_a_command(portal, write, draft, opened, db, clock):
    portal("incidents", "statement", SLUG, write(STATEMENT))
    before = opened()
    portal("incidents", "statement", SLUG, write(CORRECTED))
    with db.write() as session:
        refused = store.save(
            session, SLUG, "statement:en", before.parts | {"title": "B"}, before.revision, "Ana", clock.now()
        )
    assert isinstance(refused, store.Conflict)


def test_languages_are_missing_or_older_until_they_follow(portal, write, draft, standing, write_parts):
    assert standing() == [("en", "missing", False), ("es", "missing", False)]
    write_parts(title="We lost your booking")
    assert standing() == [("en", "current", True), ("es", "missing", False)]
    portal("incidents", "statement", SLUG, write(STATEMENT))
    portal("incidents", "statement", SLUG, write(SPANISH))
    portal("incidents", "publish", SLUG, "--confirm")
    assert standing() == [("en", "current", False), ("es", "current", False)]
    write_parts(apology="We are very sorry.")
    assert standing() == [("en", "current", True), ("es", "older", False)]
    write_parts("es", apology="Lo sentimos mucho.")
    assert standing() == [("en", "current", True), ("es", "current", True)]
    write_parts(apology="We are so very sorry.")
    assert standing()[1] == ("es", "older", True)


def test_a_note_of_the_public_version_is_not_the_next_ones(portal, write, published, opened, write_parts):
    portal("incidents", "statement", SLUG, write(CORRECTED))
    portal("incidents", "publish", SLUG, "--confirm")
    assert (opened().parts["note"], opened().number, opened().changed) == ("", 3, False)
    write_parts(note="We corrected the date.")
    assert opened().parts["note"] == "We corrected the date."


def test_a_finding_names_its_part_and_the_line_in_it(portal, write, draft, told, write_parts):
    portal("incidents", "statement", SLUG, write(STATEMENT))
    write_parts(
        section1="Someone copied our bookings.\n\nIt was [who?] on <b>Monday</b>.",
        section3="",
        signed_by="",
        title="TBD: a title",
    )
    found = told()
    assert ("stop", "placeholder", "title", 1) in found
    assert ("stop", "key-missing", "signed_by", 0) in found
    assert ("stop", "html", "section1", 3) in found
    assert ("ask", "missing-section", "section3", 0) in found


def test_an_open_code_block_that_takes_the_next_parts_in_is_a_stop(portal, write, draft, told, write_parts):
    portal("incidents", "statement", SLUG, write(STATEMENT))
    write_parts(section3="```\nour log")
    assert ("stop", "part-open", "section4", 0) in told()


def test_data_that_the_incident_lists_and_the_text_does_not_name_is_told(portal, write, draft, told):
    portal("incidents", "classes", SLUG, "Names;Email addresses;Passwords")
    portal("incidents", "statement", SLUG, write(STATEMENT))
    assert ("ask", "class-mismatch", "section2", 0) in told()


def test_a_holding_statement_needs_three_parts_alone(portal, write, draft, told, write_parts):
    write_parts(
        title="Someone broke into our booking system",
        signed_by="Ana Ruiz",
        role="Managing director",
        apology="We’re sorry. Someone broke into our booking system.",
        section1="Someone got in on 3 November.",
        holding="yes",
    )
    assert [one for one in told() if one[0] != "warn"] == [("stop", "holding-part", "section4", 0)]
    write_parts(section4="Change your password.")
    assert [one for one in told() if one[0] == "stop"] == []


def test_a_correction_without_a_note_is_stopped(portal, write, published, told, write_parts):
    assert [one for one in told() if one[1] == "note-missing"] == []
    write_parts(apology="We are very sorry.")
    assert ("stop", "note-missing", "note", 0) in told()
    write_parts(note="It said too little.")
    assert [one for one in told() if one[1] == "note-missing"] == []
