"""The checklist in the console: who does what until when, changed by one at a time, and reminded of."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.audit import service as audit
from portal.checklist import known, service
from portal.checklist.jobs import remind
from portal.checklist.models import ChecklistItem
from portal.incidents import service as incidents
from portal.incidents.models import Statement
from portal.incidents.publishing import withdrawing
from portal.worker import drain
from tests.colleagues import press
from tests.visitor import main_of

SLUG = "november"
PAGE = f"/checklist/{SLUG}/"
HARM = "<script>alert(1)</script> **bold** [x](javascript:alert(1)) =1+1"


@pytest.fixture
def incident(portal):
    portal("incidents", "create", SLUG, "--title", HARM, "--classes", "Email addresses")


def save(browser, item, **fields):
    page = f"{PAGE}{item}/"
    return press(
        browser, page, page, **{"owner": "", "due": "", "zone": "UTC", "note": "", "proof": ""} | fields
    )


def test_the_authorities_are_due_72_hours_after_discovery_until_somebody_changes_it(office, incident):
    browser = office.as_role("author")
    page = main_of(browser.get(PAGE).text)
    assert page.count("datetime=") == 3  # discovered, due, printed
    assert "No time set" in page
    save(browser, "authorities", due="2026-12-24 18:30")
    assert "24 December 2026, 18:30" in main_of(browser.get(PAGE).text)


def test_who_found_out_earlier_says_so_and_has_less_time(office, incident, clock):
    browser = office.as_role("author")
    page = f"{PAGE}discovered/"
    found = clock.now() - timedelta(hours=30)
    typed = f"{found:%Y-%m-%d %H:%M}"
    assert press(browser, page, page, at=typed, zone="UTC").location == PAGE
    assert "30 hours</td>" in main_of(browser.get("/").text)
    due = f"{found + timedelta(hours=72):%Y-%m-%dT%H:%M}"
    assert f'datetime="{due}' in main_of(browser.get(PAGE).text)
    assert f'value="{typed}"' in browser.get(page).text


def test_a_time_with_seconds_is_shown_as_somebody_types_it(office, incident, clock):
    with office.db.write() as session:
        at = clock.now().replace(hour=7, minute=9, second=33)
        incidents.set_discovered(session, SLUG, at, clock.now())
    assert f'value="{at:%Y-%m-%d} 07:09"' in office.as_role("author").get(f"{PAGE}discovered/").text


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "Type the day and the time."),
        ("yesterday", "like one of these"),
        ("1990-01-01", "Choose a year from 2000 to 2100."),
        ("2099-01-01 10:00", "This is still to come."),
    ],
)
def test_no_time_of_discovery_that_cannot_be_is_taken(office, incident, typed, told):
    browser, page = office.as_role("author"), f"{PAGE}discovered/"
    answer = press(browser, page, page, at=typed, zone="UTC")
    assert answer.status_code == 422
    assert told in main_of(answer.text)


class TestInMadrid:
    """The company's clock is an hour ahead of UTC in winter."""

    @pytest.fixture
    def environ(self, environ):
        return environ | {"PORTAL_TIMEZONE": "Europe/Madrid"}

    @pytest.mark.parametrize(
        ("due", "zone", "echo", "typed"),
        [
            ("2026-12-24 18:30", "Europe/Madrid", "= 2026-12-24 17:30 UTC", "2026-12-24 18:30"),
            ("2026-12-24 18:30", "UTC", "= 2026-12-24 18:30 UTC", "2026-12-24 19:30"),
            ("2027-10-31T02:30+01:00", "UTC", "= 2027-10-31 01:30 UTC", "2027-10-31 02:30+01:00"),
        ],
    )
    def test_a_time_is_typed_in_a_zone_and_said_in_utc(self, office, incident, due, zone, echo, typed):
        browser = office.as_role("author")
        assert save(browser, "it", due=due, zone=zone).status_code == 303
        page = browser.get(f"{PAGE}it/").text
        assert f'<p class="echo">{echo}</p>' in page
        assert f'value="{typed}"' in page

    @pytest.mark.sqlite
    def test_an_hour_that_comes_twice_or_never_is_asked_about(self, office, incident):
        browser = office.as_role("author")
        for due, said in (
            ("2027-10-31 02:30", "2027-10-31T02:30+02:00"),
            ("2027-03-28 02:30", "doesn’t exist"),
        ):
            answer = save(browser, "it", due=due, zone="Europe/Madrid")
            assert answer.status_code == 422
            assert said in answer.text


def test_what_is_done_says_by_whom_when_and_with_which_proof(office, incident, db):
    author = office.add("author", name="Iris")
    browser = office.sign_in(author)
    fields = {"owner": author.id.hex(), "done": "y", "note": HARM, "proof": "https://insurer.example/case/7"}
    assert save(browser, "insurer", **fields).location == f"{PAGE}#insurer"
    page = browser.get(PAGE).text
    assert "Saved: Tell your insurer. Say it on the timeline too" in page
    assert "Iris" in main_of(page)
    assert "<script>alert(1)" not in page
    assert 'href="javascript' not in page
    assert '<a href="https://insurer.example/case/7" rel="noreferrer noopener">' in page
    assert 'name="phase" value="insurer-informed"' in page
    with db.read() as session:
        entry = audit.newest_of(session, SLUG, ("checklist.done",))
    assert entry is not None
    assert '"item":"insurer"' in entry.details


def test_who_saves_an_item_goes_back_to_it_and_reads_there_that_it_is_saved(office, incident):
    browser = office.as_role("author")
    assert f'<a href="{PAGE}#insurer">' in browser.get(f"{PAGE}insurer/").text
    assert save(browser, "insurer", note="Called.").location == f"{PAGE}#insurer"
    page = main_of(browser.get(PAGE).text)
    # The browser moves the focus to it.
    before, _li, after = page.partition('<li id="insurer" tabindex="-1">')
    assert "Saved: " not in before
    assert "Saved: Tell your insurer." in after.partition("</li>")[0]
    stale = press(browser, PAGE, f"{PAGE}insurer/done/", version="7")
    assert stale.location == f"{PAGE}#insurer"
    page = main_of(browser.get(PAGE).text)
    item = page.partition('<li id="insurer"')[2].partition("</li>")[0]
    assert '<div class="error-summary noprint" role="alert">' in item
    assert page.count('role="alert"') == 1


def test_what_another_tab_draws_first_says_at_its_top_what_an_item_was_told(office, portal, incident):
    portal("incidents", "create", "other", "--title", "Other", "--classes", "Names")
    browser = office.as_role("author")
    for elsewhere in ("/incidents/", "/checklist/other/"):  # which has an item of that name, too
        press(browser, PAGE, f"{PAGE}insurer/done/", version="7")
        before, _list, after = main_of(browser.get(elsewhere).text).partition("<h1")
        assert '<div class="error-summary" role="alert">' in before
        assert 'role="alert"' not in after
        assert 'role="alert"' not in browser.get(PAGE).text
    save(browser, "insurer", note="Called.")
    before, _list, _after = main_of(browser.get("/incidents/").text).partition("<h1")
    assert '<div class="notice" role="status"><p>Saved: Tell your insurer.' in before


def test_what_was_done_here_is_said_and_is_the_proof_once_somebody_answers_for_it(
    office, portal, incident, db, clock
):
    with db.write() as session:
        for version in (2, 3):
            audit.record(session, "exposure.activate", SLUG, {"version": version}, clock.now())
        for number in (1, 2):
            audit.record(session, "campaigns.start", SLUG, {"notice": number}, clock.now())
        audit.record(session, "reset.require", "everyone", {}, clock.now())
        session.add(statement_of(incidents.by_slug(session, SLUG), clock.now()))
    browser = office.as_role("author")
    page = main_of(browser.get(PAGE).text)
    for said in ("Version 3 of the list is active", "Notice 1 has started", "Passwords were locked"):
        assert said in page
    assert "Notice 2" not in page
    assert f'<a href="/notices/{SLUG}/1/">Notice 1 has started</a>, <time' in page
    assert f'<a href="http://localhost:8000/incidents/{SLUG}/">The statement is public</a>' in page
    assert page.count(">It’s done<") == 7  # nothing is ticked by itself
    before = 'name="version" value="'
    assert press(browser, PAGE, f"{PAGE}customers/done/", version="0").location == f"{PAGE}#customers"
    page = main_of(browser.get(PAGE).text)
    assert page.count(">It’s done<") == 6
    assert "<dt>Proof</dt><dd>Notice 1 has started, 23 November 2026</dd>" in page
    assert 'value="customers-notified"' in page
    assert f'{before}1"' not in page  # what is done has no button


def test_it_is_done_keeps_who_does_it_and_what_was_noted(office, incident):
    author = office.add("author", name="Iris")
    browser = office.sign_in(author)
    fields = {"owner": author.id.hex(), "due": "2026-12-24T12:00", "note": "Ask for the expert"}
    save(browser, "insurer", **fields, proof="case 7")
    assert "meanwhile" in main_of(
        browser.get(press(browser, PAGE, f"{PAGE}insurer/done/", version="0").location).text
    )
    press(browser, PAGE, f"{PAGE}insurer/done/", version="1")
    page = main_of(browser.get(PAGE).text)
    for said in (
        "Iris",
        "24 December 2026, 12:00",
        "Ask for the expert",
        "case 7",
        'value="insurer-informed"',
    ):
        assert said in page
    assert press(browser, PAGE, f"{PAGE}other/done/", version="0").status_code == 404


def test_of_two_tabs_the_second_sees_what_the_first_saved_and_loses_nothing(office, incident):
    first, second = office.as_role("author"), office.as_role("admin")
    page = f"{PAGE}it/"
    old = second.get(page).text.split('name="version" type="hidden" value="')[1].split('"')[0]
    save(first, "it", note="Called at nine")
    answer = save(second, "it", note="Called at ten", version=old)
    assert answer.status_code == 422
    assert "Called at nine" in answer.text
    assert "Called at ten" in answer.text
    assert "Called at nine" in first.get(PAGE).text
    save(second, "it", note="Called at nine and ten")
    assert "Called at nine and ten" in first.get(PAGE).text


def test_an_owner_is_reminded_once_a_day_until_it_is_done(office, incident, smtp):
    author = office.add("author", name="Iris")
    browser = office.sign_in(author)
    save(browser, "it", owner=author.id.hex(), due="2026-11-24T12:00")
    for hours, mails in ((0, 0), (10, 1), (2, 1), (24, 2)):
        office.clock.advance(timedelta(hours=hours))
        remind(office.parts)
        drain(office.parts)
        assert len(smtp.messages) == mails, hours
    assert smtp.messages[-1].recipients == ("iris@northwind.example",)
    assert "IT people" not in smtp.messages[-1].text
    browser = office.sign_in(author)
    save(browser, "it", owner=author.id.hex(), due="2026-11-24T12:00", done="y")
    office.clock.advance(timedelta(hours=24))
    remind(office.parts)
    drain(office.parts)
    assert len(smtp.messages) == 2


def test_a_row_that_was_written_without_the_workers_keys_mails_nobody(office, incident, db, smtp):
    author, other = office.add("author"), office.add("admin")
    save(office.sign_in(author), "it", owner=author.id.hex(), due="2026-11-23T12:00")
    with db.write() as session:
        session.execute(update(ChecklistItem).values(owner=other.id))
    remind(office.parts)
    drain(office.parts)
    assert smtp.messages == []
    press(office.as_role("author"), PAGE, f"{PAGE}it/done/", version="1")
    page = main_of(office.as_role("author").get(PAGE).text)
    assert page.count(">Nobody yet<") == 7  # what was forged is not made genuine


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("item", "fields"),
    [
        ("it", {"due": "tomorrow"}),
        ("it", {"due": "0001-01-01"}),
        ("it", {"due": "9999-12-31 23:59"}),
        ("it", {"due": "2026-12-24", "zone": "../../etc/passwd"}),
        ("it", {"owner": "00" * 16}),
        ("it", {"note": "x" * 1501}),
        ("it", {"proof": "x" * 301}),
        ("it", {"due": "2026-01-01 10:00"}),
        ("it", {"proof": "http://tickets/1"}),
    ],
)
def test_what_makes_no_sense_is_refused(office, incident, db, item, fields):
    assert save(office.as_role("admin"), item, **fields).status_code == 422
    with db.read() as session:
        assert session.get(ChecklistItem, (b"", item)) is None


@pytest.mark.sqlite
def test_support_reads_it_and_changes_nothing(office, incident):
    browser = office.as_role("support")
    assert browser.get(PAGE).status_code == 200
    assert f'href="{PAGE}it/"' not in browser.get(PAGE).text
    assert browser.get(f"{PAGE}it/").status_code == 403
    assert press(browser, PAGE, f"{PAGE}it/", note="x").status_code == 403
    for unknown in (f"{PAGE}other/", "/checklist/none/"):
        assert office.as_role("admin").get(unknown).status_code == 404


def statement_of(incident, now):
    texts = {"title": "We are sorry", "signed_by": "Ana", "role": "Head", "apology": "Sorry."}
    return Statement(
        incident_id=incident.id,
        number=1,
        language="en",
        written_at=now,
        published_at=now,
        **texts,
        sections_json="[]",
    )


def of_november(db):
    with db.read() as session:
        return known.of_incident(session, incidents.by_slug(session, SLUG))


def test_a_withdrawn_statement_proves_nothing(db, clock, incident):
    with db.write() as session:
        session.add(statement_of(incidents.by_slug(session, SLUG), clock.now()))
    assert [one.kind for one in of_november(db)["statement"]] == ["statement"]
    with db.write() as session:
        withdrawing.withdraw_version(session, SLUG, 1, "It was wrong.", clock.now())
    assert "statement" not in of_november(db)


def test_a_notice_that_was_stopped_proves_nothing_and_the_next_one_does(db, clock, incident):
    with db.write() as session:
        for action in ("campaigns.start", "campaigns.stop"):
            audit.record(session, action, SLUG, {"notice": 1}, clock.now())
    assert [(one.number, one.proves) for one in of_november(db)["customers"]] == [(1, False)]
    with db.write() as session:
        audit.record(session, "campaigns.start", SLUG, {"notice": 2}, clock.now())
    assert [(one.number, one.proves) for one in of_november(db)["customers"]] == [(2, True)]


def test_a_reset_of_everyone_is_known_where_an_earlier_incident_had_one(db, clock, incident):
    with db.write() as session:
        started = incidents.by_slug(session, SLUG).created_at
        for days in (-9, 1, 2):
            audit.record(session, "reset.require", "everyone", {}, started + timedelta(days=days))
    assert [one.at for one in of_november(db)["safeguards"]] == [started + timedelta(days=1)]


def test_a_time_that_was_altered_without_keys_is_not_signed_by_the_next_change(office, incident, db, clock):
    browser = office.as_role("author")
    save(browser, "insurer", done="y")
    with db.write() as session:
        session.execute(update(ChecklistItem).values(done_at=clock.now() - timedelta(days=9)))
    office.advance(timedelta(minutes=2))
    save(browser, "insurer", done="y", note="Told them again.")
    with db.read() as session:
        item = service.genuine(session, office.parts.vault, incidents.by_slug(session, SLUG), "insurer")
    assert (item.version, item.done_at) == (2, clock.now().replace(microsecond=0))
