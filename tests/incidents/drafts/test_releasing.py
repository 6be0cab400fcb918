"""What a second person approved is published, and nothing else."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portal.audit import service as audit
from portal.incidents import announcing, jobs, service
from portal.incidents.drafts import releasing, statements, store
from portal.incidents.drafts.models import Draft
from portal.incidents.drafts.releasing import NotReleasable, Release
from portal.incidents.publishing import withdrawing
from tests.incidents.conftest import SLUG, SPANISH, STATEMENT

SIX = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


@pytest.fixture
def write_parts(db, clock):
    """Changes parts of the draft in a language, after some minutes; gives its language and revision."""

    def write(language="en", **parts):
        clock.advance(timedelta(minutes=2))
        with db.write() as session:
            now = statements.open_draft(session, service.by_slug(session, SLUG), language)
            done = store.save(
                session, SLUG, f"statement:{language}", now.parts | parts, now.revision, "Ana", clock.now()
            )
        assert isinstance(done, Draft)
        return language, done.revision

    return write


@pytest.fixture
def shown(db):
    def describe(release):
        with db.read() as session:
            return releasing.described(session, release)

    return describe


@pytest.fixture
def perform(db, worker_parts, settings, clock):
    """Publishes what was approved, as the worker does."""

    def run(release, approved, people=0, request="01"):
        with db.write() as session:
            vault, now = worker_parts.vault, clock.now()
            return releasing.release(
                session, vault, settings, lambda *_: people, release, approved, now, request
            )

    return run


@pytest.fixture
def both(portal, write, draft):
    """Drafts of a first statement in both languages, stored by the command line."""
    portal("incidents", "statement", SLUG, write(STATEMENT))
    portal("incidents", "statement", SLUG, write(SPANISH))
    return Release(SLUG, (("en", 1), ("es", 1)), accepted=("class-mismatch",))


def refused(run, *arguments, **named):
    with pytest.raises(NotReleasable) as error:
        run(*arguments, **named)
    return error.value.reason


def test_what_is_approved_is_all_that_readers_get(both, shown):
    approved = shown(both)
    assert approved["statements"][0] == {
        "language": "en",
        "version": 1,
        "title": "Your booking was copied",
        "signed_by": "Ana Ruiz",
        "role": "Managing director",
        "note": "",
        "summary": "",
        "apology": "We are sorry. We did not keep your booking safe.",
        "sections": [
            ["What happened", "Someone copied our bookings on 3 November 2026."],
            ["What information was involved", "- your name\n- your e-mail address"],
            ["What we are doing", "We closed the way in."],
            ["What you can do", "[Check](/check/) whether you are affected."],
            ["For more information", "Call us."],
        ],
    }
    assert [one["language"] for one in approved["statements"]] == ["en", "es"]
    assert approved["incident"]["state"] == "draft"
    assert approved["classes"] == ["Names", "Email addresses"]
    assert json.loads(json.dumps(approved)) == approved == shown(both)
    assert Release.read(both.fields) == both


def test_it_is_published_once_even_if_the_worker_does_it_twice(both, shown, perform, client, portal):
    approved = shown(both)
    assert perform(both, approved) == {"state": "published"}
    assert "We did not keep your booking safe." in client.get(f"/incidents/{SLUG}/").text
    assert (
        "No protegimos su reserva."
        in client.get(f"/incidents/{SLUG}/", headers={"Accept-Language": "es"}).text
    )
    assert perform(both, approved) == {"state": "published"}
    versions = json.loads(portal("incidents", "show", SLUG, "--json").output)["versions"]
    assert [(one["number"], one["languages"]) for one in versions] == [(1, ["en", "es"])]


def test_a_correction_and_its_translation_are_one_version(both, shown, perform, write_parts, portal):
    perform(both, shown(both))
    english = write_parts(apology="We are very sorry.", note="The first one said too little.")
    spanish = write_parts("es", apology="Lo sentimos mucho.", note="La primera decía demasiado poco.")
    second = Release(SLUG, (english, spanish), accepted=("class-mismatch",))
    approved = shown(second)
    assert [one["version"] for one in approved["statements"]] == [2, 2]
    assert approved["statements"][0]["note"] == "The first one said too little."
    perform(second, approved)
    versions = json.loads(portal("incidents", "show", SLUG, "--json").output)["versions"]
    assert [(one["number"], one["languages"]) for one in versions] == [(2, ["en", "es"]), (1, ["en", "es"])]
    assert refused(shown, second) == "unchanged"


def test_any_edit_after_it_was_shown_voids_it(both, shown, perform, write_parts, client, portal):
    approved = shown(both)
    write_parts(apology="We are not sorry.")
    assert refused(shown, both) == "edited"
    assert refused(perform, both, approved) == "edited"
    assert client.get(f"/incidents/{SLUG}/").status_code == 404


@pytest.mark.parametrize("facts", [("title", SLUG, "Other", "--language", "es"), ("classes", SLUG, "Names")])
def test_another_title_or_class_voids_it_too(both, shown, perform, portal, facts):
    approved = shown(both)
    portal("incidents", *facts)
    assert refused(perform, both, approved) == "edited"


def test_only_the_chosen_language_is_published(both, shown, perform, client):
    english = replace(both, drafts=both.drafts[:1])
    perform(english, shown(english))
    assert "No protegimos" not in client.get(f"/incidents/{SLUG}/", headers={"Accept-Language": "es"}).text


def test_what_must_be_fixed_or_accepted_stops_it(both, shown, perform, write_parts):
    bare = Release(SLUG, (write_parts(section4=""),))
    assert refused(perform, bare, shown(bare)) == "asks"
    spoilt = Release(SLUG, (write_parts(section3="```\nour log"),), accepted=("class-mismatch",))
    assert refused(perform, spoilt, shown(spoilt)) == "stops"
    image = Release(SLUG, (write_parts(section3="![us](us.png)"),), accepted=("class-mismatch",))
    assert refused(perform, image, shown(image)) == "stops"


def test_a_correction_needs_a_note(both, shown, perform, write_parts):
    perform(both, shown(both))
    bare = Release(SLUG, (write_parts(apology="We are very sorry."),), accepted=("class-mismatch",))
    assert refused(perform, bare, shown(bare)) == "stops"


def test_at_a_set_time_the_worker_publishes_it(both, shown, perform, worker_parts, clock, client):
    later = replace(both, at=SIX)
    approved = shown(later)
    assert approved["at"] == "2026-11-24T06:00:00+00:00"
    assert perform(later, approved) == {"state": "scheduled"}
    assert perform(later, approved) == {"state": "scheduled"}
    assert client.get(f"/incidents/{SLUG}/").status_code == 404
    clock.at = SIX
    jobs.publish_due(worker_parts)
    assert client.get(f"/incidents/{SLUG}/").status_code == 200


def test_what_another_request_set_for_the_same_minute_is_not_taken_for_its_own(both, shown, perform, portal):
    first, second = (replace(both, drafts=(one,), at=SIX) for one in both.drafts)
    approved = shown(second)
    assert perform(first, shown(first), request="01") == {"state": "scheduled"}
    assert refused(perform, second, approved, request="02") == "scheduled"
    assert perform(first, {}, request="01") == {"state": "scheduled"}, "again, after a crash"


def test_a_time_that_passed_while_it_waited_for_approval_is_refused(both, shown, perform, clock):
    later = replace(both, at=SIX)
    approved = shown(later)
    clock.at = SIX
    assert refused(perform, later, approved) == "time-passed"


def test_a_holding_statement_promises_when_more_follows(draft, shown, perform, write_parts, portal):
    saved = write_parts(
        title="Someone broke into our booking system",
        signed_by="Ana Ruiz",
        role="Managing director",
        apology="We’re sorry. Someone broke into our booking system.",
        section1="Someone got in on 3 November.",
        section4="Change your password. Call us: +34 912 345 678.",
        holding="yes",
    )
    assert refused(shown, Release(SLUG, (saved,))) == "promise-missing"
    held = Release(SLUG, (saved,), more_by=SIX)
    perform(held, shown(held))
    assert "promised: more by 2026-11-24 06:00 UTC" in portal("incidents", "show", SLUG).output


PARTS = {
    "title": "Your booking was copied",
    "signed_by": "Ana Ruiz",
    "role": "Managing director",
    "apology": "We’re sorry. We did not keep your booking safe.",
    "section1": "Someone got in on 3 November.",
    "section4": "Change your password. Call us: +34 912 345 678.",
}
REST = {"section2": "- your name", "section3": "We closed the way in.", "section5": "Call us."}


@pytest.fixture
def promised(draft, shown, perform, write_parts):
    """A holding statement that promises news by six o’clock is public."""
    held = Release(SLUG, (write_parts(**PARTS, holding="yes"),), more_by=SIX)
    perform(held, shown(held))


@pytest.fixture
def logged(db):
    """Gives what the log says of the last publication."""

    def read():
        with db.read() as session:
            last = audit.newest_of(session, SLUG, ("incidents.publish",))
        assert last is not None
        return json.loads(last.details)

    return read


def test_no_promise_is_lost_unsaid(promised, shown, perform, write_parts, portal, logged):
    # a translation of what promised it loses nothing
    spanish = Release(SLUG, (write_parts("es", **PARTS, holding=""),))
    assert shown(spanish)["promised"] == "2026-11-24T06:00:00+00:00"
    whole = Release(SLUG, (write_parts(**REST, holding=""),), accepted=("class-mismatch",))
    assert refused(shown, whole) == "promise-open"
    assert refused(shown, replace(whole, ends=True, more_by=SIX)) == "promise-open"
    assert refused(shown, replace(spanish, ends=True)) == "promise-alone"
    ended = replace(whole, ends=True)
    assert Release.read(ended.fields) == ended
    perform(ended, shown(ended))
    assert "promised" not in portal("incidents", "show", SLUG).output
    assert logged()["ends_promise"] is True


def test_a_whole_statement_at_a_set_time_keeps_the_promise(
    promised, shown, perform, write_parts, worker_parts, clock, logged, portal
):
    kept = Release(SLUG, (write_parts(**REST, holding=""),), accepted=("class-mismatch",), more_by=SIX)
    later = replace(kept, at=clock.now() + timedelta(minutes=10))
    assert perform(later, shown(later)) == {"state": "scheduled"}
    clock.advance(timedelta(minutes=11))
    jobs.publish_due(worker_parts)
    output = portal("incidents", "show", SLUG).output
    assert "promised: more by 2026-11-24 06:00 UTC" in output
    assert "version 2" in output
    assert logged()["keeps_promise"] is True
    assert "holding" not in logged()


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("newer", [SIX + timedelta(days=2), None])
def test_what_an_update_promised_after_a_time_was_set_stays(
    promised, shown, perform, write_parts, worker_parts, clock, db, ends, newer
):
    whole = Release(SLUG, (write_parts(**REST, holding=""),), accepted=("class-mismatch",))
    later = replace(whole, at=clock.now() + timedelta(minutes=10), ends=ends, more_by=None if ends else SIX)
    perform(later, shown(later))
    with db.write() as session:
        service.set_promise(session, service.locked(session, SLUG), newer, clock.now())
    clock.advance(timedelta(minutes=11))
    jobs.publish_due(worker_parts)
    with db.read() as session:
        incident = service.by_slug(session, SLUG)
        assert incident.more_by == newer
        assert service.newest_public(session, incident) == 2


@pytest.mark.parametrize("before", [SIX, None])
def test_what_was_confirmed_goes_out_though_an_update_is_withdrawn_meanwhile(
    promised, shown, perform, write_parts, worker_parts, clock, db, portal, write, before
):
    later = SIX + timedelta(days=3)
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "Wrong", write("Wrong."))
    with db.write() as session:
        incident = service.locked(session, SLUG)
        service.set_promise(session, incident, before, clock.now(), "update 9")
        service.set_promise(session, incident, SIX + timedelta(days=1), clock.now(), "update 1")
    whole = Release(SLUG, (write_parts(**REST, holding=""),), accepted=("class-mismatch",), more_by=later)
    wanted = replace(whole, at=clock.now() + timedelta(minutes=10))
    perform(wanted, shown(wanted))
    with db.write() as session:
        withdrawing.withdraw_update(session, SLUG, 1, "It was wrong.", clock.now(), promise="back")
        assert service.by_slug(session, SLUG).more_by == before
        incident = service.locked(session, SLUG)
        service.set_promise(session, incident, before, clock.now(), "update 10")  # says nothing new
    clock.advance(timedelta(minutes=11))
    jobs.publish_due(worker_parts)
    with db.read() as session:
        incident = service.by_slug(session, SLUG)
        assert service.newest_public(session, incident) == 2
        assert incident.more_by == later


@pytest.mark.parametrize(
    ("newer", "expected"),
    [
        (SIX + timedelta(days=2), SIX + timedelta(days=2)),
        (None, SIX),
        (datetime(2026, 11, 23, 8, 0, tzinfo=UTC), SIX),
    ],
)
def test_a_holding_statement_at_a_set_time_has_a_time_to_come(
    draft, shown, perform, write_parts, worker_parts, clock, db, newer, expected
):
    def promise(at):
        with db.write() as session:
            service.set_promise(session, service.locked(session, SLUG), at, clock.now())

    promise(SIX + timedelta(days=1))
    held = Release(SLUG, (write_parts(**PARTS, holding="yes"),), more_by=SIX)
    later = replace(held, at=clock.now() + timedelta(minutes=10))
    perform(later, shown(later))
    promise(newer)
    clock.advance(timedelta(minutes=11))
    jobs.publish_due(worker_parts)
    with db.read() as session:
        assert service.by_slug(session, SLUG).more_by == expected


def test_nothing_goes_out_with_a_promise_that_has_passed_by_then(promised, shown, write_parts):
    whole = Release(SLUG, (write_parts(**REST, holding=""),), accepted=("class-mismatch",), more_by=SIX)
    assert refused(shown, replace(whole, at=SIX)) == "promise-early"
    assert shown(replace(whole, at=SIX - timedelta(minutes=1)))["more_by"] == "2026-11-24T06:00:00+00:00"


def test_the_command_says_which_promise_ends(promised, write, portal):
    portal("incidents", "statement", SLUG, write(STATEMENT))
    told = portal("incidents", "publish", SLUG, "--accept", "class-mismatch", status=2).output
    assert "Readers no longer see: more by 2026-11-24 06:00 UTC" in told


def test_draft_updates_go_along_and_mail_no_more_people_than_was_said(
    both, shown, perform, portal, write, db, worker_parts
):
    news = write("---\nnotify: yes\n---\nWe know more.\n")
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "News", news)
    with_news = replace(both, updates=(1,), most=releasing.headroom(100))
    approved = shown(with_news)
    assert approved["mailed_at_most"] == 120
    assert approved["updates"][0]["texts"] == [["en", "News", "We know more."]]
    assert refused(perform, with_news, approved, people=121) == "more-people"
    perform(with_news, approved, people=120)
    with db.read() as session:
        assert [one.number for one in announcing.waiting(session, worker_parts.vault)] == [1]


@pytest.mark.parametrize("field", ["drafts", "most", "at"])
def test_fields_that_say_nothing_are_refused(both, field):
    assert refused(Release.read, both.fields | {field: "x"}) == "fields"
