"""The worker's part: finish notices whose command was interrupted, and give their mails their words."""

import logging

from sqlalchemy.orm import Session

from portal.campaigns import frozen, service
from portal.campaigns.emails import Notice, Words
from portal.crypto.vault import VaultError
from portal.exposure.service import ListDestroyed
from portal.outbox.compose import MailUnfit
from portal.outbox.mail import CurrentWords
from portal.runtime.parts import FrozenWords, WorkerParts
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
    chosen = service.chosen_languages(parts.db, parts.vault)
    turns = Turns(parts.db)
    while not parts.stopping():
        with turns.take() as session:
            seen = service.advance(
                session, parts.vault, chosen, campaign_id, parts.clock.now(), limit=turns.rows
            )
        if not seen:
            break


def _read_words(session: Session, parts: WorkerParts, notice_id: bytes, language: str) -> Words:
    """Return what a notice says to readers of a language.

    Raises MailUnfit where its words were altered: it mails nobody.
    """
    try:
        found = frozen.read(session, parts.vault, notice_id)
    except frozen.WordsAltered as error:
        log.error(service.ALTERED, notice_id.hex())
        raise MailUnfit(Notice.name) from error
    return frozen.shown(found, language, parts.settings.default_language)


WORDS: dict[str, FrozenWords] = {Notice.name: lambda parts: CurrentWords(parts, _read_words)}
