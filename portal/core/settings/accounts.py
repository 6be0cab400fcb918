"""What people may do with their accounts."""

from dataclasses import dataclass
from datetime import timedelta

from portal.core.environment import Environment

ON, OFF = "on", "off"


@dataclass(frozen=True)
class Accounts:
    """What people may do by themselves. `factor_removal`: remove second factors of which they lost all.

    `case_cooling` is how long a case waits after every old address was told, before its account is led to a
    new one.
    """

    factor_removal: bool = True
    case_cooling: timedelta = timedelta(hours=72)

    @classmethod
    def read(cls, environment: Environment) -> "Accounts":
        """Read this group; faults are collected."""
        return cls(
            factor_removal=environment.one_of("FACTOR_REMOVAL", ON, lambda: (ON, OFF)) == ON,
            case_cooling=timedelta(hours=environment.count("CASE_COOLING_HOURS", 72, 720, least=24)),
        )
