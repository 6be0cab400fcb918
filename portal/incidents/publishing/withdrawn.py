"""What readers are told of a text that was withdrawn, in its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.i18n import catalogue
from portal.core.i18n import mark as N_
from portal.incidents.differences import literal
from portal.incidents.models import Incident, Statement, Update, Wording

WITHDRAWN_UPDATE = N_("We withdrew this update")


@dataclass(frozen=True)
class Withdrawal:
    """What readers are told of a text that was withdrawn.

    `reason` is in the reader's language, else in another one, which `language` names. `hashes` are the
    SHA-256 of the text by language, or under the empty string; none if it was erased.
    """

    at: datetime
    reason: str
    language: str
    hashes: dict[str, str]


@dataclass(frozen=True)
class WithdrawnVersion:
    """A version of the statement that was withdrawn; `at` is its publication."""

    number: int
    at: datetime
    languages: tuple[str, ...]
    withdrawal: Withdrawal


def withdrawn_versions(
    session: Session, incident: Incident, languages: Sequence[str]
) -> list[WithdrawnVersion]:
    """Return the versions of the statement that were withdrawn, newest first.

    `languages` are the reader's, the portal's default one last.
    """
    query = (
        select(Statement)
        .where(Statement.incident_id == incident.id, Statement.withdrawn_at.is_not(None))
        .order_by(Statement.number.desc(), Statement.language)
    )
    by_number: dict[int, list[Statement]] = {}
    for statement in session.scalars(query):
        by_number.setdefault(statement.number, []).append(statement)
    found = []
    for number, texts in by_number.items():
        hashes = {text.language: text.text_hash.hex() for text in texts if text.text_hash}
        withdrawal = withdrawal_of(texts[0], languages, hashes)
        if withdrawal is not None:
            published = min(text.published_at or text.written_at for text in texts)
            written = tuple(text.language for text in texts)
            found.append(WithdrawnVersion(number, published, written, withdrawal))
    return found


def withdrawal_of(
    row: Statement | Update, languages: Sequence[str], hashes: dict[str, str]
) -> Withdrawal | None:
    """Return what is told of a withdrawn text, or None.

    `languages` are the reader's, the portal's default one last. The reason is in one of them or, where the
    default was another one then, in that.
    """
    if row.withdrawn_at is None:
        return None
    reasons, own = dict(row.withdrawn_in or {}), row.withdrawn_language
    if own is None and languages[-1] not in reasons:
        own = languages[-1]  # nobody noted it, and most portals keep their default
    if own is not None:
        reasons[own] = row.withdrawn_for or ""
    language = next((one for one in languages if one in reasons), own or languages[-1])
    return Withdrawal(row.withdrawn_at, reasons[language], language, hashes)


def words_in_place(row: Update, withdrawal: Withdrawal, language: str) -> Wording:
    """Return what readers see instead of a withdrawn update's texts."""
    title = catalogue(language).gettext(WITHDRAWN_UPDATE)
    return Wording(
        update_id=row.id,
        language=language,
        title=title,
        body=literal(withdrawal.reason),
        phase=row.phase,
        occurred_at=row.occurred_at,
        at=withdrawal.at,
    )
