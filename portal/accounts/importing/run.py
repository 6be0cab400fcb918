"""Import a file of accounts: read, check and sort it, then compare or store it in index order.

The sort runs on disk, encrypted under a key held in memory only: memory use stays bounded, and a row's
position in the table does not reveal its position in the file.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from sqlalchemy.orm import Session

from portal.accounts.importing import moved, wrapping
from portal.accounts.importing.merging import MAX_REFERENCES, Merged, SortedRows
from portal.accounts.importing.parsing import COLUMNS, NEEDED, parse_row
from portal.accounts.importing.wrapping import Wrapping
from portal.audit import service as audit
from portal.core.addresses import sign_in_name
from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.formats import registry
from portal.crypto.formats.layouts import Layout
from portal.crypto.hashing import Hasher
from portal.crypto.vault import WorkerVault
from portal.identity.builtin import adding
from portal.identity.builtin.adding import NewAccount, Stored
from portal.identity.builtin.store import BuiltinStore
from portal.people_files.progress import STORING, Progress
from portal.people_files.reading import PLAIN, ReadOptions, RowCounts, read_rows
from portal.people_files.report import Report
from portal.people_files.room import Room
from portal.people_files.sorting import sort_folder
from portal.people_files.stopping import EXPECTED, ImportStopped

CHUNK = 500
# What one account takes while sorting, and in SQLite's tables. Checked before an import.
SORTED_BYTES = 300
STORED_BYTES = 2_500
PLACEHOLDER = f"email: more than {MAX_REFERENCES} customer numbers at this address, probably a placeholder"


@dataclass
class Summary(RowCounts):
    """What an import read, and stored or would store.

    `accounts` are distinct addresses; `shared_rows` counts the rows beyond the first of each.
    `hashes` counts accounts by format and class of cost, `must_choose` those without a usable hash by reason.
    `digests` are rows whose hash is to be wrapped. `moved` are accounts whose owner has changed the address
    here, so that nothing was stored at the old one.
    """

    accounts: int = 0
    shared_rows: int = 0
    stored: Stored = field(default_factory=Stored)
    digests: int = 0
    moved: int = 0
    hashes: Counter[tuple[str, str]] = field(default_factory=Counter)
    must_choose: Counter[str] = field(default_factory=Counter)

    def count_password(self, merged: Merged, layout: Layout | None) -> None:
        """Count an account by its hash's format and cost, or by why it has none."""
        if merged.password_hash:
            found = registry.read(merged.password_hash, layout)
            self.hashes[found.name, found.cost_class] += 1
        else:
            self.must_choose[merged.must_choose] += 1

    def count_shared(self, merged: Merged, report: Report) -> None:
        """Count the rows of one address as one account; reject them where they are a placeholder's."""
        rows = len(merged.lines)
        if not merged.is_placeholder:
            self.accounts -= rows - 1
            self.shared_rows += rows - 1
            return
        self.accounts -= rows
        self.bad_rows += rows
        self.reasons[PLACEHOLDER] += rows
        for line in merged.lines:
            report.add(line, PLACEHOLDER)


def import_accounts(
    db: Database,
    vault: WorkerVault,
    clock: Clock,
    file: Path,
    report: Path,
    progress: Progress,
    *,
    hasher: Hasher,
    layout: Layout | None = None,
    dry_run: bool = False,
    options: ReadOptions = PLAIN,
) -> Summary:
    """Import a file of accounts and return a summary; with `dry_run` nothing is stored.

    Existing accounts keep their password. An account without a usable hash gets one of the `hasher`'s cost
    that nothing fits. Fast digests, plain ones of this `layout` among them, are wrapped. Nothing is stored
    before the whole file has been read. Chunks are committed one by one, so an interrupted run is repeated
    from the start; the last transaction writes the audit entry. Raises FileRefused, ReportUnwritable, NoRoom,
    OSError or DBAPIError; and ImportStopped from one of these, or from KeyboardInterrupt, once it has begun
    to store.
    """
    summary = Summary()
    room = Room(db, file, sorted_bytes=SORTED_BYTES, stored_bytes=STORED_BYTES)
    room.check(dry_run=dry_run)
    with closing(SortedRows(sort_folder(db))) as rows:
        with closing(Report(report, file)) as left_out:
            _read(file, vault, rows, left_out, summary, progress, options, layout)
        accounts = _accounts(rows, summary, hasher.argon2_params, layout)
        wrapping.log_estimate(summary.digests, hasher)
        if dry_run:
            _compare(db, vault, clock, accounts, summary)
            return summary
        try:
            with Wrapping(db, vault, hasher, layout) as threads:
                _store(db, vault, clock, room.watch(accounts), threads, summary, progress)
        except EXPECTED as error:
            done = summary.stored.added + summary.stored.changed + summary.stored.unchanged + summary.moved
            raise ImportStopped(
                f"{done} of {summary.accounts} accounts are stored, and kept. "
                "Run the same command again to continue."
            ) from error
    return summary


def _read(
    file: Path,
    vault: WorkerVault,
    rows: SortedRows,
    report: Report,
    summary: Summary,
    progress: Progress,
    options: ReadOptions,
    layout: Layout | None,
) -> None:
    parse = partial(parse_row, layout=layout)
    for line, row in read_rows(
        file, COLUMNS, NEEDED, parse, report, summary, progress, options=options, several=False
    ):
        summary.digests += row.fast
        rows.add(vault.account_index(row.profile.address), line, row)
    summary.accounts = summary.parsed
    for merged in rows.shared():
        summary.count_shared(merged, report)


def _accounts(
    rows: SortedRows, summary: Summary, argon2_params: str, layout: Layout | None
) -> Iterator[NewAccount]:
    for merged in rows.all():
        if not merged.is_placeholder:
            summary.count_password(merged, layout)
            yield merged.account(argon2_params)


def _compare(
    db: Database, vault: WorkerVault, clock: Clock, accounts: Iterator[NewAccount], summary: Summary
) -> None:
    while chunk := list(islice(accounts, CHUNK)):
        with db.read() as session:
            kept = _without_moved(session, vault, chunk, clock, summary)
            summary.stored += adding.compare(session, vault, kept)


def _without_moved(
    session: Session, vault: WorkerVault, chunk: Sequence[NewAccount], clock: Clock, summary: Summary
) -> Sequence[NewAccount]:
    names = moved.left_out(session, vault, chunk, clock.now())
    if not names:
        return chunk
    kept = [account for account in chunk if sign_in_name(account.profile.address) not in names]
    summary.moved += len(chunk) - len(kept)
    return kept


def _store(
    db: Database,
    vault: WorkerVault,
    clock: Clock,
    remaining: Iterator[NewAccount],
    threads: Wrapping,
    summary: Summary,
    progress: Progress,
) -> None:
    store = BuiltinStore()
    while chunk := threads.wrap(list(islice(remaining, CHUNK))):
        with db.write_in_turn() as session:
            kept = _without_moved(session, vault, chunk, clock, summary)
            stored = store.add(session, vault, kept, clock.now())
        summary.stored += stored
        done = summary.stored
        progress(STORING, done.added + done.changed + done.unchanged + summary.moved, summary.accounts)
    with db.write() as session:
        done = summary.stored
        details = {"added": done.added, "changed": done.changed, "unchanged": done.unchanged}
        details |= {"bad_rows": summary.bad_rows, "duplicates": summary.shared_rows}
        details |= {"must_choose": done.must_choose}
        audit.record(session, "accounts.import", "accounts", details, clock.now())
