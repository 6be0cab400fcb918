"""Limits: shared by all processes, counted without names, and not to be talked out of."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from portal.core.settings import Settings
from portal.crypto import keys
from portal.crypto.vault import WebVault
from portal.web import limits
from tests.processes import ROOT

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HITTER = """
import os, sys
from datetime import datetime
from pathlib import Path
from portal.crypto import keys
from portal.web import limits
from portal.core.db import Database
from portal.crypto.vault import WebVault
db, vault = Database(sys.argv[1]), WebVault(keys.read_web(Path(sys.argv[2])))
allowed = 0
for _ in range(40):
    with db.write() as session:
        hit = limits.hit(session, vault, "50 per hour", "x", now=datetime.fromisoformat(sys.argv[3]))
        allowed += hit.allowed
print(allowed)
"""


@pytest.fixture
def hit(db, web_vault):
    def once(limit="3 per hour", bucket=("intake", "192.0.2.1"), at=NOON):
        with db.write() as session:
            return limits.hit(session, web_vault, limit, *bucket, now=at)

    return once


def test_the_fourth_of_three_is_refused_and_told_when_to_come_back(hit):
    assert [hit(at=NOON + timedelta(minutes=n)).allowed for n in range(3)] == [True] * 3
    refused = hit(at=NOON + timedelta(minutes=59, seconds=30))
    assert (refused.allowed, refused.retry_after) == (False, 30)
    assert hit(at=NOON + timedelta(hours=1)).allowed


def test_others_and_other_forms_are_not_made_to_pay(hit):
    for _ in range(4):
        hit()
    assert not hit().allowed
    assert hit(bucket=("intake", "192.0.2.2")).allowed
    assert hit(bucket=("sign-in", "192.0.2.1")).allowed
    assert hit("4 per hour").allowed


def test_two_processes_share_one_limit(db, database_url, web_keys, worker_keys, tmp_path):
    file = tmp_path / "web.json"
    keys.write_pair(web_keys, worker_keys, file, tmp_path / "worker.json")
    words = [sys.executable, "-c", HITTER, database_url, str(file), NOON.isoformat()]
    both = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sum(int(process.communicate(timeout=60)[0]) for process in both) == 50


def test_a_stolen_database_names_no_network(hit, db):
    hit()
    with db.read() as session:
        row = session.scalars(select(limits.RateBucket)).one()
    assert len(row.bucket) == 16
    assert b"192.0.2.1" not in row.bucket


def test_a_clock_that_jumps_back_a_day_opens_no_window(hit, db):
    for _ in range(4):
        hit()
    with db.write() as session:
        limits.purge(session, NOON + timedelta(hours=23))
    assert not hit().allowed
    with db.write() as session:
        limits.purge(session, NOON + timedelta(days=3))
    with db.read() as session:
        assert session.scalars(select(limits.RateBucket)).all() == []


@pytest.mark.parametrize("field", ["intake_ip", "sign_in_ip"])
def test_the_limits_that_are_shipped_can_be_read(db, web_vault, field):
    with db.write() as session:
        assert limits.hit(session, web_vault, getattr(Settings().limits, field), "x", now=NOON).allowed


def test_another_key_counts_apart(db, hit):
    for _ in range(4):
        hit()
    stranger = WebVault(keys.generate()[0])
    with db.write() as session:
        assert limits.hit(session, stranger, "3 per hour", "intake", "192.0.2.1", now=NOON).allowed


def test_to_look_counts_nothing_and_says_what_a_hit_would(db, web_vault, hit):
    def look():
        with db.read() as session:
            return limits.look(session, web_vault, "3 per hour", "intake", "192.0.2.1", now=NOON)

    for _ in range(3):
        for _ in range(5):
            assert look() == limits.Decision(allowed=True)
        hit()
    assert look() == hit() == limits.Decision(allowed=False, retry_after=3600)
