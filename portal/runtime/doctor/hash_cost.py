"""Measure what a password hash costs on this machine."""

import os
import time
from functools import cache
from statistics import median

from argon2.low_level import Type, hash_secret_raw

from portal.core.settings import Settings

# Memory costs to try, in KiB, and how long one hash may take.
HASH_MEMORY = (47_104, 65_536, 98_304, 131_072, 196_608, 262_144)
HASH_SECONDS = 0.25
TIMES = 3


def hash_cost(settings: Settings) -> str:
    """Return how long a hash takes, and the highest cost that this machine can run on every core at once."""
    cost = settings.identity.argon2
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    # A pass fills the memory once, so time grows with memory, and one measurement tells about the others.
    affordable = HASH_MEMORY[0] * HASH_SECONDS / _hash_seconds(HASH_MEMORY[0], 1, 1)
    best = max((each for each in HASH_MEMORY if each <= min(affordable, memory // 4 // cores)), default=None)
    seconds = _hash_seconds(cost.memory, cost.time, cost.lanes)
    taken = f"m={cost.memory},t={cost.time},p={cost.lanes} takes {seconds * 1000:.0f} ms"
    if seconds > HASH_SECONDS:
        return f"{taken}, a noticeable wait; OWASP's minimum is m=47104,t=1,p=1 or m=19456,t=2,p=1"
    if best is None or best <= cost.memory * cost.time:
        return f"{taken}, right for this machine"
    return f"{taken}; this machine can afford PORTAL_ARGON2=m={best},t=1,p=1"


@cache
def _hash_seconds(memory: int, time_cost: int, lanes: int) -> float:
    """Return the seconds of one hash on an idle machine: the median of the CPU time of three, by lane.

    Time on the clock would grow with whatever else runs. Of a cheap hash, one is enough.
    """
    took: list[float] = []
    while not took or (memory >= HASH_MEMORY[0] and len(took) < TIMES):
        begin = time.process_time()
        hash_secret_raw(b"a password to measure", bytes(16), time_cost, memory, lanes, 32, Type.ID)
        took.append((time.process_time() - begin) / min(lanes, len(os.sched_getaffinity(0))))
    return median(took)
