"""The worker's part: the costs of the builtin store's hashes."""

from portal.identity.builtin import BuiltinStore
from portal.identity.service import store_for
from portal.runtime.parts import WorkerParts
from portal.web import limits

COUNTED_EVERY = "1 per day"


def count_hash_costs(parts: WorkerParts) -> None:
    """Count once a day which costs the hashes have, as people choose new passwords and hashes are renewed."""
    store = store_for(parts.settings)
    if not isinstance(store, BuiltinStore):
        return
    with parts.db.write() as session:
        turn = limits.hit(session, parts.vault, COUNTED_EVERY, "count hash shapes", now=parts.clock.now())
    if not turn.allowed:
        return
    with parts.db.read() as session:
        counted = store.count_argon2_params(session)
    with parts.db.write() as session:
        store.store_argon2_params(session, counted)
