"""A text that is withdrawn takes its promise of more news along, where another one stood before it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portal.incidents import service
from portal.incidents.drafts import entries, posting, releasing, store
from portal.incidents.drafts.posting import Post
from portal.incidents.publishing import withdrawing
from portal.incidents.publishing.promises import ChoiceInvalid
from tests.incidents.conftest import SLUG

KEY = "00ff00ff00ff00ff"
FIVE, SIX = datetime(2026, 11, 23, 17, tzinfo=UTC), datetime(2026, 11, 24, 6, tzinfo=UTC)
TEXT = {
    "phase": "contained",
    "occurred": "2026-11-22 08:30",
    "notify": "",
    "title:en": "We closed the gap",
    "body:en": "Nobody can get in that way any more.",
}


@pytest.fixture
def promised(db, clock):
    """By when readers are told more."""

    def read():
        with db.read() as session:
            return service.by_slug(session, SLUG).more_by

    return read


@pytest.fixture
def post(published, db, clock, settings, worker_parts, promised):
    """Posts an update with a promise, as its author writes it."""

    def run(next_by):
        clock.advance(timedelta(minutes=2))
        parts = entries.completed(TEXT | {"next_by": next_by}, settings.site.languages, "Europe/Madrid")
        stood = releasing.written(promised())
        with db.write() as session:
            saved = store.replace(session, SLUG, entries.document(KEY), parts, "Ana", clock.now())
            wanted = replace(Post(SLUG, KEY, saved.revision, (), 10), promised=stood)
            posting.post_alone(
                session,
                worker_parts.vault,
                settings,
                lambda *_: 0,
                wanted,
                "At night.",
                "staff ana",
                clock.now(),
            )

    return run


@pytest.fixture
def withdraw(db, clock, promised):
    """Withdraw an update; gives what readers are promised then."""

    def run(number, promise="", **words):
        with db.write() as session:
            withdrawing.withdraw_update(
                session, SLUG, number, "It was wrong.", clock.now(), promise=promise, **words
            )
        return promised()

    return run


def test_readers_see_again_what_was_promised_before(post, promised, withdraw):
    post("2026-11-23 18:00")
    post("2026-11-24 07:00")
    assert promised() == SIX
    assert withdraw(2) == FIVE
    assert withdraw(1) == FIVE  # no other text promises anything, so it stays


def test_no_promise_comes_back_whose_text_was_withdrawn(post, withdraw):
    post("2026-11-23 18:00")
    post("2026-11-24 07:00")
    assert withdraw(1) == SIX
    assert withdraw(2) == SIX  # no public text says another time
    assert withdraw(2, "back", erase=True) is None


def test_what_two_texts_promise_stays_while_one_of_them_is_public(post, withdraw):
    post("2026-11-23 18:00")
    post("2026-11-24 07:00")
    post("2026-11-24 07:00")
    post("2026-11-24 07:00")
    assert withdraw(2, "back") == SIX
    assert withdraw(4, "back") == SIX
    assert withdraw(3) == FIVE


def test_a_promise_whose_text_nobody_noted_stays_when_the_next_one_is_withdrawn(post, promised, withdraw, db):
    """An earlier version noted only the text of the last one."""
    post("2026-11-23 18:00")
    post("2026-11-24 07:00")
    with db.write() as session:
        incident = service.locked(session, SLUG)
        incident.promises = [one | {"by": None} for one in incident.promises]
    assert withdraw(1, "keep") == SIX
    assert withdraw(2, "back") is None


def test_what_was_promised_before_does_not_come_back_once_it_has_passed(post, withdraw, clock):
    post("2026-11-23 18:00")
    post("2026-11-24 07:00")
    clock.at = FIVE + timedelta(minutes=1)
    assert withdraw(2) == SIX


def test_who_withdraws_may_keep_the_promise(post, withdraw):
    post("2026-11-23 18:00")
    post("2026-11-24 07:00")
    assert withdraw(2, "keep") == SIX
    assert withdraw(2, "back", erase=True) == FIVE


def test_an_update_whose_promise_another_one_replaced_takes_nothing_along(post, withdraw):
    post("2026-11-23 18:00")
    post("2026-11-24 07:00")
    assert withdraw(1, "back") == SIX


def test_a_first_promise_stays_unless_somebody_takes_it_back(post, withdraw):
    post("2026-11-23 18:00")
    with pytest.raises(ChoiceInvalid):
        withdraw(1, "drop")
    assert withdraw(1) == FIVE
    assert withdraw(1, "back", erase=True) is None


def test_an_update_that_took_a_promise_back_gives_it_back(post, promised, withdraw):
    post("2026-11-23 18:00")
    post("")
    assert promised() is None
    assert withdraw(2) == FIVE


def test_a_holding_statement_takes_its_promise_along_too(post, db, clock, promised):
    post("2026-11-23 18:00")
    with db.write() as session:
        incident = service.locked(session, SLUG)
        incident.promise(SIX, "version 1")
        withdrawing.withdraw_version(session, SLUG, 1, "It was wrong.", clock.now())
    assert promised() == FIVE
