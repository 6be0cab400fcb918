"""A thief with everything but the worker's keys, and every customer's address, learns nobody's place.

The portal runs as an operator runs it, with the demonstration's data. The thief copies the database with its
WAL, the logs and the web keys, then looks for plain bytes, for values computed with the web keys, for lengths
and for order.
"""

import csv
import hashlib
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.cookiejar import CookieJar
from pathlib import Path
from time import monotonic, sleep
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from sqlalchemy import text

from portal.core.clock import SystemClock
from portal.core.settings import Settings
from portal.crypto.keys import read_web, write_pair
from portal.crypto.vault import WebVault, WorkerVault
from portal.demo import example, people
from portal.exposure.people import Indexer
from portal.identity.builtin.store import BuiltinStore
from portal.incidents import announcing
from portal.outbox import jobs as outbox
from portal.outbox.service import unseal
from portal.runtime.context import Context
from tests.accounts.passkeys.conftest import Owner
from tests.mailbox import Mailbox
from tests.peers.loot import (
    BY_TIME,
    COMPUTABLE,
    Customer,
    Loot,
    accounts_look_alike,
    confirmed,
    found_in,
    lists_are_read,
    nothing_between,
    nothing_joins,
    rank_correlation,
    rows_of,
    rows_say_nothing,
    send_lists,
    set_up,
    shapes,
    spellings,
)
from tests.peers.staff_loot import employ, staff_say_nothing
from tests.processes import command, free_port, serving, working
from tests.visitor import hidden

SLUG = example.incident()["slug"]
NOT_AFFECTED = 1_000
WITH_ACCOUNT = 300  # of the affected, and as many of those who are not
HASH = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
FORMS = ("/check/", "/reset/", "/subscribe/")
CONFIRM = re.compile(r"http://localhost:\d+(/subscribe/confirm/[a-z2-7]{32}/)")


@dataclass(frozen=True)
class Queued:
    """A notice in the outbox, as nobody without the worker's keys can read it."""

    address: str
    id: bytes
    created_at: str
    proof_hash: bytes | None


@dataclass
class Portal:
    """The portal at work, and what the visits for each address left in it."""

    context: Context
    environ: dict[str, str]
    smtp: Mailbox
    customers: list[Customer]
    traces: dict[str, dict[str, Counter[tuple[object, ...]]]] = field(default_factory=dict)

    def visit(self, address: str) -> None:
        """Send all forms for one address, guess its password, confirm, and note the rows sent."""
        before, had = shapes(self.context.db), len(self.smtp.to(address))
        browser = Browser(self.environ["PORTAL_BASE_URL"])
        for page in FORMS:
            browser.submit(page, email=address)
        for _ in range(2):
            browser.fail_to_sign_in(address)
        browser.submit("/cases/new/", contact=f"write to {address}")
        wait_until(lambda: len(self.smtp.to(address)) == had + len(FORMS))
        (link,) = {link for mail in self.smtp.to(address) for link in CONFIRM.findall(mail.text)}
        browser.confirm(link)
        wait_until(self.is_at_rest)
        after = shapes(self.context.db)
        self.traces[address] = {
            table: after[table] - before[table] for table in after if table not in BY_TIME
        }

    def notify_a_part(self) -> None:
        """Notify everyone, while the relay takes every second mail only."""
        tried: Counter[str] = Counter()

        def every_second(address: str) -> str:
            tried[address] += 1
            return "250 OK" if len(tried) % 2 else "451 later"

        self.smtp.answer_recipient = every_second
        affected = {customer.address for customer in self.customers if customer.affected}
        addresses = len(affected) - 1  # one is left out
        command(self.environ, "campaigns", "notify", SLUG, "--confirm", str(addresses))
        wait_until(lambda: len(tried) == addresses)

    def is_at_rest(self) -> bool:
        """Whether every request is answered, every mail sent, and every update told to whoever wanted it."""
        with self.context.db.read() as session:
            if announcing.waiting(session, self.context.worker_vault()):
                return False
            requests = session.execute(text("SELECT count(*) FROM intake_requests")).scalar_one()
            mails = session.execute(
                text("SELECT count(*) FROM outbox_mails WHERE state <> 'sent'")
            ).scalar_one()
        return (requests, mails) == (0, 0)


class Browser:
    """Keeps cookies, and sends forms to the running portal."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def submit(self, page: str, **fields: str) -> None:
        self._send(self.url + page, fields)

    def fail_to_sign_in(self, address: str) -> None:
        with pytest.raises(HTTPError) as refused:
            self.submit("/sign-in/", email=address, password="no password of anybody's")
        with refused.value as answer:
            assert answer.code == 400

    def confirm(self, link: str) -> None:
        self._send(self.opener.open(self.url + link).url, {})

    def _send(self, url: str, fields: dict[str, str]) -> None:
        shown = self.opener.open(url).read().decode()
        assert self.opener.open(url, urlencode(hidden(shown) | fields).encode()).status == 200


def wait_until(done: Callable[[], bool], seconds: float = 20) -> None:
    end = monotonic() + seconds
    while not done():
        assert monotonic() < end, "the portal did not come to rest"
        sleep(0.02)


@pytest.fixture
def customers() -> list[Customer]:
    """The affected in the order of the list, then a thousand more who were made in the same way."""
    chance = random.Random(7)
    known = {
        one.email: Customer(one.email, one.name, one.account_ref, affected=True) for one in people.affected()
    }
    for number in range(2001, 2001 + NOT_AFFECTED):
        first, last = chance.choice(people.FIRST), chance.choice(people.LAST)
        address = f"{first}.{last}{number}@{chance.choice(people.DOMAINS)}".lower()
        known[address] = Customer(address, f"{first} {last}", f"C-{100000 + number}", affected=False)
    return list(known.values())


@pytest.fixture
def stolen_environ(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A portal's environment whose files are in the stolen folder, including an SQLite database."""
    (tmp_path / "stolen").mkdir()
    database_url = environ["PORTAL_DATABASE_URL"]
    if database_url.startswith("sqlite"):
        (tmp_path / "portal.db").rename(tmp_path / "stolen/portal.db")
        database_url = f"sqlite:///{tmp_path}/stolen/portal.db"
    port = free_port()
    return environ | {
        "PORTAL_DATABASE_URL": database_url,
        "PORTAL_BASE_URL": f"http://localhost:{port}",
        "PORTAL_LISTEN": f"127.0.0.1:{port}",
    }


@pytest.fixture
def visited_portal(
    stolen_environ: dict[str, str], smtp: Mailbox, customers: list[Customer], tmp_path: Path
) -> Iterator[Portal]:
    """The demonstration's data, accounts of both kinds, visits by people of all three kinds, and a notice."""
    context = Context(Settings.from_env(stolen_environ))
    example.load(context, new=True)
    affected = [one for one in customers if one.affected]
    others = [one for one in customers if not one.affected]
    with_account = [*affected[100 : 100 + WITH_ACCOUNT], *others[100 : 100 + WITH_ACCOUNT]]
    random.Random(1).shuffle(with_account)
    file = tmp_path / "accounts.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("email", "password_hash", "account_ref", "name", "locale"))
        rows.writerows((one.address, HASH, one.ref, one.name, "en") for one in with_account)
    command(stolen_environ, "accounts", "import", file)
    file.unlink()
    # Of those who are visited, some have passkeys, and others of both kinds have none.
    for one in (*affected[100:110], affected[150], *others[100:110], others[250]):
        make_passkey(context, one.address)
    for one in (*affected[110:120], affected[250], *others[110:120], others[150]):
        set_up(context, WebVault(read_web(context.settings.keys.web_file)), one.address)
    send_lists(context, customers)
    employ(context, [affected[300], others[300]])
    made = Portal(context, stolen_environ, smtp, customers)
    log = tmp_path / "stolen/portal.log"
    with serving(stolen_environ, log), working(stolen_environ, log):
        wait_until(made.is_at_rest)
        wait_until(lambda: lists_are_read(context.db))
        for number in (0, 99, 150, 250):  # without an account, and with one
            made.visit(affected[number].address)
            made.visit(others[number].address)
        made.visit("nobody.knows@elsewhere.example")
        made.visit("me@a.example")
        made.notify_a_part()
        yield made
    context.db.dispose()


def make_passkey(context: Context, address: str) -> None:
    """Give an account a passkey, and use it."""
    vault, clock = WebVault(read_web(context.settings.keys.web_file)), SystemClock()
    with context.db.read() as session:
        account = BuiltinStore().find(session, vault, address)
    assert account is not None
    owner = Owner(context.db, vault, clock, account.id, address)
    passkey, _id = owner.new(f"Phone of {address}")
    assert owner.verify(passkey.get(owner.request())) is not None


@pytest.fixture
def notices(visited_portal: Portal, worker_vault: WorkerVault) -> list[Queued]:
    """The notices before any is moved; then those that were sent are, as by the worker ten minutes later."""
    found = []
    for row in rows_of(visited_portal.context.db)["outbox_mails"]:
        if row["purpose"] == "notice":
            address = unseal(worker_vault, row["id"], row["payload"]).address
            found.append(Queued(address, row["id"], str(row["created_at"]), row["proof_hash"]))
    later = SystemClock().now() + timedelta(minutes=10)
    with visited_portal.context.db.write() as session:
        assert outbox.move_some(session, later, 400) == 400
    return found


@pytest.fixture
def loot(visited_portal: Portal, notices: list[Queued], tmp_path: Path) -> Loot:
    """Taken while the portal is at work, so that the WAL is there."""
    tables = rows_of(visited_portal.context.db)
    web_keys = tmp_path / "keys/web.json"
    files = sorted((tmp_path / "stolen").rglob("*"))
    content = b"\0".join(path.read_bytes() for path in (*files, web_keys) if path.is_file())
    if visited_portal.context.db.is_sqlite:
        assert (tmp_path / "stolen/portal.db-wal").stat().st_size
    content += b"\0".join(
        value if isinstance(value, bytes) else str(value).encode()
        for rows in tables.values()
        for row in rows
        for value in row.values()
    )
    return Loot(content, tables, web_keys)


def visits_left_the_same(traces: dict[str, dict[str, Counter[tuple[object, ...]]]]) -> None:
    """Affected, not affected and unknown, with an account and without: the same rows of the same lengths."""
    first, *others = traces.values()
    assert sum(first["intake_replies"].values()) == len(FORMS)
    assert sum(first["outbox_mails"].values()) == len(FORMS)
    assert sum(first["subscriptions"].values()) == 1
    assert sum(first["sign_in_doors"].values()) == 1
    for other in others:
        assert other == first


def guesses_at_the_door_say_nothing(
    loot: Loot, traces: dict[str, dict[str, Counter[tuple[object, ...]]]]
) -> None:
    """The thief knows when they tried which address: no time and no value in a door leads to one of them."""
    doors = loot.tables["sign_in_doors"]
    assert len(doors) == len(traces)
    assert len({row["forget_at"] for row in doors}) <= 2, (
        "as many as there may be where a month ends meanwhile"
    )
    nothing_joins(loot, "sign_in_doors")


def rows_have_one_length(loot: Loot) -> None:
    assert {len(row["blob"]) for row in loot.tables["exposure_people"]} == {284}
    stored = Counter(row["list_id"] for row in loot.tables["exposure_people"])
    (active,) = loot.tables["exposure_active"]
    assert stored[active["list_id"]] == 1000
    assert len({len(row["payload"]) for row in loot.tables["outbox_mails"]}) == 1
    assert {row["state"] for row in loot.tables["outbox_mails"]} >= {"sent", "queued"}
    assert len({len(row["proof"]) for row in loot.tables["outbox_mails"] if row["state"] == "sent"}) == 1


def sent_mails_lead_nowhere(loot: Loot) -> None:
    """What is kept of a sent mail has no time, and nothing but the notice leads to another row."""
    rows = loot.tables["outbox_delivered"]
    assert {row["batch"] for row in rows} <= {None, *(row["id"] for row in loot.tables["notices"])}
    assert len({len(row["proof"]) for row in rows}) == 1
    assert len({str(row["day"]) for row in rows}) <= 2, "as many as there are where midnight passes"
    assert {len(str(row["day"])) for row in rows} == {10}
    without = [{column: value for column, value in row.items() if column != "batch"} for row in rows]
    nothing_joins(replace(loot, tables=loot.tables | {"outbox_delivered": without}), "outbox_delivered")


def order_says_nothing(loot: Loot, portal: Portal, vault: WorkerVault, notices: list[Queued]) -> None:
    """The order of the rows does not show the order of the company's list.

    Looked at by place on the disk, by id and by time; each may fail by chance once in 15,000 runs.
    """
    listed = {one.address: place for place, one in enumerate(portal.customers)}
    placed = [(one.id, one.created_at, listed[one.address]) for one in notices]
    most = 4 / math.sqrt(len(placed))
    assert len(placed) > 990
    assert abs(rank_correlation([place for _, _, place in placed])) < most
    assert abs(rank_correlation([place for _, _, place in sorted(placed)])) < most
    assert abs(rank_correlation([place for _, _, place in sorted(placed, key=lambda row: row[1])])) < most
    by_hash = {one.proof_hash: listed[one.address] for one in notices}
    stored = [row["proof_hash"] for row in loot.tables["outbox_delivered"]]
    moved = [by_hash[proof_hash] for proof_hash in stored if proof_hash in by_hash]
    assert len(moved) > 300
    assert abs(rank_correlation(moved)) < 4 / math.sqrt(len(moved))
    indexer = Indexer(vault)
    folds = {indexer.fold(one.address): listed[one.address] for one in portal.customers if one.affected}
    for list_id in {row["list_id"] for row in loot.tables["exposure_people"]}:
        rows = [row for row in loot.tables["exposure_people"] if row["list_id"] == list_id]
        order = list(dict.fromkeys(row["fold_index"] for row in rows))
        assert order == sorted(order)
        ranks = [folds[fold] for fold in order if fold in folds]
        assert abs(rank_correlation(ranks)) < 4 / math.sqrt(len(ranks))


def test_the_thief_learns_nothing(loot, visited_portal, worker_vault, notices):
    # One loot for everything: taking it takes longer than looking at it.
    assert not found_in(loot.content, visited_portal.customers)
    assert {("identity_accounts", "address_index")} <= confirmed(loot, visited_portal.customers) <= COMPUTABLE
    accounts_look_alike(loot, visited_portal.customers)
    visits_left_the_same(visited_portal.traces)
    guesses_at_the_door_say_nothing(loot, visited_portal.traces)
    rows_say_nothing(loot)
    staff_say_nothing(loot)
    rows_have_one_length(loot)
    order_says_nothing(loot, visited_portal, worker_vault, notices)
    sent_mails_lead_nowhere(loot)


@pytest.mark.parametrize("spelling", range(len(list(spellings("ada.silva@mail.example")))))
def test_the_thief_would_see_it(spelling):
    ada = Customer("ada.silva@mail.example", "Ada Silva", "C-1", affected=True)
    hidden_there = list(spellings(ada.address))[spelling]
    assert found_in(b"\xff\x00xyz" + hidden_there + b"\x00", [ada])


@pytest.mark.parametrize(
    "planted",
    [
        lambda vault, ada: vault.account_index(ada),
        lambda vault, ada: vault.bucket("check", ada),
        lambda vault, ada: vault.bucket("sign-in door", vault.account_index(ada).hex()),
        lambda _vault, ada: hashlib.sha256(ada.encode()).hexdigest(),
        lambda _vault, ada: hashlib.md5(b"00 " + ada.encode()).digest(),
    ],
)
def test_the_thief_would_confirm_it(planted, web_keys, worker_keys, web_vault, tmp_path):
    write_pair(web_keys, worker_keys, tmp_path / "web.json", tmp_path / "worker.json")
    ada = Customer("ada.silva@mail.example", "Ada Silva", "C-1", affected=True)
    rows = {"incidents": [{"id": b"\0"}], "some_table": [{"some_column": planted(web_vault, ada.address)}]}
    assert confirmed(Loot(b"", rows, tmp_path / "web.json"), [ada]) == {("some_table", "some_column")}


def test_the_thief_would_see_what_joins():
    rows = {"some_table": [{"index": b"ada"}], "accounts": [{"index": b"bob"}]}
    nothing_joins(Loot(b"", rows, Path()), "some_table")
    for leak in ({"accounts": [{"other": b"ada"}]}, {"some_table": [{"index": b"ada"}, {"index": b"ada"}]}):
        with pytest.raises(AssertionError):
            nothing_joins(Loot(b"", rows | leak, Path()), "some_table")


def test_the_thief_would_see_an_order():
    mixed = random.Random(3).sample(range(1000), 1000)
    assert abs(rank_correlation(mixed)) < 4 / math.sqrt(1000) < rank_correlation(sorted(mixed))
    assert nothing_between(mixed[:500], mixed[500:])
    assert not nothing_between(list(range(500)), list(range(500, 1000)))
