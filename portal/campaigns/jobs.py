"""The worker finishes campaigns that whoever began them did not."""

import logging

from portal.campaigns import service
from portal.crypto.vault import VaultError
from portal.exposure.service import ListDestroyed
from portal.identity.service import store_for
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.campaigns")


def resume(parts: WorkerParts) -> None:
    """Write the mails that unfinished campaigns still owe, a batch per transaction."""
    with parts.db.read() as session:
        waiting = service.unfinished(session, parts.vault)
    for campaign_id in waiting:
        try:
            _finish(parts, campaign_id)
        except (
            ListDestroyed,
            VaultError,
        ) as error:  # its list cannot be read: the others must not wait for it
            log.error("a notice stays unfinished (%s)", type(error).__name__)


def _finish(parts: WorkerParts, campaign_id: bytes) -> None:
    with parts.db.read() as session:
        service.check_list(session, parts.vault, campaign_id)  # before every account is read for nothing
    chosen = service.chosen_languages(parts.db, parts.vault, store_for(parts.settings))
    while not parts.stopping():
        with parts.db.write_in_turn() as session:
            seen = service.advance(session, parts.vault, chosen, campaign_id, parts.clock.now())
        if not seen:
            break
