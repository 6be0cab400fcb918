"""The external sort gives all back in order, in little memory, and leaves nothing that others can open."""

import os
import random
import resource
import signal
import subprocess
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from portal.people_files.sorting import Sorter
from tests.processes import ROOT


@pytest.mark.parametrize("run_bytes", [10, 1_000, 10_000_000], ids=["a row a run", "many runs", "in memory"])
def test_rows_come_back_in_the_order_of_their_keys_as_often_as_they_are_asked_for(tmp_path, run_bytes):
    rows = [(number.to_bytes(4), bytes([number % 256]) * (number % 700)) for number in range(500)]
    given = random.Random(1).sample(rows, len(rows))
    with closing(Sorter(tmp_path, 4, run_bytes)) as sorter:
        for key, sealed in given:
            sorter.add(key, sealed)
        assert list(sorter.sorted()) == rows
        assert list(sorter.sorted()) == rows


def test_a_key_that_comes_twice_comes_back_twice(tmp_path):
    with closing(Sorter(tmp_path, 1, run_bytes=5)) as sorter:
        for key, sealed in ((b"b", b"1"), (b"a", b"22"), (b"b", b"333"), (b"a", b"")):
            sorter.add(key, sealed)
        keys = [key for key, _ in sorter.sorted()]
        assert keys == [b"a", b"a", b"b", b"b"]
        assert {sealed for _, sealed in sorter.sorted()} == {b"1", b"22", b"333", b""}


def test_a_damaged_length_is_an_error_and_loses_nobody_in_silence(tmp_path):
    with closing(Sorter(tmp_path, 4, run_bytes=100)) as sorter:
        for number in range(20):
            sorter.add(number.to_bytes(4), b"twelve bytes")
        os.pwrite(sorter._runs[0].file.fileno(), b"\xff\xff", 4)
        with pytest.raises(OSError, match="Input/output error"):
            list(sorter.sorted())


def test_what_was_read_frees_its_disk_so_that_what_is_stored_can_take_its_place(tmp_path):
    def on_disk():
        return sum(os.fstat(run.file.fileno()).st_size for run in sorter._runs)

    with closing(Sorter(tmp_path, 4, run_bytes=500_000)) as sorter:
        for number in range(10_000):
            sorter.add((number * 7919 % 10_000).to_bytes(4), b"x" * 200)
        whole = on_disk()
        assert whole > 2_000_000
        assert len(list(sorter.sorted())) == 10_000
        assert on_disk() == whole  # it may be read again
        left = []
        for place, (key, sealed) in enumerate(sorter.sorted(consume=True)):
            assert (key, sealed) == (place.to_bytes(4), b"x" * 200)
            if not place % 1_000:
                left.append(on_disk() / whole)
    # At each tenth, about as much is freed as was read: at most two blocks of each of the four runs more.
    assert [round(share, 1) for share in left] == pytest.approx([1 - n / 10 for n in range(10)], abs=0.2)
    assert left[-1] < 0.2


def test_memory_does_not_grow_with_the_rows(tmp_path):
    peaks = []
    for rows in (4_000, 40_000):
        tracemalloc.start()
        try:
            with closing(Sorter(tmp_path, 4, run_bytes=500_000)) as sorter:
                for number in range(rows):
                    sorter.add((number * 7919 % rows).to_bytes(4), b"x" * 200)
                assert sum(1 for _ in sorter.sorted()) == rows
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000, peaks


SORT = """
import sys
from pathlib import Path
from portal.people_files.sorting import Sorter
sorter = Sorter(Path(sys.argv[1]), 4, run_bytes=100_000)
for number in range(10_000):
    sorter.add(number.to_bytes(4), b"x" * 100)
print("sorted", flush=True)
sys.stdin.read()
"""


def test_a_sort_that_is_killed_leaves_no_file(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", SORT, tmp_path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"sorted\n"
        assert list(tmp_path.iterdir()) == [], "it has a name by which others can open it"
        on_disk = [
            file.stat().st_size
            for file in Path(f"/proc/{process.pid}/fd").iterdir()
            if str(file.readlink()).startswith(str(tmp_path))
        ]
        assert len(on_disk) == 10
        assert sum(on_disk) > 1_000_000
        process.kill()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_an_error_of_the_disk(tmp_path):
    def cap() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    done = subprocess.run(
        [sys.executable, "-c", SORT, tmp_path],
        cwd=ROOT, preexec_fn=cap, capture_output=True, text=True, check=False, input="",
    )  # fmt: skip
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []
