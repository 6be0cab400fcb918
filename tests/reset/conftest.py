"""People with accounts, and the ways they go to a new password."""

from collections.abc import Callable

import pytest

from portal.runtime.parts import WorkerParts
from portal.worker import drain
from tests.commands import context, portal
from tests.mailbox import Delivered, Mailbox
from tests.reset.journey import ANA, REQUEST, People, people
from tests.visitor import Visitor

__all__ = ["context", "people", "portal"]


@pytest.fixture
def ana(people: People) -> str:
    """The address of somebody who has an account."""
    people.add(ANA, name="Ana Ruiz")
    return ANA


@pytest.fixture
def ask(client: Visitor, worker_parts: WorkerParts, smtp: Mailbox) -> Callable[..., Delivered]:
    """Ask for a link as a person does, let the worker work, and give the mail that came."""

    def asked(address: str, browser: Visitor = client) -> Delivered:
        assert browser.submit("/reset/", email=address).status_code == 303
        drain(worker_parts)
        return [mail for mail in smtp.to(address) if mail.message["Subject"] == REQUEST][-1]

    return asked
