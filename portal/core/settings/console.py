"""The staff's console: where it is, and what needs a second person."""

from dataclasses import dataclass

from portal.core.environment import Environment

TWO, ONE = "two", "one"
AUDITED, REQUIRED = "audited", "required"


@dataclass(frozen=True)
class Console:
    """The console's own URL, empty where there is none, and where it listens.

    `one_person`: the company has one person, so nobody approves. `commands_need_approval`: commands that
    publish or mail refuse, so that only the console does it.
    """

    url: str = ""
    listen: str = "127.0.0.1:8001"
    one_person: bool = False
    commands_need_approval: bool = False

    @classmethod
    def read(cls, environment: Environment) -> "Console":
        """Read this group; faults are collected."""
        return cls(
            url=environment.staff_url("CONSOLE_URL"),
            listen=environment.listen("CONSOLE_LISTEN", cls.listen),
            one_person=environment.one_of("APPROVALS", TWO, lambda: (TWO, ONE)) == ONE,
            commands_need_approval=environment.one_of("CLI_APPROVAL", AUDITED, lambda: (AUDITED, REQUIRED))
            == REQUIRED,
        )
