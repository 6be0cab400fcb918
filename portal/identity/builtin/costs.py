"""Count accounts by what verifying their hashes costs, as they change: stand-ins are drawn from the counts.

Whoever stores another hash moves the counts in the same transaction, so that no account stands out until the
next count. The daily count corrects what tampering or a fault left wrong.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.core import db
from portal.crypto import mix
from portal.crypto.formats import registry
from portal.crypto.formats.refusal import HashRefused
from portal.crypto.mix import Share
from portal.crypto.vault import WebVault
from portal.identity.builtin.models import CostCount

# Built once: it runs for every sign-in.
_MIX: Any = select(CostCount.cost_class, CostCount.came, CostCount.accounts).order_by(CostCount.cost_class)


def class_of(password_hash: str) -> str | None:
    """Return the class of a hash's cost, or None for one that was tampered with."""
    try:
        return registry.cost_class(password_hash)
    except HashRefused:
        return None


def changed(session: Session, before: str, after: str) -> None:
    """Count an account whose hash has another class now."""
    old, new = class_of(before), class_of(after)
    if old != new:
        _move(session, Counter({old: -1, new: 1}), Counter())


def went(session: Session, before: str) -> None:
    """Count an account that was erased; `came` stays, by which unknown addresses draw their stand-ins."""
    _move(session, Counter({class_of(before): -1}), Counter())


def came(session: Session, hashes: Iterable[str], instead_of: Iterable[str] = ()) -> None:
    """Count accounts that a company brought with these hashes, some of them with another one than before."""
    counted = Counter(map(class_of, hashes))
    counted.subtract(map(class_of, instead_of))
    _move(session, counted, counted)


def correct(session: Session, counted: Mapping[str, int]) -> None:
    """Store how many accounts there are of each class; where most were never counted, they came so."""
    known = {row.cost_class: row for row in session.scalars(select(CostCount))}
    first = 2 * sum(row.came for row in known.values()) < sum(counted.values())
    for name in sorted({*known, *counted}):
        if name not in known:
            known[name] = CostCount(cost_class=name, came=0)
            session.add(known[name])
        known[name].accounts = counted.get(name, 0)
        if first:
            known[name].came = known[name].accounts
    session.flush()


def stand_in(session: Session, vault: WebVault, address: str) -> str | None:
    """Return a hash that no password matches, of a cost that is the address's own; None without accounts."""
    rows = session.execute(_MIX)
    shares = [Share(name, max(0, came), max(0, now)) for name, came, now in rows]
    drawn = mix.draw(shares, vault.bucket("stand-in", vault.account_index(address).hex()))
    return registry.dummy(drawn) if drawn else None


def _move(session: Session, accounts: Mapping[str | None, int], came: Mapping[str | None, int]) -> None:
    """Add to the counts, in the order of the classes: two transactions never wait for each other."""
    for name in sorted(name for name in accounts if name and (accounts[name] or came.get(name))):
        more, arrived = accounts[name], came.get(name, 0)
        values = {"accounts": CostCount.accounts + more, "came": CostCount.came + arrived}
        if more > 0:
            session.execute(
                db.insert(session, CostCount)
                .values(cost_class=name, accounts=more, came=arrived)
                .on_conflict_do_update(index_elements=[CostCount.cost_class], set_=values)
            )
        else:
            session.execute(update(CostCount).where(CostCount.cost_class == name).values(**values))
