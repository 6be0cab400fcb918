"""Post an entry of the timeline exactly as it was approved, or by one author alone with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.incidents import announcing, service, writing
from portal.incidents.checker.findings import Weight
from portal.incidents.drafts import edits, entries, store
from portal.incidents.drafts.entries import Entry, EntryInvalid
from portal.incidents.drafts.models import Unconfirmed
from portal.incidents.drafts.releasing import (
    Described,
    NotReleasable,
    Subscribers,
    facts,
    incident_of,
    written,
)
from portal.incidents.models import Incident, Update, Wording
from portal.incidents.publishing import promises
from portal.incidents.publishing.withdrawing import checked_reason
from portal.incidents.writing import Notify, UpdateText

NOTHING = "none"  # that readers were promised, where somebody says what becomes of that


class ConfirmRefused(ValueError):
    """Nobody confirms their own update, and none twice; `reason` is a code."""

    def __init__(self, reason: str) -> None:
        """Store the code."""
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class Post:
    """The draft that is to be posted, as it was saved once; `most` is how many may be mailed at most.

    `promised` is the time that readers were promised when somebody said what becomes of it, or NOTHING: it
    stays as it is where the post `keeps` it, else what the draft says replaces it.
    """

    slug: str
    key: str
    revision: int
    accepted: tuple[str, ...] = ()
    most: int = 0
    promised: str = ""
    keeps: bool = False

    @property
    def fields(self) -> dict[str, str]:
        """Return it as texts, so that it can be sealed and stored."""
        return {
            "slug": self.slug,
            "draft": f"{self.key}:{self.revision}",
            "accepted": " ".join(sorted(set(self.accepted))),
            "most": str(self.most),
            **({"promised": self.promised} if self.promised else {}),
            **({"keeps": "yes"} if self.keeps else {}),
        }

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "Post":
        """Return what was written as `fields`. Raises NotReleasable."""
        try:
            key, _, revision = fields["draft"].rpartition(":")
            accepted = tuple(fields["accepted"].split())
            return cls(
                fields["slug"],
                key,
                int(revision),
                accepted,
                int(fields["most"]),
                promised=fields.get("promised", ""),
                keeps=fields.get("keeps") == "yes",
            )
        except (KeyError, ValueError) as error:
            raise NotReleasable("fields") from error


@dataclass(frozen=True)
class Alone:
    """An update that one author posted alone, and that nobody confirmed yet."""

    row: Unconfirmed
    slug: str
    number: int


@dataclass(frozen=True)
class Said:
    """What an update said once it was posted alone, and before: `before` is empty where it was new."""

    update: Update
    texts: list[Wording]
    before: list[Wording]

    @property
    def shown(self) -> Described:
        """Return it as an approval of the same would show it; of a new one, nothing is compared."""
        texts = [[one.language, one.title, one.body] for one in self.texts]
        former = [[one.language, one.title, one.body] for one in self.before]
        return {"texts": texts} | (
            {"edits": self.update.number, "before": {"texts": former}} if former else {}
        )


def described(session: Session, post: Post) -> Described:
    """Return exactly what an entry makes public, and how many it may mail. Raises NotReleasable."""
    incident = incident_of(session, post.slug)
    entry = _entry(session, incident, post)
    number = edits.number_of(post.key)
    occurred = "" if entry.when is None else written(entry.when.at)
    shown = {
        "incident": facts(incident),
        "phase": entry.phase,
        "occurred": entry.when.day.isoformat() if entry.when and entry.when.day else occurred,
        "texts": [list(text) for text in entry.texts],
        "accepted": sorted(set(post.accepted)),
    }
    if number is not None:  # the promise is not an edit's
        shown["occurred"] = edits.occurred_of(session, incident, number, entry)
        return shown | edits.described(session, incident, number, entry, post.most)
    if at_stake(incident, entry) and post.promised != promised_now(incident):
        raise NotReleasable("promise-open")
    next_by = _next_by(incident, post, entry)
    promised = {"promised": written(incident.more_by)} if incident.more_by else {}
    return shown | {
        "next_by": written(next_by),
        **promised,
        **({"ends": True} if promised and next_by is None else {}),
        "mailed_at_most": post.most if entry.notify else 0,
    }


def at_stake(incident: Incident, entry: Entry) -> bool:
    """Return whether a new entry says another time than readers were promised, or none.

    Its draft may be older than the promise, so somebody says what becomes of it. Where nothing is promised, a
    time that once was may come from a draft that is older than that.
    """
    if incident.more_by is None:
        return entry.next_by is not None and promises.was_made(incident, entry.next_by)
    return incident.more_by != entry.next_by


def promised_now(incident: Incident) -> str:
    """Return what a post names as promised where somebody says what becomes of it."""
    return written(incident.more_by) or NOTHING


def post(
    session: Session,
    vault: WorkerVault,
    settings: Settings,
    subscribers: Subscribers,
    wanted: Post,
    shown: Mapping[str, Any],
    now: datetime,
) -> Update | None:
    """Post what was approved and take its draft away; None where a worker that crashed did it before.

    Raises NotReleasable.
    """
    incident = service.locked(session, wanted.slug)
    draft = store.head(session, incident, entries.document(wanted.key))
    if draft is None:
        return None
    if described(session, wanted) != shown:
        raise NotReleasable("edited")
    entry = _entry(session, incident, wanted)
    found = [one.finding for one in entries.findings(session, settings, incident, draft.parts, now)]
    if any(one.weight is Weight.STOP for one in found):
        raise NotReleasable("stops")
    if any(one.weight is Weight.ASK and one.code not in wanted.accepted for one in found):
        raise NotReleasable("asks")
    if entry.notify and subscribers(session, incident.id) > wanted.most:
        raise NotReleasable("more-people", most=wanted.most)
    number = edits.number_of(wanted.key)
    if number is None:
        next_by = _next_by(incident, wanted, entry)
        if next_by is not None and next_by <= now:
            raise NotReleasable("time-passed")
        row = _store(session, wanted, entry, now)
        service.set_promise(session, incident, next_by, now, promises.of_update(row.number))
    else:
        row = edits.store(session, wanted.slug, number, entry, wanted.accepted, now)
    if row.notify and row.announced_at is None:
        announcing.sign(session, vault, row)
    store.discard(session, wanted.slug, entries.document(wanted.key))
    return row


def post_alone(
    session: Session,
    vault: WorkerVault,
    settings: Settings,
    subscribers: Subscribers,
    wanted: Post,
    reason: str,
    author: str,
    now: datetime,
) -> Update | None:
    """Post an entry without a second person; it stays on the list until one confirms it.

    Raises NotReleasable, ReasonInvalid.
    """
    reason = checked_reason(reason)
    incident = service.locked(session, wanted.slug)
    if store.head(session, incident, entries.document(wanted.key)) is None:
        return None
    shown = described(session, wanted)
    row = post(session, vault, settings, subscribers, wanted, shown, now)
    if row is not None and row.published_at is not None:
        session.add(Unconfirmed(update_id=row.id, author=author, reason=reason, at=now))
        session.flush()
        details: dict[str, str | int | bool | None] = {"update": row.number, "reason": reason}
        audit.record(session, "incidents.alone", wanted.slug, details, now)
    return row


def unconfirmed(session: Session, incident: Incident | None = None) -> list[Alone]:
    """Return what authors posted alone and nobody confirmed, the oldest first; of one incident or all.

    What was withdrawn since needs nobody's word any more: readers see that it is gone.
    """
    query = (
        select(Unconfirmed, Incident.slug, Update.number)
        .join(Update, Update.id == Unconfirmed.update_id)
        .join(Incident, Incident.id == Update.incident_id)
        .where(Unconfirmed.confirmed_at.is_(None), Update.withdrawn_at.is_(None))
        .order_by(Unconfirmed.at)
    )
    if incident is not None:
        query = query.where(Incident.id == incident.id)
    return [Alone(*row) for row in session.execute(query)]


def posted_alone(session: Session, incident: Incident, unconfirmed_id: bytes) -> Unconfirmed | None:
    """Return what was posted alone, confirmed or not; None where there is none, or of another incident."""
    row = session.get(Unconfirmed, unconfirmed_id)
    if row is None or session.get_one(Update, row.update_id).incident_id != incident.id:
        return None
    return row


def newest_alone(session: Session, row: Update) -> Unconfirmed:
    """Return the note of an update that its author has just posted alone."""
    of_it = select(Unconfirmed).where(Unconfirmed.update_id == row.id)
    return session.scalars(of_it.order_by(Unconfirmed.at.desc()).limit(1)).one()


def said_alone(session: Session, alone: Unconfirmed) -> Said:
    """Return what was posted alone: the texts of that moment, which somebody may have changed since."""
    update = session.get_one(Update, alone.update_id)
    until = [one for one in service.wordings_of(session, update) if one.at <= alone.at]
    return Said(
        update,
        texts=list({one.language: one for one in until}.values()),
        before=list({one.language: one for one in until if one.at < alone.at}.values()),
    )


def confirm(session: Session, slug: str, unconfirmed_id: bytes, by: str, now: datetime) -> Unconfirmed:
    """Take an incident's update off the list, as somebody else than its author. Raises ConfirmRefused."""
    row = session.get(Unconfirmed, unconfirmed_id, with_for_update=True)
    if row is None or posted_alone(session, incident_of(session, slug), unconfirmed_id) is None:
        raise ConfirmRefused("gone")
    if row.confirmed_at is not None:
        raise ConfirmRefused("decided")
    if row.author == by:
        raise ConfirmRefused("own")
    row.confirmed_by, row.confirmed_at = by, now
    update = session.get_one(Update, row.update_id)
    session.flush()
    audit.record(session, "incidents.confirm", slug, {"update": update.number}, now)
    return row


def _next_by(incident: Incident, post: Post, entry: Entry) -> datetime | None:
    """Return what readers are promised once an entry is posted."""
    return incident.more_by if post.keeps and post.promised == promised_now(incident) else entry.next_by


def _entry(session: Session, incident: Incident, post: Post) -> Entry:
    draft = store.head(session, incident, entries.document(post.key))
    if draft is None:
        raise NotReleasable("gone")
    if draft.revision != post.revision:
        raise NotReleasable("edited")
    try:
        return entries.read(draft.parts)
    except EntryInvalid as error:
        raise NotReleasable("stops", codes=error.part) from error


def _store(session: Session, wanted: Post, entry: Entry, now: datetime) -> Update:
    """Store an entry with its text in each language, as the command line does."""
    row = None
    for language, title, body in entry.texts:
        text = UpdateText(
            language=language,
            phase=entry.phase,
            title=title,
            body=body,
            occurred_at=entry.when.at if entry.when else None,
            notify=Notify.YES if entry.notify else Notify.NO,
            occurred_on=entry.when.day if entry.when else None,
        )
        if row is None:
            row = writing.add_update(session, wanted.slug, text, now, wanted.accepted)
        else:
            writing.edit_update(session, wanted.slug, row.number, text, now, wanted.accepted)
    if row is None:
        raise NotReleasable("nothing")
    return row
