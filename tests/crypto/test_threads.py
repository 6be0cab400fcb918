"""Hashes are computed in threads of a lower priority than that of their request."""

import os
import subprocess
import sys

import pytest

from portal.core.settings import Argon2Parameters
from portal.crypto import threads
from portal.crypto.formats import registry
from portal.crypto.hashing import Hasher, HashSlots

FORKED = """
import os
from portal.crypto import threads
assert threads.run(pow, 2, 5) == 32
child = os.fork()
if not child:
    os._exit(threads.run(pow, 3, 2))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def own_priority(*_: object) -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)  # of this thread


def test_a_password_is_verified_and_hashed_behind_the_pages_whose_threads_keep_their_priority(
    tmp_path, monkeypatch
):
    seen = []

    def verify(*_: object) -> bool:
        seen.append(own_priority())
        return True

    def make(*_: object) -> str:
        seen.append(own_priority())
        return "hashed"

    monkeypatch.setattr(registry, "verify", verify)
    monkeypatch.setattr(registry, "make", make)
    before = own_priority()
    hasher = Hasher(Argon2Parameters(64, 1, 1), HashSlots(tmp_path / "slots", count=1))
    assert hasher.verify("a hash", "a password")
    with hasher.in_one_slot() as in_slot:
        assert in_slot.make("argon2id", "a password") == "hashed"
    assert seen == [min(before + 10, 19)] * 2
    assert own_priority() == before


def test_an_error_is_raised_where_the_hash_was_asked_for():
    with pytest.raises(ZeroDivisionError):
        threads.run(divmod, 1, 0)


def test_a_forked_process_hashes_in_threads_of_its_own():
    command = [sys.executable, "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "9\n"), done.stderr
