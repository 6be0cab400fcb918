"""Entries of the timeline: their times, what they mail, and one author alone at 2 a.m."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from portal.incidents import announcing, service
from portal.incidents.drafts import entries, examples, posting, store
from portal.incidents.drafts.entries import EntryInvalid
from portal.incidents.drafts.models import Draft
from portal.incidents.drafts.posting import ConfirmRefused, Post
from portal.incidents.drafts.releasing import NotReleasable
from tests.incidents.conftest import SLUG

KEY = "00ff00ff00ff00ff"
TEXT = {
    "phase": "contained",
    "occurred": "2026-11-22 08:30",
    "notify": "yes",
    "title:en": "We closed the gap",
    "body:en": "Nobody can get in that way any more.",
    "title:es": "Cerramos el hueco",
    "body:es": "Ya nadie puede entrar así.",
}


@pytest.fixture
def write_entry(db, clock, settings):
    """Saves an entry; gives what an author would post."""

    def write(*, zone="Europe/Madrid", accepted=(), most=10, **changed):
        clock.advance(timedelta(minutes=2))
        with db.write() as session:
            given = TEXT | {name.replace("__", ":"): text for name, text in changed.items()}
            parts = entries.completed(given, settings.site.languages, zone)
            done = store.replace(session, SLUG, entries.document(KEY), parts, "Ana", clock.now())
            assert isinstance(done, Draft)
        return Post(SLUG, KEY, done.revision, accepted, most)

    return write


@pytest.fixture
def shown(db):
    def describe(post):
        with db.read() as session:
            return posting.described(session, post)

    return describe


@pytest.fixture
def perform(db, worker_parts, settings, clock):
    """Posts as the worker does, with a second person's approval or alone."""

    def run(post, approved=None, people=0, reason="The approver is asleep."):
        arguments = (worker_parts.vault, settings, lambda *_: people, post)
        with db.write() as session:
            if approved is None:
                row = posting.post_alone(session, *arguments, reason, "staff ana", clock.now())
            else:
                row = posting.post(session, *arguments, approved, clock.now())
            return row and row.number

    return run


@pytest.fixture
def told(db, settings, clock):
    def read(post):
        with db.read() as session:
            incident = service.by_slug(session, SLUG)
            draft = store.head(session, incident, entries.document(post.key))
            assert draft is not None
            found = entries.findings(session, settings, incident, draft.parts, clock.now())
        return [(one.finding.weight.value, one.finding.code, one.part, one.line) for one in found]

    return read


def refused(run, *arguments, **named):
    with pytest.raises(NotReleasable) as error:
        run(*arguments, **named)
    return error.value.reason


def test_an_entry_is_shown_as_it_will_be_and_posted_in_all_its_languages(
    published, write_entry, shown, perform, client, db, worker_parts
):
    post = write_entry()
    approved = shown(post)
    assert approved["occurred"] == "2026-11-22T07:30:00+00:00"
    assert approved["texts"] == [
        ["en", "We closed the gap", "Nobody can get in that way any more."],
        ["es", "Cerramos el hueco", "Ya nadie puede entrar así."],
    ]
    assert approved["mailed_at_most"] == 10
    assert json.loads(json.dumps(approved)) == approved
    assert Post.read(post.fields) == post
    assert refused(perform, post, approved, people=11) == "more-people"
    assert perform(post, approved, people=10) == 1
    page = f"/incidents/{SLUG}/updates/1/"
    assert "Nobody can get in that way any more." in client.get(page).text
    assert "Ya nadie puede entrar" in client.get(page, headers={"Accept-Language": "es"}).text
    assert "Edited" not in client.get(page).text
    with db.read() as session:
        (mailed,) = announcing.waiting(session, worker_parts.vault)
        assert mailed.bodies is not None
        assert sorted(mailed.bodies) == ["en", "es"]
    assert perform(post, approved) is None  # a second run after a crash


def test_an_edit_voids_what_was_shown(published, write_entry, shown, perform, client):
    post = write_entry()
    approved = shown(post)
    newer = write_entry(title__en="We closed a gap")
    assert refused(perform, post, approved) == "edited"
    assert refused(perform, newer, approved) == "edited"
    assert client.get(f"/incidents/{SLUG}/updates/1/").status_code == 404


@pytest.mark.parametrize(
    ("occurred", "zone", "expected"),
    [
        ("2026-11-22 08:30", "Europe/Madrid", "2026-11-22 07:30 UTC"),
        ("2026-11-22 08:30", "UTC", "2026-11-22 08:30 UTC"),
        ("2026-11-22T08:30+09:00", "Europe/Madrid", "2026-11-21 23:30 UTC"),
        ("2026-11-22", "Europe/Madrid", "2026-11-22"),
    ],
)
def test_a_time_is_echoed_in_utc(settings, occurred, zone, expected):
    parts = entries.completed(TEXT | {"occurred": occurred, "zone": zone}, ("en",), "Europe/Madrid")
    when = entries.time_in(parts, "occurred")
    assert when is not None
    assert entries.utc(when) == expected


@pytest.mark.parametrize(
    ("occurred", "code", "examples_"),
    [
        ("2026-10-25 02:30", "time-twice", ("2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00")),
        ("2026-03-29 02:30", "time-in-gap", ("2026-03-29 01:59", "2026-03-29 03:00")),
    ],
)
def test_an_hour_that_came_twice_or_never_is_said_and_not_guessed(
    published, write_entry, shown, told, occurred, code, examples_
):
    post = write_entry(occurred=occurred)
    assert told(post) == [("stop", code, "occurred", 1)]
    assert refused(shown, post) == "stops"
    with pytest.raises(EntryInvalid) as error:
        entries.time_in(
            entries.completed(TEXT | {"occurred": occurred}, ("en",), "Europe/Madrid"), "occurred"
        )
    assert error.value.error is not None
    assert error.value.error.examples == examples_


def test_a_day_alone_stays_a_day(published, write_entry, shown, perform, db):
    post = write_entry(occurred="2026-11-20")
    approved = shown(post)
    assert approved["occurred"] == "2026-11-20"
    perform(post, approved)
    with db.read() as session:
        row = service.updates(session, service.by_slug(session, SLUG).id, limit=1)[0]
        assert row.occurred_on == date(2026, 11, 20)


def test_the_promise_of_the_next_update_is_kept_renewed_or_taken_back(
    published, write_entry, shown, perform, clock, db
):
    def promise():
        with db.read() as session:
            return service.by_slug(session, SLUG).more_by

    post = write_entry(next_by="2026-11-23 18:00")
    perform(post, shown(post))
    assert promise() == datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
    with db.read() as session:
        begun = entries.empty(service.by_slug(session, SLUG), ("en", "es"), "Europe/Madrid")
    assert begun["next_by"] == "2026-11-23 18:00"
    same = write_entry(next_by=begun["next_by"], notify="")
    perform(same, shown(same))
    assert promise() == datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
    past = replace(write_entry(next_by="2026-11-23 07:00"), promised="2026-11-23T17:00:00+00:00")
    assert refused(perform, past, shown(past)) == "stops"
    none = replace(write_entry(next_by=""), promised="2026-11-23T17:00:00+00:00")
    assert shown(none)["ends"] is True
    perform(none, shown(none))
    assert promise() is None


def test_no_promise_is_lost_by_an_entry_that_was_begun_before_it(
    published, write_entry, shown, perform, clock, db
):
    def promise(at):
        with db.write() as session:
            service.set_promise(session, service.locked(session, SLUG), at, clock.now())

    six = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    begun = write_entry()
    approved = shown(begun)
    promise(six)
    assert refused(perform, begun, approved) == "promise-open"  # approved before
    assert refused(perform, begun) == "promise-open"  # alone
    assert refused(shown, replace(begun, keeps=True)) == "promise-open"
    kept = replace(begun, promised="2026-11-24T06:00:00+00:00", keeps=True)
    assert Post.read(kept.fields) == kept
    assert shown(kept)["promised"] == shown(kept)["next_by"] == "2026-11-24T06:00:00+00:00"
    assert "ends" not in shown(kept)
    promise(six + timedelta(hours=1))
    assert refused(perform, kept) == "promise-open"  # what somebody said was of another one
    promise(six)
    approved = shown(kept)
    clock.at = six
    assert refused(perform, kept, approved) == "time-passed"
    clock.at = six - timedelta(minutes=1)
    perform(kept, approved)
    with db.read() as session:
        assert service.by_slug(session, SLUG).more_by == six


def test_what_an_entry_lacks_is_said_with_its_place(published, write_entry, told):
    assert told(write_entry()) == []
    post = write_entry(phase="", body__en="See [the report].\n\n<b>Now</b>", title__es="")
    found = told(post)
    assert ("stop", "html", "body:en", 3) in found
    assert ("stop", "entry", "phase", 0) in found
    assert [one for one in told(write_entry(title__es="")) if one[1] == "entry"] == [
        ("stop", "entry", "title:es", 0)
    ]


def test_each_phase_has_a_text_to_start_from_that_cannot_go_out_as_it_is(published, write_entry, told):
    for phase in ("detected", "contained", "investigating", "authorities-informed", "insurer-informed",
                  "customers-notified", "safeguards-in-place", "resolved"):  # fmt: skip
        for language in ("en", "es"):
            title, body = examples.opening(phase, language)
            assert title
            found = told(write_entry(phase=phase, **{f"title__{language}": title, f"body__{language}": body}))
            assert ("stop", "placeholder", f"body:{language}") in {one[:3] for one in found}, (
                phase,
                language,
            )
    assert examples.opening("other", "en") == ("", "")
    assert examples.opening("contained", "fr") == examples.opening("contained", "en")
    assert examples.sentences("es")["apology"].startswith("Lo sentimos.")


def test_one_author_alone_stays_on_the_list_until_somebody_else_confirms(
    published, write_entry, perform, db, clock, portal
):
    assert perform(write_entry(), reason="Approvers sleep, and the thief is back.") == 1
    with db.read() as session:
        (alone,) = posting.unconfirmed(session)
        assert (alone.slug, alone.number, alone.row.author) == (SLUG, 1, "staff ana")
        assert alone.row.reason == "Approvers sleep, and the thief is back."
        assert posting.unconfirmed(session, service.by_slug(session, SLUG)) != []
    with db.write() as session, pytest.raises(ConfirmRefused, match="own"):
        posting.confirm(session, SLUG, alone.row.id, "staff ana", clock.now())
    with db.write() as session:
        posting.confirm(session, SLUG, alone.row.id, "staff ben", clock.now())
        assert posting.unconfirmed(session) == []
        with pytest.raises(ConfirmRefused, match="decided"):
            posting.confirm(session, SLUG, alone.row.id, "staff eve", clock.now())
    listed = portal("audit", "list").output
    assert "incidents.confirm" in listed
    assert "reason Approvers sleep, and the thief is back." in listed


def test_alone_needs_a_reason_and_a_text_without_faults(published, write_entry, perform, client):
    with pytest.raises(ValueError, match="one line"):
        perform(write_entry(), reason="  ")
    assert refused(perform, write_entry(body__en="On [date] it ended.")) == "stops"
    assert client.get(f"/incidents/{SLUG}/updates/1/").status_code == 404


def test_an_entry_of_an_incident_that_is_not_public_waits_for_it(
    draft, write_entry, perform, db, portal, client
):
    assert perform(write_entry()) == 1
    with db.read() as session:
        assert posting.unconfirmed(session) == []
    assert "contained  We closed the gap  notify  draft" in portal("incidents", "show", SLUG).output
