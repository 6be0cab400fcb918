"""Measure the strength check of crafted passwords of the maximum length against hashing one."""

import time
from collections.abc import Callable

from argon2 import PasswordHasher

from bench.measure import Result, interleaved
from portal.reset import passwords

CRAFTED = (
    "a" * 256,
    "ab" * 128,
    "a" * 255 + "b",
    ("qwerty" * 43)[:256],
    ("passworddragonmonkey" * 13)[:256],
    ("p4ssw0rd1q2w3e4r" * 16)[:256],
    "ﷺ" * 256,
    "word" * 64,
    "".join(chr(0x4E00 + place) for place in range(256)),
)
OWN_WORDS = [f"word{number}.w@wor{number}.example" for number in range(20)]


def run() -> list[Result]:
    """Compare the slowest of the crafted passwords."""
    hasher = PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)
    measures: dict[str, Callable[[], float]] = {
        str(number): lambda password=password: _check(password)  # type: ignore[misc]  # bound at once
        for number, password in enumerate(CRAFTED)
    }
    seen = interleaved({"hash": lambda: _seconds(lambda: hasher.hash(CRAFTED[0])), **measures})
    most = max(seconds for name, seconds in seen.items() if name != "hash")
    detail = f"{most * 1000:.2f} ms against {seen['hash'] * 1000:.0f} ms"
    return [Result("checking a crafted password / hashing it", most / seen["hash"], detail, most=0.1)]


def _check(password: str) -> float:
    return _seconds(lambda: passwords.check(password, own_words=OWN_WORDS, organisation="Bench Ltd"))


def _seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin
