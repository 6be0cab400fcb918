"""Scheduled job: finish notices whose command was interrupted."""

import logging

from portal.campaigns import service
from portal.crypto.vault import VaultError
from portal.exposure.service import ListDestroyed
from portal.identity.service import store_for
from portal.runtime.parts import WorkerParts
from portal.runtime.turns import Turns

log = logging.getLogger("portal.campaigns")


def resume(parts: WorkerParts) -> None:
    """Queue the remaining mails of unfinished campaigns, one batch per transaction."""
    with parts.db.read() as session:
        waiting = service.unfinished(session, parts.vault)
    for campaign_id in waiting:
        try:
            _finish(parts, campaign_id)
        except (ListDestroyed, VaultError) as error:  # the other campaigns must not wait for this list
            log.error(
                "campaigns: notice %s stays unfinished, its list cannot be read (%s); see: portal campaigns",
                campaign_id.hex(),
                type(error).__name__,
            )


def _finish(parts: WorkerParts, campaign_id: bytes) -> None:
    with parts.db.read() as session:
        service.check_list(session, parts.vault, campaign_id)  # fails before all accounts are read
    chosen = service.chosen_languages(parts.db, parts.vault, store_for(parts.settings))
    turns = Turns(parts.db)
    while not parts.stopping():
        with turns.take() as session:
            seen = service.advance(
                session, parts.vault, chosen, campaign_id, parts.clock.now(), limit=turns.rows
            )
        if not seen:
            break
