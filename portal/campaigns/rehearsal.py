"""What a notice would be: one mail as a preview or a test, or all of them composed and none sent.

Imported where it is used alone: composing mails needs Jinja, which is slow to import.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns import frozen
from portal.campaigns.emails import Notice, Trial, Words
from portal.core.db import Database, new_id
from portal.core.i18n import best_language
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.exposure import left_out
from portal.exposure import service as exposure
from portal.exposure.models import ExposureList
from portal.incidents.models import Incident
from portal.outbox import service as outbox
from portal.outbox.compose import Composed, Composer, MailUnfit

TESTS_A_DAY = 20
# Stands in the audience of a test for the list that a notice goes to.
NO_LIST = 0


class TooManyTests(Exception):
    """20 tests were sent within a day."""


@dataclass
class Rehearsed:
    """What composing every mail of a notice showed; counts are of addresses.

    `unfit` cannot be composed, `smtputf8` need a relay that takes characters beyond ASCII before the @;
    `tampered` counts rows of the list that do not open, `left_out` addresses whose people are left out on
    request. `size` is the bytes of the largest mail.
    """

    languages: Counter[str] = field(default_factory=Counter)
    unfit: int = 0
    smtputf8: int = 0
    tampered: int = 0
    left_out: int = 0
    size: int = 0


class Rehearsal:
    """Composes the mails of one notice as the worker would, from its words by language."""

    def __init__(self, settings: Settings, vault: WorkerVault, words: Mapping[str, Words]) -> None:
        """Store the parts; without words the mails are neutral."""
        default = settings.default_language
        self._vault = vault
        self._languages = settings.site.languages
        self._composer = Composer(
            settings,
            vault,
            {},
            {Notice.name: lambda _mail, language: frozen.shown(words, language, default) if words else None},
        )

    def compose(self, address: str, language: str, now: datetime) -> Composed:
        """Return the mail for an address. Raises MailUnfit."""
        return self._composer.render(Notice(), address, language, new_id(), now)

    def compose_all(
        self,
        db: Database,
        version: ExposureList,
        chosen: Mapping[bytes, str],
        now: datetime,
        progress: Callable[[int], object],
    ) -> Rehearsed:
        """Compose the mail for every address of a list, in the language that it would have; keep none.

        `chosen` maps account indexes to the language chosen on the portal. Raises ListDestroyed, VaultError.
        """
        done = Rehearsed()
        after, served = b"", b""
        while True:
            with db.read() as session:
                people, after = exposure.people_after(session, self._vault, version, after, exposure.PAGE)
                asked = left_out.of_page(session, self._vault, version, people)
            for key, person in people:
                if person is None:
                    done.tampered += 1
                elif not served or not exposure.same_address(key, served):
                    served = key
                    with db.read() as session:
                        recipient = left_out.recipient(session, self._vault, version, key, person, asked)
                    if recipient is None:
                        done.left_out += 1
                    else:
                        language = chosen.get(self._vault.account_index(recipient.address), recipient.locale)
                        self._count(done, recipient.address, language, now)
            progress(len(people))
            if not after:
                return done

    def _count(self, done: Rehearsed, address: str, locale: str, now: datetime) -> None:
        done.languages[best_language(locale, self._languages)] += 1
        try:
            composed = self.compose(address, locale, now)
        except MailUnfit:
            done.unfit += 1
            return
        done.smtputf8 += composed.needs_utf8
        done.size = max(done.size, len(composed.content))


def send_test(
    session: Session,
    vault: WorkerVault,
    incident: Incident,
    words: Mapping[str, Words],
    *,
    address: str,
    language: str,
    now: datetime,
) -> int:
    """Queue the notice for one address, as it would be now; return how many tests are left for today.

    Writes the audit row. Raises TooManyTests.
    """
    sent = audit.number_since(session, "campaigns.test", now - timedelta(days=1))
    if sent >= TESTS_A_DAY:
        raise TooManyTests
    notice_id = b""
    if words:
        # The same words have the same id, so that repeated tests add no rows.
        notice_id = frozen.fingerprint(vault, incident.id, words)
        frozen.store(session, vault, notice_id, frozen.Audience(incident.id, NO_LIST, 1), words)
    mail = Trial(notice_id.hex())
    outbox.enqueue(session, vault, mail, address=address, locale=language, now=now)
    audit.record(session, "campaigns.test", incident.slug, {"language": language}, now)
    return TESTS_A_DAY - sent - 1
