"""Threads of lower priority for what takes a core for a while, so that a page is answered meanwhile.

A hash that runs in the thread of its request competes with every page that this process shows: the kernel
lets it finish its slice first. Who asks for one here waits for it, and holds a hash slot: no more run at once
than there are cores.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from portal.core import priority

NICER = 10  # of 19 steps

P = ParamSpec("P")
T = TypeVar("T")


def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function returns, or raise what it raises, having called it in such a thread."""
    return _threads().submit(function, *args, **kwargs).result()


@cache
def _threads() -> ThreadPoolExecutor:
    cores = len(os.sched_getaffinity(0))
    return ThreadPoolExecutor(cores, "hash", initializer=priority.lower, initargs=(NICER,))


os.register_at_fork(after_in_child=_threads.cache_clear)  # threads stay with the parent
