"""The company's user store."""

from dataclasses import dataclass

from portal.core.environment import Environment


@dataclass(frozen=True)
class Argon2Parameters:
    """The cost of one Argon2id hash (RFC 9106): memory in KiB, passes, lanes."""

    memory: int = 47_104
    time: int = 1
    lanes: int = 1


@dataclass(frozen=True)
class Identity:
    """The company's user store, and the cost of new password hashes."""

    store: str = "builtin"
    argon2: Argon2Parameters = Argon2Parameters()

    @classmethod
    def read(cls, environment: Environment) -> "Identity":
        """Read this group; faults are collected."""
        return cls(
            store=environment.matching("IDENTITY_STORE", r"builtin\Z", cls.store, "builtin"),
            argon2=Argon2Parameters(*environment.argon2("ARGON2", (47_104, 1, 1))),
        )
