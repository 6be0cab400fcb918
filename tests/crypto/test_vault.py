"""The vault: what is sealed or stored opens in its own place only, and its length says nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.db import new_id
from portal.crypto import keys
from portal.crypto.chunks import ChunkOpener, ChunkSealer, run_key
from portal.crypto.vault import Cell, VaultError, WorkerVault, pad, unpad

ROW, OTHER_ROW = b"r" * 16, b"s" * 16
CELL = Cell("people", "name", ROW, version=3)


def test_the_worker_opens_what_the_web_sealed(web_vault, worker_vault):
    sealed = web_vault.seal("check", ROW, b"sam@example.com")
    assert b"sam@" not in sealed
    assert worker_vault.open("check", ROW, sealed) == b"sam@example.com"


@pytest.mark.parametrize(
    ("purpose", "row"), [("reset", ROW), ("check", OTHER_ROW), ("checkr", ROW[1:]), ("", ROW)]
)
def test_a_sealed_request_does_not_open_for_another_purpose_or_row(web_vault, worker_vault, purpose, row):
    sealed = web_vault.seal("check", ROW, b"sam@example.com")
    with pytest.raises(VaultError):
        worker_vault.open(purpose, row, sealed)


def test_a_sealed_request_that_was_touched_does_not_open(web_vault, worker_vault):
    sealed = web_vault.seal("check", ROW, b"sam@example.com")
    for place in range(len(sealed)):
        forged = bytearray(sealed)
        forged[place] ^= 1
        with pytest.raises(VaultError):
            worker_vault.open("check", ROW, bytes(forged))
    for short in (b"", sealed[:1], sealed[:-1], sealed + b"\0"):
        with pytest.raises(VaultError):
            worker_vault.open("check", ROW, short)


def test_the_same_words_never_look_the_same(web_vault, worker_vault):
    assert web_vault.seal("check", ROW, b"x") != web_vault.seal("check", ROW, b"x")
    assert worker_vault.encrypt(CELL, b"x") != worker_vault.encrypt(CELL, b"x")


@pytest.mark.parametrize(
    "place",
    [
        replace(CELL, row_id=OTHER_ROW),
        replace(CELL, column="email"),
        replace(CELL, table="accounts"),
        replace(CELL, version=4),
        Cell("people\0name", "", ROW, 3),
    ],
)
def test_a_stored_value_does_not_open_in_another_place(worker_vault, place):
    with pytest.raises(VaultError):
        worker_vault.decrypt(place, worker_vault.encrypt(CELL, b"Sam"))


def test_a_stored_value_does_not_open_under_another_key_or_key_id(worker_vault, worker_keys):
    blob = worker_vault.encrypt(CELL, b"Sam")
    strange = keys.generate()[1]
    for other in (
        strange,
        replace(strange, key_id=worker_keys.key_id),
        replace(worker_keys, key_id=strange.key_id),
    ):
        with pytest.raises(VaultError):
            WorkerVault(other).decrypt(CELL, blob)


def test_a_stored_value_that_was_touched_does_not_open(worker_vault):
    blob = worker_vault.encrypt(CELL, b"Sam")
    for place in (0, 11, 12, 100, len(blob) - 1):
        forged = bytearray(blob)
        forged[place] ^= 0x80
        with pytest.raises(VaultError):
            worker_vault.decrypt(CELL, bytes(forged))
    for short in (b"", b"x" * 11, b"x" * 12, blob[:-1]):
        with pytest.raises(VaultError):
            worker_vault.decrypt(CELL, short)


def test_a_forgotten_data_key_takes_its_values_along(worker_vault):
    place = Cell("lists", "data_key", ROW)
    key, wrapped = worker_vault.new_data_key(place)
    blob = worker_vault.encrypt(CELL, b"Sam", data_key=key)
    assert worker_vault.decrypt(CELL, blob, data_key=worker_vault.data_key(place, wrapped)) == b"Sam"
    with pytest.raises(VaultError):
        worker_vault.decrypt(CELL, blob)
    with pytest.raises(VaultError):
        worker_vault.data_key(replace(place, row_id=OTHER_ROW), wrapped)


@given(st.binary(max_size=1022))
def test_what_is_padded_comes_back_at_one_of_three_lengths(text):
    padded = pad(text)
    assert unpad(padded) == text
    assert len(padded) == min(size for size in (256, 512, 1024) if size >= len(text) + 2)


def test_lengths_in_the_database_are_three_and_no_more(worker_vault):
    lengths = {len(worker_vault.encrypt(CELL, b"x" * size)) for size in range(0, 1023, 7)}
    assert lengths == {256 + 28, 512 + 28, 1024 + 28}
    with pytest.raises(ValueError, match="do not fit"):
        worker_vault.encrypt(CELL, b"x" * 1023)


def test_an_index_of_one_purpose_says_nothing_about_another(worker_vault, web_vault):
    address = "sam@example.com"
    found = {
        worker_vault.list_index("list", address), worker_vault.list_index("suppression", address),
        worker_vault.account_index(address), web_vault.bucket(address),
    }  # fmt: skip
    assert len(found) == 4
    assert {len(index) for index in found} == {16}
    assert web_vault.account_index(address) == worker_vault.account_index(address)
    assert web_vault.account_index("SAM@example.com") == web_vault.account_index(address)
    assert web_vault.account_index("\u212aim@example.com") != web_vault.account_index("kim@example.com")


def test_parts_of_a_bucket_do_not_run_together(web_vault):
    assert web_vault.bucket("ab", "c") != web_vault.bucket("a", "bc")


def test_a_mail_s_token_is_always_the_same_and_nobody_else_s(worker_vault, worker_keys):
    token = worker_vault.token("reset", ROW)
    assert token == WorkerVault(worker_keys).token("reset", ROW)
    others = {worker_vault.token("check", ROW), worker_vault.token("reset", OTHER_ROW),
              WorkerVault(replace(worker_keys, mail_token=new_id() * 2)).token("reset", ROW)}  # fmt: skip
    assert token not in others
    assert len(others) == 3
    secrets = {token[:8], worker_vault.code(ROW), worker_vault.authenticity(ROW)[:8]}
    assert len(secrets) == 3


def test_a_chunk_opens_at_its_own_number_and_as_the_last_one_alone(web_vault, worker_vault):
    sealer = ChunkSealer(web_vault, "list", ROW, 3)
    sealed = sealer.seal(4, b"ana@mail.example", last=False)
    opener = ChunkOpener(run_key(worker_vault, "list", ROW, 3, sealer.sealed_key), ROW)
    assert opener.open(4, sealed, last=False) == b"ana@mail.example"
    for number, last in ((3, False), (5, False), (4, True)):
        with pytest.raises(VaultError):
            opener.open(number, sealed, last=last)


@pytest.mark.parametrize(
    ("purpose", "stream", "first"), [("lists", ROW, 3), ("list", OTHER_ROW, 3), ("list", ROW, 4)]
)
def test_the_key_of_a_run_opens_for_its_own_place_alone(web_vault, worker_vault, purpose, stream, first):
    sealer = ChunkSealer(web_vault, "list", ROW, 3)
    with pytest.raises(VaultError):
        run_key(worker_vault, purpose, stream, first, sealer.sealed_key)
