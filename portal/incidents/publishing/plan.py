"""What publishing an incident would make public, and what its author must know before."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.incidents import service
from portal.incidents.differences import Difference, of_statements
from portal.incidents.models import DRAFT, Incident, Statement, Update, Wording


@dataclass(frozen=True)
class DraftStatement:
    """A draft of the statement; `change` compares it with the newest public one in its language, if any."""

    statement: Statement
    change: Difference | None

    @property
    def content(self) -> list[object]:
        """Return what names exactly this text, as JSON holds it."""
        return [self.statement.number, self.statement.language, hash_of_statement(self.statement).hex()]

    @property
    def name(self) -> str:
        """Return what an author calls it."""
        return f"statement, version {self.statement.number} ({self.statement.language})"


@dataclass(frozen=True)
class DraftUpdate:
    """A draft of an update with its texts, one a language."""

    update: Update
    wordings: list[Wording]

    @property
    def content(self) -> list[object]:
        """Return what names exactly this text, its phase and its time, as JSON holds it."""
        row = self.update
        at = row.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
        day = row.occurred_on.isoformat() if row.occurred_on else None
        return [row.number, row.phase, at, day, hash_of_update(self.wordings).hex()]

    @property
    def mailed(self) -> bool:
        """Whether subscribers get it by mail once it is public."""
        return self.update.notify and self.update.announced_at is None


@dataclass(frozen=True)
class Plan:
    """All drafts of an incident, and the data classes that wait; `classes` is None where they stay."""

    incident: Incident
    statements: list[DraftStatement]
    updates: list[DraftUpdate]
    classes: tuple[str, ...] | None
    newest: int

    @property
    def first(self) -> bool:
        """Whether the incident itself becomes public."""
        return self.incident.state == DRAFT

    @property
    def empty(self) -> bool:
        """Whether there is nothing to publish."""
        return not (self.first or self.statements or self.updates or self.classes is not None)

    @property
    def content(self) -> dict[str, object]:
        """Return what would be published, each text by its hash, as JSON holds it."""
        incident = self.incident
        facts = [incident.title, incident.titles, incident.classes, incident.discreet]
        return {
            "incident": facts if self.first else None,
            "statements": [one.content for one in self.statements],
            "updates": [one.content for one in self.updates],
            "notify": [one.update.number for one in self.updates if one.mailed],
            "classes": None if self.classes is None else ";".join(self.classes),
        }

    def only(self, content: Mapping[str, Any]) -> "Plan | None":
        """Return the part of it that `content` names, or None where a draft of it is gone or differs."""
        classes = None if content["classes"] is None else tuple(content["classes"].split(";"))
        found = replace(
            self,
            statements=[one for one in self.statements if one.content in content["statements"]],
            updates=[one for one in self.updates if one.content in content["updates"]],
            classes=classes,
        )
        return found if all(content.get(name) == value for name, value in found.content.items()) else None

    def chosen(
        self, accepted: tuple[str, ...] = (), more_by: datetime | None = None, *, whole: bool = False
    ) -> service.Chosen:
        """Return all of it as what its author confirmed."""
        return service.Chosen(
            frozenset(one.statement.id for one in self.statements),
            frozenset(one.update.id for one in self.updates),
            None if self.classes is None else ";".join(self.classes),
            accepted,
            more_by,
            whole,
        )

    @property
    def mark(self) -> str:
        """Return the mark of exactly these drafts, for an author who confirms no others."""
        return sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()[:16]


def plan(session: Session, slug: str) -> Plan:
    """Return what publishing an incident would do now. Raises IncidentUnknown."""
    incident = service.by_slug(session, slug)
    known = list(
        session.scalars(
            select(Statement)
            .where(Statement.incident_id == incident.id)
            .order_by(Statement.number, Statement.language)
        )
    )
    public = [one for one in known if one.published_at is not None and one.withdrawn_at is None]
    newest = {one.language: one for one in public}
    drafts = [one for one in known if one.published_at is None]
    updates = session.scalars(
        select(Update)
        .where(Update.incident_id == incident.id, Update.published_at.is_(None))
        .order_by(Update.number)
    )
    return Plan(
        incident=incident,
        statements=[
            DraftStatement(one, of_statements(newest[one.language], one) if one.language in newest else None)
            for one in drafts
        ],
        updates=[DraftUpdate(row, current_wordings(session, row)) for row in updates],
        classes=None if incident.staged_classes is None else incident.next_class_names,
        newest=max((one.number for one in public), default=0),
    )


def current_wordings(session: Session, row: Update) -> list[Wording]:
    """Return the text of an update in each of its languages, the original one first."""
    return list({one.language: one for one in service.wordings_of(session, row)}.values())


def hash_of_statement(statement: Statement) -> bytes:
    """Return the SHA-256 of a version's texts, as its author wrote them."""
    head = (
        statement.title,
        statement.signed_by,
        statement.role,
        statement.note or "",
        statement.summary or "",
    )
    sections = [text for section in statement.sections for text in section]
    return _hash((*head, statement.apology, *sections))


def hash_of_update(wordings: Iterable[Wording]) -> bytes:
    """Return the SHA-256 of an update's texts in all languages, as their author wrote them."""
    return _hash(text for one in wordings for text in (one.language, one.title, one.body))


def _hash(texts: Iterable[str]) -> bytes:
    # As JSON, in which no text passes for two.
    return sha256(json.dumps(list(texts), ensure_ascii=False).encode()).digest()
