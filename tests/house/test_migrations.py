"""Migrations are history: they import nothing of the project."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "migrations"
FILES = sorted(MIGRATIONS.rglob("*.py"))
OURS = {"portal", "tests", "bench", "scripts", "wsgi", "migrations"}
IMPORTERS = {"__import__", "import_module"}


def imported(source: str) -> set[str]:
    """The top-level names of what a module imports, by statement or by call; `.` for its own package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom():
                names.add(node.module if node.module and not node.level else ".")
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in IMPORTERS:
                names |= {ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else "."}
    return {name.partition(".")[0] or "." for name in names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(MIGRATIONS).as_posix())
def test_a_migration_imports_nothing_of_the_project(path):
    assert imported(path.read_text(encoding="utf-8")) & {*OURS, "."} == set()


@pytest.mark.parametrize(
    "line",
    [
        "import portal",
        "import sqlalchemy, portal.core.db as database",
        "from portal.core.db import Utc",
        "from portal import kit",
        "from . import env",
        "def upgrade():\n    from portal.core import db",
        "importlib.import_module('portal.core.db')",
        "import_module(f'portal.{name}')",
        "__import__('portal')",
    ],
)
def test_every_way_to_import_is_seen(line):
    assert imported(line) & {*OURS, "."}
