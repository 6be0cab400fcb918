"""What people may do with their accounts."""

from dataclasses import dataclass

from portal.core.environment import Environment

ON, OFF = "on", "off"


@dataclass(frozen=True)
class Accounts:
    """What people may do by themselves. `factor_removal`: remove second factors of which they lost all."""

    factor_removal: bool = True

    @classmethod
    def read(cls, environment: Environment) -> "Accounts":
        """Read this group; faults are collected."""
        return cls(factor_removal=environment.one_of("FACTOR_REMOVAL", ON, lambda: (ON, OFF)) == ON)
