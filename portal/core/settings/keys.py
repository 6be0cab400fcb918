"""Where the keys are, and whether a process hands mail to the relay."""

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from portal.core.environment import Environment


class SendsMail(Enum):
    """Whether a process hands mail to the relay; one that does not never reads the relay's password."""

    YES = "yes"
    NO = "no"
    # The key files decide: the web server's user can read its own alone.
    IF_KEYS_SAY = "if keys say"


@dataclass(frozen=True)
class KeyFiles:
    """Where the keys are. `embedded`: one user holds both files, and `serve` may open the worker's."""

    web_file: Path = Path("var/keys/web.json")
    worker_file: Path = Path("var/keys/worker.json")
    console_file: Path = Path("var/keys/console.json")
    embedded: bool = False

    @classmethod
    def read(cls, environment: Environment) -> "KeyFiles":
        """Read this group; faults are collected."""
        return cls(
            web_file=Path(environment.text("WEB_KEYS_FILE", str(cls.web_file))),
            worker_file=Path(environment.text("WORKER_KEYS_FILE", str(cls.worker_file))),
            console_file=Path(environment.text("CONSOLE_KEYS_FILE", str(cls.console_file))),
            embedded=environment.yes_or_no("EMBEDDED"),
        )

    @property
    def not_worker(self) -> bool:
        """Whether this is the web server's or the console's user: it reads its key file, not the worker's."""
        own = any(os.access(file, os.R_OK) for file in (self.web_file, self.console_file))
        return own and not os.access(self.worker_file, os.R_OK)
