"""Threads that work for long lower their priority, and work on where the system forbids that."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from portal.core import priority

# As a systemd unit with SystemCallFilter=~@resources does: setpriority(2) fails with EPERM from then on.
FORBIDDEN = """
import ctypes, logging, platform, struct
from portal.core import priority
from portal.crypto import threads
number = {"x86_64": 141, "aarch64": 140}[platform.machine()]
steps = ((0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == libc.prctl(22, 2, program, 0, 0) == 0
logging.basicConfig(format="%(levelname)s %(message)s")
priority.lower(5)
print(threads.run(pow, 2, 5), threads.run(pow, 3, 3))
"""


def test_a_thread_that_was_started_with_a_low_priority_lowers_it_further():
    """Only root may raise a priority; a worker that tried to would answer nobody."""

    def lowered() -> list[int]:
        os.setpriority(os.PRIO_PROCESS, 0, 10)  # of this thread
        steps = []
        for _ in range(2):
            priority.lower(5)
            steps.append(os.getpriority(os.PRIO_PROCESS, 0))
        return steps

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lowered).result() == [15, 19]


def test_where_the_system_forbids_it_everything_works_on_and_the_log_says_once_what_to_do():
    done = subprocess.run([sys.executable, "-c", FORBIDDEN], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "32 27\n"), done.stderr
    assert done.stderr.count("WARNING") == 1
    assert "SystemCallFilter=setpriority" in done.stderr
