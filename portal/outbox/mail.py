"""The base class of mails: class attributes say how links are made, fields fill the templates."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from portal.crypto.vault import WorkerVault

REQUESTED = "asked"
LEGAL = "legal"
SECURITY = "security"
UPDATES = "updates"
PRIORITIES = {REQUESTED: 0, SECURITY: 1, LEGAL: 2, UPDATES: 3}
# What an operator can stop: notices and updates. Nobody waits for them.
PAUSABLE = (LEGAL, UPDATES)


@dataclass(frozen=True)
class Mail:
    """A mail's data. Fields are str, int, bool or list[str]; tokens are never fields, they are derived.

    `name` is the folder below templates/email. `purpose` is stored in clear in the row, and is the same for
    every outcome of a request. `link_path` is a path with `{token}`, filled with the token of `link_purpose`.
    `has_code` adds the code to type in place of the link. A mail with an `unsubscribe_purpose` has a field
    named by `unsubscribe_field`: the hex id from which its unsubscribe link is derived.
    """

    name: ClassVar[str]
    stream: ClassVar[str] = REQUESTED
    purpose: ClassVar[str] = ""
    link_purpose: ClassVar[str | None] = None
    link_path: ClassVar[str | None] = None
    has_code: ClassVar[bool] = False
    unsubscribe_purpose: ClassVar[str | None] = None
    unsubscribe_path: ClassVar[str] = "/unsubscribe/{token}/"
    unsubscribe_field: ClassVar[str] = "subscription"

    @classmethod
    def sample(cls) -> Self:
        """Return an example, which the tests render in every language."""
        raise NotImplementedError

    @classmethod
    def stored_purpose(cls) -> str:
        """Return what the column `purpose` holds of such a mail."""
        return cls.purpose or cls.name

    def token(self, vault: WorkerVault, row_id: bytes, address: str, created_at: datetime) -> str:  # noqa: ARG002
        """Return the token of this mail's link; `created_at` is when the mail was queued."""
        return vault.token(self.link_purpose or self.name, row_id)

    def alternatives(self) -> "tuple[Mail, ...]":
        """Return every mail that might have been sent instead: the size of none may tell which it is."""
        return (self,)
