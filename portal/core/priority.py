"""Lower the priority of threads that work for long: a page is waited for by the millisecond."""

import logging
import os
import sys
from functools import cache
from threading import get_native_id

log = logging.getLogger("portal.priority")

LOWEST = 19


def lower(steps: int = LOWEST) -> None:
    """Lower this thread's priority by so many steps of nice(1), at most to the lowest.

    Threads and processes that it starts inherit it. Where the system forbids it, nothing changes.
    """
    if sys.platform != "linux":  # where a priority is a thread's own
        return
    thread = get_native_id()
    try:
        # Only root may raise a priority, and an operator may have started the process with a low one.
        lowered = min(os.getpriority(os.PRIO_PROCESS, thread) + steps, LOWEST)
        os.setpriority(os.PRIO_PROCESS, thread, lowered)
    except PermissionError:
        _warn()


@cache
def _warn() -> None:
    log.warning(
        "priority: the system lets no thread of this process lower its priority, so pages are slower while "
        "passwords are hashed; under systemd, add the line SystemCallFilter=setpriority to the unit"
    )
