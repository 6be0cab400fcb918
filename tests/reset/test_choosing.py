"""What is refused as a new password, with the reason; what is welcome; and what helps to choose."""

import random
import re
from datetime import timedelta
from unicodedata import normalize

import pytest

from portal.crypto.hashing import HashSlots, hash_slots_for
from tests.reset.journey import NEW, OLD, link_in
from tests.visitor import hidden

CHOOSE = "/reset/choose/"

REFUSALS = {
    "short": ("marble-otter", "shorter than 15 characters"),
    "empty": ("", "Enter a new password."),
    "common": ("iloveyou1234567890", "lists of common passwords"),
    "words": ("purple elephant dancing", "a few common words"),
    "run": ("abcdefghijklmnopqrstuvwxyz", "alphabet"),
    "repeated": ("zqzqzqzqzqzqzqzqzq", "repeats"),
    "name": ("Ana.Ruiz-1987-04-05", "your own details"),
    "house": ("NorthwindTravel2026!", "our name"),
    "old": (OLD, "This is your current password"),
    "long": ("aB3 " * 65, "longer than 256 characters"),
    "control": ("sunlit-marble\0otter-harbour", "invisible character"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_bad_password_is_refused_with_the_reason_and_the_link_stays_good(case, client, ask, ana, people):
    password, reason = REFUSALS[case]
    client.get(link_in(ask(ana)))
    refused = client.submit(CHOOSE, password=password)
    assert refused.status_code == 400
    assert reason in refused.text
    assert "<title>Error:" in refused.text
    assert not password or password not in refused.text
    assert people.signs_in_with(ana, OLD)
    assert client.submit(CHOOSE, password=NEW).status_code == 303


@pytest.mark.parametrize("megabytes", [1, 20])
def test_a_password_of_a_megabyte_is_refused_before_anything_is_hashed(client, ask, ana, megabytes, people):
    client.get(link_in(ask(ana)))
    refused = client.submit(CHOOSE, password="x" * (megabytes << 20))
    assert refused.status_code == 413
    assert people.signs_in_with(ana, OLD)


@pytest.mark.parametrize(
    "password",
    [
        "пароль из пяти случайных слов",
        "Ein Satz mit Leerzeichen und Ümlauten",
        "🦦 otters hold hands 🦦",
        "x7" + "kQ9v!Lm2" * 31,
    ],
)
def test_every_alphabet_spaces_and_long_passwords_are_welcome(client, ask, ana, people, password):
    client.get(link_in(ask(ana)))
    assert client.submit(CHOOSE, password=password).status_code == 303
    assert people.signs_in_with(ana, password)


def test_an_accent_typed_in_two_strokes_is_the_same_password(client, ask, ana, people):
    client.get(link_in(ask(ana)))
    client.submit(CHOOSE, password="Ana come mazapa\u0301n en marzo")
    assert people.signs_in_with(ana, "Ana come mazap\u00e1n en marzo")


def test_accents_typed_in_two_strokes_count_once(client, ask, ana, people):
    draw = random.Random(7)
    typed = "".join(draw.choice("bcdfghjklmnpqrstvwxz") + draw.choice("aeiou") + "\u0301" for _ in range(89))
    assert len(typed) == 267
    client.get(link_in(ask(ana)))
    assert client.submit(CHOOSE, password=typed).status_code == 303
    assert people.signs_in_with(ana, normalize("NFC", typed))


def test_when_every_core_hashes_one_is_told_when_to_come_back_and_nothing_is_lost(
    client, ask, ana, people, settings
):
    client.get(link_in(ask(ana)))
    form = hidden(client.get(CHOOSE).text)
    slots = hash_slots_for(settings)
    taken = [slots.taken() for _ in range(slots.count)]
    for slot in taken:
        slot.__enter__()
    try:
        busy = client.post(CHOOSE, data=form | {"password": NEW})
    finally:
        for slot in taken:
            slot.__exit__(None, None, None)
    assert busy.status_code == 503
    assert int(busy.headers["Retry-After"]) > 0
    assert client.submit(CHOOSE, password=NEW).status_code == 303
    assert people.signs_in_with(ana, NEW)


def test_a_link_costs_twenty_hashes_an_hour_at_most_and_stays_good(
    client, app, ask, ana, people, settings, clock
):
    """Otherwise a link's holder could keep every core busy, and test guesses at the previous password."""
    link = link_in(ask(ana))
    client.get(link)
    form = hidden(client.get(CHOOSE).text)
    for _ in range(30):  # what is judged without a hash does not count
        assert client.post(CHOOSE, data=form | {"password": "too short"}).status_code == 400
    assert [client.post(CHOOSE, data=form | {"password": OLD}).status_code for _ in range(20)] == [400] * 20
    asked: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(HashSlots, "taken", lambda _self: asked.append("a hash"))
        refused = client.post(CHOOSE, data=form | {"password": OLD})
    assert (refused.status_code, asked) == (429, [])
    assert "We didn’t save or change anything" in refused.text
    another = app.test_client()
    another.get(link)
    assert another.submit(CHOOSE, password=NEW).status_code == 429, (
        "it is the link that is counted, not the browser"
    )
    clock.advance(timedelta(seconds=int(refused.headers["Retry-After"])))
    assert client.submit(CHOOSE, password=NEW).status_code == 303
    assert people.signs_in_with(ana, NEW)


def test_the_page_helps_to_choose(client, ask, ana):
    client.get(link_in(ask(ana)))
    page = client.get(CHOOSE).text
    assert page.count('type="password"') == 1
    assert 'autocomplete="new-password"' in page
    assert f'value="{ana}" autocomplete="username"' in page
    assert "at least 15 characters" in page
    assert page.count("data-suggestion=") == 3
    assert page != client.get(CHOOSE).text, "suggestions are made anew each time"


def test_every_suggestion_that_is_offered_is_taken(client, ask, ana, people):
    client.get(link_in(ask(ana)))
    suggestion = re.findall(r'data-suggestion="([^"]+)"', client.get(CHOOSE).text)[1]
    assert client.submit(CHOOSE, password=suggestion).status_code == 303
    assert people.signs_in_with(ana, suggestion)
