"""Mails in the outbox, for workers and relays that fail."""

import ssl

import pytest

from portal.exposure.emails import CheckAnswer
from portal.outbox import service
from portal.outbox.compose import Composer
from portal.outbox.deliver import Deliverer
from portal.outbox.models import OutboxMail
from portal.outbox.smtp import Relay


@pytest.fixture
def enqueue(db, worker_vault, clock):
    """Put a mail into the outbox, as a feature does; return its row's id."""

    def put(address="sam@example.com", mail=None, locale="en", **options):
        with db.write() as session:
            return service.enqueue(
                session, worker_vault, mail or CheckAnswer(), address=address, locale=locale, now=clock.now(), **options
            )

    return put


@pytest.fixture
def row(db):
    """Read one row as it lies there now."""

    def read(row_id):
        with db.read() as session:
            return session.get(OutboxMail, row_id)

    return read


@pytest.fixture
def counts(db):
    def count():
        with db.read() as session:
            return {state: number for state, number in service.counts(session).items() if number}

    return count


@pytest.fixture
def deliverer(worker_parts):
    """Make a delivering thread's hands: `run()` delivers one batch in this thread."""
    made = []

    def make(server=None, *, timeout=5.0, answer=5.0, context=ssl.create_default_context, **options):
        settings = worker_parts.settings
        relay = Relay(server or settings.mail, settings.mail_sender, timeout=timeout, answer=answer, context=context)
        composer = Composer(settings, worker_parts.vault, worker_parts.composers)
        made.append(Deliverer(worker_parts, composer, relay, jitter=lambda: 0.5, **options))
        return made[-1]

    yield make
    for each in made:
        each.relay.close()
