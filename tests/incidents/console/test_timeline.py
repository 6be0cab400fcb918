"""The timeline's composer: a text to start from, a time that means one moment, a post in company or alone."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from portal.console.uses import remembered
from portal.incidents import announcing, service
from portal.incidents.console import timeline
from portal.incidents.models import Incident, Update
from portal.outbox.models import OutboxMail
from portal.runtime.parts import IncidentUses
from tests.incidents.conftest import SLUG
from tests.visitor import SAME_SITE, hidden, main_of

TIMELINE = f"/incidents/{SLUG}/timeline/"
TEXT = {
    "phase": "contained",
    "occurred": "2026-11-22 08:30",
    "zone": "Europe/Madrid",
    "notify": "yes",
    "next_by": "2026-11-23 18:00",
    "title:en": "We closed the gap",
    "body:en": "Nobody can get in that way any more.",
    "title:es": "Cerramos el hueco",
    "body:es": "Ya nadie puede entrar así.",
}


@pytest.fixture
def environ(environ):
    return environ | {"PORTAL_TIMEZONE": "Europe/Madrid"}


@pytest.fixture
def begun(ana):
    """The page of a new entry."""

    def begin(**changed):
        where = ana.send(TIMELINE, to=f"{TIMELINE}new/", phase="contained").location
        if changed is not None:
            ana.send(where, **TEXT | {name.replace("__", ":"): text for name, text in changed.items()})
        return where

    return begin


def link_to_look(member):
    found = re.search(r'href="([^"]+/alone/[0-9a-f]{32}/)"', member.read(TIMELINE))
    assert found
    return found[1]


def test_an_entry_starts_from_its_phases_text_and_goes_out_once_approved(
    published, ana, ben, begun, client, db, worker_parts
):
    where = ana.send(TIMELINE, to=f"{TIMELINE}new/", phase="contained").location
    page = ana.read(where)
    assert "We closed the gap the thief used" in page
    assert "Hemos cerrado el hueco que usó el ladrón" in page
    assert "Must be fixed" in page  # the brackets
    assert "Fix the text" in ana.read(f"{where}post/")
    ana.send(where, **TEXT)
    page = ana.read(where)
    assert "= 2026-11-22 07:30 UTC" in page
    assert "= 2026-11-23 17:00 UTC" in page
    assert "Email it to subscribers. There are none yet." in page
    asked = ana.send(f"{where}post/", how="two", note="Please check the time.\nIt is UTC.")
    shown = ben.read(asked.location)
    note = '<dt>Note</dt><dd class="kept">Please check the time.\nIt is UTC.</dd>'
    assert shown.index(note) < shown.index("Ya nadie puede entrar")
    assert f"({SLUG})" not in main_of(shown)
    for words in (
        "<dt>Emails say what happened</dt><dd>yes</dd>",
        "We closed the gap",
        "Ya nadie puede entrar",
        '<time datetime="2026-11-22T07:30:00Z" data-moment>22 November 2026, 07:30&nbsp;UTC',
        "10 subscribers at most",
    ):
        assert words in shown
    assert client.get(f"/incidents/{SLUG}/updates/1/").status_code == 404
    ben.submit(asked.location, to=f"{asked.location}approve/", code=ben.code)
    assert "Nobody can get in that way any more." in client.get(f"/incidents/{SLUG}/updates/1/").text
    assert "You promised news by" in ana.read(TIMELINE)
    assert "to be emailed" in ana.read(TIMELINE)
    with db.read() as session:
        assert [one.number for one in announcing.waiting(session, worker_parts.vault)] == [1]
    assert ana.get(where).status_code == 404  # its draft is gone


@pytest.mark.sqlite  # what a page shows is no matter of the database
def test_an_entry_begun_before_a_promise_says_what_becomes_of_it(published, ana, ben, begun, office):
    where = begun(next_by="")
    assert "What you promised" not in ana.read(f"{where}post/")
    with office.db.write() as session:  # a colleague promises news meanwhile
        six = datetime(2026, 11, 24, 6, tzinfo=UTC)
        service.set_promise(session, service.locked(session, SLUG), six, office.clock.now())
    page = main_of(ana.read(f"{where}post/"))
    assert re.search(r"you’ll say more by <time [^>]*>24 November 2026, 06:00", page)
    assert 'name="promise" value="keep" checked' in page
    unsaid = ana.send(f"{where}post/", how="alone", reason="Nobody is awake.", promise="")
    assert unsaid.status_code == 422
    assert "Choose whether readers are promised more news by a set time" in unsaid.text
    ended = ana.send(f"{where}post/", how="two", promise="end")
    assert re.search(r"readers no longer see <time [^>]*>24 November", ben.read(ended.location))
    ana.send(where, **TEXT)
    other = ana.send(f"{where}post/", how="two", promise="end")
    words = r"23 November 2026, 17:00&nbsp;UTC .*\(instead of <time [^>]*>24 November"
    assert re.search(words, ben.read(other.location))
    ana.send(f"{where}post/", how="alone", reason="Nobody is awake.", promise="keep")
    with office.db.read() as session:
        assert service.by_slug(session, SLUG).more_by == six
    late = ana.send(TIMELINE, to=f"{TIMELINE}new/", phase="contained").location
    ana.send(late, **TEXT | {"next_by": ""})
    with office.db.write() as session:
        passed = office.clock.now()
        service.set_promise(session, service.locked(session, SLUG), passed, passed)
    page = main_of(ana.read(f"{late}post/"))
    assert 'name="promise" value="end" checked' in page
    assert 'value="keep"' not in page


def test_an_hour_that_came_twice_is_asked_about(published, ana, begun):
    where = begun(occurred="2026-10-25 02:30")
    page = ana.read(where)
    assert "came twice in Europe/Madrid" in page
    assert re.findall(r'name="choose-occurred" value="([^"]+)"', page) == [
        "2026-10-25T02:30+02:00",
        "2026-10-25T02:30+01:00",
    ]
    ana.send(where, **TEXT | {"occurred": "2026-10-25 02:30", "choose-occurred": "2026-10-25T02:30+01:00"})
    assert "= 2026-10-25 01:30 UTC" in ana.read(where)


def test_the_script_is_told_what_a_time_means(published, ana, begun):
    where = begun()
    form = hidden(ana.read(where)) | TEXT | {"occurred": "2026-03-29 02:30"}
    told = ana.post(where, data=form, headers=SAME_SITE | {"Accept": "application/json"}).json
    assert "doesn’t exist in Europe/Madrid" in told["echoes"]["occurred"]
    assert [one["part"] for one in told["told"]] == ["occurred"]


def test_one_author_posts_alone_and_somebody_else_confirms(
    published, ana, ben, begun, client, db, sign_in, worker_parts
):
    where = begun()
    refused = ana.send(f"{where}post/", how="alone", reason=" ")
    assert refused.status_code == 422
    assert "Give a reason" in refused.text
    groups = main_of(ana.read(f"{where}post/")).split("<fieldset")
    fields = [set(re.findall(r' name="(\w+)"', one)) for one in groups]
    assert fields[-2:] == [{"note", "how"}, {"reason", "how"}]
    ana.send(f"{where}post/", how="alone", reason="Nobody answers at 2 a.m.")
    assert client.get(f"/incidents/{SLUG}/updates/1/").status_code == 200
    page = ana.read(TIMELINE)
    assert "Ana, " in page
    assert "Nobody answers at 2 a.m." in page
    assert "/confirm/" not in page
    with db.read() as session:  # who approves is told, the author is not
        assert list(session.scalars(select(OutboxMail.purpose))) == ["posted-alone"]
    look = link_to_look(ben)
    page = main_of(ben.read(look))
    assert "Ana posted it without a second person on <time" in page
    assert "<dd>Nobody answers at 2 a.m.</dd>" in page
    assert "Nobody can get in that way any more." in page
    assert "Ya nadie puede entrar así." in page
    assert "The incident’s page then says: “We’ve closed the gap the thief used.”" in page
    assert "What changes" not in page
    assert "Next update by, as readers see it now</dt><dd><time" in page
    assert "Who gets an email</dt><dd>Subscribers</dd>" in page
    confirm = re.search(r'action="([^"]+/confirm/[0-9a-f]{32}/)"', page)
    assert confirm
    assert "somebody else must confirm it" in ana.read(look)
    assert "/confirm/" not in main_of(ana.read(look))
    assert ana.post(confirm[1], data=hidden(ana.read(look)), headers=SAME_SITE).status_code == 403
    ben.send(look, to=confirm[1])
    assert "Posted without a second person" not in ben.read(TIMELINE)
    assert "Confirmed on <time" in ben.read(look)
    ana.send(f"{begun()}post/", how="alone", reason="Nobody answers yet.")
    with db.read() as session:  # each is public, so each is told, within a minute too
        assert list(session.scalars(select(OutboxMail.purpose))) == ["posted-alone"] * 2


def test_whoever_confirms_an_edit_sees_each_word_of_it_and_presses_nothing_to_look(posted, ana, ben, office):
    ben.send(look := link_to_look(ben), to=look.replace("alone", "confirm"))
    office.advance(timedelta(minutes=1))
    ana.send(EDIT, **TEXT | {"body:en": "Nobody can get in that door any more.", "phase": "resolved"})
    ana.send(f"{EDIT}post/", how="alone", reason="It named the wrong thing.")
    office.advance(timedelta(minutes=10))  # since anybody confirmed that it is them
    page = main_of(ben.read(link_to_look(ben)))
    assert re.search(r"<del[^>]*>[^<]*(<span[^>]*>[^<]*</span>)?\s*way", page)
    assert re.search(r"<ins[^>]*>[^<]*(<span[^>]*>[^<]*</span>)?\s*door", page)
    assert "Resolved (before: Contained)" in page
    assert "It named the wrong thing." in page


def test_who_approves_cannot_confirm_what_they_posted_themselves(published, ben):
    where = ben.send(TIMELINE, to=f"{TIMELINE}new/", phase="contained").location
    ben.send(where, **TEXT)
    ben.send(f"{where}post/", how="alone", reason="It could not wait.")
    page = ben.read(TIMELINE)
    assert "/confirm/" not in page


def test_each_page_of_an_update_names_its_incident(published, ana, begun):
    where = begun()
    ana.send(f"{where}post/", how="alone", reason="It could not wait.")
    edit = ana.send(TIMELINE, to=f"{TIMELINE}edit/1/").location
    for page in (edit, f"{edit}post/", f"/incidents/{SLUG}/withdraw/update/1/"):
        assert '<p class="lead">Theft of bookings' in main_of(ana.read(page)), page


def test_who_withdraws_an_update_reads_it_first(posted, ana):
    shown = ana.read(f"/incidents/{SLUG}/withdraw/update/1/")
    assert "We closed the gap" in shown
    assert "Nobody can get in that way any more." in shown


def test_who_withdraws_an_update_says_what_becomes_of_its_promise(published, ana, begun, office):
    ana.send(f"{begun()}post/", how="alone", reason="It could not wait.")
    page = f"/incidents/{SLUG}/withdraw/update/1/"
    shown = main_of(ana.read(page))
    assert re.search(r"you’ll say more by <time [^>]*>23 November 2026, 17:00", shown)
    assert 'name="promise" value="keep" checked' in shown
    assert "Take it back: readers see no time" in shown
    ana.send(f"{begun(next_by='2026-11-24 07:00')}post/", how="alone", reason="Again.", promise="end")
    assert "What you promised" not in main_of(ana.read(page))
    page = f"/incidents/{SLUG}/withdraw/update/2/"
    shown = main_of(ana.read(page))
    assert re.search(r"what you promised before: more by <time [^>]*>23 November 2026, 17:00", shown)
    assert 'name="promise" value="back" checked' in shown
    assert "Say what becomes of your promise" in ana.send(page, reason="No.", promise="drop").text
    ana.send(page, reason="It was wrong.", promise="keep")
    with office.db.read() as session:
        assert service.by_slug(session, SLUG).more_by == datetime(2026, 11, 24, 6, tzinfo=UTC)


def test_an_update_is_withdrawn_at_once(published, ana, ben, begun, client):
    ana.send(f"{begun()}post/", how="alone", reason="It could not wait.")
    page = f"/incidents/{SLUG}/withdraw/update/1/"
    assert f'href="{page}"' in ana.read(TIMELINE)
    assert "Posted without a second person" in ana.read(TIMELINE)
    assert 'name="reason:es"' in ana.read(page)
    ana.send(page, reason="It named the wrong day.", **{"reason:es": "Nombraba otro día."})
    assert "It named the wrong day." in client.get(f"/incidents/{SLUG}/updates/1/").text
    spanish = client.get(f"/incidents/{SLUG}/updates/1/", headers={"Accept-Language": "es"}).text
    assert '<p class="lead">Nombraba otro día.' in spanish
    shown = ana.read(TIMELINE)
    assert "withdrawn" in shown
    assert "We closed the gap</a>" in shown  # staff know which one it was
    for browser in (ana, ben):  # nobody confirms what is gone
        assert "Posted without a second person" not in browser.read(TIMELINE)
        assert "must confirm it" not in browser.read("/")


def test_two_authors_of_one_entry_are_told_apart(published, ana, begun, sign_in):
    carla, where = sign_in("Carla"), begun()
    theirs = hidden(carla.read(where)) | TEXT
    ana.send(where, **TEXT | {"title:en": "Ana’s title"})
    sent = carla.post(where, data=theirs | {"title:en": "Carla’s title"}, headers=SAME_SITE)
    page = carla.read(sent.location)
    assert "Ana’s title" in page
    assert "Carla’s title" in page
    carla.send(sent.location, **{"take-title:en": "yours"})
    assert "Carla’s title" in ana.read(where)


def test_an_entry_before_the_first_statement_goes_out_with_it(draft, ana, begun, portal):
    where = begun()
    page = ana.read(f"{where}post/")
    assert "This incident isn’t public yet." in page
    ana.send(f"{where}post/")
    assert "goes out with the statement" in ana.read(TIMELINE)
    assert "We closed the gap" in ana.read(f"/incidents/{SLUG}/statement/publish/")


def test_a_draft_is_deleted(published, ana, begun):
    where = begun()
    assert where in ana.read(TIMELINE)
    ana.send(where, to=f"{where}discard/")
    assert where not in ana.read(TIMELINE)


def test_a_million_subscribers_are_not_counted_for_each_page():
    counts, clock = iter([5, 7]), [100.0]
    nobody: Any = None
    uses = IncidentUses(lambda *_: next(counts), nobody, nobody, nobody, nobody)
    shown = remembered(uses, 60, lambda: clock[0]).subscribers
    assert [shown(nobody, b"1"), shown(nobody, b"1")] == [5, 5]
    clock[0] += 60
    assert shown(nobody, b"1") == 7


EDIT = f"/incidents/{SLUG}/timeline/edit-00000000001/"


@pytest.fixture
def posted(published, ana, begun):
    """An update that is public."""
    ana.send(f"{begun()}post/", how="alone", reason="It could not wait.")
    return ana.send(TIMELINE, to=f"{TIMELINE}edit/1/").location


def test_a_public_update_is_changed_with_a_second_person_who_sees_each_word(posted, ana, ben, client):
    assert posted == EDIT
    page = ana.read(EDIT)
    assert "Change update 1" in page
    assert 'value="2026-11-22 08:30"' in page  # as it was typed, in Madrid
    form = dict(TEXT, occurred="2026-11-22 08:30") | {"body:en": "Nobody can get in that door any more."}
    ana.send(EDIT, **form)
    page = ana.read(f"{EDIT}post/")
    for what, words in (("del", "way"), ("ins", "door")):
        assert re.search(rf"<{what}[^>]*>[^<]*(<span[^>]*>[^<]*</span>)?\s*{words}", page)
    asked = ana.send(f"{EDIT}post/", how="two")
    shown = ben.read(asked.location)
    assert 'Update 1: Contained, <time datetime="2026-11-22T07:30:00Z"' in shown
    assert re.search(r"<ins[^>]*>.*door.*</ins>", shown, re.DOTALL)
    assert "10 subscribers at most" in shown  # it is not mailed yet
    assert "that way" in client.get(f"/incidents/{SLUG}/updates/1/").text
    ben.submit(asked.location, to=f"{asked.location}approve/", code=ben.code)
    page = client.get(f"/incidents/{SLUG}/updates/1/").text
    assert "Nobody can get in that door any more." in page
    assert "way" in page  # the earlier wording stays, with its differences
    assert ana.get(EDIT).status_code == 404  # its draft is gone
    with_promise = ana.read(TIMELINE)
    assert "You promised news by" in with_promise


def test_an_edit_that_moves_nothing_keeps_the_second_at_which_it_was_posted(posted, ana, ben, db):
    def stored():
        with db.read() as session:
            return session.scalars(select(Update)).one().occurred_at

    def approved(occurred):
        ana.send(TIMELINE, to=f"{TIMELINE}edit/1/")
        ana.send(EDIT, **TEXT | {"occurred": occurred, "title:en": f"We closed the door, {occurred}"})
        asked = ana.send(f"{EDIT}post/", how="two")
        ben.submit(asked.location, to=f"{asked.location}approve/", code=ben.code)
        return f"{stored():%Y-%m-%d %H:%M:%S}"

    with db.write() as session:
        session.scalars(select(Update)).one().occurred_at += timedelta(seconds=25)
    ana.send(TIMELINE, to=f"{TIMELINE}edit/1/")
    assert 'name="occurred" value="2026-11-22 08:30"' in ana.read(EDIT)
    assert approved("2026-11-22 08:30") == "2026-11-22 07:30:25"
    assert approved("2026-11-22 08:29") == "2026-11-22 07:29:00"


def test_an_edit_alone_needs_a_reason_and_mails_nobody_again(posted, ana, ben, client, db, clock):
    ana.send(EDIT, **TEXT | {"title:en": "We closed the door"})
    assert ana.send(f"{EDIT}post/", how="alone", reason=" ").status_code == 422
    assert "subscribers" in main_of(ana.read(f"{EDIT}post/")).split("What changes")[0]
    with db.write() as session:
        session.scalars(select(Update)).one().announced_at = clock.now()
    assert "subscribers" not in main_of(ana.read(f"{EDIT}post/")).split("What changes")[0]
    assert "Changes update 1" in ana.read(TIMELINE)
    ana.send(f"{EDIT}post/", how="alone", reason="It named the wrong thing.")
    assert "We closed the door" in client.get(f"/incidents/{SLUG}/updates/1/").text
    assert "It named the wrong thing." in ben.read(TIMELINE)


def test_an_approval_of_an_edit_is_void_once_the_update_changed(posted, ana, ben, portal, write, client):
    ana.send(EDIT, **TEXT | {"title:en": "We closed the door"})
    asked = ana.send(f"{EDIT}post/", how="two")
    options = ("--phase", "contained", "--title", "We closed it", "--confirm")
    portal("incidents", "update", SLUG, *options, "--edit", "1", write(b"Meanwhile."))
    assert "This changed after it was asked for" in ben.read(asked.location)
    refused = ben.post(
        f"{asked.location}approve/",
        data=hidden(ben.read("/approvals/")) | {"code": ben.code},
        headers=SAME_SITE,
    )
    assert refused.status_code == 422
    assert "We closed the door" not in client.get(f"/incidents/{SLUG}/updates/1/").text


def test_what_is_not_public_or_changes_nothing_is_not_edited(posted, ana, published):
    assert "This text is the same as the public one." in ana.send(f"{EDIT}post/", how="two").text
    page = f"/incidents/{SLUG}/withdraw/update/1/"
    ana.send(page, reason="It named the wrong day.")
    ana.send(TIMELINE, to=f"{TIMELINE}edit/1/")
    assert "This was withdrawn before." in ana.read(TIMELINE)
    for number in (2, 99999999999):
        token = hidden(ana.read(TIMELINE))
        assert ana.post(f"{TIMELINE}edit/{number}/", data=token, headers=SAME_SITE).status_code == 404


def test_others_write_while_a_text_is_checked(published, office, ana, begun, monkeypatch):
    def checks(*_given):
        with office.db.write_at_once() as session:
            session.execute(update(Incident).values(created_at=Incident.created_at))
        return []

    form = hidden(ana.read(where := begun())) | TEXT
    monkeypatch.setattr(timeline, "checks", checks)
    told = ana.post(where, data=form, headers=SAME_SITE | {"Accept": "application/json"})
    assert told.status_code == 200
