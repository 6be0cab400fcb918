"""Who runs a command: what the audit log records of the person at the terminal."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

# Before the name of a system user, where an entry of the console has `staff` and an id.
OPERATOR = "operator "
_NOT_SET = 2**32 - 1  # the kernel's login uid of a process that no login began


@dataclass(frozen=True)
class Operator:
    """The user who logged in, and the user as whom the command runs."""

    user: str
    ran_as: str


def operator() -> Operator:
    """Return who logged in, as the kernel knows it, or else as sudo says; and as whom the command runs."""
    ran_as = _name(os.geteuid())
    try:
        login = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        login = _NOT_SET
    user = _name(login) if login != _NOT_SET else os.environ.get("SUDO_USER") or ran_as
    return Operator(user, ran_as)


def acting() -> dict[str, str]:
    """Return what every audit entry of a command says beside its own details: who ran it."""
    return {"by": f"{OPERATOR}{operator().user}"}


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
