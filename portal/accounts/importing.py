"""Import the company's accounts: read, check and sort the file, then store it in index order.

The sort runs on disk, encrypted under a key held in memory only: memory use stays bounded, and a row's
position in the table does not reveal its position in the file.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from os import urandom
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portal.audit import service as audit
from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.hashing import MAX_ENCODED, MAX_IMPORTED_MEMORY, argon2_params_of
from portal.crypto.vault import INDEX_BYTES, WorkerVault
from portal.identity.builtin import MAX_PROFILE, BuiltinStore, NewAccount, pack
from portal.identity.port import Profile
from portal.people_files import rows
from portal.people_files.progress import STORING, Progress
from portal.people_files.reading import PLAIN, ReadOptions, RowCounts, read_rows
from portal.people_files.report import Report
from portal.people_files.room import Room
from portal.people_files.sorting import Sorter, sort_folder
from portal.people_files.stopping import EXPECTED, ImportStopped

COLUMNS = ("email", "password_hash", "account_ref", "name", "locale")
NEEDED = ("email", "password_hash")
CHUNK = 500
# What one account takes while sorting, and in SQLite's tables. Checked before an import.
SORTED_BYTES = 300
STORED_BYTES = 2_200
_LINE_BYTES = 8
_NONCE_BYTES = 12
# Small sorted runs: merging many costs little next to storing the accounts, and most files are short.
_RUN_BYTES = 1 << 20


@dataclass
class Summary(RowCounts):
    """What an import read and stored; `hashes_by_params` counts accounts by Argon2 parameters."""

    accounts: int = 0
    duplicates: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    hashes_by_params: Counter[str] = field(default_factory=Counter)


def import_accounts(
    db: Database,
    vault: WorkerVault,
    clock: Clock,
    file: Path,
    report: Path,
    progress: Progress,
    *,
    dry_run: bool = False,
    options: ReadOptions = PLAIN,
) -> Summary:
    """Import a file of accounts and return a summary; with `dry_run` nothing is stored.

    Existing accounts keep their password. Nothing is stored before the whole file has been read. Chunks are
    committed one by one, so an interrupted run is repeated from the start; the last transaction writes the
    audit entry. Raises FileRefused, ReportUnwritable, NoRoom, OSError or DBAPIError; and ImportStopped from
    one of these, or from KeyboardInterrupt, once it has begun to store.
    """
    summary = Summary()
    room = Room(db, file, sorted_bytes=SORTED_BYTES, stored_bytes=STORED_BYTES)
    room.check(dry_run=dry_run)
    with closing(_SortedAccounts(sort_folder(db))) as accounts:
        with closing(Report(report, file)) as left_out:
            _read(file, vault, accounts, left_out, summary, progress, options)
        if dry_run:
            return summary
        try:
            _store(db, vault, clock, room.watch(accounts.first_of_each()), summary, progress)
        except EXPECTED as error:
            done = summary.added + summary.changed + summary.unchanged
            raise ImportStopped(
                f"{done} of {summary.accounts} accounts are stored, and kept. "
                "Run the same command again to continue."
            ) from error
    return summary


def parse_account(cells: tuple[str, ...]) -> NewAccount:
    """Return the account in one row. Raises RowRefused when a cell is invalid or too long."""
    email, password_hash, ref, name, locale = cells
    address = rows.parse_address(email)
    password_hash = password_hash.strip()
    try:
        if len(password_hash) > MAX_ENCODED:
            raise ValueError
        argon2_params_of(password_hash, MAX_IMPORTED_MEMORY)
    except ValueError:
        raise rows.RowRefused(
            "password_hash: must be an Argon2id hash (v=19) with usual parameters and at most 256 MiB"
        ) from None
    profile = Profile(address, " ".join(name.split()), ref.strip(), rows.parse_locale(locale))
    rows.check_text("name", profile.name, rows.MAX_NAME)
    rows.check_text("account_ref", profile.account_ref, rows.MAX_REF)
    rows.check_size(len(pack(profile)), MAX_PROFILE)
    return NewAccount(profile, password_hash)


class _SortedAccounts:
    """An encrypted sort of a file's accounts, by index, then by line."""

    def __init__(self, folder: Path) -> None:
        self._sorter = Sorter(folder, INDEX_BYTES + _LINE_BYTES, _RUN_BYTES)
        self._aead = AESGCM(AESGCM.generate_key(256))

    def add(self, index: bytes, line: int, account: NewAccount) -> None:
        key, nonce = index + line.to_bytes(_LINE_BYTES), urandom(_NONCE_BYTES)
        packed = json.dumps([vars(account.profile), account.password_hash], ensure_ascii=False).encode()
        self._sorter.add(key, nonce + self._aead.encrypt(nonce, packed, key))

    def duplicates(self) -> Iterator[tuple[int, int, NewAccount]]:
        """Yield (line, first line with the same address, account) for each repeated address."""
        first = b""
        for key, sealed in self._sorter.sorted():
            if key[:INDEX_BYTES] == first[:INDEX_BYTES]:
                yield _line_of(key), _line_of(first), self._open(key, sealed)
            else:
                first = key

    def first_of_each(self) -> Iterator[NewAccount]:
        """Yield the first account of every address, in index order, freeing the disk: can be called once."""
        last = b""
        for key, sealed in self._sorter.sorted(consume=True):
            if key[:INDEX_BYTES] != last:
                last = key[:INDEX_BYTES]
                yield self._open(key, sealed)

    def _open(self, key: bytes, sealed: bytes) -> NewAccount:
        packed = self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key)
        profile, password_hash = json.loads(packed)
        return NewAccount(Profile(**profile), password_hash)

    def close(self) -> None:
        self._sorter.close()


def _line_of(key: bytes) -> int:
    return int.from_bytes(key[INDEX_BYTES:])


def _read(
    file: Path,
    vault: WorkerVault,
    accounts: _SortedAccounts,
    report: Report,
    summary: Summary,
    progress: Progress,
    options: ReadOptions,
) -> None:
    for line, account in read_rows(
        file, COLUMNS, NEEDED, parse_account, report, summary, progress, options=options, several=False
    ):
        accounts.add(vault.account_index(account.profile.address), line, account)
        summary.hashes_by_params[argon2_params_of(account.password_hash)] += 1
    for line, first_line, account in accounts.duplicates():
        summary.duplicates += 1
        summary.hashes_by_params[argon2_params_of(account.password_hash)] -= 1
        report.add(line, f"email: line {first_line} has the same address and was used instead")
    summary.accounts = summary.parsed - summary.duplicates
    summary.hashes_by_params = +summary.hashes_by_params  # drop zero counts


def _store(
    db: Database,
    vault: WorkerVault,
    clock: Clock,
    remaining: Iterator[NewAccount],
    summary: Summary,
    progress: Progress,
) -> None:
    store = BuiltinStore()
    while chunk := list(islice(remaining, CHUNK)):
        with db.write_in_turn() as session:
            stored = store.add(session, vault, chunk, clock.now())
        summary.added += stored.added
        summary.changed += stored.changed
        summary.unchanged += stored.unchanged
        progress(STORING, summary.added + summary.changed + summary.unchanged, summary.accounts)
    counted = store.count_argon2_params(db, vault)
    with db.write() as session:
        store.store_argon2_params(session, counted)
        details = {"added": summary.added, "changed": summary.changed, "unchanged": summary.unchanged}
        details |= {"bad_rows": summary.bad_rows, "duplicates": summary.duplicates}
        audit.record(session, "accounts.import", "accounts", details, clock.now())
