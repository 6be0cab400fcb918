"""Fixtures for mails in the outbox: enqueue one, read its row, count, lose the worker. Folders share them."""

import pytest
from click.testing import CliRunner

from portal.exposure.emails import CheckAnswer
from portal.outbox import service
from portal.outbox.commands import outbox
from portal.outbox.compose import Composer
from portal.outbox.deliver import Deliverer, Delivery
from portal.outbox.models import OutboxMail
from portal.outbox.smtp import Relay
from portal.runtime.context import Context


@pytest.fixture
def enqueue(db, worker_vault, clock):
    """Put a mail into the outbox, as a feature does; return its row's id."""

    def put(address="sam@example.com", mail=None, locale="en", **options):
        with db.write() as session:
            return service.enqueue(
                session,
                worker_vault,
                mail or CheckAnswer(),
                address=address,
                locale=locale,
                now=clock.now(),
                **options,
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
def killed_worker(worker_parts):
    """A worker that dies during its first handover: nothing is stored of how it ended. Return the row's id.

    `taken`: the relay had the mail already.
    """

    def deliver(*, taken=False):
        settings = worker_parts.settings
        composer = Composer(settings, worker_parts.vault, worker_parts.composers)
        relay = Relay(settings.mail.server, settings.mail.sender)
        delivery = Delivery(worker_parts, composer)
        row = delivery.claim(50)
        assert row is not None
        assert Deliverer(delivery, relay).start(row)
        if taken:
            relay.deliver(composer.compose(row.id, row.created_at, row.content))
            relay.close()
        return row.id

    return deliver


@pytest.fixture
def command(settings, clock, db):
    """Run `portal outbox` with these words, and return what it printed."""

    def run(*words):
        context = Context(settings, clock)
        context.db = db
        done = CliRunner().invoke(outbox, words, obj=context)
        assert done.exit_code == 0, done.output
        return done.output

    return run
