"""What the portal imports is what its requirements name, and nothing more."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = packages_distributions()
# Needed, though no line of the portal imports it.
BEHIND_THE_SCENES = {
    "psycopg": "SQLAlchemy loads it for postgresql addresses",
    "tzdata": "zoneinfo reads it where the system has no zones",
}


def declared(*files: str) -> set[str]:
    lines = [line for file in files for line in (ROOT / f"requirements/{file}.in").read_text().splitlines()]
    names = (re.match(r"\w[\w-]*", line) for line in lines)
    return {normal(name.group()) for name in names if name}


def imported() -> set[str]:
    found = set()
    for path in [*(ROOT / "portal").rglob("*.py"), *(ROOT / "migrations").rglob("*.py"), ROOT / "wsgi.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    outside = found - set(sys.stdlib_module_names) - {"portal"}
    return {normal(DISTRIBUTIONS[name][0]) for name in outside}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_declared_and_every_requirement_is_used():
    assert imported() - declared("run", "demo") == set()
    assert declared("run", "demo") - imported() - set(BEHIND_THE_SCENES) == set()


def test_an_install_by_pip_gets_the_same():
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert described["tool"]["setuptools"]["dynamic"]["dependencies"]["file"] == ["requirements/run.in"]
    assert {*described["project"]["optional-dependencies"]} == {"demo"}
    assert {*described["project"]["optional-dependencies"]["demo"]} == declared("demo")
    needed = {re.split(r"\W", name)[0] for name in described["build-system"]["requires"]}
    assert needed <= declared("run", "build")


def test_what_a_server_installs_receives_no_mail():
    assert "aiosmtpd" not in (ROOT / "requirements/run.txt").read_text()
