"""How long the portal keeps what people did, before it removes that by itself."""

from dataclasses import dataclass
from datetime import timedelta

from portal.core.environment import Environment


@dataclass(frozen=True)
class Retention:
    """Periods after which rows go by themselves; `portal purge` and the worker's jobs apply the same ones.

    `account_events`: what changed in an account. `cases`: closed cases. `waiting_requests`: requests that
    wait for a list, or failed. `unsent_mails`: address and content of mails that failed. `sent_mails`: the
    records by which "Is it real?" knows a mail; None keeps them for as long as the portal is run.
    """

    account_events: timedelta = timedelta(days=180)
    cases: timedelta = timedelta(days=365)
    waiting_requests: timedelta = timedelta(days=30)
    unsent_mails: timedelta = timedelta(days=30)
    sent_mails: timedelta | None = None

    @classmethod
    def read(cls, environment: Environment) -> "Retention":
        """Read this group; faults are collected."""
        sent = environment.text("RETENTION_SENT_MAILS", "")
        return cls(
            # A mail about a change has a link for 30 days, and its owner looks here what it was about.
            account_events=environment.days("RETENTION_ACCOUNT_EVENTS", cls.account_events, least=30),
            cases=environment.days("RETENTION_CASES", cls.cases, least=30),
            # Who asked before there was a list still gets an answer, and an operator has time to act.
            waiting_requests=environment.days("RETENTION_WAITING_REQUESTS", cls.waiting_requests, least=14),
            unsent_mails=environment.days("RETENTION_UNSENT_MAILS", cls.unsent_mails, least=7),
            sent_mails=environment.days("RETENTION_SENT_MAILS", timedelta(0), least=365) if sent else None,
        )
