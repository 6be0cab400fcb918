"""A worker process's sealed jobs in the test's own process, and a store that tests hold up or break."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select

from portal.core.db import Database
from portal.identity.sealed import service
from portal.identity.sealed.jobs import Jobs
from portal.identity.sealed.models import SealedJob
from portal.identity.sealed.service import Asked, Seen
from portal.runtime.heartbeat import database_time

FIELDS = {"email": "ann@northwind.example", "password": "sunlit-marble-otter-harbour"}


@dataclass
class Transport:
    """Both ends of sealed jobs of the kind `sign-in`. Time passes by moving the rows' times back."""

    db: Database
    vault: Any
    clock: Any
    parts: Any

    def ask(self, fields: Mapping[str, str] = FIELDS) -> Asked:
        with self.db.write() as session:
            return service.submit(session, self.vault, "sign-in", dict(fields), self.clock.now())

    def look(self, asked: Asked) -> Seen:
        with self.db.read() as session:
            return service.look(session, asked, self.clock.now())

    def pass_time(self, **moved: Any) -> None:
        with self.db.write() as session:
            for job in session.scalars(select(SealedJob)):
                for column, by in moved.items():
                    setattr(job, column, getattr(job, column) - by)

    def now(self) -> Any:
        with self.db.read() as session:
            return database_time(session, self.clock.now())

    @contextmanager
    def working(self, handler: Callable[..., dict[str, Any]], threads: int = 2) -> Iterator[Jobs]:
        jobs = Jobs(replace(self.parts, sealed={"sign-in": handler}), threads)
        jobs.step()
        try:
            yield jobs
        finally:
            jobs.close()


@pytest.fixture
def transport(db, web_vault, clock, worker_parts) -> Transport:
    return Transport(db, web_vault, clock, worker_parts)
