"""Change an update that is public: its draft, what it changes, and its new wordings; earlier ones stay."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.incidents import service, writing
from portal.incidents.differences import Piece, changes, literal
from portal.incidents.drafts import entries
from portal.incidents.drafts.entries import Entry
from portal.incidents.drafts.releasing import Described, NotReleasable, written
from portal.incidents.models import Incident, Update
from portal.incidents.times import as_typed
from portal.incidents.writing import Notify, UpdateText

_KEY = re.compile(r"edit-(\d{11})\Z")


def key_of(number: int) -> str:
    """Return the key of the one draft that changes an update: two authors of it are told apart."""
    return f"edit-{number:011}"


def number_of(key: str) -> int | None:
    """Return the number of the update that a draft changes; None where it is a new one."""
    found = _KEY.match(key)
    return int(found[1]) if found else None


def editable(session: Session, incident: Incident, number: int) -> Update:
    """Return an update that is public. Raises UpdateUnknown, NotReleasable where it is not."""
    row = writing.update_of(session, incident, number)
    if row.withdrawn_at is not None:
        raise NotReleasable("withdrawn")
    if row.published_at is None:
        raise NotReleasable("not-public")
    return row


def was_mailed(session: Session, incident: Incident, key: str) -> bool:
    """Return whether a draft changes an update that subscribers got: they are not mailed again."""
    number = number_of(key)
    if number is None:
        return False
    try:
        return writing.update_of(session, incident, number).announced_at is not None
    except writing.UpdateUnknown:
        return False


def begin(
    session: Session, incident: Incident, row: Update, languages: tuple[str, ...], zone: str
) -> dict[str, str]:
    """Return the parts of an update as they are public, to be changed; its promise is none of them."""
    parts = entries.empty(incident, languages, zone) | {entries.NEXT_BY: "", entries.PHASE: row.phase}
    occurred = row.occurred_on.isoformat() if row.occurred_on else as_typed(row.occurred_at, zone)
    parts[entries.OCCURRED] = occurred
    parts[entries.NOTIFY] = "yes" if row.notify else ""
    for language, (title, body) in _texts(session, row).items():
        if language in languages:
            parts[f"title:{language}"], parts[f"body:{language}"] = title, body
    return parts


def described(session: Session, incident: Incident, number: int, entry: Entry, most: int) -> Described:
    """Return what an edit changes: the update as it is public, and as it will be. Raises NotReleasable."""
    row = editable(session, incident, number)
    before = _texts(session, row)
    same = entry.phase == row.phase and not _is_other_time(row, entry)
    if same and all(before.get(one[0]) == one[1:] for one in entry.texts):
        raise NotReleasable("unchanged")
    return {
        "edits": number,
        "before": {
            "phase": row.phase,
            "occurred": _occurred(row.occurred_at, row.occurred_on),
            "texts": [[language, *text] for language, text in sorted(before.items())],
        },
        "mailed_at_most": most if entry.notify and row.announced_at is None else 0,
    }


def occurred_of(session: Session, incident: Incident, number: int, entry: Entry) -> str:
    """Return when a public update occurred after an edit, as it is shown: without another time it stays."""
    row = editable(session, incident, number)
    if entry.when is not None and _is_other_time(row, entry):
        return _occurred(entry.when.at, entry.when.day)
    return _occurred(row.occurred_at, row.occurred_on)


def store(
    session: Session, slug: str, number: int, entry: Entry, accepted: tuple[str, ...], now: datetime
) -> Update:
    """Store what an edit changes, in each language that it changes. Raises NotReleasable, UpdateUnknown."""
    incident = service.locked(session, slug)
    row = editable(session, incident, number)
    before, moved = _texts(session, row), _is_other_time(row, entry)
    changed = [one for one in entry.texts if before.get(one[0]) != one[1:]]
    for language, title, body in changed or entry.texts[:1]:
        text = UpdateText(
            language=language,
            phase=entry.phase,
            title=title,
            body=body,
            occurred_at=entry.when.at if entry.when and moved else None,
            notify=Notify.YES if entry.notify else Notify.NO,
            occurred_on=entry.when.day if entry.when and moved else None,
        )
        writing.edit_update(session, slug, number, text, now, accepted)
    return row


def changed_of(shown: Mapping[str, Any]) -> list[tuple[str, list[list[Piece]]]]:
    """Return what an edit changes word by word, by language, of what was shown; nothing for a new update."""
    if "edits" not in shown:
        return []
    before = {language: (title, body) for language, title, body in shown["before"]["texts"]}
    found = []
    for language, title, body in shown["texts"]:
        old = _as_markdown(*before[language]) if language in before else ""
        found.append((language, changes(old, _as_markdown(title, body))))
    return [(language, pieces) for language, pieces in found if pieces]


def _is_other_time(row: Update, entry: Entry) -> bool:
    """Return whether the time changes: without one the stored one stays, and so do its seconds."""
    when = entry.when
    if when is None:
        return False
    stored = (row.occurred_at, row.occurred_on)
    to_the_minute = (row.occurred_at.replace(second=0, microsecond=0), row.occurred_on)
    return (when.at, when.day) not in (stored, to_the_minute)


def _texts(session: Session, row: Update) -> dict[str, tuple[str, str]]:
    """Return title and text of an update in each language, as they are now."""
    return {one.language: (one.title, one.body) for one in service.wordings_of(session, row)}


def _occurred(at: datetime, day: Any) -> str:
    return str(day.isoformat()) if day else written(at)


def _as_markdown(title: str, body: str) -> str:
    return f"{literal(title)}\n\n{body}"
