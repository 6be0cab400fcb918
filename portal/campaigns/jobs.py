"""The worker's part: finish notices whose command was interrupted, and give their mails their words."""

import logging
from datetime import datetime, timedelta

from portal.campaigns import frozen, service
from portal.campaigns.emails import Notice, Words
from portal.crypto.vault import VaultError
from portal.exposure.service import ListDestroyed
from portal.identity.service import store_for
from portal.outbox.compose import MailUnfit
from portal.runtime.parts import FrozenWords, WorkerParts
from portal.runtime.turns import Turns

log = logging.getLogger("portal.campaigns")

READ_AGAIN = timedelta(seconds=1)


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


class CurrentWords:
    """Finds what notices say, for one worker.

    It reads each notice's words again after a second, because an operator may have replaced altered ones.
    """

    def __init__(self, parts: WorkerParts) -> None:
        """Store the parts."""
        self._parts = parts
        self._found: dict[tuple[str, str], tuple[datetime, Words]] = {}

    def __call__(self, mail: Notice, language: str) -> Words | None:
        """Return what a notice says to readers of a language, or None if it is neutral.

        Raises MailUnfit where its words were altered: it mails nobody.
        """
        if not mail.notice:
            return None
        now = self._parts.clock.now()
        found = self._found.get((mail.notice, language))
        if found is None or not found[0] <= now < found[0] + READ_AGAIN:
            found = self._found[mail.notice, language] = now, self._read(mail, language)
        return found[1]

    def _read(self, mail: Notice, language: str) -> Words:
        try:
            with self._parts.db.read() as session:
                found = frozen.read(session, self._parts.vault, bytes.fromhex(mail.notice))
        except frozen.WordsAltered as error:
            log.error(service.ALTERED, mail.notice)
            raise MailUnfit(mail.name) from error
        return frozen.shown(found, language, self._parts.settings.default_language)


WORDS: dict[str, FrozenWords] = {Notice.name: CurrentWords}
