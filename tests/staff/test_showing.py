"""Requests in words: what matters most first, by name, and nothing empty."""

import json
from datetime import UTC, datetime

from flask import Flask
from flask_babel import Babel

from portal.staff.approvals import service
from portal.staff.approvals.models import Approval
from portal.staff.approvals.showing import shown_facts, title_of, warnings

TITLES = {"order-archive": "Theft of our order archive"}
BEN = bytes(16)
NAMES = {BEN: "Ben"}
COUNTS = {"people": 10, "addresses": 9, "classes": {"Names": 10, "Passwords": 7}}


def request(kind, shown, fields=()):
    now = datetime(2026, 11, 29, tzinfo=UTC)
    return Approval(kind=kind, shown=json.dumps(shown), fields=json.dumps(dict(fields)), asked_at=now)


def told(one):
    app = Flask("words")
    Babel(app)
    with app.test_request_context():
        return title_of(one, NAMES), shown_facts(one, NAMES, TITLES, "en")


def test_a_reset_of_everyone_says_everyone_first_and_has_no_empty_line():
    shown = {"reset_of": "*", "list_version": "", "counted_at": "2026-11-29 15:00 UTC", "reset_newly": 31}
    title, facts = told(request("reset.require", shown))
    assert title == "Lock the passwords of everyone with an account: 31 passwords"
    assert facts == [
        ("Whose passwords", "Everyone with an account"),
        ("Passwords to lock", "31"),
        ("Counted", "29 November 2026, 15:00 UTC"),
    ]


def test_a_reset_of_a_list_names_its_incident():
    one = request("reset.require", {"reset_of": "order-archive", "list_version": "2", "reset_newly": 1})
    title, facts = told(one)
    assert title == "Lock passwords, and ask for new ones: 1 password"
    assert facts[0] == ("Whose passwords", "Everyone on the list of Theft of our order archive")
    assert service.subject_of(one) == "order-archive"


def test_the_first_list_of_an_incident_is_compared_with_none():
    shown = {"incident": "order-archive", "version": 1, "bad_rows": 0, "compared": None, **COUNTS}
    title, facts = told(request("list.activate", shown))
    assert title == "Activate a list: version 1, 10 people"
    assert facts[0] == ("Incident", "Theft of our order archive")
    assert ("People by kind of data", "Names: 10\nPasswords: 7") in facts
    assert (
        "Compared with the active version",
        "There’s none: it’s the first list of this incident.",
    ) in facts
    assert "None" not in str(facts)


def test_what_could_go_wrong_is_said_before_the_facts_and_they_follow_as_one_judges():
    compared = {"version": 3, "people": 1000, "new": 7, "gone": 1000, "changed": 0, "loses_many": True}
    shown = {"incident": "order-archive", "version": 4, "bad_rows": 1, "compared": compared, **COUNTS}
    one = request("list.activate", dict(sorted(shown.items())))
    app = Flask("words")
    Babel(app)
    with app.test_request_context():
        said = warnings(one)
    assert said == [
        "1 row was rejected. Its people get no notice.",
        "More than a tenth of the people on the active version are gone.",
    ]
    assert told(one)[1] == [
        ("Incident", "Theft of our order archive"),
        ("Version", "4"),
        ("People", "10"),
        ("Addresses", "9"),
        ("People by kind of data", "Names: 10\nPasswords: 7"),
        ("Compared with the active version", "version 3, 1,000 people\n7 new, 1,000 gone, 0 changed"),
    ]
    unharmed = request("list.activate", shown | {"bad_rows": 0, "compared": None})
    with app.test_request_context():
        assert warnings(unharmed) == []
    assert ("Rejected rows", "0") in told(unharmed)[1]


def test_tampered_rows_and_destroying_a_list_are_warnings_too():
    app = Flask("words")
    Babel(app)
    with app.test_request_context():
        altered = warnings(request("reset.require", {"reset_of": "*", "reset_altered": 2}))
        destroyed = warnings(request("list.purge", COUNTS))
    assert altered == ["Somebody changed 2 rows in the database. Their people are skipped."]
    assert destroyed == ["Nobody can read it any more, and nobody can restore it."]


def test_an_approver_sees_how_many_have_which_language_and_whether_the_site_has_it():
    languages = {"*": 2, "en": 1200, "de": 12, "": 3}
    app = Flask("words")
    Babel(app)
    one = request(
        "list.activate", {"incident": "order-archive", "version": 1, "languages": languages, **COUNTS}
    )
    with app.test_request_context():
        facts = dict(shown_facts(one, NAMES, TITLES, "en", ("en", "es")))
    assert facts["People by language"].split("\n") == [
        "English: 1,200",
        "German, which this site doesn’t have (they get English): 12",
        "Not said: 3",
        "Rare languages on this list: 2",
    ]


def test_taking_all_roles_is_called_removing():
    shown = {"member": BEN.hex(), "version": 3, "before": "admin", "after": ""}
    title, facts = told(request("staff.roles", shown))
    assert title == "Remove Ben"
    assert facts == [
        ("Person", "Ben"),
        ("Roles now", "Admin"),
        ("Roles afterwards", "none: they can’t sign in any more"),
    ]
    assert told(request("staff.roles", shown | {"after": "author"}))[0] == "Change Ben’s roles"


def test_new_facts_of_an_incident_say_what_changes_first():
    before = {
        "title": "Theft",
        "titles": "{}",
        "classes": "Physical addresses",
        "happened": "",
        "discreet": "",
    }
    after = before | {"classes": "Passwords;Physical addresses", "happened": "2026-10-29"}
    before |= {"happened": "2026-10-28"}
    shown = {"incident": {"slug": "order-archive"}, "before": before, "after": after}
    _title, facts = told(request("incident.facts", shown))
    assert facts == [
        ("Incident", "Theft of our order archive"),
        ("Kinds of data", "added: Passwords"),
        ("Day it happened", "29 October 2026 (before: 28 October 2026)"),
        ("Title", "Theft"),
        ("Emails say what happened", "yes"),
    ]


def test_kinds_of_data_in_another_order_are_no_change():
    before = {"title": "Theft", "classes": "Physical addresses;Passwords;Names", "discreet": ""}
    after = {"title": "A theft", "classes": "Names;Physical addresses;Passwords", "discreet": "yes"}
    shown = {"incident": {"slug": "order-archive"}, "before": before, "after": after}
    assert told(request("incident.facts", shown))[1] == [
        ("Incident", "Theft of our order archive"),
        ("Title", "A theft (before: Theft)"),
        ("Emails say what happened", "no (before: yes)"),
        ("Kinds of data", "Names; Postal addresses; Passwords"),
    ]
    fewer = shown | {"after": before | {"classes": "Email addresses;Names"}}
    kinds = dict(told(request("incident.facts", fewer))[1])["Kinds of data"]
    assert kinds == "added: Email addresses\nremoved: Postal addresses; Passwords"
