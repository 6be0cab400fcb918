"""Run measurements interleaved, take medians, and print ratios with their limits."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

RUNS = 5


@dataclass(frozen=True)
class Result:
    """One ratio with its limit: `least` or `most`."""

    name: str
    ratio: float
    detail: str
    least: float | None = None
    most: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the ratio is within its limit."""
        return (self.least is None or self.ratio >= self.least) and (
            self.most is None or self.ratio <= self.most
        )

    def line(self) -> str:
        """Return the result as one line."""
        limit = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        return (
            f"{'ok    ' if self.passed else 'MISSED'} {self.name}: {self.ratio:.3f} ({limit}); {self.detail}"
        )


def interleaved(measures: dict[str, Callable[[], float]], runs: int = RUNS) -> dict[str, float]:
    """Run all measures in turn, `runs` times, so that a slow phase affects all alike; return the medians."""
    seen: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(runs):
        for name, measure in measures.items():
            seen[name].append(measure())
    return {name: median(values) for name, values in seen.items()}
