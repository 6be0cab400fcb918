"""Take in the company's accounts: read and check the whole file, then store them in the order of their index.

Between the two, everything waits in a temporary database on disk that SQLite deletes by itself, encrypted
under a key that exists in memory alone; so memory stays bounded, and no row's place tells its place in the
file.
"""

import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from os import urandom
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import Session

from portal.core.addresses import AddressInvalid, normalise
from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.vault import WorkerVault
from portal.identity.builtin import MAX_PROFILE, BuiltinStore, NewAccount, pack
from portal.identity.hashing import argon2_params_of
from portal.identity.port import Profile
from portal.people_files.csv_file import CsvFile, FileRefused
from portal.people_files.report import Report

COLUMNS = ("email", "password_hash", "account_ref", "name", "locale")
NEEDED = ("email", "password_hash")
MAX_REF = 100
MAX_NAME = 200
CHUNK = 500
_TICK = 1000
_NONCE_BYTES = 12
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}\Z")
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")

Progress = Callable[[str, int, int], None]


class RowRefused(Exception):
    """A row cannot be taken in; the message says why, and never what the row holds."""


@dataclass
class Summary:
    """What an import saw and did."""

    rows: int = 0
    accounts: int = 0
    duplicates: int = 0
    bad_rows: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    whole: bool = True
    hashes_by_params: dict[str, int] = field(default_factory=dict)


Finished = Callable[[Session, Summary], None]


def take_in(
    db: Database,
    vault: WorkerVault,
    clock: Clock,
    file: Path,
    report: Path,
    progress: Progress,
    *,
    finished: Finished | None = None,
    dry_run: bool = False,
) -> Summary:
    """Take in a file of accounts and return what was done; with `dry_run` nothing is stored.

    Who has an account already keeps its password. Nothing is stored before the whole file was read; then it
    is stored in chunks, so that a run that is cut off there is simply run again. `finished` is called in the
    last transaction. Raises FileRefused, OSError or sqlite3.Error where the disk is full.
    """
    summary = Summary()
    with closing(_Waiting()) as waiting, closing(Report(report, file)) as told, file.open("rb") as opened:
        size = max(1, file.stat().st_size)
        _read(opened, vault, waiting, told, summary, lambda done: progress("Reading", done, size))
        if not dry_run:
            _store(
                db,
                vault,
                clock,
                waiting,
                summary,
                finished,
                lambda done: progress("Storing", done, summary.accounts),
            )
    return summary


def account_of(columns: tuple[str, ...]) -> NewAccount:
    """Return the account of one row. Raises RowRefused."""
    email, password_hash, ref, name, locale = columns
    try:
        address = normalise(email)
    except AddressInvalid:
        raise RowRefused("email: this is not one e-mail address") from None
    try:
        argon2_params_of(password_hash.strip())
    except ValueError:
        raise RowRefused("password_hash: only Argon2id hashes (v=19) of usual cost can be taken in") from None
    language = locale.strip().replace("_", "-")
    if language and not _LOCALE.match(language):
        raise RowRefused("locale: this is not a language tag like en or pt-BR")
    profile = Profile(
        address,
        _text("name", " ".join(name.split()), MAX_NAME),
        _text("account_ref", ref.strip(), MAX_REF),
        language,
    )
    if len(pack(profile)) > MAX_PROFILE:
        raise RowRefused("the row is too long")
    return NewAccount(profile, password_hash.strip())


def _text(column: str, value: str, most: int) -> str:
    if len(value) > most:
        raise RowRefused(f"{column}: longer than {most} characters")
    if not value.isprintable() and any(unicodedata.category(c) in _UNPRINTABLE for c in value):
        raise RowRefused(f"{column}: there is a control character")
    return value


def _packed(account: NewAccount) -> bytes:
    return json.dumps([vars(account.profile), account.password_hash], ensure_ascii=False).encode()


class _Waiting:
    """The accounts of a file, sorted by index, on disk and encrypted."""

    def __init__(self) -> None:
        # The empty name is SQLite's temporary file: private, and gone with the connection or the process.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE rows (i BLOB PRIMARY KEY, line INTEGER, account BLOB) WITHOUT ROWID")
        self._db.execute("BEGIN")
        self._key = AESGCM(AESGCM.generate_key(256))

    def add(self, index: bytes, line: int, account: NewAccount) -> int | None:
        """Keep an account, or return the line that has the same address."""
        nonce = urandom(_NONCE_BYTES)
        sealed = nonce + self._key.encrypt(nonce, _packed(account), index)
        added = self._db.execute("INSERT OR IGNORE INTO rows VALUES (?, ?, ?)", (index, line, sealed))
        if added.rowcount:
            return None
        return int(self._db.execute("SELECT line FROM rows WHERE i = ?", (index,)).fetchone()[0])

    def accounts(self) -> Iterator[NewAccount]:
        """Yield the accounts in the order of their index."""
        for index, sealed in self._db.execute("SELECT i, account FROM rows ORDER BY i"):
            plain = self._key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], index)
            profile, password_hash = json.loads(plain)
            yield NewAccount(Profile(**profile), password_hash)

    def close(self) -> None:
        self._db.close()


def _read(
    opened: BinaryIO,
    vault: WorkerVault,
    waiting: _Waiting,
    report: Report,
    summary: Summary,
    progress: Callable[[int], None],
) -> None:
    source = CsvFile(opened, COLUMNS, NEEDED)
    line, left_out = 1, False
    for line, columns in source.rows():
        summary.rows += 1
        left_out = False
        if summary.rows % _TICK == 0:
            progress(source.bytes_read)
        try:
            if columns is None:
                raise RowRefused("the row has more or fewer fields than the header")
            account = account_of(columns)
        except RowRefused as refused:
            summary.bad_rows += 1
            left_out = True
            report.tell(line, str(refused))
            continue
        earlier = waiting.add(vault.account_index(account.profile.address), line, account)
        if earlier is not None:
            summary.duplicates += 1
            report.tell(line, f"email: the account of line {earlier} has the same address; that line counts")
            continue
        summary.accounts += 1
        argon2_params = argon2_params_of(account.password_hash)
        summary.hashes_by_params[argon2_params] = summary.hashes_by_params.get(argon2_params, 0) + 1
    summary.whole = source.whole
    progress(source.bytes_read)
    if left_out and not source.whole:
        raise FileRefused(line, "the file ends in the middle of this row; it is cut off")
    if not summary.rows:
        raise FileRefused(2, "the file has a header and no rows")
    if not summary.accounts:
        raise FileRefused(line, "not one row of the file can be used; the report says why")


def _store(
    db: Database,
    vault: WorkerVault,
    clock: Clock,
    waiting: _Waiting,
    summary: Summary,
    finished: Finished | None,
    progress: Callable[[int], None],
) -> None:
    store = BuiltinStore()
    accounts = waiting.accounts()
    while chunk := list(islice(accounts, CHUNK)):
        with db.write_in_turn() as session:
            stored = store.add(session, vault, chunk, clock.now())
        summary.added += stored.added
        summary.changed += stored.changed
        summary.unchanged += stored.unchanged
        progress(summary.added + summary.changed + summary.unchanged)
    with db.read() as session:
        counted = store.count_argon2_params(session)
    with db.write() as session:
        store.store_argon2_params(session, counted)
        if finished is not None:
            finished(session, summary)
