"""What is computed in Python is computed elsewhere: this process's threads go on meanwhile."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portal.core.settings import Argon2Parameters
from portal.crypto.formats import children
from portal.crypto.formats.children import Children
from portal.crypto.formats.refusal import HashingFailed
from portal.crypto.hashing import Hasher, HashSlots, TooBusy
from tests.processes import ROOT

# passlib 1.7.4, password "hunter22"
PHPASS = "$P$5GdtOvoVMjApbtHTRjf9ox3LaLu3hfW"
# crypt(3) takes any number of rounds: this one would run for hours.
ENDLESS = "$6$rounds=999999999$saltsaltsaltsalt$" + "." * 86
QUESTION = {"handler": "md5_crypt", "text": "$1$saltsalt$J8GX5cnoDxTbcMuHvJTzB.", "plain": b"hunter22".hex()}


@pytest.fixture
def pool():
    made = Children()
    yield made
    made.end()


@pytest.fixture
def hasher(tmp_path):
    return Hasher(Argon2Parameters(64, 1, 1), HashSlots(tmp_path / "slots", count=1, wait=0))


def processes(pool):
    return [child.process for child in pool._idle]


def test_one_process_answers_many_questions(pool):
    assert pool.ask(QUESTION) is True
    (first,) = processes(pool)
    assert pool.ask(QUESTION | {"plain": b"hunter23".hex()}) is False
    assert processes(pool) == [first]


def test_a_process_that_was_killed_is_replaced(pool, caplog):
    assert pool.ask(QUESTION) is True
    (first,) = processes(pool)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert pool.ask(QUESTION) is True
    (second,) = processes(pool)
    assert second.pid != first.pid
    assert "starting another" in caplog.text


def test_what_takes_too_long_is_stopped_and_the_next_hash_is_answered(pool, caplog):
    with pytest.raises(HashingFailed):
        pool.ask({"handler": "sha512_crypt", "text": ENDLESS, "plain": "78"}, 0.5)
    assert processes(pool) == []
    assert "took more than 0.5 seconds and was stopped" in caplog.text
    assert ENDLESS[:20] not in caplog.text
    assert pool.ask(QUESTION) is True


def test_the_process_knows_no_secret_and_ends_with_its_parent():
    program = (
        "from portal.crypto.formats.children import Children, _Child\n"
        "pool = Children()\n"
        f"pool.ask({QUESTION!r})\n"
        "print(pool._idle[0].process.pid, flush=True)\n"
        "input()\n"
    )
    environ = {**os.environ, "PORTAL_SECRET": "do not tell"}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert b"do not tell" not in Path(f"/proc/{pid}/environ").read_bytes()
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.01)


def test_it_counts_as_one_of_the_hashes_that_run(hasher):
    with hasher._slots.taken(), pytest.raises(TooBusy):
        hasher.verify(PHPASS, "hunter22")


def test_one_that_fails_is_told_as_busy(hasher, monkeypatch):
    def fail(*_):
        raise HashingFailed

    monkeypatch.setattr(children, "verify", fail)
    with pytest.raises(TooBusy):
        hasher.verify(PHPASS, "hunter22")
    with pytest.raises(TooBusy):
        hasher.verify_dummy("hunter22", PHPASS)


def test_the_work_is_not_done_in_this_process(pool):
    slow = QUESTION | {"handler": "sha512_crypt", "text": ENDLESS.replace("999999999", "50000")}
    before = time.thread_time()
    assert pool.ask(slow) is False
    here = time.thread_time() - before
    ended = os.times().children_user
    pool.end()
    assert here < (os.times().children_user - ended) / 3


def test_a_password_that_libpass_does_not_take_becomes_no_hash():
    with pytest.raises(HashingFailed):
        children.make("sha512_crypt", b"a\0b", {"rounds": 1000})
