"""The checker of authors' texts: a text of twice the length takes about twice the time, hostile or not."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter

from bench.measure import Result, interleaved
from portal.incidents.checker.files import check_update_file
from portal.incidents.checker.site import Site

HALF = 90_000  # bytes; a file has at most 200,000
MOST = 2.6  # 2 is linear, 4 quadratic
NOW = datetime(2026, 11, 23, tzinfo=UTC)
# Each makes one of the patterns, or the Markdown parser, begin again and again.
TEXTS = {
    "sentences": "We found that someone had copied the file on Monday night. ",
    "hedges that do not end": "we take nothing but more of ",
    "brackets": "[TBC ",
    "tags": "<a <b ",
    "addresses": "a@b.c www.x. http://",
    "emphasis": "*a **b ",
    "blanks": "may \t ",
    "paragraphs": "insert a here.\n\n",
}


def run() -> list[Result]:
    """Compare the time for a text with that for twice as much of it, for the slowest text."""
    ratios = {name: _ratio(text) for name, text in TEXTS.items()}
    slowest = max(ratios, key=lambda name: ratios[name][0])
    ratio, seconds = ratios[slowest]
    detail = f"slowest: {slowest}, {2 * HALF // 1000} kB in {seconds:.2f} s"
    return [Result("checker: twice the text", ratio, detail, most=MOST)]


def _ratio(text: str) -> tuple[float, float]:
    once = (text * (HALF // len(text))).encode()
    times = interleaved({"once": _timed(once), "twice": _timed(once + once)}, runs=3)
    return times["twice"] / times["once"], times["twice"]


def _timed(content: bytes) -> Callable[[], float]:
    def seconds() -> float:
        begin = perf_counter()
        check_update_file(content, Site(("en",)), "UTC", NOW)
        return perf_counter() - begin

    return seconds
