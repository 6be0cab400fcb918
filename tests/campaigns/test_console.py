"""Notices in the console: an author drafts, a second person approves, anybody holds."""

import re
from datetime import timedelta

import pytest

from portal.campaigns import jobs
from portal.incidents import service as incidents
from portal.outbox import jobs as outbox_jobs
from portal.staff.approvals import jobs as approvals
from portal.worker import drain
from tests.campaigns.conftest import SLUG, SPANISH, STATEMENT, numbered
from tests.campaigns.test_series import status
from tests.colleagues import press

NEW = f"/notices/{SLUG}/new/"
ONE = f"/notices/{SLUG}/1/"


@pytest.fixture
def told(operator):
    """A published statement in two languages, and an active list."""
    operator.statement(STATEMENT)
    operator.statement(SPANISH)
    operator.live(numbered(9))
    return operator


@pytest.fixture
def go(worker_parts):
    """Let the worker do its scheduled jobs, and deliver."""

    def run():
        for _ in range(2):
            jobs.resume(worker_parts)
            outbox_jobs.count_changed(worker_parts)
            drain(worker_parts)

    return run


def text_of(browser, page):
    answer = browser.get(page)
    assert answer.status_code == 200, answer.status
    return answer.text


def led_to(answer):
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def notices(smtp):
    return [mail.recipients[0] for mail in smtp.messages if "/check/notice/" in mail.text]


def draft_and_ask(browser, **fields):
    assert led_to(browser.submit(NEW, kind="first", base="all", **fields)) == ONE
    return led_to(press(browser, ONE, f"{ONE}ask/", note="Please check the time."))


def test_a_notice_goes_out_in_two_waves_with_a_pause(told, office, smtp, go, clock):
    author, ben = office.sign_in(office.add("author", name="Ann")), office.add("approver", name="Ben")
    assert "Draft a notice" in text_of(author, "/notices/")
    assert "No notice yet. An author begins it." in text_of(office.seat(ben), "/notices/")
    at = f"{clock.now() + timedelta(minutes=20):%Y-%m-%d %H:%MZ}"
    asked = draft_and_ask(author, first_size="4", rest_at=at, **{"en-own": "We are **very** sorry."})
    assert "We are very sorry." in text_of(author, f"{ONE}text/en/")
    assert "El 28 de octubre" in text_of(author, f"{ONE}text/es/")
    go()
    assert notices(smtp) == []
    approver = office.sign_in(ben)
    shown = text_of(approver, asked)
    assert "by language</dt><dd>Not said: 3; Rare languages on this list: 6</dd>" in shown
    for said in ("Please check the time.", "We are very sorry.", "4 emails", "5 emails", "not before"):
        assert said in shown
    digest = re.findall(r'name="digest" value="([0-9a-f]+)"', shown)[0]
    assert led_to(press(approver, asked, f"{asked}approve/", digest=digest, code=ben.code())) == asked
    go()
    assert len(notices(smtp)) == 4
    assert author.get(f"{ONE}progress").json["facts"]["waiting"] == "5"
    for reason in ("", "   ", "safe \u202edesrever"):
        assert press(author, ONE, f"{ONE}pause/", reason=reason).status_code == 422
    assert led_to(press(author, ONE, f"{ONE}pause/", reason="The date is wrong")) == ONE
    office.advance(timedelta(minutes=21))
    go()
    held = text_of(author, ONE)
    assert re.search(r"Ann, .*: The date is wrong", held)
    assert "An approver can let it go on." in held
    assert len(notices(smtp)) == 4
    for_author, for_approver = text_of(author, "/"), text_of(office.seat(ben), "/")
    assert "A notice is paused: ask an approver to resume it." in for_author
    assert 'Resume the paused notice <span class="soft">(an approver)' in for_author
    assert f'<a class="button" href="{ONE}">Resume the paused notice</a>' in for_approver
    assert "A notice is paused: you can resume it." in for_approver
    assert press(author, ONE, f"{ONE}resume/").status_code == 403
    assert press(approver, ONE, f"{ONE}resume/").location.startswith("/confirm/")
    office.confirm(approver, ben)
    assert led_to(press(approver, ONE, f"{ONE}resume/")) == ONE
    assert "Resumed. The other emails leave now." in text_of(approver, ONE)
    go()
    assert len(notices(smtp)) == len(set(notices(smtp))) == 9
    for browser in (author, approver):
        assert "paused" not in text_of(browser, "/")
    (notice,) = status(told)
    assert [wave["states"]["sent"] for wave in notice["waves"]] == [4, 5]
    seen = text_of(author, ONE)
    assert '<span class="badge">Sent</span>' in seen
    assert seen.count("<td>sent</td>") == 2
    assert "queued</td>" not in seen
    assert "All queued" not in seen + text_of(author, "/notices/")
    assert "nobody knows who opened it" in seen


def test_who_resumes_before_the_time_of_the_next_wave_reads_when_it_leaves(told, office, go, clock):
    approver = office.seat(kim := office.add("author", "approver", name="Kim"))
    at = (clock.now() + timedelta(minutes=20)).replace(second=0)
    asked = draft_and_ask(approver, first_size="4", rest_at=f"{at:%Y-%m-%d %H:%MZ}")
    ben = office.add("approver", name="Ben")
    second = office.seat(ben)
    digest = re.findall(r'name="digest" value="([0-9a-f]+)"', text_of(second, asked))[0]
    press(second, asked, f"{asked}approve/", digest=digest, code=ben.code())
    go()
    press(approver, ONE, f"{ONE}pause/", reason="The date is wrong")
    office.confirm(approver, kim)
    press(approver, ONE, f"{ONE}resume/")
    assert f"Resumed. The next emails leave at {at.day} {at:%B %Y, %H:%M} UTC" in text_of(approver, ONE)


def test_the_first_page_says_that_a_draft_waits_and_since_a_day_what_is_wrong(told, office):
    author = office.as_role("author")
    home = text_of(author, "/")
    assert "Notify everyone affected</a>" in home
    asked = draft_and_ask(author)
    home = text_of(author, "/")
    assert f'<a href="{asked}">Waits for approval</a>' in home
    assert "Notify everyone affected" not in home
    assert "The draft of a notice" not in home
    office.advance(timedelta(hours=25))
    author = office.as_role("author")
    home = text_of(author, "/")
    assert "The draft of a notice has waited for more than a day." in home
    assert f'<a href="/notices/#{SLUG}">Look at it</a>' in home
    press(author, ONE, f"{ONE}stop/")
    home = text_of(author, "/")
    assert "The draft of a notice" not in home
    assert "Notify everyone affected</a>" in home


def test_a_draft_that_changed_is_not_started_by_a_former_approval(told, office, smtp, go):
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    asked = draft_and_ask(author)
    approver = office.sign_in(ben)
    digest = re.findall(r'name="digest" value="([0-9a-f]+)"', text_of(approver, asked))[0]
    told.run("draft", SLUG, "--number", "1", "--per-hour", "100")
    assert "This changed after it was asked for" in text_of(approver, asked)
    answer = press(approver, asked, f"{asked}approve/", digest=digest, code=ben.code())
    assert answer.status_code == 422
    go()
    assert notices(smtp) == []


def test_an_author_edits_a_draft_from_what_it_says_and_has_to_ask_again(told, office, clock):
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    at = f"{clock.now() + timedelta(hours=3):%Y-%m-%d %H:%M}"  # in Madrid
    asked = draft_and_ask(author, first_size="4", rest_at=at, **{"en-own": "We are **very** sorry."})
    page = text_of(author, f"{ONE}edit/")
    assert "Any edit cancels it." in page
    assert "We are **very** sorry.</textarea>" in page
    filled = dict(re.findall(r'<input[^>]*name="(\w+)"[^>]* value="([^"]*)"', page))
    assert (filled["first_size"], filled["rest_at"]) == ("4", at)
    assert re.search(r'<input[^>]*checked[^>]*value="first"', page)
    changed = {"kind": "first", "base": "all", "first_size": "3", "rest_at": at}
    own = {"en-own": "We are **deeply** sorry."}
    assert led_to(author.submit(f"{ONE}edit/", **changed, **own)) == ONE
    shown = text_of(author, ONE)
    assert "An edit cancelled the request for approval" in shown
    assert "We are deeply sorry." in text_of(author, f"{ONE}text/en/")
    assert [wave["mails"] for wave in status(told)[0]["waves"]] == [3, 6]
    assert "This changed after it was asked for" in text_of(office.sign_in(ben), asked)


def test_own_words_are_used_in_their_language_where_the_statement_has_another(operator, office, smtp, go):
    operator.statement(STATEMENT)
    operator.live("ann@northwind.example,1,Ann,en\nana@northwind.example,2,Ana,es\n")
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    own = {"en-own": "We are **very** sorry.", "es-own": "Lo sentimos **mucho**."}
    asked = draft_and_ask(author, **own)
    edited = text_of(author, f"{ONE}edit/")
    assert "Lo sentimos **mucho**.</textarea>" in edited
    assert edited.count("We are **very** sorry.</textarea>") == 1
    approver = office.seat(ben)
    shown = text_of(approver, asked)
    english, spanish = shown.split("<h3>Spanish</h3>")
    assert "We are very sorry." in english
    assert "Lo sentimos mucho." in spanish
    assert "The statement in it is in Spanish" not in shown
    assert "there’s no other" not in english
    assert "The statement in it is in English: there’s no other." in spanish
    for internal in ("as a hash", "0000000000000000", "Says what happened", "Part 1", "–</dd>"):
        assert internal not in shown
    assert "<dt>Left out on request</dt><dd>Nobody</dd>" in shown
    assert "English, Spanish" in shown
    digest = re.findall(r'name="digest" value="([0-9a-f]+)"', shown)[0]
    press(approver, asked, f"{asked}approve/", digest=digest, code=ben.code())
    go()
    mail = smtp.to("ana@northwind.example")[0]
    assert "Lo sentimos mucho." in mail.text
    assert '<div class="said" lang="es" dir="auto"><p>Lo sentimos <strong>mucho</strong>' in mail.html
    assert "very sorry" not in mail.text
    assert "We are very sorry." in smtp.to("ann@northwind.example")[0].text


def test_without_own_words_in_a_language_those_of_the_statement_are_sent_and_not_filled_in(operator, office):
    operator.statement(STATEMENT)
    operator.live(numbered(2))
    author = office.as_role("author")
    draft_and_ask(author, **{"en-own": "We are **very** sorry."})
    assert "We are very sorry." in text_of(author, f"{ONE}text/es/")
    assert text_of(author, f"{ONE}edit/").count("We are **very** sorry.</textarea>") == 1


def test_only_a_draft_is_edited_and_it_is_discarded_without_a_reason(told, office):
    author = office.as_role("author")
    draft_and_ask(author)
    assert led_to(press(author, ONE, f"{ONE}stop/")) == f"/notices/#{SLUG}"
    assert "The draft is discarded. Nothing was sent." in text_of(author, "/notices/")
    assert author.get(f"{ONE}edit/").status_code == 404


def test_a_draft_that_changed_between_the_approval_and_the_start_is_not_started(
    told, office, smtp, go, monkeypatch
):
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    asked = draft_and_ask(author)
    approver, perform = office.sign_in(ben), approvals._perform

    def after_another_draft(*arguments):
        told.run("draft", SLUG, "--number", "1", "--per-hour", "100")
        return perform(*arguments)

    monkeypatch.setattr(approvals, "_perform", after_another_draft)
    digest = re.findall(r'name="digest" value="([0-9a-f]+)"', text_of(approver, asked))[0]
    led_to(press(approver, asked, f"{asked}approve/", digest=digest, code=ben.code()))
    assert "This changed after it was asked for" in text_of(approver, asked)
    go()
    assert notices(smtp) == []


def test_nobody_approves_their_own_notice(told, office, smtp, go):
    eva = office.add("author", "approver", name="Eva")
    browser = office.sign_in(eva)
    asked = draft_and_ask(browser)
    assert "somebody else must approve" in text_of(browser, asked)
    answer = press(browser, asked, f"{asked}approve/", digest="00" * 32, code=eva.code())
    assert answer.status_code == 422
    go()
    assert notices(smtp) == []


@pytest.mark.sqlite  # roles are no matter of the database
def test_each_page_needs_its_role(told, office):
    author, support = office.as_role("author"), office.as_role("support")
    draft_and_ask(author)
    for place in ("test/", "ask/", "pause/", "stop/", "resume/"):
        assert press(support, ONE, f"{ONE}{place}", reason="x").status_code == 403, place
    assert support.get(NEW).status_code == 403
    assert "Draft a notice" not in text_of(support, "/notices/")
    for missing in ("/notices/november/2/", "/notices/none/1/", "/notices/none/new/", f"{ONE}text/xx/"):
        assert author.get(missing).status_code == 404, missing
    assert led_to(press(author, ONE, f"{ONE}stop/", reason="Not needed")) == f"/notices/#{SLUG}"
    assert "Notice 1" not in text_of(author, "/notices/")


@pytest.mark.sqlite  # what forms say is no matter of the database
def test_what_is_typed_is_checked_and_shown_as_text(told, office):
    author = office.as_role("author")
    for wrong in (
        {"rest_at": "tomorrow"},
        {"rest_at": "2026-11-01 09:00"},
        {"first_size": "5"},
        {"first_size": "0"},
        {"en-own": "x" * 1001},
        {"base": "nobody"},
    ):
        answer = author.submit(NEW, **{"kind": "first", "base": "all"} | wrong)
        assert (answer.status_code, "There’s a problem" in answer.text) == (422, True), wrong
    answer = author.submit(NEW, kind="first", base="all", **{"en-own": "one\n\ntwo"})
    assert "one paragraph" in answer.text
    answer = author.submit(NEW, kind="supplementary", base="new")
    assert "no notice with this number" in answer.text
    payload = "<script>alert(1)</script> [a](javascript:alert(1)) =1+1"
    asked = draft_and_ask(author, **{"en-own": payload})
    for page in (ONE, f"{ONE}text/en/", asked):
        assert "<script>alert" not in text_of(author, page)
    assert led_to(press(author, ONE, f"{ONE}pause/", reason="x")) == ONE
    shown = text_of(author, ONE)
    assert '<div class="error-summary" role="alert"><p>It can’t be done now: the notice has changed.' in shown


@pytest.mark.sqlite  # what a page shows is no matter of the database
def test_the_email_is_shown_as_on_a_phone_and_on_a_computer_in_frames_that_do_nothing(told, office):
    author = office.as_role("author")
    payload = "<img src=https://evil.example/x.png> **sorry**"
    draft_and_ask(author, **{"en-own": payload})
    page = author.get(f"{ONE}text/en/")
    assert page.text.count('src="html/" sandbox=""') == 2
    assert page.headers["Content-Security-Policy"].endswith("; frame-src 'self'")
    framed = author.get(f"{ONE}text/en/html/")
    policy = framed.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; ")
    assert policy.endswith("frame-ancestors 'self'; sandbox")
    assert framed.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "<strong>sorry</strong>" in framed.text
    assert "<img" not in framed.text
    assert "person@example.com" in framed.text or "person@" not in framed.text
    assert "/check/notice/" in framed.text
    assert "El 28 de octubre" in author.get(f"{ONE}text/es/html/").text
    assert author.get(f"{ONE}text/xx/html/").status_code == 404
    assert author.get(f"/notices/{SLUG}/2/text/en/html/").status_code == 404


@pytest.mark.sqlite  # what a page shows is no matter of the database
def test_kinds_of_data_are_named_in_the_readers_words_on_every_page(told, office):
    told.live(numbered(9), ("Passwords",))
    author = office.as_role("author")
    asked = draft_and_ask(author, classes="Passwords")
    author.set_cookie("language", "es")
    for page in (NEW, ONE, f"{ONE}edit/", asked):
        shown = text_of(author, page)
        assert "Contraseñas" in shown, page
        assert ">Passwords<" not in shown, page


CARRIES_ALL = "The email has the statement’s first sentence, all its parts and who signed it. The apology"
CARRIES_SHORT = "The email has the statement’s first sentence, its short form and who signed it. The apology,"


@pytest.mark.sqlite  # as above
def test_it_is_said_which_parts_of_the_statement_stand_in_the_email(operator, office):
    operator.statement(STATEMENT)
    operator.live(numbered(3))
    author = office.as_role("author")
    draft_and_ask(author)
    for page in (NEW, ONE, f"{ONE}text/en/"):
        assert text_of(author, page).count('class="carried"') == 1, page
        assert CARRIES_ALL in text_of(author, page), page
    long = SPANISH.replace("Hemos cerrado", "Hemos cerrado " + "la puerta " * 600)
    operator.statement(long.replace("role: Dir", "summary: Lo breve.\nrole: Dir"))
    author.submit(f"{ONE}edit/", kind="first", base="all")
    for page in (NEW, ONE):
        english, spanish = text_of(author, page).split('class="carried"')[1:]
        assert "<b>English:</b>" in english
        assert CARRIES_ALL in english
        assert "<b>Spanish:</b>" in spanish
        assert CARRIES_SHORT in spanish
    assert CARRIES_SHORT in text_of(author, f"{ONE}text/es/")


@pytest.mark.sqlite  # as above
def test_own_words_are_not_offered_where_the_email_has_no_place_for_them(told, office, db):
    author = office.as_role("author")
    assert 'name="en-own"' in text_of(author, NEW)
    with db.write() as session:
        incidents.by_slug(session, SLUG).discreet = True
    page = text_of(author, NEW)
    assert "-own" not in page
    assert "carried" not in page
    assert "This incident’s facts say so, so you can’t add your own words." in page
    late = author.submit(NEW, kind="first", base="all", **{"en-own": "We are very sorry."})
    assert late.status_code == 422
    assert "so it can’t have your own words" in late.text
    assert led_to(author.submit(NEW, kind="first", base="all", **{"en-own": " "})) == ONE
    assert "cannot have your own words" in told.run("draft", SLUG, "--own", f"en={told.own('Sorry.')}").output


@pytest.mark.sqlite  # as above
def test_whoever_starts_a_notice_reads_that_legal_pages_are_drafts(told, office):
    author, admin = office.as_role("author"), office.as_role("author", "admin")
    author.submit(NEW, kind="first", base="all")
    shown = text_of(author, ONE)
    assert "Your legal pages are still drafts" in shown
    assert '<a href="http://localhost:8000/privacy/">Privacy</a>, ' in shown
    assert "Ask an admin to replace them." in shown
    assert '<a href="/settings/privacy.en/">Privacy</a>' in text_of(admin, ONE)
    assert led_to(press(author, ONE, f"{ONE}ask/"))
