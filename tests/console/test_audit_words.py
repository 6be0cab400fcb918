"""Every entry that the portal writes has a sentence, and every detail words: no code, no ISO time."""

import ast
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel

from portal.console.audit.details import detail_words, setting_value
from portal.console.audit.words import named, sentence

ROOT = Path(__file__).parents[2]
# What writes an entry.
WRITES = {"record", "_record", "write_audit"}
# Names in the functions that write entries, of what is no detail but a column, a field or a sealed record.
STORED_ELSEWHERE = {
    "added_at", "added_by", "content", "done_at", "due_at", "incident_id", "more_by", "name", "note",
    "fate", "outcome", "owner", "paused_at", "promised", "promises", "row_mac", "sections_json", "summary",
    "whole",
    "after", "before",  # told of roles and settings alone
}  # fmt: skip


@pytest.fixture
def said():
    app = Flask("words")
    Babel(app, default_timezone="Europe/Madrid")
    with app.test_request_context():
        yield detail_words


def writing():
    """Yield each function that writes entries, with the calls that do."""
    for path in sorted(ROOT.glob("portal/**/*.py")):
        text = path.read_text(encoding="utf-8")
        if "audit.record(" not in text and "write_audit(" not in text:
            continue
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef):
                calls = [each for each in ast.walk(function) if isinstance(each, ast.Call)]
                found = [each for each in calls if ast.unparse(each.func).split(".")[-1] in WRITES]
                if found:
                    yield function, found


def test_every_action_has_a_sentence(said):
    found: set[str] = set()
    for _function, calls in writing():
        for call in calls:
            prefix = "cases." if ast.unparse(call.func).endswith("write_audit") else ""
            texts = [str(each.value) for each in call.args if isinstance(each, ast.Constant)]
            found |= {f"{prefix}{text}" for text in texts if prefix or "." in text or text == "rehearse"}
    assert len(found) > 60
    assert sorted(action for action in found if sentence(action, "x", {}).startswith(action)) == []


def test_every_detail_has_words_or_is_left_out(said):
    names: set[object] = set()
    for function, _calls in writing():
        for node in ast.walk(function):
            if isinstance(node, ast.Dict):
                names |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
            elif (
                isinstance(node, ast.Subscript)
                and ast.unparse(node.value) == "details"
                and isinstance(node.slice, ast.Constant)
            ):
                names.add(node.slice.value)
    untold = {name for name in names if said("x.y", {str(name): True}) == f"{name!s} True"}
    assert untold - STORED_ELSEWHERE == set()
    assert len(names) > 60


@pytest.mark.parametrize(
    ("action", "details", "words"),
    [
        ("staff.roles", {"before": "author", "after": "author approver"},
         "roles before: Author, roles afterwards: Author, Approver"),
        ("staff.roles", {"before": "?", "after": ""}, ""),
        ("settings.change", {"before": "help@a.example", "after": "desk@a.example"},
         "it’s now “desk@a.example”"),
        ("settings.reset", {"before": "desk@a.example", "after": ""}, ""),
        ("incidents.promise", {"at": "2026-12-01T09:30+00:00"},
         "time: 1 December 2026, 09:30 UTC (10:30 Madrid)"),
        ("incidents.promise", {"at": None}, "nothing is promised"),
        ("incidents.schedule", {"at": "2026-12-01T09:30Z", "accepted": "no-apology new-one"},
         ("time: 1 December 2026, 09:30 UTC (10:30 Madrid), accepted, though the checker asked: the apology "
          "doesn’t say sorry; new-one")),
        ("incidents.discovered", {"at": "forged"}, "time: forged"),
        ("incidents.happened", {"day": "2026-10-28"}, "day: 28 October 2026"),
        ("incidents.discreet", {"discreet": False}, "emails say what happened"),
        ("incidents.publish", {"first": True, "statements": "3.en 3.es", "updates": 0},
         "for the first time, versions: 3 (English), 3 (Spanish)"),
        ("incidents.discard", {"classes": True}, "the kinds of data that waited"),
        ("exposure.except", {"people": 1, "new": 1, "reason": "died"},
         "people: 1, new: 1, reason: They died"),
        ("exposure.import", {"widen": "Physical addresses;Passwords"},
         "kinds of data added: Postal addresses; Passwords"),
        ("campaigns.pause", {"notice": 1, "reason": "left-out people changed"},
         "notice 1, reason: Other people are left out now than were approved"),
        ("campaigns.stop", {"reason": "died"}, "reason: died"),
        ("campaigns.draft", {"notice": 1, "kind": "first"}, "notice 1, First notice"),
        ("campaigns.file-taken", {"notice": 2, "people": 3, "request": "ab" * 16}, "notice 2, people: 3"),
        ("mydata.purge", {"closed cases": 2, "prepared copies of people's data": 0}, "closed cases: 2"),
        ("rehearse", {"bytes": 1_200_000}, "size: 1.2 MB"),
        ("rehearse", {"bytes": "9" * 400}, "size: " + "9" * 400),
        ("incidents.promise", {"at": "9999-12-31T23:59-23:00"}, "time: 9999-12-31T23:59-23:00"),
    ],
)  # fmt: skip
def test_codes_times_and_versions_are_told_in_words(said, action, details, words):
    assert said(action, details) == words


def test_what_an_entry_is_about_is_told_in_words(said):
    assert sentence("outbox.retry", "all", {}) == "Queued failed emails again: All failed emails"
    assert sentence("outbox.retry", "smtp-551", {}) == "Queued failed emails again: The inbox has moved."
    assert sentence("reset.require", "everyone", {}) == "Began a required reset: Everyone with an account"
    assert sentence("identity.check", "builtin", {}) == "Tried the user store: In this portal"
    changed = {"before": "", "after": "+34 900"}
    assert (
        sentence(named("settings.change", changed), "contact_phone", changed)
        == "Set a setting: Contact phone"
    )
    assert [setting_value("languages", "es,en"), setting_value("logo", "sha256:00ff")] == [
        "Spanish, English",
        "a picture",
    ]
