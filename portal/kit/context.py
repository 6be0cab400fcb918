"""What a command gets: the settings, the database and the keys, each only when it is asked for."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import click
from sqlalchemy import make_url

from portal.kit import keys
from portal.kit.clock import Clock, SystemClock
from portal.kit.db import Database
from portal.kit.settings import Settings
from portal.kit.vault import WorkerVault


@dataclass
class Context:
    """A command's surroundings. Faults end the command with one sentence and status 1."""

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    data_classes: tuple[str, ...] = ()  # the names that an incident's kinds of data may have; empty: any

    @cached_property
    def db(self) -> Database:
        """The database; for SQLite the folder is made."""
        url = make_url(self.settings.database_url)
        if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        return Database(self.settings.database_url)

    def worker_vault(self) -> WorkerVault:
        """The vault that opens; only who may read the worker's key file gets it."""
        try:
            return WorkerVault(keys.read_worker(self.settings.worker_keys_file))
        except keys.KeysInvalid as error:
            message = f"This command needs the worker's keys. {error}"
            raise click.ClickException(message) from error
