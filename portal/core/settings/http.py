"""The company's own server, which the store `http` asks about accounts."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from portal.core.environment import Environment
from portal.core.service_urls import LOOPBACK

CAPABILITIES = (
    "verify", "set-password", "require-change", "end-sessions", "remembers-closed", "find-by-reference",
    "change-ends-sessions",
)  # fmt: skip
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}\Z")
# A host, a port and a path in ASCII: no user, password, query or fragment.
URL = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-\"$->@-~]*)?\Z")


@dataclass(frozen=True)
class HttpIdentity:
    """Where the server is, how requests to it are signed, and what it can do.

    The web server knows the last alone. While one secret replaces another there are two.
    """

    url: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    ca_file: Path | None = None
    capabilities: tuple[str, ...] = ()

    @classmethod
    def read(cls, environment: Environment, *, chosen: bool, reads_secrets: bool) -> "HttpIdentity":
        """Read this group; faults are collected. All but the file is required where the store is chosen."""
        names = environment.text("IDENTITY_HTTP_CAPABILITIES", "").replace(",", " ").split()
        if chosen and not names:
            what = f"is required: what your server can do, some of {','.join(CAPABILITIES)}"
            environment.fault("IDENTITY_HTTP_CAPABILITIES", what)
        elif set(names) - set(CAPABILITIES):
            environment.fault("IDENTITY_HTTP_CAPABILITIES", f"must be some of {','.join(CAPABILITIES)}")
        if not reads_secrets:
            return cls(capabilities=tuple(names))
        url = environment.text("IDENTITY_HTTP_URL", "").rstrip("/")
        if chosen and not url:
            what = "is required: your server, like https://accounts.example.com/portal"
            environment.fault("IDENTITY_HTTP_URL", what)
        elif url and not _usable(url):
            what = "must be like https://accounts.example.com/portal; http only on this machine"
            environment.fault("IDENTITY_HTTP_URL", what)
        secrets = environment.text("IDENTITY_HTTP_SECRET", "").split()
        if chosen and not secrets:
            what = "is required: whsec_ and 24 to 64 random bytes in Base64, the same as your server's"
            environment.fault("IDENTITY_HTTP_SECRET", what)
        elif not all(map(SECRET.match, secrets)):
            what = "must be whsec_ and 24 to 64 random bytes in Base64; two while one replaces the other"
            environment.fault("IDENTITY_HTTP_SECRET", what)
        ca_file = environment.text("IDENTITY_HTTP_CA_FILE", "")
        if ca_file and not Path(ca_file).is_file():
            environment.fault("IDENTITY_HTTP_CA_FILE", "must be an existing PEM file of certificates")
        return cls(url, tuple(secrets), Path(ca_file) if ca_file else None, tuple(names))


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        here = parts.hostname in LOOPBACK
        return bool(URL.match(url)) and parts.port != 0 and (parts.scheme == "https" or here)
    except ValueError:  # a port above 65535, an address cut short
        return False
