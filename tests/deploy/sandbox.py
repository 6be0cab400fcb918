"""Run a program under the filter of system calls that systemd makes of a unit, without systemd itself.

`python sandbox.py UNIT PROGRAM ARGUMENTS...`: it applies SystemCallFilter= and MemoryDenyWriteExecute= by the
library that systemd uses, and LimitCORE=.
"""

import ctypes
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

ERRNO_EPERM, ALLOW = 0x00050001, 0x7FFF0000
PR_SET_NO_NEW_PRIVS = 38
WRITE_AND_EXECUTE, EXECUTE = 6, 4
MASKED_EQUAL = 7
PROTECTION = 2  # the number of the argument


class _Compared(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def allowed(unit: str) -> set[str]:
    """Return the names of the system calls that a unit may make."""
    found: set[str] = set()
    for words in re.findall(r"(?m)^SystemCallFilter=(.*)$", unit):
        names = {name for group in words.removeprefix("~").split() for name in _calls(group)}
        found = found - names if words.startswith("~") else found | names
    return found | set(_calls("@default"))


def _calls(group: str) -> list[str]:
    if not group.startswith("@"):
        return [group]
    command = ["systemd-analyze", "syscall-filter", group]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    names = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    return [call for name in names for call in _calls(name)]


def apply(unit: str) -> None:
    """Put this process, and all that it starts, under the filters of a unit."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    for value in re.findall(r"(?m)^LimitCORE=(\d+)$", unit):
        resource.setrlimit(resource.RLIMIT_CORE, (int(value), int(value)))
    if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if "\nMemoryDenyWriteExecute=yes\n" in unit:
        context = ctypes.c_void_p(library.seccomp_init(ALLOW))
        for name, bits in (("mmap", WRITE_AND_EXECUTE), ("mprotect", EXECUTE), ("pkey_mprotect", EXECUTE)):
            compared = _Compared(PROTECTION, MASKED_EQUAL, bits, bits)
            number = library.seccomp_syscall_resolve_name(name.encode())
            _done(library.seccomp_rule_add_array(context, ERRNO_EPERM, number, 1, ctypes.byref(compared)))
        _done(library.seccomp_load(context))
    context = ctypes.c_void_p(library.seccomp_init(ERRNO_EPERM))
    for name in sorted(allowed(unit)):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # else this processor has no such call
            _done(library.seccomp_rule_add_array(context, ALLOW, number, 0, None))
    _done(library.seccomp_load(context))


def _done(result: int) -> None:
    if result:
        raise OSError(-result, os.strerror(-result))


if __name__ == "__main__":
    apply(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.execv(sys.argv[2], sys.argv[2:])
