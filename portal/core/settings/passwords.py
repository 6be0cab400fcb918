"""What new passwords are compared with, beside the lists that the portal brings."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from portal.core.environment import Environment
from portal.core.service_urls import LOOPBACK

# A host, a port and a path: no user, password, query or fragment.
URL = r"(?:https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?)?\Z"


@dataclass(frozen=True)
class PasswordLists:
    """Files of `portal passwords build`: of stolen passwords, and of those that the own incident exposed.

    Instead of the first, a service of range requests may be asked, which gets five digits of a hash.
    """

    corpus_file: Path | None = None
    exposed_file: Path | None = None
    range_url: str = ""  # none: nothing leaves
    range_seconds: int = 2

    @classmethod
    def read(cls, environment: Environment) -> "PasswordLists":
        """Read this group; faults are collected."""
        corpus_file = environment.built_file("PASSWORD_CORPUS_FILE")
        url = environment.matching("PASSWORD_RANGE_URL", URL, "", "like https://api.example.com/range/")
        if url.startswith("http:") and urlsplit(url).hostname not in LOOPBACK:
            environment.fault("PASSWORD_RANGE_URL", "must start with https; http only on this machine")
        if url and corpus_file:
            environment.fault("PASSWORD_RANGE_URL", "is set beside PORTAL_PASSWORD_CORPUS_FILE; remove one")
        return cls(
            corpus_file=corpus_file,
            exposed_file=environment.built_file("EXPOSED_PASSWORDS_FILE"),
            range_url=url,
            range_seconds=environment.count("PASSWORD_RANGE_SECONDS", cls.range_seconds, 10, least=1),
        )
