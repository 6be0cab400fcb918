"""The base class of mails: class attributes say how links are made, fields fill the templates.

Also what finds the frozen words that many mails share.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Self

from sqlalchemy.orm import Session

from portal.crypto.vault import WorkerVault
from portal.runtime.parts import WorkerParts

REQUESTED = "asked"
LEGAL = "legal"
SECURITY = "security"
UPDATES = "updates"
PRIORITIES = {REQUESTED: 0, SECURITY: 1, LEGAL: 2, UPDATES: 3}
# What an operator can stop: notices and updates. Nobody waits for them.
PAUSABLE = (LEGAL, UPDATES)
READ_AGAIN = timedelta(seconds=1)


@dataclass(frozen=True)
class Mail:
    """A mail's data. Fields are str, int, bool or list[str]; tokens are never fields, they are derived.

    `name` is the folder below templates/email. `purpose` is stored in clear in the row, and is the same for
    every outcome of a request. `link_path` is a path with `{token}`, filled with the token of `link_purpose`.
    `has_code` adds the code to type in place of the link. A mail with an `unsubscribe_purpose` has a field
    named by `unsubscribe_field`: the hex id from which its unsubscribe link is derived. One whose words are
    frozen in rows of their own has a field named by `words_field`: their hex id, empty for none.
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
    words_field: ClassVar[str] = ""

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

    @property
    def list_label(self) -> str:
        """Return the label of the mailing list that the mail belongs to (RFC 2919), or an empty string."""
        return ""

    @property
    def typed_url(self) -> str:
        """Return what to type in place of clicking: the root of the site that the mail is about.

        Empty: of the public site.
        """
        return ""

    def alternatives(self) -> "tuple[Mail, ...]":
        """Return every mail that might have been sent instead: the size of none may tell which it is."""
        return (self,)


class CurrentWords:
    """Finds the frozen words of one kind of mail, for one worker.

    It reads them again after a second, because an operator may have replaced altered ones.
    """

    def __init__(
        self, parts: WorkerParts, read: Callable[[Session, WorkerParts, bytes, str], object]
    ) -> None:
        """Store the parts, and what reads the words of an id for readers of a language."""
        self._parts = parts
        self._read = read
        self._found: dict[tuple[str, str], tuple[datetime, object]] = {}

    def __call__(self, mail: Mail, language: str) -> object:
        """Return what a mail says to readers of a language, or None if it has no words. Raises MailUnfit."""
        words_id = getattr(mail, mail.words_field)
        if not words_id:
            return None
        now = self._parts.clock.now()
        found = self._found.get((words_id, language))
        if found is None or not found[0] <= now < found[0] + READ_AGAIN:
            with self._parts.db.read() as session:
                words = self._read(session, self._parts, bytes.fromhex(words_id), language)
            found = self._found[words_id, language] = now, words
        return found[1]
