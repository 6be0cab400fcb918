"""What a thief makes of a stolen portal: every row, every byte, and what the web keys can compute."""

import hashlib
import hmac
import json
import math
from base64 import b32decode, b64encode, urlsafe_b64decode
from binascii import b2a_qp
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import pyotp
from sqlalchemy import inspect, text

from portal.accounts.activity.service import Kind, record
from portal.accounts.address import past
from portal.accounts.address import service as addresses
from portal.accounts.factors import proofs
from portal.accounts.factors import service as factors
from portal.accounts.factors.lost import service as lost
from portal.core.addresses import folded
from portal.core.clock import SystemClock
from portal.core.db import Database, new_id
from portal.crypto.keys import read_web
from portal.crypto.vault import WebVault, derived_key
from portal.exposure.uploads import receiving
from portal.identity.builtin.store import BuiltinStore
from portal.incidents import service as incidents
from portal.mydata import service as mydata
from portal.runtime.context import Context
from tests.authenticator import SECRET

# With the web keys. A door has a row for every address that somebody tried, so its name says nothing about
# the list.
COMPUTABLE = {("identity_accounts", "address_index"), ("rate_buckets", "bucket"), ("sign_in_doors", "door")}
# What grows with time, whoever comes.
BY_TIME = {
    "rate_buckets",
    "audit_checkpoints",
    "intake_pace",
    "outbox_delivered",
    "outbox_counts",
    "outbox_lanes",
    "outbox_ledger",
    "worker_heartbeats",
}
# What the worker's blind indexes are made for; without its key the purposes are no secret.
PURPOSES = (
    *(
        "account",
        "bucket",
        "exposure",
        "exposure-person",
        "notice",
        "subscription",
        "suppression",
        "account-ref",
        "external account",
        "past address",
        "former address",
    ),
    *("check", "reset", "subscribe", "check again", "answer-reference", "stand-in"),
    *("password attempt", "worker process key"),
    *(f"{what} {form}" for what in ("cap", "owner") for form in ("check", "reset", "subscribe")),
)
RANDOM_TEXTS = ("_hash", "closed", "number")  # ciphertexts stored as text, and a case's number
SHORTEST = 7  # bytes of a name or an address that are no accident in random bytes


@dataclass(frozen=True)
class Customer:
    """Somebody whose address the thief knows."""

    address: str
    name: str
    ref: str
    affected: bool


@dataclass(frozen=True)
class Loot:
    """What the thief took: bytes, every row of every table in its stored order, and the web keys."""

    content: bytes
    tables: dict[str, list[dict[str, Any]]]
    web_keys: Path


def rows_of(db: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, in the order in which the database keeps them."""
    with db.engine.connect() as connection:
        names = inspect(connection).get_table_names()
        place = "" if db.is_sqlite else " ORDER BY ctid"
        found = {
            name: connection.execute(text(f'SELECT * FROM "{name}"{place}')).mappings().all()
            for name in names
        }
    return {
        name: [{k: bytes(v) if isinstance(v, memoryview) else v for k, v in row.items()} for row in rows]
        for name, rows in found.items()
    }


def shape(row: dict[str, Any]) -> tuple[object, ...]:
    """A row without its random bytes and its times: the lengths, the numbers and the words."""
    return tuple(
        len(value)
        if isinstance(value, bytes) or (isinstance(value, str) and value and name.endswith(RANDOM_TEXTS))
        else repr(value)
        for name, value in row.items()
        if not name.endswith(("_at", "_until", "deadline"))
    )


def shapes(db: Database) -> dict[str, Counter[tuple[object, ...]]]:
    return {name: Counter(map(shape, rows)) for name, rows in rows_of(db).items()}


def rank_correlation(places: list[int]) -> float:
    """Spearman's correlation between the order of a list and the values in it."""
    ranks = {value: rank for rank, value in enumerate(sorted(places))}
    squares = sum((rank - ranks[value]) ** 2 for rank, value in enumerate(places))
    return 1 - 6 * squares / (len(places) * (len(places) ** 2 - 1))


def spellings(value: str) -> Iterator[bytes]:
    """A text as it may lie in a file: plain, turned round, and in every usual encoding."""
    raw = value.encode()
    forms = [raw, raw[::-1], value.encode("utf-16-le"), value.encode("utf-16-be"), raw.hex().encode()]
    forms += [
        quote(value).encode(),
        quote(value, safe="").encode(),
        b2a_qp(raw),
        json.dumps(value)[1:-1].encode(),
    ]
    forms += ["".join(f"={byte:02X}" for byte in raw).encode()]
    yield from forms
    for shift in range(
        3
    ):  # base 64 looks different by what stands before it; the ends depend on their neighbours
        coded = b64encode(b"\0" * shift + raw)
        whole = coded[-(-shift * 8 // 6) : len(coded) - 4]
        yield whole
        yield whole.replace(b"+", b"-").replace(b"/", b"_")


def found_in(content: bytes, customers: list[Customer]) -> set[bytes]:
    """Return the addresses, names and customer numbers that occur in the bytes, whatever their case."""
    needles: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for value in {known for one in customers for known in (one.address, one.name, one.ref)}:
        for spelling in spellings(value):
            lowered = spelling.lower()
            if len(lowered) >= SHORTEST:
                needles[lowered[:SHORTEST]].add(lowered)
    hay = content.lower()
    begins = needles.keys()
    candidates = (at for at in range(len(hay)) if hay[at : at + SHORTEST] in begins)
    return {
        needle
        for at in candidates
        for needle in needles[hay[at : at + SHORTEST]]
        if hay.startswith(needle, at)
    }


def computed(web_keys: Path, customers: list[Customer], incident_ids: list[str]) -> Iterator[bytes]:
    """What the thief can compute about a customer: digests, plain and with the web keys."""
    keys = read_web(web_keys)
    vault = WebVault(keys)
    raw = [keys.account_index, keys.sealing_public, keys.session_secret.encode(), keys.key_id.encode()]
    raw.append(urlsafe_b64decode(keys.session_secret))
    raw += [derived_key(keys.account_index, purpose) for purpose in PURPOSES]
    for one in customers:
        forms = {one.address, folded(one.address), one.address.upper(), one.ref}
        forms |= {f"{incident}{between}{one.address}" for incident in incident_ids for between in ("\0", " ")}
        for form in forms:
            value = form.encode()
            yield from (
                hashlib.new(name, value).digest() for name in ("md5", "sha1", "sha256", "sha512", "blake2b")
            )
            yield from (hashlib.blake2b(value, digest_size=size).digest() for size in (16, 32))
            yield hashlib.sha256(b"portal token\0" + value).digest()
            yield vault.bucket(form)
            yield vault.account_index(form)
            yield vault.bucket("sign-in door", vault.account_index(form).hex())
            for key in raw:
                yield hashlib.blake2b(value, key=key, digest_size=16).digest()
                yield hmac.digest(key, value, "sha256")
        yield from (vault.bucket(purpose, one.address) for purpose in PURPOSES)


def confirmed(loot: Loot, customers: list[Customer]) -> set[tuple[str, str]]:
    """Return the columns that hold something which the thief can compute about somebody."""
    incident_ids = [bytes(row["id"]).hex() for row in loot.tables["incidents"]]
    guesses = {guess[:16] for guess in computed(loot.web_keys, customers, incident_ids)}
    words = {guess.hex() for guess in guesses}
    return {
        (table, column)
        for table, rows in loot.tables.items()
        for row in rows
        for column, value in row.items()
        if (isinstance(value, bytes) and value[:16] in guesses)
        or (isinstance(value, str) and value.lower()[:32] in words)
    }


def nothing_joins(loot: Loot, table: str) -> None:
    """Without a key, no row of a table leads to a row of another table, or to the next row."""
    own = [value for row in loot.tables[table] for value in row.values() if isinstance(value, bytes)]
    assert len(set(own)) == len(own) > 0
    others = {
        value
        for name, rows in loot.tables.items()
        for row in rows
        for value in row.values()
        if name != table and isinstance(value, bytes)
    }
    assert not others & set(own)


def set_up(context: Context, vault: WebVault, address: str) -> None:
    """Give an account an app and recovery codes, leave a sign-in half-way, record an event, and move."""
    with context.db.read() as session:
        account = BuiltinStore().find(session, vault, address)
    assert account is not None
    now = SystemClock().now()
    with context.db.write() as session:
        assert factors.add_code(session, vault, account, SECRET, pyotp.TOTP(SECRET).at(now), now)
        assert len(factors.make_recovery_codes(session, vault, account.id)) == 10
        assert proofs.begin(session, proofs.Purpose.SIGN_IN, account, now=now, address=address)
        assert lost.begin(session, account, now)  # of factors that were lost
        record(session, vault, account.id, Kind.CHANGED_PASSWORD, now, device="Firefox/Android")
        copy = json.dumps({"address": address}).encode()
        mydata.store(session, new_id(), token_hex(16), copy, now)
        # Somebody who had another address, and asked for a third one.
        worker = context.worker_vault()
        change_id = addresses.ask(session, worker, account, address, f"new.{address}", now)
        past.add(session, worker, change_id, account.id, f"old.{address}", now + timedelta(days=8))


def send_lists(context: Context, customers: list[Customer]) -> None:
    """Leave the list on its way through the console: once stopped in the middle, once to be read."""
    vault = WebVault(read_web(context.settings.keys.web_file))
    place, now = receiving.Place(context.db, vault, SystemClock()), SystemClock().now()
    rows = [f"{one.address},{one.ref},{one.name}\n" for one in customers if one.affected]
    content = ("email,account_ref,name\n" + "".join(rows)).encode() * 5
    with context.db.write() as session:
        incident_id = incidents.every(session)[0].id
        uploads = [
            receiving.begin(session, incident_id, "list", "text", len(content), "staff", now, name="list.csv")
            for _ in range(2)
        ]
    assert receiving.receive(place, uploads[0], 0, len(content), BytesIO(content[:-9]).read) > 200_000
    assert receiving.receive(place, uploads[1], 0, len(content), BytesIO(content).read) == len(content)


def lists_are_read(db: Database) -> bool:
    """Whether the worker has read what was sent, and compared the versions with the active one."""
    tables = rows_of(db)
    read = [row for row in tables["list_uploads"] if row["state"] == "read"]
    return len(read) == 1 and len(tables["exposure_comparisons"]) == 2


def lists_say_nothing(loot: Loot) -> None:
    """A list on its way is sealed, and what the worker found in it too."""
    uploads = loot.tables["list_uploads"]
    assert {row["state"] for row in uploads} == {"receiving", "read"}
    assert len(loot.tables["list_upload_chunks"]) == len(loot.tables["list_upload_keys"]) == 2
    assert len({row["mark"] for row in uploads}) == 2


def moves_say_nothing(loot: Loot) -> None:
    """A change of an address leads to its account alone, and no address lies in it, or follows from it."""
    (asked, before) = (loot.tables[name] for name in ("address_changes", "past_addresses"))
    assert {len(row["sealed"]) for row in asked} == {2_076}
    assert {len(row["sealed"]) for row in before} == {540}
    assert len(asked) == len(before) == 22
    for name in ("address_changes", "past_addresses"):
        named = [
            {column: value for column, value in row.items() if column not in ("account_id", "id")}
            for row in loot.tables[name]
        ]  # both rows of a change have its id
        nothing_joins(replace(loot, tables=loot.tables | {name: named}), name)


def codes_say_nothing(loot: Loot) -> None:
    """What belongs to a second step leads to its account alone, looks alike, and holds no secret."""
    lengths = {"one_time_codes": {92}, "recovery_codes": {16}, "account_proofs": {288}}
    for (table, expected), column, count in zip(
        lengths.items(), ("secret", "key", "address"), (22, 220, 22), strict=True
    ):
        rows = loot.tables[table]
        assert len(rows) == count
        assert {len(row[column]) for row in rows} == expected
        named = [{k: v for k, v in row.items() if k not in ("account_id", "bound_to")} for row in rows]
        nothing_joins(replace(loot, tables=loot.tables | {table: named}), table)
    assert SECRET.encode() not in loot.content
    assert b32decode(SECRET) not in loot.content


def rows_say_nothing(loot: Loot) -> None:
    """What people have, and what became of it, tells nothing about who it is."""
    passkeys_say_nothing(loot)
    codes_say_nothing(loot)
    copies_say_nothing(loot)
    moves_say_nothing(loot)
    events_say_nothing(loot)
    cases_say_nothing(loot)
    lists_say_nothing(loot)


def passkeys_say_nothing(loot: Loot) -> None:
    """A passkey's row leads to its account, which leads to no one, and all look alike."""
    rows = loot.tables["passkeys"]
    assert len(rows) == 22
    assert {(len(row["content"]), len(row["address"])) for row in rows} == {(1564, 560)}
    without = [{column: value for column, value in row.items() if column != "account_id"} for row in rows]
    nothing_joins(replace(loot, tables=loot.tables | {"passkeys": without}), "passkeys")
    assert len(loot.tables["passkey_challenges"]) == 44
    nothing_joins(loot, "passkey_challenges")


def copies_say_nothing(loot: Loot) -> None:
    """A copy of a person's data leads to nobody, and all are as long."""
    rows = loot.tables["data_copies"]
    assert len(rows) == 22
    assert {len(row["content"]) for row in rows} == {65_568}
    nothing_joins(loot, "data_copies")


def events_say_nothing(loot: Loot) -> None:
    """What happened to an account, when and where is one sealed cell, as long for all; the day is not."""
    rows = loot.tables["account_events"]
    assert {len(row["sealed"]) for row in rows} == {156}
    assert len(rows) == 44  # a passkey added, or a password changed
    without = [{"id": row["id"], "sealed": row["sealed"]} for row in rows]
    nothing_joins(replace(loot, tables=loot.tables | {"account_events": without}), "account_events")


def cases_say_nothing(loot: Loot) -> None:
    """A case leads to nobody: all have the same lengths, and nothing in one is anywhere else."""
    rows = loot.tables["cases"]
    assert len({shape(row) for row in rows}) == 1
    assert {(len(row["public"]), len(row["view"]), len(row["contact"])) for row in rows} == {(32, 2096, 1072)}
    nothing_joins(loot, "cases")


def accounts_look_alike(loot: Loot, customers: list[Customer]) -> None:
    """The thief finds accounts, but not who is affected: their rows have the same words and lengths."""
    vault = WebVault(read_web(loot.web_keys))
    states = {row["id"]: row for row in loot.tables["account_state"]}
    rows = {row["address_index"]: row | states[row["id"]] for row in loot.tables["identity_accounts"]}
    kinds: dict[bool, set[tuple[object, ...]]] = {True: set(), False: set()}
    present: dict[bool, list[bytes]] = {True: [], False: []}
    kept = {row_id: place for place, row_id in enumerate(states)}
    orders = [
        {index: place for place, index in enumerate(rows)},
        {index: kept[row["id"]] for index, row in rows.items()},
    ]
    for one in customers:
        index = vault.account_index(one.address)
        if index in rows:
            kinds[one.affected].add(shape(rows[index]))
            present[one.affected].append(index)
    assert kinds[True] == kinds[False]
    assert len(kinds[True]) == 1
    for order in orders:
        assert nothing_between(*([order[index] for index in present[affected]] for affected in (True, False)))


def nothing_between(some: list[int], others: list[int]) -> bool:
    """Tell whether two groups lie mixed (Mann-Whitney): by chance alone this fails once in a million runs."""
    ranks = {place: rank for rank, place in enumerate(sorted([*some, *others]), 1)}
    n, m = len(some), len(others)
    u = sum(ranks[place] for place in some) - n * (n + 1) / 2
    return abs(u - n * m / 2) < 5 * math.sqrt(n * m * (n + m + 1) / 12)
