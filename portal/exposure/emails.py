"""The mail with the link to an answer; its text is identical whatever the answer is."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.outbox import mail

PURPOSE = "check"
ACCOUNT_PURPOSE = "check-account"  # requested on the account page


@dataclass(frozen=True)
class CheckAnswer(mail.Mail):
    """A check of an address was requested; the answer is ready."""

    name: ClassVar[str] = "check-answer"
    purpose: ClassVar[str] = PURPOSE
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = "/check/answer/{token}/"
    has_code: ClassVar[bool] = True

    @classmethod
    def sample(cls) -> Self:
        """Return an example for previews and tests."""
        return cls()


MAILS: tuple[type[mail.Mail], ...] = (CheckAnswer,)
