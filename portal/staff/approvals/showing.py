"""Show exactly what a request asks for, in words, the most important fact first."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from flask_babel import format_decimal, get_timezone, gettext, lazy_gettext, ngettext

from portal.core import dates
from portal.core.i18n import matching_language
from portal.datakinds import names as data_names
from portal.datakinds import taxonomy
from portal.people_files.rows import UNKNOWN_LANGUAGE
from portal.staff.approvals import service
from portal.staff.approvals.models import Approval
from portal.staff.roles import Role
from portal.staff.words import SHORT_ROLES
from portal.web.languages import name_here

TITLES = {
    "list.activate": lazy_gettext("Activate a list"),
    "list.purge": lazy_gettext("Destroy a list"),
    "staff.invite": lazy_gettext("Invite somebody"),
    "staff.passkey": lazy_gettext("Let somebody add a passkey"),
    "staff.roles": lazy_gettext("Change somebody’s roles"),
    "statement.publish": lazy_gettext("Publish the statement"),
    "reset.require": lazy_gettext("Lock passwords, and ask for new ones"),
    "update.post": lazy_gettext("Post an update"),
    "incident.facts": lazy_gettext("Change an incident’s facts"),
    "notice.start": lazy_gettext("Start a notice"),
    "people.export": lazy_gettext("Download a list of people"),
}
STATES = {
    "open": lazy_gettext("Waiting"),
    "approved": lazy_gettext("Approved, and under way"),
    "done": lazy_gettext("Approved and done"),
    "failed": lazy_gettext("Approved, but it didn’t work"),
    "sent-back": lazy_gettext("Sent back"),
    "withdrawn": lazy_gettext("Withdrawn"),
    "void": lazy_gettext("Cancelled by an edit"),
}
LABELS = {
    "member": lazy_gettext("Person"),
    "roles": lazy_gettext("Roles"),
    "before": lazy_gettext("Roles now"),
    "after": lazy_gettext("Roles afterwards"),
    "version": lazy_gettext("Version"),
    "incident": lazy_gettext("Incident"),
    "data_classes": lazy_gettext("Kinds of data"),
    "titles": lazy_gettext("Titles in other languages"),
    "title": lazy_gettext("Title"),
    "happened": lazy_gettext("Day it happened"),
    "discreet": lazy_gettext("Emails say what happened"),
    "people": lazy_gettext("People"),
    "addresses": lazy_gettext("Addresses"),
    "bad_rows": lazy_gettext("Rejected rows"),
    "classes": lazy_gettext("People by kind of data"),
    "languages": lazy_gettext("People by language"),
    "compared": lazy_gettext("Compared with the active version"),
    "notice": lazy_gettext("Notice"),
    "copy": lazy_gettext("Copy"),
    "missed_at_most": lazy_gettext("Addresses whose email failed or was maybe sent, at most"),
    "missed_not_queued": lazy_gettext("Addresses whose email was stopped before it was queued"),
    "reset_of": lazy_gettext("Whose passwords"),
    "list_version": lazy_gettext("Version of the list"),
    "counted_at": lazy_gettext("Counted"),
    "reset_newly": lazy_gettext("Passwords to lock"),
    "reset_already": lazy_gettext("Locked before, and not renewed yet"),
    "reset_renewed": lazy_gettext("Renewed since, by an emailed link"),
    "reset_mails": lazy_gettext("Emails to owners"),
    "reset_accounts": lazy_gettext("Accounts found"),
    "reset_people": lazy_gettext("People on the list whose passwords were taken"),
    "reset_altered": lazy_gettext("Tampered rows, skipped"),
}
# The order in which an approver judges: what or whom, how many, what changes; then what is not named here.
_ORDER = (
    "member",
    "before",
    "after",
    "reset_of",
    "reset_newly",
    "reset_mails",
    "incident",
    "notice",
    "version",
    "list_version",
    "copy",
    "people",
    "addresses",
    "missed_at_most",
    "missed_not_queued",
    "bad_rows",
    "classes",
    "languages",
    "compared",
    "reset_people",
    "reset_accounts",
    "reset_already",
    "reset_renewed",
    "reset_altered",
    "counted_at",
)
_ROLES = ("roles", "before", "after")
_RARE = "*"  # counted together
_NO_LANGUAGE = {"": lazy_gettext("Not said"), _RARE: lazy_gettext("Rare languages on this list")}


def title_of(approval: Approval, names: Mapping[bytes, str]) -> str:
    """Return what a request asks for, with how many or of whom; its kind where there are no words."""
    shown, fields = service.shown_of(approval), service.fields_of(approval)
    who = names.get(_member_id(shown), "?")
    if approval.kind == "staff.roles":
        words = gettext("Change %(name)s’s roles", name=who)
        return str(words if shown.get("after") else gettext("Remove %(name)s", name=who))
    if approval.kind == "staff.invite":
        return str(gettext("Invite %(name)s", name=who))
    if approval.kind == "staff.passkey":
        return str(gettext("Let %(name)s add a passkey", name=who))
    title = str(TITLES.get(approval.kind, approval.kind))
    if shown.get("reset_of") == service.EVERYONE:
        title = str(gettext("Lock the passwords of everyone with an account"))
    return ": ".join([title, ", ".join(_extent(approval.kind, shown | fields))]).removesuffix(": ")


def shown_facts(
    approval: Approval,
    names: Mapping[bytes, str],
    incidents: Mapping[str, str],
    language: str,
    spoken: tuple[str, ...] = (),
) -> list[tuple[str, str]]:
    """Return what was shown as label and text, in the order in which one judges it; nothing empty.

    What `warnings` says is left out.

    `names` are those of members by id, `incidents` the titles of incidents by slug in a
    language, in which kinds of data are named too. `spoken` are the site's languages.
    """
    shown = service.shown_of(approval)
    if approval.kind.startswith("staff."):
        shown.pop("version", None)  # of the member's row: it binds the request, and tells a person nothing
    if approval.kind == "list.activate":
        shown["compared"] = _compared(shown.get("compared"))
    if approval.kind == "incident.facts":
        shown = _edits(shown, language)
    if isinstance(shown.get("classes"), dict):
        shown["classes"] = [
            f"{data_kind(name, language)}: {format_decimal(people)}"
            for name, people in shown["classes"].items()
        ]
    if isinstance(shown.get("languages"), dict):
        shown["languages"] = by_language(shown["languages"], spoken)
    of_incident = shown.get("incident")
    if isinstance(of_incident, dict):
        shown["incident"] = of_incident.get("slug", "")
    for warned in _warnings(shown):
        shown.pop(warned, None)
    ordered = {key: shown[key] for key in _ORDER if key in shown} | shown
    facts = [
        (label, _written(key, value, names, incidents, language)) for key, label, value in _flat(ordered, "")
    ]
    return [(label, text) for label, text in facts if text]


def warnings(approval: Approval) -> list[str]:
    """Return what an approver must know before anything else, a sentence each."""
    shown = service.shown_of(approval)
    said = list(_warnings(shown).values())
    compared = shown.get("compared")
    if isinstance(compared, dict) and compared.get("loses_many"):
        said.append(gettext("More than a tenth of the people on the active version are gone."))
    if approval.kind == "list.purge":
        said.append(gettext("Nobody can read it any more, and nobody can restore it."))
    return said


def _warnings(shown: Mapping[str, Any]) -> dict[str, str]:
    """Return the warnings that a single number gives, by its name."""
    said = {}
    if rejected := _number(shown.get("bad_rows")):
        said["bad_rows"] = ngettext(
            "%(rows)s row was rejected. Its people get no notice.",
            "%(rows)s rows were rejected. Their people get no notice.",
            rejected,
            rows=format_decimal(rejected),
        )
    if altered := _number(shown.get("reset_altered")):
        said["reset_altered"] = ngettext(
            "Somebody changed %(rows)s row in the database. Its person is skipped.",
            "Somebody changed %(rows)s rows in the database. Their people are skipped.",
            altered,
            rows=format_decimal(altered),
        )
    return said


def _compared(with_active: Mapping[str, Any] | None) -> list[str]:
    """Return what a list changes against the active version, a line each."""
    if with_active is None:
        return [gettext("There’s none: it’s the first list of this incident.")]
    counts = {name: format_decimal(with_active[name]) for name in ("new", "gone", "changed")}
    return [
        ", ".join(_extent("list.", with_active)),
        gettext("%(new)s new, %(gone)s gone, %(changed)s changed", **counts),
    ]


def by_language(counts: Mapping[str, int], spoken: tuple[str, ...]) -> list[str]:
    """Return how many people of a list have each language, and which ones a site does not have."""
    lines = []
    for tag, people in sorted(counts.items(), key=lambda one: one[0] == _RARE):
        name = _NO_LANGUAGE[tag] if tag in _NO_LANGUAGE else name_here(tag)
        here = name_here(spoken[0]) if spoken else ""
        if tag == UNKNOWN_LANGUAGE:
            name = gettext("A language that we don’t know (they get %(other)s)", other=here)
        elif tag not in _NO_LANGUAGE and matching_language(tag, spoken) is None:
            name = gettext(
                "%(language)s, which this site doesn’t have (they get %(other)s)", language=name, other=here
            )
        lines.append(f"{name}: {format_decimal(people)}")
    return lines


def data_kind(name: str, language: str) -> str:
    """Return what readers of a language see of a kind of data, or the name where it is none."""
    try:
        return data_names.shown(taxonomy.find(name), language)
    except taxonomy.UnknownDataClass:
        return name


def _member_id(shown: Mapping[str, Any]) -> bytes:
    try:
        return bytes.fromhex(str(shown.get("member", "")))
    except ValueError:
        return b""


def _extent(kind: str, facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield which version or notice a request is about, and how many people."""
    if kind.startswith("list."):
        yield str(gettext("version %(number)s", number=facts.get("version", "?")))
        people = _number(facts.get("people"))
        yield str(ngettext("%(number)s person", "%(number)s people", people, number=format_decimal(people)))
    elif kind == "reset.require":
        yield str(ngettext("%(num)s password", "%(num)s passwords", _number(facts.get("reset_newly"))))
    elif kind == "notice.start":
        yield str(ngettext("%(num)s email", "%(num)s emails", _number(facts.get("mails"))))
    elif kind == "people.export":
        yield str(gettext("notice %(number)s", number=facts.get("notice", "?")))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _edits(shown: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return an incident's facts as they will be, those that change first, with what they were before."""
    before, after = shown.get("before", {}), shown.get("after", {})
    changed: dict[str, Any] = {}
    same: dict[str, Any] = {}
    for key, value in after.items():
        former = before.get(key)
        if key == "classes":
            lines = _changed_kinds(former, value, language)
            (changed if lines else same)["data_classes"] = lines or _kinds(_listed(value), language)
        elif value != former:
            changed[key] = gettext(
                "%(after)s (before: %(before)s)",
                after=_fact(key, value, language) or gettext("none"),
                before=_fact(key, former, language) or gettext("none"),
            )
        elif key != "slug":
            same[key] = _fact(key, value, language)
    return {"incident": shown.get("incident", {})} | changed | same


def _changed_kinds(before: Any, after: Any, language: str) -> list[str]:
    """Return which kinds of data an incident gets and loses, a line each; their order is no change."""
    was, will = _listed(before), _listed(after)
    added = [name for name in will if name not in was]
    removed = [name for name in was if name not in will]
    lines = []
    if added:
        lines.append(gettext("added: %(kinds)s", kinds=_kinds(added, language)))
    if removed:
        lines.append(gettext("removed: %(kinds)s", kinds=_kinds(removed, language)))
    return lines


def _listed(names: Any) -> list[str]:
    return [name for name in str(names or "").split(taxonomy.SEPARATOR) if name]


def _kinds(names: list[str], language: str) -> str:
    return "; ".join(data_kind(name, language) for name in names)


def _fact(key: str, value: Any, language: str) -> str:
    """Return one of an incident's facts as text; titles by language are JSON there."""
    text = str(value or "")
    if key == "titles" and text:
        return "; ".join(f"{name_here(tag, alone=True)}: {title}" for tag, title in json.loads(text).items())
    if key == "happened" and text:
        return dates.day_in_words(date.fromisoformat(text), language)
    if key == "discreet":
        return str(gettext("no") if text == "yes" else gettext("yes"))
    return text


def _flat(shown: Mapping[str, Any], place: str) -> Iterator[tuple[str, str, Any]]:
    for key, value in shown.items():
        label = f"{place}{LABELS.get(key, key)}"
        if isinstance(value, dict):
            yield from _flat(value, f"{label}: ")
        else:
            yield key, label, value


def _written(
    key: str, value: Any, names: Mapping[bytes, str], incidents: Mapping[str, str], language: str
) -> str:
    if key == "member":
        return names.get(_member_id({key: value}), str(value))
    if key in _ROLES:
        said = ", ".join(str(SHORT_ROLES[Role(role)]) for role in str(value).split())
        return said or str(gettext("none: they can’t sign in any more"))
    if key == "counted_at" and value:
        counted = datetime.strptime(str(value), "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
        return dates.moment(counted, language, str(get_timezone()))
    if key == "reset_of" and value == service.EVERYONE:
        return str(gettext("Everyone with an account"))
    if key in ("reset_of", "incident") and str(value) in incidents:
        title = incidents[str(value)]
        return gettext("Everyone on the list of %(title)s", title=title) if key == "reset_of" else title
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(gettext("yes") if value else gettext("no"))
    if isinstance(value, list):
        return "\n".join(
            one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in value
        )
    if isinstance(value, int):
        return str(format_decimal(value))
    return "" if value is None else str(value)
