"""Two authors, two tabs and a bad connection: nothing that was typed is lost."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.incidents.drafts import store
from portal.incidents.drafts.models import Draft
from portal.incidents.drafts.store import Conflict
from tests.incidents.conftest import SLUG

DOCUMENT = "statement:en"


@pytest.fixture
def save(db, clock, incident):
    """Saves a draft as one author; gives its revision, or the conflict."""

    def saved(parts, base, author="Ana", *, wait=90):
        clock.advance(timedelta(seconds=wait))
        with db.write() as session:
            done = store.save(session, SLUG, DOCUMENT, parts, base, author, clock.now())
            return done if isinstance(done, Conflict) else done.revision

    return saved


@pytest.fixture
def saves(db, incident):
    def read():
        with db.read() as session:
            return [
                (one.revision, one.parts["apology"], one.author, one.aside)
                for one in store.history(session, incident, DOCUMENT)
            ]

    return read


@pytest.fixture
def stored(db, incident):
    """The numbers of all saves, also of those that the history leaves out."""

    def read():
        with db.read() as session:
            return list(session.scalars(select(Draft.revision).order_by(Draft.revision.desc())))

    return read


def test_each_save_is_kept_with_its_author_and_what_it_was_based_on(save, saves, db, incident):
    assert save({"apology": "We are"}, 0) == 1
    assert save({"apology": "We are sorry."}, 1, "Ben") == 2
    assert saves() == [(2, "We are sorry.", "Ben", False), (1, "We are", "Ana", False)]
    with db.read() as session:
        head = store.head(session, incident, DOCUMENT)
        assert head is not None
        assert (head.base, head.parts) == (1, {"apology": "We are sorry."})
        assert store.head(session, incident, "statement:es") is None


@pytest.mark.parametrize("second", ["Ben", "Ana"])
def test_of_two_authors_or_two_tabs_the_later_one_is_told_and_both_texts_are_kept(save, saves, second):
    assert save({"apology": "We are sorry.", "title": "A"}, 0) == 1
    assert save({"apology": "We are so sorry.", "title": "A"}, 1) == 2
    refused = save({"apology": "We apologise.", "title": "A"}, 1, second)
    assert isinstance(refused, Conflict)
    assert (refused.theirs.revision, refused.theirs.parts["apology"]) == (2, "We are so sorry.")
    assert (refused.yours.revision, refused.yours.parts["apology"]) == (3, "We apologise.")
    assert saves()[0] == (3, "We apologise.", second, True)
    assert save({"apology": "We are so sorry.", "title": "B"}, 2) == 4


def test_a_conflict_says_who_changed_which_part(save, db, incident):
    save({"title": "A", "apology": "a", "section1": "x", "note": "n"}, 0)
    save({"title": "A", "apology": "theirs", "section1": "they", "note": "n"}, 1, "Ben")
    refused = save({"title": "B", "apology": "a", "section1": "I", "note": "n"}, 1)
    with db.read() as session:
        found = store.compare(session, incident, refused)
    assert [(one.part, one.theirs, one.yours, one.changed_by) for one in found] == [
        ("title", "A", "B", "yours"),
        ("apology", "theirs", "a", "theirs"),
        ("section1", "they", "I", "both"),
    ]


def test_the_same_save_again_after_a_lost_answer_is_no_conflict(save, saves):
    assert save({"apology": "We are sorry."}, 0) == 1
    assert save({"apology": "We are sorry."}, 0) == 1
    assert len(saves()) == 1


def test_a_tab_in_which_nothing_was_changed_is_no_conflict(save, saves):
    save({"apology": "a"}, 0)
    save({"apology": "b"}, 1, "Ben")
    assert save({"apology": "a"}, 1) == 2
    assert saves()[0][1] == "b"


def test_a_refused_save_that_is_tried_again_is_kept_once_and_another_one_as_well(save, saves):
    save({"apology": "a"}, 0)
    save({"apology": "b"}, 1, "Ben")
    for text in ("c", "c", "d"):
        assert isinstance(save({"apology": text}, 1), Conflict)
    assert [(text, aside) for _, text, _, aside in saves()] == [
        ("d", True), ("c", True), ("b", False), ("a", False),
    ]  # fmt: skip


def test_typing_for_a_minute_is_one_row_of_the_history_and_no_number_comes_twice(save, saves, stored):
    assert save({"apology": "a"}, 0, wait=0) == 1
    assert save({"apology": "ab"}, 1, wait=5) == 2
    assert save({"apology": "abc"}, 2, wait=5) == 3
    assert save({"apology": "abcd"}, 3, "Ben", wait=5) == 4
    assert [(number, text) for number, text, *_ in saves()] == [(4, "abcd"), (3, "abc")]
    assert stored() == [4, 3, 2, 1]  # pages that are open are based on them
    assert save({"apology": "abcde"}, 4, wait=31 * 60) == 5
    assert stored() == [5, 4, 3]


def test_a_tab_of_the_same_minute_knows_which_part_it_did_not_change(save, db, incident):
    save({"title": "A", "apology": "a"}, 0, wait=0)
    save({"title": "A", "apology": "ab"}, 1, wait=5)
    refused = save({"title": "B", "apology": "a"}, 1, wait=5)
    with db.read() as session:
        found = store.compare(session, incident, refused)
    assert [(one.part, one.changed_by) for one in found] == [("title", "yours"), ("apology", "theirs")]


def test_the_history_is_bounded_and_an_earlier_text_can_be_restored(save, saves, db, clock):
    for number in range(125):
        assert save({"apology": f"text {number}"}, number) == number + 1
    kept = saves()
    assert (len(kept), kept[0][:2], kept[-1][:2]) == (120, (125, "text 124"), (6, "text 5"))
    with db.write() as session:
        store.restore(session, SLUG, DOCUMENT, 6, "Ben", clock.now())
    assert saves()[:2] == [(126, "text 5", "Ben", False), (125, "text 124", "Ana", False)]
    with db.write() as session, pytest.raises(store.DraftUnknown):
        store.restore(session, SLUG, DOCUMENT, 1, "Ben", clock.now())


def test_a_text_without_end_is_refused(save, saves):
    with pytest.raises(store.DraftTooLong):
        save({"apology": "a" * 200_001}, 0)
    assert saves() == []


def test_a_discarded_incident_takes_its_drafts_along(save, saves, portal):
    save({"apology": "a"}, 0)
    portal("incidents", "discard", SLUG, "--confirm")
    assert saves() == []
