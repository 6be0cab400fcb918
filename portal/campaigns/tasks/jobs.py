"""What staff order of the long work, what of it needs a second person, and what the worker removes."""

from datetime import timedelta

from sqlalchemy import and_, delete, or_, select

from portal.campaigns.tasks import drafting, exporting, service
from portal.campaigns.tasks.models import DONE, DRAFT, FAILED, OVER, READY, TAKEN, NoticeTask, TaskChunk
from portal.runtime.parts import WorkerParts
from portal.staff.approvals.service import Action
from portal.staff.orders import Order, Refused
from portal.staff.roles import Role

EXPORTS = "people.export"
AUTHOR = frozenset({Role.AUTHOR})
# Who may ask for a file of people, and take it.
ASKS = frozenset({Role.AUTHOR, Role.PRIVACY})
# How long what became of a draft is kept.
DRAFTS_KEPT = timedelta(days=7)
_AT_A_TIME = 20


def tidy(parts: WorkerParts) -> None:
    """Destroy the keys of files that nobody took in time, then the pieces; forget former drafts."""
    now = parts.clock.now()
    old = and_(NoticeTask.kind == DRAFT, NoticeTask.state.in_((DONE, FAILED)))
    pieces = select(TaskChunk.number).where(TaskChunk.task_id == NoticeTask.id).exists()
    # Whoever took a file may still be loading it: its pieces stay for a while, and nothing else opens them.
    loaded = and_(NoticeTask.state == TAKEN, NoticeTask.changed_at < now - service.KEPT)
    with parts.db.read() as session:
        late = and_(NoticeTask.state == READY, NoticeTask.changed_at <= now - service.KEPT)
        kept = list(session.scalars(select(NoticeTask.id).where(late).limit(_AT_A_TIME)))
        shut = or_(NoticeTask.state.in_((OVER, FAILED)), loaded)
        over = old & (NoticeTask.changed_at < now - DRAFTS_KEPT)
        former = list(session.scalars(select(NoticeTask.id).where(over).limit(_AT_A_TIME)))
        emptied = list(session.scalars(select(NoticeTask.id).where(shut, pieces).limit(_AT_A_TIME)))
    for task_id in kept:
        with parts.db.write() as session:
            try:
                service.end_file(parts.vault, service.verified(session, parts.vault, task_id), now)
            except Refused:  # altered: it opens for nobody
                session.execute(delete(NoticeTask).where(NoticeTask.id == task_id))
    for task_id in [*kept, *emptied]:
        with parts.db.write() as session:
            session.execute(delete(TaskChunk).where(TaskChunk.task_id == task_id))
    if former:
        with parts.db.write() as session:
            session.execute(delete(NoticeTask).where(NoticeTask.id.in_(former)))


ORDERS = {
    "notice-draft": Order(drafting.order_draft, AUTHOR, counted=True),
    "notice-unreached": Order(exporting.order_take, ASKS, step_up=True),
}
ACTIONS = {EXPORTS: Action(exporting.describe, exporting.perform, ask=ASKS)}
