"""Worker job of the builtin store: count the Argon2 parameters in use."""

from portal.identity.builtin import BuiltinStore
from portal.identity.service import store_for
from portal.runtime.parts import WorkerParts
from portal.web import limits

COUNT_LIMIT = "1 per day"


def count_hash_costs(parts: WorkerParts) -> None:
    """Count the hashes' Argon2 parameters once a day: new passwords and rehashing change the distribution."""
    store = store_for(parts.settings)
    if not isinstance(store, BuiltinStore):
        return
    with parts.db.write() as session:
        turn = limits.hit(session, parts.vault, COUNT_LIMIT, "count hash shapes", now=parts.clock.now())
    if not turn.allowed:
        return
    with parts.db.read() as session:
        counted = store.count_argon2_params(session)
    with parts.db.write() as session:
        store.store_argon2_params(session, counted)
