"""Build a file of 50 million stolen passwords, and look some up: at first, again, and from the disk.

The hashes are drawn at random and written like Pwned Passwords by SHA-1, which has the same lengths.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np

from bench.measure import Result
from portal.blocklists.corpus import Corpus

HASHES, UNSORTED = 50_000_000, 10_000_000
SLICE = 1 << 20
LOOK_UPS, FRESH, COLD = 100_000, 31, 200
PAGE = 4096
DIGITS = np.frombuffer(b"0123456789ABCDEF", np.uint8)
FRESH_PROCESS = """
import sys, time
from pathlib import Path
from portal.blocklists.corpus import Corpus
path, password = Path(sys.argv[1]), sys.argv[2]
begun = time.perf_counter()
corpus = Corpus(path)
opened = time.perf_counter()
corpus.holds(password)
print(opened - begun, time.perf_counter() - opened)
"""


def run() -> list[Result]:
    """Build and look up."""
    with tempfile.TemporaryDirectory() as folder:
        text, corpus = Path(folder) / "list.txt", Path(folder) / "list.pwc"
        _written(text, UNSORTED, in_order=False)
        unsorted, _ = _build(text, corpus)
        _written(text, HASHES, in_order=True)
        seconds, memory = _build(text, corpus)
        text.unlink()
        return [
            Result(
                "a million hashes built, unsorted / a second",
                UNSORTED / unsorted / 1e6,
                f"{unsorted:.1f} s",
                least=1,
            ),
            Result(
                "a million hashes built of 50 million / a second",
                HASHES / seconds / 1e6,
                f"{seconds:.1f} s",
                least=1,
            ),
            Result("its memory / 500 MB", memory / 500e6, f"{memory / 1e6:.0f} MB", most=1),
            _size(corpus),
            *_look_ups(corpus),
        ]


def _written(path: Path, count: int, *, in_order: bool) -> None:
    """Write a list in a process of its own: the next one that this one starts begins with its memory."""
    process = get_context("spawn").Process(target=write, args=(path, count), kwargs={"in_order": in_order})
    process.start()
    process.join()
    assert process.exitcode == 0


def write(path: Path, count: int, *, in_order: bool) -> None:
    """Write lines of random hashes, each with a count."""
    keys = np.random.default_rng(count).integers(0, 1 << 64, size=count, dtype=np.uint64)
    if in_order:
        keys.sort()
    with path.open("wb") as file:
        for start in range(0, count, SLICE):
            taken = keys[start : start + SLICE].astype(">u8").view(np.uint8).reshape(-1, 8)
            lines = np.full((len(taken), 44), ord("7"), np.uint8)
            lines[:, 0:16:2], lines[:, 1:16:2] = DIGITS[taken >> 4], DIGITS[taken & 15]
            lines[:, 40], lines[:, 42:] = ord(":"), (ord("\r"), ord("\n"))
            file.write(lines.tobytes())


def _build(text: Path, corpus: Path) -> tuple[float, int]:
    """Run the command; return its seconds, and the bytes of memory that it held at most."""
    portal = Path(sys.executable).with_name("portal")
    command = [*map(str, (portal, "passwords", "build", text, "--output", corpus))]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - begun, used.ru_maxrss * 1024


def _size(path: Path) -> Result:
    header = Corpus(path).header
    bits = header.size * 8 / header.hashes
    return Result("bits of a hash / 18.5", bits / 18.5, f"{bits:.2f} bits", most=1)


def _look_ups(path: Path) -> list[Result]:
    corpus, chance = Corpus(path), random.Random(1)
    corpus.verify()  # the whole file is in the page cache now
    fresh = []
    for number in range(FRESH):
        command = [sys.executable, "-c", FRESH_PROCESS, str(path), f"password {number}"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        fresh.append([float(word) * 1e6 for word in said.split()])
    first = median(look_up for _, look_up in fresh)
    opened = median(opening for opening, _ in fresh)
    warm = []
    for _ in range(LOOK_UPS):
        password = f"{chance.getrandbits(80)}"
        begun = time.perf_counter()
        corpus.holds(password)
        warm.append(time.perf_counter() - begun)
    again = median(warm) * 1e6
    cold, pages = _cold(path, chance)
    return [
        Result(
            "first look-up of a process / 50 µs",
            first / 50,
            f"{first:.0f} µs; opening the file {opened:.0f} µs",
            most=1,
        ),
        Result("further look-up / 5 µs", again / 5, f"{again:.1f} µs", most=1),
        Result(
            "look-up from the disk / reading two pages",
            cold / pages,
            f"{cold:.0f} µs against {pages:.0f} µs",
            most=3,
        ),
    ]


def _cold(path: Path, chance: random.Random) -> tuple[float, float]:
    """Return the medians of a look-up and of two single pages, both without the page cache, in µs."""
    file, size = os.open(path, os.O_RDONLY), path.stat().st_size
    look_ups: list[float] = []
    reads: list[float] = []
    try:
        for _ in range(COLD):
            for seen in (look_ups, reads):
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                corpus = Corpus(path)
                places = [chance.randrange(size // PAGE) * PAGE for _ in range(2)]
                begun = time.perf_counter()
                if seen is look_ups:
                    corpus.holds(f"{chance.getrandbits(80)}")
                else:
                    for place in places:
                        os.pread(file, PAGE, place)
                seen.append(time.perf_counter() - begun)
    finally:
        os.close(file)
    return median(look_ups) * 1e6, median(reads) * 1e6
