"""The store `link`: no access at all. The portal names the company's own pages, and sends people there."""

from collections.abc import Sequence
from typing import ClassVar, Self

from portal.core.settings import Settings
from portal.identity.ports import Capabilities, Entry, KeepClosed, StoreFault, Verdict

NOTHING = Capabilities(
    verify=False,
    set_password=False,
    require_change=False,
    end_sessions=False,
    remembers_closed=False,
    find_by_reference=False,
)
NO_ACCESS = (
    "PORTAL_IDENTITY_STORE=link: the portal has no access to the accounts, so it can neither find one nor "
    "change one; use the company's own tools"
)


class LinkStore:
    """Knows no account: nobody is found, and nothing can be verified or changed."""

    name: ClassVar[str] = "link"
    settings: ClassVar[tuple[str, ...]] = ()
    secrets: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        """Take nothing: its settings are for the pages."""
        self.capabilities = NOTHING

    @classmethod
    def declared(cls, settings: Settings) -> Capabilities:  # noqa: ARG003 - the same wherever it leads
        """Return what it can do: nothing."""
        return NOTHING

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:  # noqa: ARG003
        """Return the store."""
        return cls()

    def find(self, addresses: Sequence[str]) -> list[Entry]:  # noqa: ARG002
        """Return nobody."""
        return []

    def find_by_reference(self, references: Sequence[str]) -> list[Entry]:  # noqa: ARG002
        """Return nobody."""
        return []

    def get(self, ids: Sequence[str]) -> list[Entry]:  # noqa: ARG002
        """Return nobody."""
        return []

    def page(self, after: str | None, limit: int) -> list[Entry]:  # noqa: ARG002
        """Return nobody."""
        return []

    def verify(self, account_id: str | None, plain: str, seed: bytes = b"") -> Verdict:  # noqa: ARG002
        """Raise StoreFault."""
        raise StoreFault(NO_ACCESS)

    def was_closed(self, account_id: str, plain: str, closed: bytes) -> bool:  # noqa: ARG002
        """Raise StoreFault."""
        raise StoreFault(NO_ACCESS)

    def set_password(self, account_id: str, plain: str) -> None:  # noqa: ARG002
        """Raise StoreFault."""
        raise StoreFault(NO_ACCESS)

    def require_change(self, account_ids: Sequence[str], keep: KeepClosed) -> int:  # noqa: ARG002
        """Raise StoreFault."""
        raise StoreFault(NO_ACCESS)

    def end_sessions(self, account_ids: Sequence[str]) -> None:  # noqa: ARG002
        """Raise StoreFault."""
        raise StoreFault(NO_ACCESS)
