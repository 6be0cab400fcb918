"""A test writes a figure down itself: one that asks the product for it passes whatever it is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
# What tests may take from the product, and why it is no figure.
ALLOWED = {
    "COMMANDS": "all the commands there are, which a test walks",
    "MAILS": "all the mails there are, which a test walks",
    "CANARY": "held to a literal, because former key files have it",
    "EXPIRED_CAPS": "what lets counts of answers go, and no figure",
    "EXPIRED": "all there is that goes by itself, which a test lets go",
    "ACTIONS": "what a second person approves, of which a test does one",
    "SCHEDULE": "all the scheduled work there is, which a test runs",
    "EVERYONE": "says whose passwords are meant",
    "CONTENT": "the folder of the example's texts",
    "MIGRATIONS": "the folder of the migrations",
    "FILE": "the file of the classes, or of the advice",
    "EXAMPLE": "a person of the demonstration",
    "ROBBED": "a person of the demonstration",
    "UNAFFECTED": "a person of the demonstration",
    "PASSWORD": "the password of everyone in the demonstration",
    "FIRST": "names of which the demonstration's people are made",
    "LAST": "names of which the demonstration's people are made",
    "DOMAINS": "domains of the demonstration's people",
    "LIGHT_GROUNDS": "compared with the style sheet, where the same colours are written",
    "DARK_GROUNDS": "compared with the style sheet, where the same colours are written",
    "LIGHT_INK": "compared with the style sheet, where the same colour is written",
    "DARK_INK": "compared with the style sheet, where the same colour is written",
}


def constants(source: str) -> Iterator[tuple[int, str]]:
    """The product's constants that a test takes, each with its line; a member of an enum is none."""
    tree = ast.parse(source)
    brought = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "portal":
            brought |= {each.asname or each.name for each in node.names if each.name[0].islower()}
            yield from ((node.lineno, each.name) for each in node.names if CONSTANT.fullmatch(each.name))
        elif isinstance(node, ast.Import):
            names = [each for each in node.names if each.name.partition(".")[0] == "portal"]
            brought |= {each.asname or "portal" for each in names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and CONSTANT.fullmatch(node.attr):
            modules = ast.unparse(node.value).split(".")
            if modules[0] in brought and all(word.islower() for word in modules):
                yield node.lineno, node.attr


@pytest.mark.parametrize("file", sorted(TESTS.rglob("*.py")), ids=lambda file: str(file.relative_to(TESTS)))
def test_no_test_asks_the_product_for_the_figure_that_it_checks(file: Path):
    found = constants(file.read_text(encoding="utf-8"))
    assert [f"line {line}: {name}" for line, name in found if name not in ALLOWED] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from portal.reset.blocklist import MINIMUM", ["MINIMUM"]),
        ("def test():\n    from portal.reset.blocklist import MINIMUM as least", ["MINIMUM"]),
        ("from portal.reset import blocklist\nassert len(word) >= blocklist.MINIMUM", ["MINIMUM"]),
        ("from portal.reset import blocklist as words\nrange(words._PAGE + 1)", ["_PAGE"]),
        ("from portal import reset\nreset.blocklist.MINIMUM", ["MINIMUM"]),
        ("import portal.reset.blocklist\nportal.reset.blocklist.MINIMUM", ["MINIMUM"]),
        ("from portal.exposure.matching import Outcome\nOutcome.AFFECTED", []),
        ("from portal.exposure import matching\nmatching.Outcome.AFFECTED", []),
        ("from portal.core.db import Database\nfrom tests.mailbox import LATEST\nMINIMUM = 15", []),
        ("from portal.reset import blocklist\nblocklist.check('MINIMUM')", []),
    ],
)
def test_a_constant_is_seen_however_it_is_brought(source: str, expected: list[str]):
    assert [name for _, name in constants(source)] == expected
