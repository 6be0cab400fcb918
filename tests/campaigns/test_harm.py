"""A notice that is watched, whose rows are spoilt, or whose list shall go."""

import pytest
from click.testing import CliRunner
from sqlalchemy import event, text

from portal.campaigns import jobs, service
from portal.core.db import Database
from portal.crypto.hashing import dummy_hash
from portal.exposure.commands import exposure as exposure_commands
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.incidents import service as incidents
from portal.runtime.context import Context
from portal.worker import drain
from tests.campaigns.conftest import SLUG, STORE, numbered


def test_the_notice_reads_every_account_and_looks_nobody_of_the_list_up(operator, db):
    """Whoever watches the live database would see all listed accounts at once."""
    everyone = [f"p{n}@northwind.example" for n in range(12)]
    operator.live(numbered(4))
    with db.write() as session:
        new = [NewAccount(Profile(address, locale="en"), dummy_hash("m=64,t=1,p=1")) for address in everyone]
        STORE.add(session, operator.vault, new, operator.clock.now())
    read = []

    def note(_connection, _cursor, statement, parameters, *_rest):
        if "identity_accounts" in statement:
            read.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        assert operator.run("notify", SLUG, "--confirm", "4").exit_code == 0
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert read
    indexes = {operator.vault.account_index(address) for address in everyone}
    for statement, parameters in read:
        values = parameters.values() if isinstance(parameters, dict) else parameters
        plain = [getattr(value, "obj", value) for value in values]  # psycopg wraps them
        assert not indexes & {bytes(value) for value in plain if isinstance(value, bytes | memoryview)}, (
            statement
        )


def test_whose_accounts_are_many_is_read_in_pages(operator, db, monkeypatch):
    monkeypatch.setattr(service, "ACCOUNTS", 3)
    with db.write() as session:
        new = [NewAccount(Profile(f"p{n}@northwind.example"), dummy_hash("m=64,t=1,p=1")) for n in range(9)]
        STORE.add(session, operator.vault, new, operator.clock.now())
        for n in (2, 7):
            account = STORE.find(session, operator.vault, f"p{n}@northwind.example")
            assert account is not None
            STORE.choose_language(session, operator.vault, account.id, "es")
    index = operator.vault.account_index
    chosen = service.chosen_languages(db, operator.vault)
    assert chosen == {index("p2@northwind.example"): "es", index("p7@northwind.example"): "es"}


def spoil(db: Database, place: int) -> None:
    """Spoil the row of the list that comes at this place in its order."""
    with db.write() as session:
        keys = session.scalars(
            text("SELECT person_key FROM exposure_people ORDER BY fold_index, person_key")
        ).all()
        session.execute(
            text("UPDATE exposure_people SET blob = :blob WHERE person_key = :key"),
            {"blob": b"spoilt" * 40, "key": keys[place]},
        )


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
@pytest.mark.parametrize("spoilt", [(), (0,), (1,), (0, 1), (0, 1, 2)])
def test_a_spoilt_row_keeps_nobody_else_of_its_address_from_the_notice(operator, db, limit, spoilt):
    operator.live("".join(f"home@northwind.example,{n},P{n},en\n" for n in range(4)))
    for place in spoilt:
        spoil(db, place)
    with db.write() as session:
        incident_id = incidents.by_slug(session, SLUG).id
        campaign = service.start(session, operator.vault, incident_id, SLUG, 1, operator.clock.now())
    seen = 1
    while seen:
        with db.write() as session:
            seen = service.advance(session, operator.vault, {}, campaign.id, operator.clock.now(), limit)
    ledger = operator.ledger()
    assert (ledger.earlier, ledger.waiting, ledger.states["queued"], ledger.adds_up) == (0, 0, 1, True)


def test_a_list_is_not_destroyed_while_its_notice_goes_out(operator, db, clock, worker_parts, smtp):
    def purge(*options):
        context = Context(operator.settings, clock)
        context.db = db
        return CliRunner().invoke(exposure_commands, ["purge", SLUG, "1", *options], obj=context)

    operator.live(numbered(5))
    with db.write() as session:
        incident_id = incidents.by_slug(session, SLUG).id
        campaign = service.start(session, operator.vault, incident_id, SLUG, 5, clock.now())
        service.advance(session, operator.vault, {}, campaign.id, clock.now(), limit=2)
    operator.live(numbered(3))
    refused = purge()
    assert refused.exit_code == 1
    assert "A notice to version 1 is still being sent" in refused.output
    jobs.resume(worker_parts)
    drain(worker_parts)
    assert len(smtp.messages) == 5
    assert purge().exit_code == 0


def test_a_notice_to_a_wrong_list_can_be_ended(operator, db, clock):
    operator.live(numbered(5))
    with db.write() as session:
        service.start(session, operator.vault, incidents.by_slug(session, SLUG).id, SLUG, 5, clock.now())
    operator.live(numbered(3))
    context = Context(operator.settings, clock)
    context.db = db
    for _ in range(2):  # the second time it goes on where it was interrupted
        done = CliRunner().invoke(exposure_commands, ["purge", SLUG, "1", "--stop-notice"], obj=context)
        assert done.exit_code == 0, done.output
