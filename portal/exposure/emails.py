"""The mail with the link to an answer; its text is identical whatever the answer is."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.outbox import mail

PURPOSE = "check"
ACCOUNT_PURPOSE = "check-account"  # requested on the account page


# As long as a date can be in any language: an earlier request shows in no mail's size.
LONGEST_DATE = "x" * 60


@dataclass(frozen=True)
class CheckAnswer(mail.Mail):
    """A check of an address was requested; the answer is ready.

    `asked_on` is the localised day of a request that could not be answered then, and is empty for others.
    """

    name: ClassVar[str] = "check-answer"
    purpose: ClassVar[str] = PURPOSE
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = "/check/answer/{token}/"
    has_code: ClassVar[bool] = True

    asked_on: str = ""

    @classmethod
    def sample(cls) -> Self:
        """Return an example for previews and tests."""
        return cls()

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it at once and later: its size must not tell that an address was checked before."""
        return CheckAnswer(), CheckAnswer(LONGEST_DATE)


MAILS: tuple[type[mail.Mail], ...] = (CheckAnswer,)
