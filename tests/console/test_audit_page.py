"""The audit log as staff read it: in words, with names, and with what nobody else looked at."""

from datetime import timedelta

import pytest

from portal.audit import service as audit
from portal.console.audit import reading
from tests.visitor import main_of

HARM = "<script>alert(1)</script> =HYPERLINK(1) **b**"


@pytest.fixture
def write(db, clock):
    """Writes an entry, as somebody where `by` says so."""

    def written(action, subject="november", by="", **details):
        database = db.acting({"by": by}) if by else db
        with database.write() as session:
            return audit.record(session, action, subject, details, clock.now())

    return written


def rows(browser, query=""):
    answer = browser.get(f"/audit/{query}")
    assert answer.status_code == 200
    return main_of(answer.text)


def test_who_did_what_is_said_in_words_and_names(office, write):
    author, approver = office.add("author", name="Iris"), office.add("approver", name="Tomas")
    write("incidents.publish", by=f"staff {author.id.hex()}", approved_by=f"staff {approver.id.hex()}")
    write("exposure.activate", by="operator root", version=3)
    page = rows(office.as_role("privacy"))
    assert "Published november" in page
    assert '<td>Iris<br><span class="soft">approved by Tomas</span>' in page
    assert "Activated version 3 of the list of november" in page
    assert "root, by a command" in page
    assert page.count("without a second person") == 1


@pytest.mark.parametrize("action", ["update", "edit-update", "title", "discreet", "happened", "publish"])
def test_what_a_command_told_readers_is_marked_too(office, write, action):
    write(f"incidents.{action}", by="operator root", language="en")
    write("incidents.create", by="operator root")
    assert rows(office.as_role("privacy")).count("without a second person") == 1


def test_an_unknown_kind_is_shown_as_it_is_and_harmless(office, write):
    write("later.invented", subject=HARM, by=f"operator {HARM}", note=HARM)
    page = rows(office.as_role("privacy"))
    assert "later.invented" in page
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;") == 3


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("?who=operators", {"2"}),
        ("?who=nobody", {"3"}),
        ("?group=exposure", {"2"}),
        ("?since=2026-11-24", set()),
        ("?until=2026-11-22", set()),
        ("?since=2026-11-23&until=2026-11-23&group=incidents", {"1"}),
    ],
)
def test_it_is_searched_by_day_person_and_kind(office, write, query, numbers):
    write("incidents.publish", by="staff 00")
    write("exposure.activate", by="operator root", version=3)
    write("subscriptions.announce")
    with office.db.read() as session:
        form = dict(one.split("=") for one in query[1:].split("&"))
        days = {
            name: __import__("datetime").date.fromisoformat(form[name])
            for name in ("since", "until")
            if name in form
        }
        wanted = reading.Wanted(who=form.get("who", ""), group=form.get("group", ""), **days)
        assert {str(one.number) for one in reading.page(session, wanted).entries} == numbers


def test_pages_follow_each_other_without_a_gap(office, write, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 2)
    for number in range(5):
        write("outbox.pause", subject=f"reason {number}")
    seen, before = [], None
    with office.db.read() as session:
        while True:
            page = reading.page(session, reading.Wanted(group="outbox", before=before))
            seen += [one.subject for one in page.entries]
            before = page.following
            if before is None:
                break
    assert seen == [f"reason {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.sqlite
def test_a_search_that_makes_no_sense_is_told(office):
    browser = office.as_role("admin")
    for query in ("?since=yesterday", "?who=nobody-knows", "?group=x'--"):
        assert browser.get(f"/audit/{query}").status_code == 422
    for query in ("?before=99999999999999999999", "?before=-1", "?before=0"):
        assert browser.get(f"/audit/{query}").status_code == 200


@pytest.mark.sqlite
def test_the_log_reads_in_spanish(office, write):
    write("outbox.pause", subject="x")
    browser = office.as_role("privacy")
    page = main_of(browser.get("/audit/", headers={"Accept-Language": "es"}).text)
    assert "Puso en pausa avisos y novedades: x" in page


def test_details_are_words_and_leave_out_what_says_nothing(office, write):
    eve = office.add("support", name="Eve")
    write("staff.roles", subject=eve.id.hex(), before="support", after="")
    write("staff.roles", subject=eve.id.hex(), before="", after="support")
    write("staff.sign-in", subject=eve.id.hex(), how="totp")
    write("staff.invite", subject=eve.id.hex(), again=False)
    write("incidents.withdraw", update=2, reason="It named a person")
    write("incidents.alone", update=3, reason="The approvers slept")
    write("reset.require", list_version=None, people=0)
    page = rows(office.seat(office.add("privacy")))
    assert "Removed Eve" in page
    assert "Changed the roles of Eve" in page
    assert "roles before: Support" in page
    assert "with a code" in page
    assert "reason: It named a person, update 2" in page
    assert "reason: The approvers slept, update 3" in page
    assert "Posted an update of november" in page
    assert "november alone" not in page
    for noise in ("totp", "again", "False", "None", "before ,"):
        assert noise not in page


@pytest.mark.sqlite
def test_details_have_words_in_spanish(office, write):
    write("incidents.update", update=2, language="es", phase="contained", notify=True)
    write("campaigns.draft", notice=1, kind="first", list=3, mails=1200, waves=2)
    browser = office.as_role("privacy")
    page = main_of(browser.get("/audit/", headers={"Accept-Language": "es"}).text)
    for said in ("novedad 2", "idioma: español", "fase: Bajo control", "se envía a los suscriptores"):
        assert said in page
    for said in ("aviso 1", "versión 3 de la lista", "correos: 1.200", "tandas: 2"):
        assert said in page


def test_today_tells_everybody_what_was_done_about_incidents_and_nothing_of_staff(office, write, clock):
    author = office.add("author", name="Iris")
    write("campaigns.pause", by=f"staff {author.id.hex()}", notice=1, reason="The date is wrong")
    write("exposure.samples", by=f"staff {author.id.hex()}")
    write("support.find", subject="somebody")
    write("staff.roles", subject=author.id.hex(), before="", after="admin")
    page = main_of(office.seat(author).get("/today/").text)
    assert "Paused a notice of november: The date is wrong" in page
    assert "Iris" in page
    for silent in ("masked rows", "Looked a person up", "Changed the roles"):
        assert silent not in page
    office.advance(timedelta(days=1))
    browser = office.as_role("approver")
    assert "Nothing happened." in browser.get("/today/").text
    assert "Paused a notice" in browser.get("/today/?day=2026-11-23").text
    for odd in ("yesterday", "0001-01-01", "2026-13-01"):
        assert browser.get(f"/today/?day={odd}").status_code == 404
    assert 'href="/today/"' in browser.get("/").text
