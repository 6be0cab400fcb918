"""Withdraw a published text in public, and destroy one that leaks.

Its address, number and times stay, and say why. `erase` also overwrites the text in the database; without it,
its SHA-256 stays, which would betray a phone number to who knows the rest of the text.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.one_line import is_plain
from portal.incidents import service
from portal.incidents.models import Incident, Statement, Update, Wording
from portal.incidents.publishing import promises
from portal.incidents.publishing.plan import current_wordings, hash_of_statement, hash_of_update
from portal.incidents.writing import update_of

MAX_REASON = 500
ERASED = "–"
NO_OTHERS: Mapping[str, str] = {}


class ReasonInvalid(ValueError):
    """The reason is empty, longer than 500 characters, or more than one line."""


class NotPublished(LookupError):
    """The text is a draft, or there is none of this number."""


class AlreadyWithdrawn(ValueError):
    """The text was withdrawn before; it can only be erased yet."""


def checked_reason(reason: str) -> str:
    """Return a reason without outer whitespace. Raises ReasonInvalid."""
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON or not is_plain(reason):
        raise ReasonInvalid(f"the reason is one line of at most {MAX_REASON} characters")
    return reason


def checked_others(others: Mapping[str, str]) -> dict[str, str]:
    """Return the reasons in other languages, without empty ones. Raises ReasonInvalid."""
    return {language: checked_reason(text) for language, text in others.items() if text.strip()}


def published_version(session: Session, incident: Incident, number: int) -> list[Statement]:
    """Return the public texts of a version, one a language. Raises NotPublished."""
    rows = session.scalars(
        select(Statement)
        .where(Statement.incident_id == incident.id, Statement.number == number)
        .where(Statement.published_at.is_not(None))
        .order_by(Statement.language)
    )
    if not (found := list(rows)):
        raise NotPublished(
            f"no version {number} of the statement is public. See: portal incidents show {incident.slug}"
        )
    return found


def published_update(session: Session, incident: Incident, number: int) -> Update:
    """Return a public update. Raises NotPublished, UpdateUnknown."""
    row = update_of(session, incident, number)
    if row.published_at is None:
        raise NotPublished(
            f"update {number} is a draft. To delete it: "
            f"portal incidents discard {incident.slug} --update {number}"
        )
    return row


def withdraw_version(
    session: Session,
    slug: str,
    number: int,
    reason: str,
    now: datetime,
    *,
    erase: bool = False,
    others: Mapping[str, str] = NO_OTHERS,
    promise: str = "",
    language: str | None = None,
) -> None:
    """Withdraw a version of the statement in all its languages; the newest of the others takes its place.

    `reason` is in the portal's default language, which is `language`, `others` are the same by language.
    `promise` is what becomes of one that it made: see `promises.settle`. Raises IncidentUnknown,
    NotPublished, AlreadyWithdrawn, ReasonInvalid, ChoiceInvalid.
    """
    incident = service.locked(session, slug)
    rows = published_version(session, incident, number)
    _refuse_again(rows[0], f"version {number}", erase=erase)
    for row in rows:
        values = _told(row, reason, language, others, now)
        values["text_hash"] = None if erase else hash_of_statement(row)
        if erase:
            values |= dict.fromkeys(("title", "signed_by", "role", "apology"), ERASED)
            values |= {"note": None, "summary": None, "sections_json": "[]"}
        session.execute(update(Statement).where(Statement.id == row.id).values(values))
    session.expire_all()
    promises.settle(session, incident, promises.of_version(number), promise, now)
    _record(session, slug, {"version": number, "reason": reason.strip()}, now, erase=erase)


def withdraw_update(
    session: Session,
    slug: str,
    number: int,
    reason: str,
    now: datetime,
    *,
    erase: bool = False,
    others: Mapping[str, str] = NO_OTHERS,
    promise: str = "",
    language: str | None = None,
) -> bytes:
    """Withdraw an update, and return its id; mails about it that did not leave yet are not sent.

    All other arguments are as of a version. Raises IncidentUnknown, UpdateUnknown, NotPublished,
    AlreadyWithdrawn, ReasonInvalid, ChoiceInvalid.
    """
    incident = service.locked(session, slug)
    row = published_update(session, incident, number)
    _refuse_again(row, f"update {number}", erase=erase)
    values = _told(row, reason, language, others, now)
    values["text_hash"] = None if erase else hash_of_update(current_wordings(session, row))
    session.execute(update(Update).where(Update.id == row.id).values(values))
    if erase:
        words = update(Wording).where(Wording.update_id == row.id)
        session.execute(words.values(title=ERASED, body=ERASED))
    session.expire_all()
    promises.settle(session, incident, promises.of_update(number), promise, now)
    _record(session, slug, {"update": number, "reason": reason.strip()}, now, erase=erase)
    return row.id


def _refuse_again(row: Statement | Update, name: str, *, erase: bool) -> None:
    if row.withdrawn_at is not None and not (erase and row.text_hash):
        raise AlreadyWithdrawn(f"{name} was withdrawn before")


def _told(
    row: Statement | Update, reason: str, language: str | None, others: Mapping[str, str], now: datetime
) -> dict[str, object]:
    """Return when and why it was withdrawn: the first time, and the latest reason. Raises ReasonInvalid."""
    return {
        "withdrawn_at": row.withdrawn_at or now,
        "withdrawn_for": checked_reason(reason),
        "withdrawn_language": language,
        "withdrawn_in": checked_others(others) or None,
    }


def _record(
    session: Session, slug: str, what: dict[str, str | int | bool | None], now: datetime, *, erase: bool
) -> None:
    service.invalidate_pages(session)
    action = "incidents.erase" if erase else "incidents.withdraw"
    audit.record(session, action, slug, what, now)
