"""What the checker says about a text: each finding with its weight, its line, and how to write it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from portal.core.i18n import mark as N_

MOST_OF_A_KIND = 20
# What an author accepts, by the code of what was asked.
ACCEPTED = {
    "class-mismatch": N_("the text and the incident’s kinds of data differ"),
    "link-place": N_("a link leads to a place that the page doesn’t have"),
    "markdown-unsupported": N_("readers see some marks as they are"),
    "maybe-placeholder": N_("some words look like a placeholder"),
    "missing-section": N_("a section is missing"),
    "no-apology": N_("the apology doesn’t say sorry"),
    "passive-apology": N_("the apology doesn’t say what was done wrong"),
    "short-note": N_("the note on a correction is short"),
    "ticket-number": N_("something looks like a number from inside the company"),
}


class Weight(Enum):
    """STOP: nothing is stored or published. ASK: the author must accept the code. WARN: only told."""

    STOP = "stop"
    ASK = "ask"
    WARN = "warn"


@dataclass(frozen=True)
class Finding:
    """One fault. `code` is in kebab-case; `line` counts from 1 in the file, and is None for a stored text.

    `example` shows how to write it, ready to paste; it may have several lines, and is empty where the reason
    says it all.
    """

    code: str
    weight: Weight
    line: int | None
    reason: str
    example: str = ""

    def __str__(self) -> str:
        """Return line and reason."""
        return self.reason if self.line is None else f"line {self.line}: {self.reason}"


def accepted_words(code: str) -> str:
    """Return in English what an author accepted, to be translated; the code where it has no words."""
    return ACCEPTED.get(code, code)


def stops(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that forbid to store or publish the text."""
    return [one for one in findings if one.weight is Weight.STOP]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return stops first, then what is asked, then warnings; each by line, those without a line last."""
    weights = list(Weight)
    return sorted(findings, key=lambda one: (weights.index(one.weight), one.line is None, one.line or 0))


def limited(findings: Iterable[Finding]) -> list[Finding]:
    """Return the first findings of each code; hostile input has thousands, and nobody reads them."""
    found: list[Finding] = []
    counts: dict[str, int] = {}
    for one in findings:
        counts[one.code] = counts.get(one.code, 0) + 1
        if counts[one.code] <= MOST_OF_A_KIND:
            found.append(one)
    for code, count in counts.items():
        if count > MOST_OF_A_KIND:
            weight = next(one.weight for one in found if one.code == code)
            found.append(Finding(code, weight, None, f"{count - MOST_OF_A_KIND} more of these ({code})"))
    return found


def as_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines that a command prints: weight, line, reason and code; the example is indented."""
    for one in findings:
        yield f"{one.weight.value}  {one}  [{one.code}]"
        if one.example:
            yield from (f"      {line}".rstrip() for line in one.example.split("\n"))


def as_data(findings: Sequence[Finding]) -> list[dict[str, str | int | None]]:
    """Return the findings for `--json`."""
    return [
        {
            "code": one.code,
            "weight": one.weight.value,
            "line": one.line,
            "reason": one.reason,
            "example": one.example or None,
        }
        for one in findings
    ]
