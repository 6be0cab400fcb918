"""What a command gets: the settings, the database and the keys, each only when it is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import click
from sqlalchemy import make_url

from portal.core.clock import Clock, SystemClock
from portal.core.db import Database, sqlite_file
from portal.core.settings import Settings
from portal.crypto import keys, self_test
from portal.crypto.vault import WorkerVault
from portal.runtime import schema

# What a feature hands to `portal doctor`. Arguments: the settings, and whether the key files are in order.
Check = Callable[[Settings, bool], Iterator[tuple[str, str | None]]]


@dataclass
class Context:
    """A command's surroundings. Faults end the command with one sentence and status 1.

    `checks` are the features' own, for `portal doctor`.
    """

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    checks: tuple[Check, ...] = ()

    @cached_property
    def db(self) -> Database:
        """The database, at this version of the portal."""
        if (fault := schema.fault_of(self.database)) is not None:
            raise click.ClickException(f"The database {fault}.")
        return self.database

    @cached_property
    def database(self) -> Database:
        """The database, whatever its version; for SQLite the folder is made."""
        file = sqlite_file(make_url(self.settings.database_url))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        return Database(self.settings.database_url)

    def close(self) -> None:
        """Close what was opened."""
        if "database" in vars(self):
            self.database.dispose()

    def worker_vault(self) -> WorkerVault:
        """The vault that opens: for who may read the worker's key file, where its keys are this database's."""
        try:
            vault = WorkerVault(keys.read_worker(self.settings.keys.worker_file))
        except keys.KeysInvalid as error:
            message = f"This command needs the worker's keys. {error}"
            raise click.ClickException(message) from error
        try:
            self_test.check_or_store(self.db, vault)
        except self_test.OtherKeys as error:
            raise click.ClickException(str(error)) from error
        return vault
