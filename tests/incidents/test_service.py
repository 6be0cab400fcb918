"""The rules of publishing: drafts, versions that are final, numbers that never clash, news told once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from portal.audit import service as audit
from portal.audit.models import AuditEntry
from portal.incidents import service, writing
from portal.incidents.models import PublishedIsFinal, Section, Statement, Update
from portal.incidents.writing import Notify, StatementText, UpdateText

SLUG = "booking"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STATEMENT = StatementText(
    "en",
    "Stolen",
    "Ana Ruiz",
    "Managing director",
    None,
    "We are sorry.",
    [Section("What happened", "A theft."), *(Section(f"More, {number}", "Known.") for number in range(4))],
)
CORRECTION = replace(STATEMENT, note="It was two thefts.", apology="We are very sorry.")
SPANISH = replace(STATEMENT, language="es", title="Robado")
UPDATE = UpdateText("en", "contained", "The way in is closed", "We closed it.", None, Notify.UNCHANGED)


def publish(db):
    with db.write() as session:
        return service.publish(session, SLUG, NOW)


def state(db, text):
    with db.write() as session:
        return writing.add_statement(session, SLUG, text, NOW)


def tell(db, text=UPDATE, at=NOW):
    with db.write() as session:
        return writing.add_update(session, SLUG, text, at)


def edit(db, number, text, at=NOW):
    with db.write() as session:
        return writing.edit_update(session, SLUG, number, text, at)


def statements(db):
    with db.read() as session:
        rows = session.scalars(select(Statement).order_by(Statement.number, Statement.language))
        return [(row.number, row.language, row.published_at is not None) for row in rows]


def test_a_draft_is_nobodys_business(db, incident):
    with db.read() as session:
        assert service.published(session) == service.open_incidents(session) == []
        assert service.by_slug(session, SLUG).title == "Theft of bookings"
        with pytest.raises(service.IncidentUnknown):
            service.published_by_slug(session, SLUG)


def test_a_slug_has_60_characters_at_most(db):
    with db.write() as session:
        assert service.create(session, "a" * 60, "Theft of bookings", ("Names",), NOW).slug == "a" * 60


@pytest.mark.parametrize("slug", ["", "Booking", "a--b", "-a", "a_b", "a/b", "../etc", "a" * 61, "é", "a\n"])
def test_a_slug_that_is_no_plain_word_is_refused(db, slug):
    with pytest.raises(service.SlugInvalid), db.write() as session:
        service.create(session, slug, "T", (), NOW)


@pytest.mark.parametrize("slug", ["everyone", "new"])
def test_a_slug_that_means_something_else_is_refused(db, slug):
    with pytest.raises(service.SlugInvalid), db.write() as session:
        service.create(session, slug, "T", (), NOW)


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "x" * 201, "bell\a"])
def test_a_title_that_is_no_line_is_refused(db, title):
    with pytest.raises(service.TitleInvalid), db.write() as session:
        service.create(session, "a", title, (), NOW)


def test_a_title_may_hold_the_joiner_that_persian_needs(db):
    with db.write() as session:
        assert service.create(session, "a", " داده‌های شما ", (), NOW).title == "داده‌های شما"


def test_a_slug_is_given_once(db, incident):
    with pytest.raises(service.SlugTaken), db.write() as session:
        service.create(session, SLUG, "Again", (), NOW)


def test_publishing_makes_the_incident_and_what_waits_public(db, incident):
    state(db, STATEMENT)
    state(db, SPANISH)
    tell(db)
    done = publish(db)
    assert (done.first, done.statements, done.updates) == (True, [(1, "en"), (1, "es")], [1])
    again = publish(db)
    assert (again.first, again.statements, again.updates) == (False, [], [])
    with db.read() as session:
        assert [one.slug for one in service.published(session)] == [SLUG]


def test_a_draft_is_replaced_until_it_is_published(db, incident):
    state(db, STATEMENT)
    state(db, replace(STATEMENT, title="Stolen from us"))
    publish(db)
    assert statements(db) == [(1, "en", True)]
    with db.read() as session:
        assert session.scalars(select(Statement)).one().title == "Stolen from us"


def test_a_correction_is_a_new_version_and_says_why(db, incident):
    state(db, STATEMENT)
    publish(db)
    with pytest.raises(writing.NoteMissing):
        state(db, STATEMENT)
    assert state(db, CORRECTION).number == 2
    assert statements(db) == [(1, "en", True), (2, "en", False)]
    publish(db)
    assert statements(db) == [(1, "en", True), (2, "en", True)]


def test_a_translation_joins_the_newest_version_without_it(db, incident):
    state(db, STATEMENT)
    publish(db)
    assert state(db, SPANISH).number == 1
    state(db, CORRECTION)
    publish(db)
    assert state(db, replace(SPANISH, note="Fueron dos robos.")).number == 2


def test_a_published_statement_cannot_be_changed_or_removed(db, incident):
    state(db, STATEMENT)
    publish(db)
    for change in (
        lambda session, row: setattr(row, "apology", "We did nothing wrong."),
        lambda session, row: setattr(row, "published_at", None),
        lambda session, row: session.delete(row),
    ):
        with pytest.raises(PublishedIsFinal), db.write() as session:
            change(session, session.scalars(select(Statement)).one())
    with db.read() as session:
        assert session.scalars(select(Statement)).one().apology == "We are sorry."


def test_of_many_who_publish_at_once_one_does(db, incident):
    state(db, STATEMENT)
    tell(db)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: publish(db), range(8)))
    assert sorted(one.first for one in done) == [False] * 7 + [True]
    assert [one.statements for one in done if one.statements] == [[(1, "en")]]
    with db.read() as session:
        entries = session.scalars(select(AuditEntry.action).where(AuditEntry.action == "incidents.publish"))
        assert len(entries.all()) == 1


def test_updates_written_at_once_get_numbers_of_their_own(db, incident):
    publish(db)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda _: tell(db), range(12)))
    assert sorted(row.number for row in rows) == list(range(1, 13))
    assert len({row.urn for row in rows}) == 12


def test_an_edit_keeps_what_was_said_before(db, incident):
    publish(db)
    before = tell(db)
    later = NOW + timedelta(hours=1)
    edited = edit(db, 1, replace(UPDATE, title=None, body="We closed it, and checked."), later).update
    assert (edited.urn, edited.edited_at, edited.published_at) == (before.urn, later, NOW)
    with db.read() as session:
        words = [(one.title, one.body) for one in service.wordings_of(session, edited)]
    assert words == [
        ("The way in is closed", "We closed it."),
        ("The way in is closed", "We closed it, and checked."),
    ]


def test_an_edit_that_changes_nothing_is_none(db, incident):
    publish(db)
    tell(db)
    same = edit(db, 1, UPDATE, NOW + timedelta(hours=1)).update
    assert same.edited_at is None
    with db.read() as session:
        assert len(service.wordings_of(session, same)) == 1


def test_an_update_can_be_moved_in_time_and_phase(db, incident):
    publish(db)
    tell(db)
    moved = edit(db, 1, replace(UPDATE, phase="resolved", occurred_at=NOW - timedelta(days=2))).update
    assert (moved.phase, moved.occurred_at) == ("resolved", NOW - timedelta(days=2))
    with db.read() as session:
        assert service.open_incidents(session) == []


def test_a_translation_of_an_update_is_no_edit(db, incident):
    publish(db)
    tell(db)
    done = edit(db, 1, replace(UPDATE, language="es", title="La entrada está cerrada", phase=None))
    assert done.translated
    assert done.update.edited_at is None
    with pytest.raises(writing.UpdateUnknown):
        edit(db, 2, UPDATE)


def test_what_is_the_case_is_what_happened_last_not_what_was_told_last(db, incident):
    publish(db)
    tell(db, replace(UPDATE, phase="resolved"))
    tell(db, replace(UPDATE, phase="detected", occurred_at=NOW - timedelta(days=9)))
    with db.read() as session:
        assert list(service.phases(session).values()) == ["resolved"]


def test_everything_that_becomes_public_is_noticed_and_drafts_are_not(db, incident):
    def number():
        with db.read() as session:
            return service.content_number(session)

    begin = number()
    state(db, STATEMENT)
    tell(db)
    assert number() == begin
    publish(db)
    assert number() == begin + 1
    publish(db)
    assert number() == begin + 1
    tell(db)
    edit(db, 1, replace(UPDATE, body="Other words."))
    assert number() == begin + 3


def test_every_step_is_in_the_log(db, incident):
    state(db, STATEMENT)
    publish(db)
    tell(db)
    edit(db, 1, replace(UPDATE, body="Other words."))
    with db.read() as session:
        entries = session.execute(
            select(AuditEntry.action, AuditEntry.subject).order_by(AuditEntry.number)
        ).all()
        audit.verify(session)
    assert entries == [
        (f"incidents.{verb}", SLUG) for verb in ("create", "statement", "publish", "update", "edit-update")
    ]


def test_a_refused_statement_leaves_nothing(db, incident):
    state(db, STATEMENT)
    publish(db)
    with pytest.raises(writing.NoteMissing):
        state(db, STATEMENT)
    with pytest.raises(ValueError, match="needs a phase"), db.write() as session:
        writing.add_update(session, SLUG, replace(UPDATE, phase=None), NOW)
    assert len(statements(db)) == 1
    with db.read() as session:
        assert session.scalars(select(Update)).all() == []


def test_classes_of_a_public_incident_wait_for_its_next_publish(db, incident):
    with db.write() as session:
        assert not service.stage_classes(session, incident, ("Names", "Phone numbers"), NOW)
        assert service.by_slug(session, SLUG).class_names == ("Names", "Phone numbers")
    publish(db)
    with db.write() as session:
        assert service.stage_classes(session, incident, ("Names", "Passwords"), NOW)
        staged = service.by_slug(session, SLUG)
        assert staged.class_names == ("Names", "Phone numbers")
        assert staged.next_class_names == ("Names", "Passwords")
    done = publish(db)
    assert (done.first, done.statements, done.updates, done.classes) == (False, [], [], True)
    with db.write() as session:
        assert service.by_slug(session, SLUG).class_names == ("Names", "Passwords")
        assert not service.stage_classes(session, incident, ("Passwords", "Names"), NOW)
        assert service.by_slug(session, SLUG).staged_classes is None
