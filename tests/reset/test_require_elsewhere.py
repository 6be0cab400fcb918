"""New passwords required of accounts in the company's own table: closed there first, and none forgotten."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import select, update

from portal.exposure import service as exposure
from portal.identity import state
from portal.identity.models import AccountState
from portal.identity.ports import OutcomeUnknown, StoreFault, StoreUnavailable, Verdict
from portal.incidents import service as incidents
from portal.intake import replies
from portal.outbox.models import OutboxMail
from portal.reset.models import Requirement
from portal.reset.require import cohorts
from portal.reset.require.cohorts import Everyone, Listed, ListReplaced, Tools
from portal.reset.require.jobs import Tally
from portal.reset.require.preview import preview
from portal.reset.require.run import require
from tests.identity.contract import OLD, Customer
from tests.identity.shops import Table, cheap_hash, open_shop
from tests.reset.test_require import HEADER, SLUG, take_in
from tests.reset.test_require_pages import mailed

NAMES = [f"p{number}@northwind.example" for number in range(7)]
SHARED = "family@northwind.example"
# By address, in another case, by customer number, and twice to one account; one is nobody's.
LIST = HEADER + (
    f"{NAMES[0]},,,Passwords\nP1@northwind.example,,,Passwords\nold.of.p2@elsewhere.example,C-2,,Passwords\n"
    f"{NAMES[3]},C-3,es,Passwords\n{NAMES[4]},C-3,,Passwords\nnobody@elsewhere.example,C-99,,Passwords\n"
    f"{SHARED},,,Passwords\n{NAMES[5]},C-6,,Names\n"
)
DONE = Tally(people=7, accounts=7, newly=7, mails=7)
CLOSED = sorted([*NAMES[:5], SHARED, SHARED])


class Killed(BaseException):
    """What ends a process without a word."""


@dataclass
class Troubled:
    """A real store of which a test breaks single calls; `calls` are their names."""

    store: Any
    trouble: dict[str, list[Callable[[], None]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.store, name)
        if not callable(real):
            return real

        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            before, after = f"before {name}", f"after {name}"
            for work in self.trouble.pop(before, []):
                work()
            answer = real(*arguments)
            for work in self.trouble.pop(after, []):
                work()
            return answer

        return call


@dataclass
class Company:
    """A portal whose accounts are in a Rails table."""

    tools: Tools
    store: Troubled
    table: Table
    cohort: Listed
    pauses: list[float]

    def require(self, *, dry: bool = False) -> Tally:
        work = preview if dry else require
        return work(self.tools, self.cohort, lambda _steps: None)

    def opens(self, address: str) -> list[bool]:
        return [
            self.store.store.verify(entry.id, OLD) is Verdict.FITS
            for entry in self.store.store.find([address])
        ]

    def locked(self) -> int:
        with self.tools.db.read() as session:
            return len(session.scalars(select(AccountState.id).where(AccountState.must_reset)).all())


@pytest.fixture
def company(portal, db, worker_vault, clock, tmp_path, monkeypatch) -> Iterator[Company]:
    monkeypatch.setattr(cohorts, "PAGE", 3)
    (tmp_path / "shop.db").touch()
    table = Table(f"sqlite:///{tmp_path / 'shop.db'}", "rails", cheap_hash)
    table.create()
    customers = [Customer(name, reference=f"C-{number}") for number, name in enumerate(NAMES)]
    table.add([*customers, Customer(SHARED), Customer(SHARED)])
    portal("incidents", "create", SLUG, "--title", "The incident", "--classes", "Email addresses")
    take_in(portal, tmp_path, LIST)
    with db.read() as session:
        incident = incidents.by_slug(session, SLUG)
        people = exposure.exposed_count(session, worker_vault, incident.id, "Passwords")
    with open_shop(table, tmp_path / "slots") as shop:
        store = Troubled(shop.store)
        pauses: list[float] = []
        tools = Tools(db, worker_vault, clock, store, pauses.append)
        yield Company(tools, store, table, Listed(SLUG, 1, people, incident.id), pauses)


def token(vault, row_id: bytes) -> str:
    return str(vault.token("reset", row_id))


def fail(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_passwords_are_closed_in_the_companys_table_and_their_owners_mailed(company, db, worker_vault):
    for name in NAMES:
        company.table.open_session(name)
    assert company.require(dry=True) == DONE
    assert company.opens(NAMES[0]) == [True]
    assert company.require() == DONE
    assert mailed(db, worker_vault) == CLOSED
    assert [company.opens(name) for name in NAMES] == [[False]] * 5 + [[True]] * 2
    assert company.opens(SHARED) == [False, False]
    assert [company.table.has_session(name) for name in NAMES] == [False] * 5 + [True] * 2
    entry = company.store.store.find([NAMES[2]])[0]
    with db.read() as session:
        account = state.account_id(worker_vault, "sql", entry.id)
        kept = state.closed(session, worker_vault, account)
        assert state.entry(session, worker_vault, account) == entry
        links = {
            private["to"]: (private["id"], private["version"])
            for row_id in session.scalars(select(OutboxMail.id))
            for _, private in [replies.private(session, worker_vault, "reset", token(worker_vault, row_id))]
        }
    assert links[NAMES[2]] == (entry.id, 2)
    assert kept is not None
    assert company.store.store.was_closed(entry.id, OLD, kept)
    assert company.require() == Tally(people=7, accounts=7, already=7)
    assert len(mailed(db, worker_vault)) == 7


@pytest.mark.sqlite
def test_everyone_is_everyone_in_the_companys_table(company, db, worker_vault):
    tally = require(company.tools, Everyone(), lambda _steps: None)
    assert tally == Tally(people=9, accounts=9, newly=9, mails=9)
    assert sorted({*mailed(db, worker_vault)}) == sorted([*NAMES, SHARED])


@pytest.mark.sqlite
def test_a_job_for_everyone_goes_on_behind_an_id_that_nobody_reads_in_the_database(company, db):
    later = {"before require_change": [fail(Killed())]}
    company.store.trouble["after end_sessions"] = [lambda: company.store.trouble.update(later)]
    with pytest.raises(Killed):
        require(company.tools, Everyone(), lambda _steps: None)
    with db.read() as session:
        assert [len(cursor) for cursor in session.scalars(select(Requirement.cursor))] == [1052]
    closed = company.locked()
    assert 0 < closed < 9
    tally = require(company.tools, Everyone(), lambda _steps: None)
    assert (tally, company.locked()) == (Tally(people=9, accounts=9, newly=9, mails=9), 9)


def test_who_chose_anew_by_mail_is_left_in_peace(company, db, worker_vault):
    company.require()
    entry = company.store.store.find([NAMES[0]])[0]
    account = state.account_id(worker_vault, "sql", entry.id)
    with db.write() as session:
        now = company.tools.clock.now()
        assert state.changed(session, account, expected_version=2, now=now, by_mail_at=now)
    company.store.store.set_password(entry.id, OLD)
    company.store.calls.clear()
    assert company.require() == Tally(people=7, accounts=7, already=6, renewed=1)
    assert "require_change" not in company.store.calls
    assert company.opens(NAMES[0]) == [True]


@pytest.mark.sqlite
@pytest.mark.parametrize("error", [StoreUnavailable("away"), OutcomeUnknown("broken")])
@pytest.mark.parametrize("call", ["before require_change", "after require_change", "after end_sessions"])
def test_a_store_that_is_away_or_says_nothing_is_asked_again(company, db, worker_vault, error, call):
    company.store.trouble[call] = [fail(error)]
    assert company.require() == DONE
    assert company.pauses == [2.0]
    assert mailed(db, worker_vault) == CLOSED


@pytest.mark.sqlite
def test_a_store_that_stays_away_is_asked_ever_less_often_and_nothing_is_lost(company, db, worker_vault):
    def still_away() -> None:
        if len(company.pauses) < 8:
            company.store.trouble["before find"] = [still_away]
            raise StoreUnavailable

    company.store.trouble["before find"] = [still_away]
    assert company.require() == DONE
    assert company.pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert mailed(db, worker_vault) == CLOSED


@pytest.mark.sqlite
@pytest.mark.parametrize("call", ["before require_change", "after require_change", "after end_sessions"])
def test_a_command_killed_at_any_call_goes_on_and_mails_everybody_once(company, db, worker_vault, call):
    company.store.trouble[call] = [fail(Killed())]
    with pytest.raises(Killed):
        company.require()
    assert company.locked() < 7
    assert company.require(dry=True) == DONE
    assert company.require() == DONE
    assert company.locked() == 7
    assert mailed(db, worker_vault) == CLOSED
    assert [company.opens(name) for name in NAMES[:5]] == [[False]] * 5


def test_who_chooses_anew_while_the_store_closes_is_locked_with_a_mail_not_without(company, db, worker_vault):
    """Nobody can say which came last, and a closed password without a mail would leave its owner helpless."""

    def choose() -> None:
        with db.write() as session:
            session.execute(
                update(AccountState).values(
                    chosen_by_mail_at=company.tools.clock.now(), version=AccountState.version + 1
                )
            )

    company.store.trouble["after require_change"] = [choose]
    assert company.require() == DONE
    assert mailed(db, worker_vault) == CLOSED
    assert company.locked() == 7


@pytest.mark.sqlite
def test_who_chooses_anew_while_the_store_is_away_keeps_the_new_password(
    company, db, worker_vault, monkeypatch
):
    monkeypatch.setattr(cohorts, "PAGE", 500)

    def choose() -> None:
        entry = company.store.store.find([NAMES[0]])[0]
        company.store.store.set_password(entry.id, OLD)
        now = company.tools.clock.now()
        with db.write() as session:
            account = state.account_id(worker_vault, "sql", entry.id)
            assert state.changed(session, account, expected_version=1, now=now, by_mail_at=now)
        raise StoreUnavailable

    company.store.trouble["before require_change"] = [choose]
    assert company.require() == replace(DONE, newly=6, renewed=1, mails=6)
    assert company.opens(NAMES[0]) == [True]


@pytest.mark.sqlite
def test_a_store_that_answers_wrongly_stops_the_command_which_goes_on_later(company, db, worker_vault):
    company.store.trouble["before require_change"] = [fail(StoreFault("a column vanished"))]
    with pytest.raises(StoreFault):
        company.require()
    assert company.pauses == []
    assert company.require() == DONE
    assert mailed(db, worker_vault) == CLOSED


@pytest.mark.sqlite
def test_without_a_search_by_number_people_are_found_by_address_alone(company, db, worker_vault):
    store = company.store.store
    store.capabilities = replace(store.capabilities, find_by_reference=False)
    assert company.require() == replace(DONE, accounts=6, newly=6, mails=6)
    assert "find_by_reference" not in company.store.calls
    assert mailed(db, worker_vault) == [name for name in CLOSED if name != NAMES[2]]


@pytest.mark.sqlite
def test_what_was_interrupted_with_another_store_is_begun_anew_in_this_one(company):
    """The accounts of the former store say nothing about this one's."""
    company.store.trouble["after end_sessions"] = [fail(Killed())]
    builtin = replace(company.tools, store=None)
    require(builtin, Everyone(), lambda _steps: None)
    with pytest.raises(Killed):
        require(company.tools, Everyone(), lambda _steps: None)
    require(builtin, Everyone(), lambda _steps: None)
    tally = require(company.tools, Everyone(), lambda _steps: None)
    assert (tally.newly, company.locked()) == (9, 9)


@pytest.mark.sqlite
def test_a_list_activated_anew_stops_it_here_too(company, portal, tmp_path):
    company.store.trouble["after require_change"] = [
        lambda: take_in(portal, tmp_path, HEADER + f"{NAMES[0]},,,Passwords\n")
    ]
    with pytest.raises(ListReplaced):
        company.require()
