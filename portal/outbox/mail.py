"""What a mail is: a frozen dataclass whose class says how its links are made, and whose fields fill its templates."""

from dataclasses import dataclass
from typing import ClassVar, Self

REQUESTED = "asked"
LEGAL = "legal"
SECURITY = "security"
UPDATES = "updates"
PRIORITIES = {REQUESTED: 0, SECURITY: 1, LEGAL: 2, UPDATES: 3}


@dataclass(frozen=True)
class Mail:
    """The base of every mail. Fields are str, int, bool or list[str]; tokens are never fields, they are derived.

    `name` is the folder below templates/email; `purpose` is what the row shows (the same for every outcome of a
    request); `link_path` is a path with `{token}`, filled with the token of `link_purpose`; `has_code` adds the
    typed alternative. A mail of the stream `updates` has a field `subscription`, the hex id its unsubscribe link
    is derived from.
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
        """Return an example, from which the tests render the mail in every language."""
        raise NotImplementedError
