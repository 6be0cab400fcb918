"""The mail that brings an answer: it reads the same whatever the answer is."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.outbox import mail

PURPOSE = "check"
ACCOUNT_PURPOSE = "check-account"  # asked for on the account page


@dataclass(frozen=True)
class CheckAnswer(mail.Mail):
    """Somebody asked whether an address is affected; the answer is ready."""

    name: ClassVar[str] = "check-answer"
    purpose: ClassVar[str] = PURPOSE
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = "/check/answer/{token}/"
    has_code: ClassVar[bool] = True

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


MAILS: tuple[type[mail.Mail], ...] = (CheckAnswer,)
