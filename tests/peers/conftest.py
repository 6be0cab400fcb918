"""Mails in the outbox, for workers and relays that fail."""

import ssl

import pytest

from portal.campaigns.emails import Notice
from portal.core.service_urls import MailServer
from portal.outbox.compose import Composer
from portal.outbox.deliver import Deliverer, Delivery
from portal.outbox.smtp import Relay
from tests.outgoing import command, counts, enqueue, row
from tests.reset.journey import people

__all__ = ["command", "counts", "deliverer", "enqueue", "people", "row"]

VICTIMS = 40


@pytest.fixture
def victims(enqueue):
    """Notices to many, each of which a later command would find again."""
    return [
        enqueue(f"victim{number}@example.com", Notice(), unique=b"%016d" % number)
        for number in range(VICTIMS)
    ]


@pytest.fixture
def gone(refusing_port):
    """A relay that is not there."""
    return MailServer("127.0.0.1", refusing_port, tls="none")


@pytest.fixture
def deliverer(worker_parts):
    """Make a delivering thread's hands: `run()` delivers one batch in this thread."""
    made = []

    def make(server=None, *, timeout=5.0, answer=5.0, context=ssl.create_default_context, **options):
        settings = worker_parts.settings
        relay = Relay(
            server or settings.mail.server,
            settings.mail.sender,
            timeout=timeout,
            answer=answer,
            context=context,
        )
        composer = Composer(settings, worker_parts.vault, worker_parts.composers)
        delivery = Delivery(worker_parts, composer, jitter=lambda: 0.5, **options)
        made.append(Deliverer(delivery, relay))
        return made[-1]

    yield make
    for each in made:
        each.relay.close()
