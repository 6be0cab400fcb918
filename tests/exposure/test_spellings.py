"""Am I affected? Which spelling of an address finds whom, and where the answer goes."""

import html

import pytest

from portal.exposure import jobs
from portal.worker import drain
from tests.exposure.conftest import words

ANN = "ann@northwind.example,7,Ann,en,ES,Passwords;Dates of birth;Email addresses\n"


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("j.doe+shop@gmail.com", "jdoe@gmail.com"),
        ("JDoe@gmail.com", "j.d.o.e@googlemail.com"),
        ("ann+shop@outlook.com", "Ann@outlook.com"),
        ("Ann.Lee@northwind.example", "ann.lee@NORTHWIND.example"),
        ("ann@faß.example", "ann@xn--fa-hia.example"),
    ],
)
def test_another_spelling_of_an_address_finds_it_and_the_stored_one_gets_the_mail(
    lists, check, read, stored, typed
):
    lists.live(f"{stored},1,Ann,en,,Passwords\n")
    mail = check(typed)
    assert mail.recipients == (stored.replace("faß", "xn--fa-hia"),)
    assert "You are affected<" in read(mail)


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("kim@northwind.example", "ann.lee+tag@northwind.example"),
        ("ann.lee@northwind.example", "annlee@northwind.example"),
        ("ann@northwind.example", "ann+shop@northwind.example"),
        ("ann@fass.example", "ann@faß.example"),
        ("ann@xn--fa-hia.example", "ann@fass.example"),
        ("j.doe@outlook.com", "jdoe@outlook.com"),
    ],
)
def test_what_only_looks_like_a_stored_address_gets_the_ordinary_answer_itself(
    lists, check, read, stored, typed
):
    lists.live(f"{stored},1,Ann,en,,Passwords\n")
    mail = check(typed)
    assert stored not in mail.recipients
    assert "You’re not on our list" in words(read(mail))


@pytest.mark.parametrize(
    "twin",
    [
        "ıan@northwind.example",
        "straße@northwind.example",
        "stra\u0073\u0327e@northwind.example",
        "ｉan@northwind.example",
    ],
)
def test_a_unicode_twin_finds_nobody_and_no_mail_goes_to_the_person_it_imitates(
    lists, client, worker_parts, smtp, twin
):
    lists.live(
        "".join(f"{name}@northwind.example,1,,en,,Passwords\n" for name in ("ian", "strase", "strasse"))
    )
    client.submit("/check/", email=twin)
    drain(worker_parts)
    assert smtp.messages == []


def test_an_address_in_ones_own_alphabet_that_is_listed_gets_its_answer(lists, check):
    lists.live("jörg@northwind.example,1,Jörg,de,,Passwords\n")
    assert check("jörg@northwind.example").recipients == ("jörg@northwind.example",)


def test_who_is_stored_exactly_gets_their_own_data_only(lists, check, read):
    lists.live("Ann@northwind.example,1,,en,,Passwords\nann@northwind.example,2,,en,,Phone numbers\n")
    page = words(read(check("ann@northwind.example")))
    own, others = page.split("Not yours")
    assert "Phone numbers" in own
    assert "Passwords" not in own
    assert "Passwords" in others


def test_another_spelling_in_another_incident_is_not_told_as_safe(lists, check, read):
    lists.live("ann@northwind.example,1,,en,,Passwords\n")
    lists.incident("second")
    lists.live("Ann@northwind.example,1,,en,,Phone numbers\n", "second")
    page = words(read(check("ann@northwind.example")))
    assert "different capital letters" in page
    assert "Phone numbers" not in page


@pytest.mark.parametrize(
    ("listed", "typed"),
    [
        ("o’neil@northwind.example", "o'neil@northwind.example"),
        ("mary‐ann@northwind.example", "mary-ann@northwind.example"),
        ("ann@north–wind.example", "ann@north-wind.example"),
    ],
)
def test_who_is_listed_with_a_typographic_mark_is_found_by_the_plain_one(lists, check, read, listed, typed):
    lists.live(f"{listed},1,Ann,en,,Passwords\n")
    mail = check(typed)
    assert mail.recipients == (typed,)
    assert "You are affected<" in read(mail)


@pytest.mark.parametrize("page", ["/check/", "/reset/", "/subscribe/", "/sign-in/"])
@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("mary‐ann@example.com", "special dash (‐). Type a plain hyphen: -"),
        ("o’neil@example.com", "curly apostrophe (’). Type a plain one: '"),
    ],
)
def test_every_form_names_the_character_that_is_none_of_the_keyboards(lists, client, page, typed, told):
    shown = client.submit(page, email=typed, password="a long password of mine")
    assert shown.status_code in (200, 400, 422)
    assert told in html.unescape(words(shown.text))
    assert told.partition("(")[2][0] in typed


def test_a_carriers_address_with_dots_is_checked_answered_and_quoted_for_the_relay(lists, check, read):
    lists.live("taro..x@docomo.ne.jp,1,Taro,en,,Passwords\n")
    mail = check("Taro..X@docomo.ne.jp")
    assert mail.recipients == ("taro..x@docomo.ne.jp",)
    assert b'\r\nTo: "taro..x"@docomo.ne.jp\r\n' in mail.content
    assert "You are affected<" in read(mail)


def test_addresses_that_a_former_version_took_in_with_such_marks_are_told_once_a_day(
    lists, worker_parts, monkeypatch, caplog
):
    monkeypatch.setattr("portal.people_files.rows.normalise", lambda text: text)
    lists.live("o’neil@northwind.example,1,Ann,en,,Passwords\n")
    jobs.inspect(worker_parts)
    assert "1 addresses of list version 1 have typographic apostrophes or hyphens" in caplog.text
    assert "neil" not in caplog.text
