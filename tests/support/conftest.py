"""A support person at a terminal, and what happened before somebody called."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.commands import Portal, context, portal
from tests.exposure.conftest import Lists, check, lists
from tests.reset.journey import people

__all__ = ["check", "context", "lists", "people", "portal"]


@pytest.fixture
def find(portal: Portal, lists: Lists) -> Callable[..., Any]:
    """Look somebody up, and read what came as JSON."""

    def found(who: str, *options: str) -> Any:
        return json.loads(
            portal("support", "find", who, "--reason", "ticket 4711", "--json", *options).stdout
        )

    return found


@pytest.fixture
def notify(db, worker_vault, clock, lists):
    """Queue the notice to the active list."""
    from portal.campaigns import service
    from portal.exposure import service as exposure

    def queue() -> None:
        incident_id = lists.id_of("november")
        with db.write() as session:
            count = exposure.needed(session, worker_vault, incident_id).addresses
            campaign = service.start(session, worker_vault, incident_id, "november", count, clock.now())
            while service.advance(session, worker_vault, {}, campaign.id, clock.now()):
                pass

    return queue
