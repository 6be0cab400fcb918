"""The ledger of notices: how many mails of each wave are in which state, changed as they change.

A mail's row says in which state it is counted. Whatever changes its state, the ledger follows: delivery in
the transaction of its mark, anything else within seconds, by the worker's job `count_changed`.
"""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from secrets import randbelow
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from portal.core.db import insert_by
from portal.outbox.models import QUEUED, STATES, UNCOUNTED, OutboxLedger, OutboxMail

NOT_KNOWN = 0
FIELD = "wave"
SLOTS = 16
# Two processes may have the same one: then one waits for the other now and then.
_SLOT = randbelow(SLOTS)
_TABLE: Any = OutboxMail.__table__
_ROWS: Any = OutboxLedger.__table__


def wave_in(fields: Mapping[str, Any]) -> int:
    """Return the wave that the decrypted fields of a mail name, or `NOT_KNOWN`."""
    wave = fields.get(FIELD)
    return wave if isinstance(wave, int) else NOT_KNOWN


def add(session: Session, batch: bytes, wave: int, number: int) -> None:
    """Count mails that were queued in the caller's transaction."""
    if number:
        _store(session.connection(), {(batch, wave, QUEUED): number})


def settle(connection: Connection, waves: Mapping[bytes, int]) -> None:
    """Count those mails anew whose state has changed; `waves` are those of the mails, by row id.

    Comes last in its transaction: two that change the ledger never wait for each other in a circle. On
    PostgreSQL, a row that another transaction holds is left to that.
    """
    changed = select(_TABLE.c.id, _TABLE.c.batch, _TABLE.c.state, _TABLE.c.counted)
    rows = connection.execute(
        changed.where(_TABLE.c.id.in_(waves), UNCOUNTED).with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return
    ids = _TABLE.c.id.in_([row.id for row in rows])
    connection.execute(update(_TABLE).where(ids).values(counted=_TABLE.c.state))
    changes: Counter[tuple[bytes, int, str]] = Counter()
    for row in rows:
        for state, number in ((row.counted, -1), (row.state, 1)):
            # Whoever can write to the database can invent a state: then the ledger does not add up.
            if state in STATES:
                changes[row.batch or b"", waves[row.id], state] += number
    _store(connection, changes)


def uncounted(session: Session, limit: int) -> list[tuple[bytes, bytes]]:
    """Return mails that nobody is sending and that are counted in a former state: row ids and payloads."""
    found = select(_TABLE.c.id, _TABLE.c.payload).where(UNCOUNTED, _TABLE.c.lease.is_(None))
    rows = session.execute(found.limit(limit).with_for_update(skip_locked=True))
    return [(row_id, payload) for row_id, payload in rows]


def counts(session: Session, batch: bytes) -> dict[int, dict[str, int]]:
    """Return the number of mails of a notice by wave and state, zero too. Reads no mail."""
    found: dict[int, dict[str, int]] = {}
    rows = session.execute(
        select(OutboxLedger.wave, OutboxLedger.state, func.sum(OutboxLedger.number))
        .where(OutboxLedger.batch == batch)
        .group_by(OutboxLedger.wave, OutboxLedger.state)
    )
    for wave, state, number in rows:
        found.setdefault(wave, dict.fromkeys(STATES, 0))[state] = int(number)
    return found


def totals(session: Session, batch: bytes) -> dict[str, int]:
    """Return the number of mails of a notice by state, zero too. Reads no mail."""
    total = dict.fromkeys(STATES, 0)
    for states in counts(session, batch).values():
        for state, number in states.items():
            total[state] = total.get(state, 0) + number
    return total


def _store(connection: Connection, changes: Mapping[tuple[bytes, int, str], int]) -> None:
    values = [
        {"batch": batch, "wave": wave, "state": state, "slot": _SLOT, "number": number}
        for (batch, wave, state), number in sorted(changes.items())
        if number
    ]
    if values:
        connection.execute(_add(connection.dialect.name), values)


@lru_cache(maxsize=2)
def _add(dialect: str) -> Any:
    statement = insert_by(dialect, _ROWS).values({name: bindparam(name) for name in _ROWS.c.keys()})  # noqa: SIM118
    return statement.on_conflict_do_update(
        index_elements=["batch", "wave", "state", "slot"],
        set_={"number": _ROWS.c.number + statement.excluded.number},
    )
