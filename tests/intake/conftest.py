"""Replies as the worker prepares them, and what pages do with them."""

from datetime import timedelta

import pytest

from portal.core.db import new_id
from portal.intake import replies, service

ADDRESS = "sam@example.com"
DAY = timedelta(days=1)


@pytest.fixture
def prepare(db, worker_vault, clock):
    def put(purpose="reset", address=ADDRESS, data=None, lifetime=DAY, browser=None, topic="", **options):
        row_id, now = new_id(), clock.now()
        code = browser and replies.code_lock(worker_vault, row_id, browser)
        with db.write() as session:
            replies.count_answer(
                session, worker_vault, purpose, address, now, reply_id=row_id, lifetime=lifetime, topic=topic
            )
            token = replies.prepare(
                session, worker_vault, purpose, row_id, data=data or {"list": [1]}, now=now,
                lifetime=lifetime, code=code, **options,
            )  # fmt: skip
        return row_id, token

    return put


@pytest.fixture
def opened(db, clock):
    def read(token, purpose="reset", **options):
        with db.read() as session:
            return service.open_reply(session, purpose, token, clock.now(), **options)

    return read


@pytest.fixture
def spend(db, clock):
    def use(row_id):
        with db.write() as session:
            service.spend(session, row_id, clock.now())

    return use
