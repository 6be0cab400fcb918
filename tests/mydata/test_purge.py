"""`portal purge` removes at once what is older than the settings say, and says what."""

import gc
import importlib
import json
import pkgutil
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

import portal as package
from portal import app
from portal.accounts.activity import service as activity
from portal.accounts.activity.service import Kind
from portal.audit.models import AuditEntry
from portal.core.settings import Retention
from portal.intake import service as intake
from portal.intake.models import IntakeRequest
from portal.mydata import service
from portal.runtime.turns import Expired
from tests.reset.journey import ANA

NOTHING = {
    "ended sessions": 0,
    "account events": 0,
    "requests that waited or failed": 0,
    "ended links and answers": 0,
    "counts of answers to an address": 0,
    "addresses and texts of mails that were not sent": 0,
    "records of sent mails": 0,
    "prepared copies of people's data": 0,
    "closed cases": 0,
}
OLD = NOTHING | {
    "ended sessions": 1,
    "account events": 30,
    "requests that waited or failed": 1,
    "prepared copies of people's data": 1,
}


@pytest.fixture
def old(db, ana, web_vault, clock, context):
    """Rows from before, and one event that is younger than the settings say."""
    context.expired = lambda: app.EXPIRED
    now = clock.now()
    with db.write() as session:
        for _ in range(30):
            activity.record(session, web_vault, ana.id, Kind.REPORTED, now)
        row_id = intake.submit(session, web_vault, "check", {"email": ANA}, now)
        gone = {"state": "failed", "due_at": None}
        session.execute(update(IntakeRequest).where(IntakeRequest.id == row_id).values(gone))
        service.store(session, row_id, "a" * 32, b"{}", now)
    clock.advance(timedelta(days=40))
    context.settings = replace(context.settings, retention=Retention(account_events=timedelta(days=30)))
    with db.write() as session:
        activity.record(session, web_vault, ana.id, Kind.REPORTED, clock.now())


def test_a_dry_run_counts_what_the_real_one_removes(old, portal, db):
    def run(*words):
        return json.loads(portal("purge", "--json", *words).stdout)

    assert run("--dry-run") == {"dry_run": True, "removed": OLD}
    assert run("--dry-run") == {"dry_run": True, "removed": OLD}
    assert run() == {"dry_run": False, "removed": OLD}
    assert run() == {"dry_run": False, "removed": NOTHING}
    with db.read() as session:
        entries = session.scalars(select(AuditEntry.details).where(AuditEntry.action == "mydata.purge")).all()
    assert [json.loads(entry) for entry in entries] == [OLD, NOTHING]


def test_its_text_names_each_kind_with_its_count(old, portal):
    lines = portal("purge", "--dry-run").output.splitlines()
    assert "account events                                           30" in lines
    assert lines[-1] == "Nothing was removed."


def test_everything_that_goes_by_itself_goes_by_the_command_too():
    for module in pkgutil.walk_packages(package.__path__, "portal."):
        if not module.name.endswith("child"):
            importlib.import_module(module.name)
    described = {each.kind for each in gc.get_objects() if isinstance(each, Expired)}
    assert described == {each.kind for each in app.EXPIRED}
