"""What else an entry of the audit log holds, in words: `label: value`, or a value with words of its own."""

from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import format_decimal, gettext, lazy_gettext

from portal.campaigns.forms import KINDS
from portal.checklist.words import TITLES as ITEMS
from portal.incidents.models import PHASES
from portal.staff.roles import Role
from portal.staff.words import SHORT_ROLES
from portal.web import languages

# Shown in columns of their own or in the sentence, or of use to programs alone.
NOT_TOLD = {
    "by", "approved_by", "asked_by", "digest", "alone", "upload", "file", "held", "token", "mark", "key",
    "session", "passkey", "chunks", "looked_for", "person", "staged", "device", "account", "member", "event",
    "incident", "shown",
}  # fmt: skip
LABELS = {
    "accounts": lazy_gettext("accounts: %(value)s"),
    "added": lazy_gettext("added: %(value)s"),
    "addresses": lazy_gettext("addresses: %(value)s"),
    "after": lazy_gettext("roles afterwards: %(value)s"),
    "already": lazy_gettext("locked before: %(value)s"),
    "altered": lazy_gettext("tampered rows, skipped: %(value)s"),
    "bad_rows": lazy_gettext("rejected rows: %(value)s"),
    "before": lazy_gettext("roles before: %(value)s"),
    "bytes": lazy_gettext("bytes: %(value)s"),
    "changed": lazy_gettext("changed: %(value)s"),
    "classes": lazy_gettext("kinds of data: %(value)s"),
    "codes": lazy_gettext("codes: %(value)s"),
    "day": lazy_gettext("day: %(value)s"),
    "duplicates": lazy_gettext("rows that name somebody again: %(value)s"),
    "earlier": lazy_gettext("told before: %(value)s"),
    "former": lazy_gettext("in place of version %(value)s"),
    "gone": lazy_gettext("gone: %(value)s"),
    "how": lazy_gettext("with %(value)s"),
    "invited": lazy_gettext("invited: %(value)s"),
    "item": lazy_gettext("task: %(value)s"),
    "kind": lazy_gettext("kind: %(value)s"),
    "language": lazy_gettext("language: %(value)s"),
    "left_out": lazy_gettext("addresses left out on request: %(value)s"),
    "list": lazy_gettext("version %(value)s of the list"),
    "list_version": lazy_gettext("version %(value)s of the list"),
    "mails": lazy_gettext("emails: %(value)s"),
    "members": lazy_gettext("people of staff: %(value)s"),
    "must_choose": lazy_gettext("must choose a password: %(value)s"),
    "new": lazy_gettext("new: %(value)s"),
    "newly": lazy_gettext("passwords locked: %(value)s"),
    "notice": lazy_gettext("notice %(value)s"),
    "on_list": lazy_gettext("on the list: %(value)s"),
    "outside": lazy_gettext("addresses outside the audience: %(value)s"),
    "people": lazy_gettext("people: %(value)s"),
    "phase": lazy_gettext("phase: %(value)s"),
    "ran_as": lazy_gettext("as the system user %(value)s"),
    "reason": lazy_gettext("reason: %(value)s"),
    "removed": lazy_gettext("removed: %(value)s"),
    "renewed": lazy_gettext("renewed since: %(value)s"),
    "requests": lazy_gettext("requests: %(value)s"),
    "roles": lazy_gettext("roles: %(value)s"),
    "silent": lazy_gettext("addresses that get no notice: %(value)s"),
    "statements": lazy_gettext("versions: %(value)s"),
    "unchanged": lazy_gettext("unchanged: %(value)s"),
    "update": lazy_gettext("update %(value)s"),
    "updates": lazy_gettext("updates: %(value)s"),
    "version": lazy_gettext("version %(value)s"),
    "waves": lazy_gettext("waves: %(value)s"),
    "widen": lazy_gettext("kinds of data added: %(value)s"),
    "written": lazy_gettext("emails queued: %(value)s"),
    "accepted": lazy_gettext("what the checker said was accepted"),
}
# Of what is either so or not told.
SO = {
    "again": lazy_gettext("not for the first time"),
    "destroyed": lazy_gettext("its text is destroyed"),
    "discreet": lazy_gettext("emails say nothing of the breach"),
    "dry_run": lazy_gettext("only tried"),
    "ends_promise": lazy_gettext("the promise of news dropped"),
    "first": lazy_gettext("for the first time"),
    "holding": lazy_gettext("as a holding statement"),
    "keeps_promise": lazy_gettext("the promise of news kept"),
    "notice_goes_on": lazy_gettext("a notice goes on"),
    "notify": lazy_gettext("emailed to subscribers"),
    "replace": lazy_gettext("although many people are gone"),
    "recovery": lazy_gettext("with recovery codes"),
}
STATES = {"uncertain": lazy_gettext("those that may have been sent, too")}
HOW = {
    "totp": lazy_gettext("a code"),
    "code": lazy_gettext("a code"),
    "passkey": lazy_gettext("a passkey"),
    "recovery": lazy_gettext("a recovery code"),
}


def detail_words(action: str, details: Mapping[str, Any]) -> str:
    """Return what else an entry holds, in words where there are some; nothing that is empty, no or 0."""
    told = []
    for name, value in details.items():
        in_sentence = name == "kind" and action.startswith("approvals.")
        if name in NOT_TOLD or in_sentence or value in (None, False, "", 0):
            continue
        if value is True and name in SO:
            told.append(str(SO[name]))
        elif name == "state":
            told.append(str(STATES.get(str(value), value)))
        elif name in LABELS:
            told.append(str(LABELS[name]) % {"value": _value(name, value)})
        else:
            told.append(f"{name} {value}")
    return ", ".join(told)


def _value(name: str, value: Any) -> str:
    if isinstance(value, int):
        return str(format_decimal(value))
    return _VALUES[name](str(value)) if name in _VALUES else str(value)


def _roles(text: str) -> str:
    return ", ".join(str(SHORT_ROLES[Role(one)]) if one in list(Role) else one for one in text.split())


def _phase(text: str) -> str:
    return str(gettext(PHASES[text])) if text in PHASES else text


_VALUES: dict[str, Callable[[str], str]] = {
    "after": _roles,
    "before": _roles,
    "how": lambda text: str(HOW.get(text, text)),
    "item": lambda text: str(ITEMS.get(text, text)),
    "kind": lambda text: str(KINDS.get(text, text)),
    "language": languages.name_here,
    "phase": _phase,
    "roles": _roles,
}
