"""The company's own pages, for the store `link`."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from portal.core.environment import Environment


@dataclass(frozen=True)
class Link:
    """Where the company's customers choose a new password, and where they sign in if that was given."""

    url: str = ""
    sign_in_url: str = ""

    @classmethod
    def read(cls, environment: Environment, *, chosen: bool) -> "Link":
        """Read this group; faults are collected. The first is required where the store is chosen."""
        url = environment.https_url("IDENTITY_LINK_URL")
        if chosen and not url:
            environment.fault(
                "IDENTITY_LINK_URL", "is required: your own page where customers reset their password"
            )
        return cls(url=url, sign_in_url=environment.https_url("IDENTITY_LINK_SIGN_IN_URL"))

    @property
    def host(self) -> str:
        """The host name of the page for a new password, which people compare with the address bar."""
        return urlsplit(self.url).netloc.lower().removesuffix(":443")

    @property
    def hosts(self) -> dict[str, str]:
        """The hosts of both pages, by the names of their variables."""
        return {"IDENTITY_LINK_URL": self.host, "IDENTITY_LINK_SIGN_IN_URL": self.sign_in_host}

    @property
    def sign_in_host(self) -> str:
        """The host name of the page where customers sign in, or an empty string."""
        return urlsplit(self.sign_in_url).netloc.lower().removesuffix(":443")
