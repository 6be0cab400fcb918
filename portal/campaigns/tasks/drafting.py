"""Count whom a notice on a long list is for, and draft it: the page shows how far it is meanwhile."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from portal.campaigns.refusals import REASONS, refused
from portal.campaigns.series import writing
from portal.campaigns.series.waves import TooManyWaves
from portal.campaigns.tasks import service
from portal.campaigns.tasks.models import DONE, DRAFT, NoticeTask
from portal.runtime.parts import WorkerParts
from portal.staff.orders import Acting, Refused

# A draft for so few people is counted at once: that takes less than a second.
FEW = 5_000


def order_draft(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Draft a notice, or begin to: then the answer names the task. Fields: `plan`, its fields as JSON."""
    plan = json.loads(fields["plan"])
    with _Refusals():
        opened = writing.opened(parts, plan)
        if opened.rows > FEW:
            with parts.db.write() as session:
                task = service.begin(session, parts.vault, DRAFT, opened.incident.id, plan, parts.clock.now())
                return {"task": task.id.hex()}
        counted = writing.counted(parts, opened)
        with parts.db.write() as session:
            return writing.store(session, parts, opened, counted)


def run(
    parts: WorkerParts, task: NoticeTask, show: Callable[..., None]
) -> Callable[[Session, NoticeTask], str]:
    """Count whom a task's notice is for; return what stores the draft with the task's end. Raises Refused."""
    with _Refusals():
        opened = writing.opened(parts, json.loads(task.fields))
        counted = writing.counted(parts, opened, lambda people: show(people, opened.rows))

    def store(session: Session, row: NoticeTask) -> str:
        with _Refusals():
            row.notice = writing.store(session, parts, opened, counted)["notice"]
        return DONE

    return store


class _Refusals:
    """Turns the services' errors into what the console has words for."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise Refused for an error that has words."""
        if error is None:
            return
        from portal.campaigns import wording  # noqa: PLC0415 - slow to import

        if isinstance(error, wording.SummaryMissing):
            raise Refused("summary-missing") from error
        if isinstance(error, wording.OwnWordsUnfit):
            raise Refused("own-words") from error
        if isinstance(error, wording.OwnWordsUnused):
            raise Refused("own-words-unused") from error
        if isinstance(error, TooManyWaves):
            raise Refused("too-many-waves") from error
        if isinstance(error, Exception) and isinstance(error, tuple(REASONS)):
            raise refused(error) from error
