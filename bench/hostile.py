"""Texts that are made to be slow: against an ordinary text as long, or against half as much of them."""

from collections.abc import Callable
from time import process_time

from bench.measure import Result, interleaved
from bench.servers import portal_settings
from portal.core.settings import Settings
from portal.incidents.differences import changes
from portal.site import legal
from portal.web import markdown

MOST_TIMES = 3  # of what an ordinary text takes
MOST_GROWTH = 2.6  # twice the text: 2 is linear, 4 quadratic
ORDINARY = "We found that **someone** had copied a [file](https://a.example/) on Monday night.\n\n" * 250
# One mark more than is read as Markdown, or deeper than the stack.
MARKED = {
    "brackets": "[" * 10_000,
    "pictures": "![" * 10_000,
    "pairs": "[" * 5_000 + "](x)" * 5_000,
    "angles": "<" * 10_001,
    "stars": "*a" * 10_001,
    "lines": "a\n" * 10_001,
    "addresses": "a@b.c " * 10_001,
    "depth": "**a " * 1_000 + " a**" * 1_000,
    "a wide table": "|a" * 60 + "|\n" + "|-" * 60 + "|\n" + "|\n" * 2_000,
}


def run() -> list[Result]:
    """Compare the slowest of them with an ordinary text, and each of the others with twice as much of it."""
    with portal_settings() as (settings, _):
        return [_marked(), *(_growth(name, make) for name, make in _growing(settings).items())]


def _growing(settings: Settings) -> dict[str, Callable[[int], Callable[[], object]]]:
    """Return, per name, what makes the work on a text of this many times its length."""

    def word(times: int) -> Callable[[], object]:
        text = "http://a.b/(" * 4_000 * times
        return lambda: markdown.render(text)

    def title(times: int) -> Callable[[], object]:
        text = "# a" + " " * 200_000 * times + "b\n\nThe text.\n"
        return lambda: legal.rendered(settings, text, "en")

    def differences(older: str, newer: str) -> Callable[[int], Callable[[], object]]:
        return lambda times: lambda: changes(older * times, newer * times)

    return {
        "a word too long for an address": word,
        "a title that does not end": title,
        "differences of short paragraphs": differences("a\n\n" * 10_000, "b\n\n" * 10_000),
        "differences of equal paragraphs": differences("the law\n\n" * 5_000, "the firm\n\n" * 5_000),
        "differences of one paragraph": differences("the word and " * 5_000, "and the word " * 5_000),
    }


def _marked() -> Result:
    texts = {"ordinary": ORDINARY} | MARKED
    times = interleaved({name: _timed(_shown(text)) for name, text in texts.items()})
    ordinary = times.pop("ordinary")
    slowest = max(times, key=lambda name: times[name])
    detail = f"slowest: {slowest}, {times[slowest] * 1000:.0f} ms; an ordinary text {ordinary * 1000:.0f} ms"
    return Result("hostile: too many marks", times[slowest] / ordinary, detail, most=MOST_TIMES)


def _shown(text: str) -> Callable[[], object]:
    return lambda: (markdown.render(text), markdown.plain(text, "https://portal.example/"))


def _growth(name: str, make: Callable[[int], Callable[[], object]]) -> Result:
    times = interleaved({"once": _timed(make(1)), "twice": _timed(make(2))})
    detail = f"{times['twice'] * 1000:.0f} ms for twice the text"
    return Result(f"hostile: {name}", times["twice"] / times["once"], detail, most=MOST_GROWTH)


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    def seconds() -> float:
        markdown.render.cache_clear()
        begin = process_time()
        work()
        return process_time() - begin

    return seconds
