"""What else an entry of the audit log holds, in words: `label: value`, or a value with words of its own."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from flask_babel import format_decimal, get_locale, get_timezone, gettext, lazy_gettext

from portal.campaigns.forms import HOLDS
from portal.campaigns.models import CORRECTION, FIRST, SUPPLEMENTARY
from portal.checklist.words import TITLES as ITEMS
from portal.core import dates
from portal.exposure.console.forms import LEFT_OUT_REASONS
from portal.incidents.checker.findings import accepted_words
from portal.incidents.models import PHASES
from portal.staff.approvals.showing import data_kind
from portal.staff.roles import Role
from portal.staff.words import SHORT_ROLES
from portal.web import languages

# Shown in columns of their own or in the sentence, or of use to programs alone.
NOT_TOLD = {
    "by", "approved_by", "asked_by", "digest", "alone", "upload", "file", "held", "token", "mark", "key",
    "session", "passkey", "chunks", "looked_for", "person", "staged", "device", "account", "member", "event",
    "incident", "shown", "case", "request",
}  # fmt: skip
PICTURES = {"logo", "logo_dark"}
LABELS = {
    "accounts": lazy_gettext("accounts: %(value)s"),
    "added": lazy_gettext("added: %(value)s"),
    "addresses": lazy_gettext("addresses: %(value)s"),
    "already": lazy_gettext("locked before: %(value)s"),
    "altered": lazy_gettext("tampered rows, skipped: %(value)s"),
    "bad_rows": lazy_gettext("rejected rows: %(value)s"),
    "at": lazy_gettext("time: %(value)s"),
    "bytes": lazy_gettext("size: %(value)s"),
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
    "accepted": lazy_gettext("accepted, though the checker asked: %(value)s"),
}
# Of one kind of entry alone.
OF_ROLES = {
    "before": lazy_gettext("roles before: %(value)s"),
    "after": lazy_gettext("roles afterwards: %(value)s"),
}
OF_SETTINGS = {"after": lazy_gettext("it’s now “%(value)s”")}
# What `portal purge` counts, by the names that it prints.
PURGED = {
    "account events": lazy_gettext("what changed in accounts: %(value)s"),
    "addresses and texts of mails that were not sent": lazy_gettext(
        "emails that couldn’t be sent: %(value)s"
    ),
    "closed cases": lazy_gettext("closed cases: %(value)s"),
    "counts of answers to an address": lazy_gettext("counts of answers to an address: %(value)s"),
    "ended links and answers": lazy_gettext("ended links and answers: %(value)s"),
    "ended sessions": lazy_gettext("ended sessions: %(value)s"),
    "prepared copies of people's data": lazy_gettext("prepared copies of people’s data: %(value)s"),
    "records of sent mails": lazy_gettext("records of sent emails: %(value)s"),
    "requests that waited or failed": lazy_gettext("requests that waited or failed: %(value)s"),
}
# What says something where it is no or nothing.
NOT = {
    ("incidents.discreet", "discreet"): lazy_gettext("emails say what happened"),
    ("incidents.promise", "at"): lazy_gettext("nothing is promised"),
    ("incidents.happened", "day"): lazy_gettext("no day"),
}
# Of what is either so or not told.
SO = {
    "classes": lazy_gettext("the kinds of data that waited"),
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
NOTICES = {
    FIRST: lazy_gettext("First notice"),
    SUPPLEMENTARY: lazy_gettext("More facts"),
    CORRECTION: lazy_gettext("Correction"),
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
    told = [_told(action, name, value) for name, value in details.items()]
    return ", ".join(one for one in told if one)


def setting_value(name: str, text: str) -> str:
    """Return the value of a setting as its page shows it: no codes, and no begin of a hash."""
    if not text:
        return str(gettext("not set"))
    if name == "languages":
        return ", ".join(languages.name_here(tag) for tag in text.split(","))
    if text.startswith("sha256:"):
        return str(gettext("a picture") if name in PICTURES else gettext("a text"))
    return text


def reason_words(action: str, text: str) -> str:
    """Return why something was done: what somebody typed, or the words of a code."""
    words = {"exposure.except": LEFT_OUT_REASONS, "campaigns.pause": HOLDS}.get(action, {})
    return str(words.get(text, text))


def _told(action: str, name: str, value: Any) -> str:
    if (action, name) in NOT and not value:
        return str(NOT[action, name])
    in_sentence = name == "kind" and action.startswith("approvals.")
    if name in NOT_TOLD or in_sentence or value in (None, False, "", 0, "?"):
        return ""
    if action.startswith("settings."):
        return str(OF_SETTINGS[name]) % {"value": value} if name in OF_SETTINGS else ""
    if value is True and name in SO:
        return str(SO[name])
    if name == "kind":
        return str(NOTICES.get(str(value), value))
    if name == "state":
        return str(STATES.get(str(value), value))
    labels = LABELS | (OF_ROLES if action == "staff.roles" else PURGED if action == "mydata.purge" else {})
    if name not in labels:
        return f"{name} {value}"
    said = reason_words(action, str(value)) if name == "reason" else _value(name, value)
    return str(labels[name]) % {"value": said}


def _value(name: str, value: Any) -> str:
    if name in _VALUES:
        try:
            return _VALUES[name](str(value))
        except (ValueError, OverflowError):  # somebody else wrote it
            return str(value)
    if isinstance(value, bool):
        return str(gettext("yes"))
    return str(format_decimal(value)) if isinstance(value, int) else str(value)


def _roles(text: str) -> str:
    return ", ".join(str(SHORT_ROLES[Role(one)]) if one in list(Role) else one for one in text.split())


def _language() -> str:
    return str(get_locale()).replace("_", "-")


def _phase(text: str) -> str:
    return str(gettext(PHASES[text])) if text in PHASES else text


def _time(text: str) -> str:
    return dates.moment(datetime.fromisoformat(text), _language(), str(get_timezone()))


def _versions(text: str) -> str:
    """Return versions by language, like `3.en 3.es`."""
    versions = (one.partition(".") for one in text.split())
    return ", ".join(
        f"{number} ({languages.name_here(tag)})" if tag else number for number, _, tag in versions
    )


_VALUES: dict[str, Callable[[str], str]] = {
    "accepted": lambda text: "; ".join(gettext(accepted_words(code)) for code in text.split()),
    "after": _roles,
    "at": _time,
    "before": _roles,
    "bytes": lambda text: languages.size_here(int(text)),
    "day": lambda text: dates.day_in_words(date.fromisoformat(text), _language()),
    "how": lambda text: str(HOW.get(text, text)),
    "item": lambda text: str(ITEMS.get(text, text)),
    "language": languages.name_here,
    "phase": _phase,
    "roles": _roles,
    "statements": _versions,
    "widen": lambda text: "; ".join(data_kind(one, _language()) for one in text.split(";")),
}
