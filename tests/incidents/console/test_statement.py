"""The statement's editor and its publication, with two authors, two tabs and a second person."""

import re
from datetime import timedelta

import pytest

from portal.staff.roles import Role
from tests.incidents.conftest import SLUG, SPANISH
from tests.visitor import SAME_SITE, hidden, main_of

EDITOR = f"/incidents/{SLUG}/statement/en/"
SPANISH_EDITOR = f"/incidents/{SLUG}/statement/es/"
PUBLISH = f"/incidents/{SLUG}/statement/publish/"
PARTS = {
    "title": "Your booking was copied",
    "signed_by": "Ana Ruiz",
    "role": "Managing director",
    "apology": "We are sorry. We did not keep your booking safe.",
    "section1": "Someone copied our bookings on 3 November 2026.",
    "section2": "- your name\n- your email address",
    "section3": "We closed the way in.",
    "section4": "[Check](/check/) whether you are affected.",
    "section5": "Call us: +34 912 345 678.",
}


def approve(member, where):
    return member.submit(where, to=f"{where}approve/", code=member.code)


def test_a_text_is_written_checked_approved_by_a_second_person_and_public(draft, ana, ben, client):
    page = ana.read(f"/incidents/{SLUG}/statement/es/")
    assert "Qué puede hacer usted" in page
    assert 'class="mark">no text yet' in page
    answer = ana.send(EDITOR, **PARTS | {"section3": "We asked [somebody]. <b>All</b> is well."})
    assert answer.location == EDITOR
    page = ana.read(EDITOR)
    assert "Saved 09:00" in page
    assert '<a href="#section3" data-line="1">What we are doing</a>' in page
    assert "Readers would see this HTML as it is" in page
    refused = ana.send(PUBLISH, language="en")
    assert refused.status_code == 422
    assert "Something must be fixed first." in refused.text
    ana.send(EDITOR, **PARTS)
    assert "All of it is new." in ana.read(PUBLISH)
    asked = ana.send(PUBLISH, language="en", reason="The first one.")
    assert asked.status_code == 303
    assert client.get(f"/incidents/{SLUG}/").status_code == 404
    shown = ben.read(asked.location)
    for words in (*PARTS.values(), "The incident becomes public.", "Nobody", "The first one."):
        assert words in shown
    assert "You asked for this, so somebody else must approve it." in ana.read(asked.location)
    done = approve(ben, asked.location)
    assert done.status_code == 303
    assert "Approved and done" in ben.read(asked.location)
    assert PARTS["apology"] in client.get(f"/incidents/{SLUG}/").text


def test_an_edit_after_the_request_voids_it(published, ana, ben, client):
    ana.send(EDITOR, **PARTS, note="It said too little before.")
    asked = ana.send(PUBLISH, language="en", accept=["class-mismatch"])
    assert asked.status_code == 303
    cancelled = "The request for approval was cancelled by this edit. Ask again when you’re done."
    waits, void = ana.read(EDITOR).split('data-request="void"', 1)
    assert "Ben must approve this" in waits
    assert void.startswith(' role="status" hidden>')
    fields = (
        hidden(ana.read(EDITOR)) | PARTS | {"apology": "We are not sorry.", "note": "It said too little."}
    )
    assert ana.autosave(EDITOR, **fields).json["cancelled"] is True
    waits, void = ana.read(EDITOR).split('data-request="void"', 1)
    assert "must approve this" not in waits
    assert void.startswith(' role="status">')
    assert cancelled in void
    assert "This changed after it was asked for" in ben.read(asked.location)
    form = hidden(ben.read("/approvals/"))
    forged = ben.post(f"{asked.location}approve/", data=form | {"code": ben.code}, headers=SAME_SITE)
    assert forged.status_code == 422
    assert "We are not sorry" not in client.get(f"/incidents/{SLUG}/").text


def test_what_changed_is_shown_word_for_word_before_it_goes_out(published, ana):
    ana.send(EDITOR, **PARTS | {"section5": "Write to us."}, note="We have no phone any more.")
    page = main_of(ana.read(PUBLISH))
    assert re.search(r"<del[^>]*>.*Call.*</del>", page, re.DOTALL)
    assert re.search(r"<ins[^>]*>.*Write to.*</ins>", page, re.DOTALL)
    assert "We have no phone any more." in page
    assert "Publishing a statement sends no email" in page


def test_a_mistyped_time_is_said_at_its_field(published, ana):
    ana.send(EDITOR, **PARTS | {"section5": "Write to us."}, note="We have no phone any more.")
    for typed, words in (("tomorrow", "Enter a time or a day"), ("2026-11-01 10:00", "That time has passed")):
        refused = ana.send(PUBLISH, language="en", when="later", at=typed)
        assert refused.status_code == 422
        assert re.search(rf'<li><a href="#at">Time: {words}', refused.text)
        assert re.search(rf'id="at-error">{words}', refused.text)
        assert re.search(r'<input id="at" [^>]*aria-invalid="true"', refused.text)
        assert refused.text.count("aria-invalid") == 1


def test_a_decided_request_shows_its_text_and_compares_it_with_no_later_one(published, ana, ben):
    ana.send(EDITOR, **PARTS | {"section5": "Write to us."}, note="We have no phone any more.")
    asked = ana.send(PUBLISH, language="en")
    before = main_of(ben.read(asked.location))
    assert "What changes" in before
    assert "<del" in before
    approve(ben, asked.location)
    after = main_of(ben.read(asked.location))
    assert "What changes" not in after
    assert "<details open>" in after
    assert "Write to us." in after


def test_what_was_sent_back_is_said_where_it_is_changed_and_nothing_is_typed_twice(published, ana, ben):
    ana.send(EDITOR, **PARTS, holding="yes", note="It said too little before.")
    fields = {"language": "en", "more_by": "2026-11-24 18:00", "accept": ["class-mismatch"]}
    at = {"when": "later", "at": "2026-11-23 20:00"}
    asked = ana.send(PUBLISH, **fields, **at, reason="Before the news at eight.")
    assert "sent it back" not in ana.read(EDITOR)
    ben.send(asked.location, to=f"{asked.location}send-back/", comment="Name the day it happened.")
    for page in (EDITOR, PUBLISH):
        shown = main_of(ana.read(page))
        assert "Ben sent it back" in shown
        assert "<q>Name the day it happened.</q>" in shown
    assert 'name="more_by" value="2026-11-24 18:00"' in shown
    assert 'name="at" value="2026-11-23 20:00"' in shown
    assert 'value="later" checked' in shown
    assert ">Before the news at eight.</textarea>" in shown
    ana.send(PUBLISH, **fields)
    assert "sent it back" not in ana.read(EDITOR)  # it waits again


def test_an_approval_names_kinds_of_data_in_the_readers_words(draft, ana, ben, portal):
    portal("incidents", "classes", SLUG, "Names;Physical addresses")
    ana.send(EDITOR, **PARTS)
    asked = ana.send(PUBLISH, language="en", accept=["class-mismatch"])
    assert "<dd>Names; Postal addresses</dd>" in ben.read(asked.location)
    ben.set_cookie("language", "es")
    assert "<dd>Nombres; Direcciones postales</dd>" in ben.read(asked.location)


def test_two_authors_are_told_apart_and_no_text_is_lost(draft, ana, sign_in):
    carla = sign_in("Carla")
    before = {"base": "0", "csrf_token": hidden(ana.read(EDITOR))["csrf_token"]}
    also = {"base": "0", "csrf_token": hidden(carla.read(EDITOR))["csrf_token"]}
    saved = ana.autosave(EDITOR, **before | PARTS)
    assert saved.json["base"] == 1
    assert saved.json["saved"] == "Saved 09:00"
    other = PARTS | {"title": "Carla’s title", "apology": "Carla is sorry."}
    refused = carla.autosave(EDITOR, **also | other)
    assert refused.status_code == 409
    where = refused.json["conflict"]
    page = carla.read(where)
    assert "Ana changed this text meanwhile." in page
    for words in (PARTS["title"], PARTS["apology"], "Carla’s title", "Carla is sorry."):
        assert words in page
    carla.send(where, **{"take-title": "yours", "take-apology": "both"})
    page = carla.read(EDITOR)
    assert "Carla’s title" in page
    assert f"{PARTS['apology']}\n\nCarla is sorry." in page
    assert PARTS["section1"] in page


def test_the_same_author_in_two_tabs_is_told_too(draft, ana):
    form = {"base": "0", "csrf_token": hidden(ana.read(EDITOR))["csrf_token"]}
    ana.autosave(EDITOR, **form | PARTS)
    sent = ana.post(EDITOR, data=form | PARTS | {"title": "Other"}, headers=SAME_SITE)
    assert sent.status_code == 303  # without script, the page leads there
    assert "You changed this text in another tab meanwhile." in ana.read(sent.location)


def test_an_earlier_text_is_found_and_restored(draft, ana, clock):
    ana.send(EDITOR, **PARTS)
    clock.at = clock.at.replace(minute=20)
    ana.send(EDITOR, **PARTS | {"apology": "Oops."})
    history = f"{EDITOR}history/"
    assert "Ana" in ana.read(history)
    shown = f"{history}?show=1"
    assert PARTS["apology"] in ana.read(shown)
    ana.send(shown, to=history, revision="1")
    assert PARTS["apology"] in ana.read(EDITOR)


def test_the_preview_is_the_readers_page_and_only_the_console_may_frame_it(draft, ana):
    ana.send(EDITOR, **PARTS)
    answer = ana.get(f"{EDITOR}preview/")
    assert PARTS["apology"] in answer.text
    assert '<h2 id="part-4">What you can do</h2>' in answer.text
    assert "http://localhost:8000/check/" in answer.text
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in ana.get(EDITOR).headers["Content-Security-Policy"]


def test_the_file_of_a_draft_is_what_the_command_reads(draft, ana, portal, write):
    ana.send(EDITOR, **PARTS)
    content = ana.get(f"{EDITOR}file/").data
    portal("incidents", "statement", SLUG, write(content))
    assert ana.get(f"{EDITOR}file/").data == content


@pytest.mark.parametrize(
    "payload", ["<script>alert(1)</script>", '" onfocus="alert(1)', "[x](javascript:alert(1))"]
)
def test_what_an_author_types_is_shown_as_text_everywhere(draft, ana, ben, payload):
    ana.send(EDITOR, **PARTS | {"title": payload, "apology": payload, "note": payload})
    for page in (EDITOR, f"{EDITOR}preview/", f"{EDITOR}history/?show=1", PUBLISH):
        html = ana.read(page)
        assert "<script>alert" not in html
        assert not re.search(r'<[^>"]*("[^"]*"[^>"]*)*onfocus=', html)
        assert 'href="javascript:' not in html


def test_a_holding_statement_asks_for_three_parts_and_for_a_time(draft, ana, ben, client):
    holding = {
        name: PARTS[name] for name in ("title", "signed_by", "role", "apology", "section1", "section4")
    }
    ana.send(EDITOR, **holding, kind="holding")
    page = main_of(ana.read(EDITOR))
    assert "Holding statement: three parts" in page
    assert '<textarea id="section2"' not in page
    refused = ana.send(PUBLISH, language="en")
    assert "by when you’ll say more" in refused.text
    asked = ana.send(PUBLISH, language="en", more_by="2026-11-23 18:00")
    approve(ben, asked.location)
    assert "We’ll say more by" in client.get(f"/incidents/{SLUG}/").text


def test_the_whole_text_follows_a_holding_statement_with_a_first_text_in_spanish(
    draft, ana, ben, client, office
):
    ana.send(EDITOR, **PARTS | {"section2": "", "section3": "", "section5": ""}, kind="holding")
    approve(ben, ana.send(PUBLISH, language="en", more_by="2026-11-23 18:00").location)
    office.advance(timedelta(minutes=1))  # a code works once
    assert "You can leave it empty" in ana.read(EDITOR)
    ana.send(EDITOR, **PARTS, kind="whole")
    ana.send(SPANISH_EDITOR, **PARTS | {"title": "Han copiado su reserva", "apology": "Lo sentimos mucho."})
    assert main_of(ana.read(PUBLISH)).count("version 2") == 2
    fields = {"language": ["en", "es"], "accept": ["class-mismatch", "no-contact"]}
    asked = ana.send(PUBLISH, **fields, promise="end")
    approve(ben, asked.location)
    assert "Approved and done" in ben.read(asked.location)
    assert PARTS["section3"] in client.get(f"/incidents/{SLUG}/").text
    assert "Lo sentimos mucho." in client.get(f"/incidents/{SLUG}/", headers={"Accept-Language": "es"}).text
    ana.send(EDITOR, **PARTS | {"apology": "We are very sorry."}, kind="whole")
    assert "Say what was wrong and why." in ana.read(EDITOR)
    assert ana.send(PUBLISH, language="en", accept="class-mismatch").status_code == 422


@pytest.mark.sqlite  # what a page shows is no matter of the database
def test_a_holding_statement_is_offered_before_anything_is_typed_and_has_no_short_form(draft, ana):
    page = main_of(ana.read(EDITOR))
    assert page.index("Make it a holding statement") < page.index('id="title"')
    assert "First sentence: what happened" in page
    assert "under the incident’s title, “Theft of bookings”" in page
    assert 'id="summary"' in page
    ana.send(EDITOR, **PARTS, kind="holding")
    assert 'id="summary"' not in ana.read(EDITOR)
    ana.send(EDITOR, **PARTS | {"section1": "Long. " * 1_100}, holding="yes")
    assert 'id="summary"' in ana.read(EDITOR)


def test_what_failed_after_its_approval_says_why_and_where_to_go_on(published, ana, ben, office):
    ana.send(EDITOR, **PARTS, note="It said too little before.")
    at = {"when": "later", "at": "2026-11-23 09:10"}
    asked = ana.send(PUBLISH, language="en", accept="class-mismatch", **at)
    office.advance(timedelta(minutes=15))
    done = approve(ben, asked.location)
    page = ben.read(done.location)
    assert '<div class="error-summary" role="alert"><p>That time has passed. Choose a later one.' in page
    assert 'class="notice"' not in page
    assert main_of(ana.read(asked.location)).count("That time has passed.") == 1
    assert f'<a href="{PUBLISH}">' in ana.read(asked.location)


def test_publishing_says_which_language_has_no_text_and_what_its_readers_get(published, ana):
    ana.autosave(EDITOR, **hidden(ana.read(EDITOR)) | {"title": "The bookings of 3 November"})
    page = ana.read(PUBLISH)
    assert "No text in: Spanish" in page
    assert "finds your text in English" in page


def test_a_set_time_is_approved_shown_and_cancelled_alone(published, ana, ben, portal):
    ana.send(EDITOR, **PARTS, note="It said too little before.")
    accept = {"language": "en", "accept": ["class-mismatch"]}
    for at in ("2026-11-23 08:00", "soon", ""):
        assert ana.send(PUBLISH, **accept, when="later", at=at).status_code == 422
    asked = ana.send(PUBLISH, **accept, when="later", at="2026-11-24 06:00")
    assert "24 November 2026, 06:00&nbsp;UTC" in ben.read(asked.location)
    approve(ben, asked.location)
    assert "scheduled: its drafts at 2026-11-24 06:00 UTC" in portal("incidents", "show", SLUG).output
    assert "A publication is scheduled" in ana.read(PUBLISH)
    ana.send(PUBLISH, to=f"/incidents/{SLUG}/statement/cancel/")
    assert "A publication is scheduled" not in ana.read(PUBLISH)


def test_a_version_is_withdrawn_without_a_second_person(published, ana, client):
    page = f"/incidents/{SLUG}/withdraw/version/1/"
    assert f'href="{page}"' in ana.read(PUBLISH)
    assert ana.send(page, reason=" ").status_code == 422
    assert ana.send(page, reason="It named a wrong day.").status_code == 303
    assert "It named a wrong day." in client.get(f"/incidents/{SLUG}/statement/1/").text
    assert ana.send(page, reason="It leaks.", erase="yes").status_code == 303


def test_a_second_language_is_marked_until_it_follows(published, ana, clock, portal, write):
    ana.send(EDITOR, **PARTS, note="It said too little before.")
    assert 'class="mark">no text yet' in ana.read(EDITOR)
    spanish = SPANISH.replace("role:", "note: Decía demasiado poco.\nrole:")
    clock.at = clock.at.replace(minute=5)
    portal("incidents", "statement", SLUG, write(spanish))
    assert ana.read(EDITOR).count('class="mark">edited') == 2
    clock.at = clock.at.replace(minute=10)
    ana.send(EDITOR, **PARTS | {"apology": "We are very sorry."}, note="It said too little before.")
    assert 'class="mark">older' in ana.read(EDITOR)
    assert re.search(r"Saved 09:05 by \w+", ana.read(SPANISH_EDITOR))


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.PRIVACY, Role.ADMIN])
def test_who_neither_writes_nor_approves_finds_the_pages_closed(draft, sign_in, role):
    other = sign_in("Eve", role)
    for page in (EDITOR, PUBLISH, f"{EDITOR}preview/", f"{EDITOR}history/", f"/incidents/{SLUG}/timeline/"):
        assert other.get(page).status_code == 403
    assert other.post(EDITOR, data=PARTS, headers=SAME_SITE).status_code in (400, 403)


def test_what_does_not_exist_is_not_found(draft, ana):
    for page in ("/incidents/other/statement/en/", f"/incidents/{SLUG}/statement/fr/",
                 f"{EDITOR}conflict/99/", f"/incidents/{SLUG}/withdraw/all/1/",
                 f"/incidents/{SLUG}/timeline/0123456789abcdef/"):  # fmt: skip
        assert ana.get(page).status_code == 404


def test_a_statement_as_long_as_a_file_may_be_is_saved(draft, ana):
    long = "Ñandú vino. " * 12_000
    assert ana.send(EDITOR, **PARTS | {"section1": long}).status_code == 303
    assert long.strip() in ana.read(EDITOR)


def test_a_text_of_brackets_is_kept_told_at_its_place_and_not_published(draft, ana):
    hostile = "[a\n" * 2_500
    ana.send(EDITOR, **PARTS | {"section3": hostile})
    page = ana.read(EDITOR)
    assert "There are too many marks up to here, like brackets and stars." in page
    assert '<a href="#section3" data-line="2001">What we are doing, line 2001</a>' in page
    assert "This section is empty" not in page
    assert hostile.strip() in page.replace("\r", "")
    assert ana.get(f"{EDITOR}preview/").status_code == 200
    assert ana.send(PUBLISH, language="en").status_code == 422
