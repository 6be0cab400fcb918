"""Provide commands with settings, database and keys, each loaded on first use."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from portal.core.clock import Clock, SystemClock
from portal.core.db import Database, sqlite_file
from portal.core.settings import Settings
from portal.crypto import keys, self_test
from portal.crypto.vault import ConsoleVault, WorkerVault
from portal.runtime import schema
from portal.runtime.parts import IncidentUses

if TYPE_CHECKING:
    from portal.runtime.turns import Expired

# A feature's checks for `portal doctor`. Takes the settings and whether the key files are valid; yields what
# was checked, with its fault or None.
Check = Callable[[Settings, bool], Iterator[tuple[str, str | None]]]
# What a feature tells the operator in `portal doctor`, and is no fault: of what, and what.
Notes = Callable[[Settings], Iterator[tuple[str, str]]]
# The same as Check, of checks that read the database, which is at this version's migration.
DatabaseCheck = Callable[[Database], Iterator[tuple[str, str | None]]]

# Takes a session of a snapshot and the worker's vault; returns counts of what was checked, and the faults.
ApprovalsCheck = Callable[[Session, WorkerVault], tuple[dict[str, int], list[str]]]
# Takes a session and the staff's vault; returns the name to show of every member of staff, by id.
Names = Callable[[Session, ConsoleVault], Mapping[bytes, str]]


@dataclass
class Context:
    """The context of a command. Properties raise ClickException, which ends the command with status 1.

    `uses` tells `portal incidents` what the features above keep of one; `expired`, what `portal purge` may
    remove; `acting`, what audit entries say of who runs the command. `approvals` and `names` are for `portal
    audit`: the check of what staff approved, and who they are. `opened` is called with the settings and the
    database when a command first opens it. The rest is for `portal doctor`: the features'
    `checks` by their names, `database_checks` and `notes`, and the `faults` of settings that are invalid,
    which no other command gets.
    """

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    checks: Mapping[str, Check] = field(default_factory=dict)
    database_checks: tuple[DatabaseCheck, ...] = ()
    notes: tuple[Notes, ...] = ()
    faults: tuple[str, ...] = ()
    uses: Callable[[], IncidentUses] | None = None
    expired: "Callable[[], tuple[Expired, ...]]" = tuple
    acting: Callable[[], Mapping[str, str]] = dict
    approvals: "Callable[[], ApprovalsCheck] | None" = None
    names: "Callable[[], Names] | None" = None
    opened: Callable[[Settings, Database], object] | None = None

    @cached_property
    def db(self) -> Database:
        """The database at this version's migration, or a ClickException. Its audit entries say who acts."""
        if (fault := schema.fault_of(self.database)) is not None:
            raise click.ClickException(f"{self.named} {fault}.")
        if self.opened is not None:
            self.opened(self.settings, self.database)
        return self.database.acting(self.acting())

    @property
    def named(self) -> str:
        """How a message begins that is about the database: with its file, if it has one, as a whole path."""
        return "The database" if self._file is None else f"The database {self._file.absolute()}"

    @cached_property
    def _file(self) -> Path | None:
        return sqlite_file(make_url(self.settings.database_url))

    @cached_property
    def database(self) -> Database:
        """The database at any version; for SQLite, creates the folder."""
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        return Database(self.settings.database_url)

    def close(self) -> None:
        """Close the database if it was opened."""
        if "database" in vars(self):
            self.database.dispose()

    def worker_vault(self) -> WorkerVault:
        """Return the worker's vault, after checking its keys against the database.

        Raises ClickException where the key file cannot be read or is another database's.
        """
        try:
            vault = WorkerVault(keys.read_worker(self.settings.keys.worker_file))
        except keys.KeysInvalid as error:
            message = f"This command needs the worker's keys: {error}"
            raise click.ClickException(message) from error
        try:
            self_test.check_or_store(self.db, vault)
        except self_test.OtherKeys as error:
            raise click.ClickException(str(error)) from error
        return vault
