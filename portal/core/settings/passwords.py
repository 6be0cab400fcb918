"""What new passwords are compared with, beside the lists that the portal brings."""

from dataclasses import dataclass
from pathlib import Path

from portal.core.environment import Environment


@dataclass(frozen=True)
class PasswordLists:
    """Files of `portal passwords build`: of stolen passwords, and of those that the own incident exposed."""

    corpus_file: Path | None = None
    exposed_file: Path | None = None

    @classmethod
    def read(cls, environment: Environment) -> "PasswordLists":
        """Read this group; faults are collected."""
        return cls(
            corpus_file=environment.built_file("PASSWORD_CORPUS_FILE"),
            exposed_file=environment.built_file("EXPOSED_PASSWORDS_FILE"),
        )
