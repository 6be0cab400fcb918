"""A wheel has every file that the portal needs at run time, and nothing else of the repository."""

import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.wheel import build, unpack

FOLDERS = ("deploy", "docs/decisions", "docs/guide", "migrations", "static", "templates")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def inside(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {*archive.namelist()}


def files(*folders: str) -> Iterator[str]:
    """The files of the repository below these folders."""
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in {".pyc", ".mo"}:
                yield path.relative_to(ROOT).as_posix()


def below(folder: str, names: Iterable[str]) -> set[str]:
    return {f"{folder}{name}" for name in names}


def test_it_has_what_the_portal_needs_and_nothing_else(inside):
    package = {*files("portal")}
    compiled = {f"{name.removesuffix('.po')}.mo" for name in package if name.endswith(".po")}
    others = {*files(*FOLDERS, "examples"), "docs/identity-store.openapi.yaml"}
    others |= {"docs/operators-guide.md", "requirements/run.txt"}
    described = {name for name in inside if name.startswith("portal-0.1.0.dist-info/")}
    assert len(compiled) >= 3
    assert inside - described == package | compiled | below("portal/_files/", others) | {"wsgi.py"}


def test_other_peoples_files_have_their_licences_beside_them(inside):
    vendored = {name.split("/")[4] for name in inside if name.startswith("portal/_files/static/vendor/")}
    assert {"lucide", "zxcvbn"} <= vendored
    assert {f"portal/_files/static/vendor/{name}/LICENSE.txt" for name in vendored} <= inside
    assert "portal/_files/static/words/NOTICE.md" in inside
    assert "portal-0.1.0.dist-info/licenses/LICENSE" in inside


def test_pip_gets_what_the_portal_needs_from_its_description(wheel):
    with zipfile.ZipFile(wheel) as archive:
        described = Parser().parsestr(archive.read("portal-0.1.0.dist-info/METADATA").decode())
    needed = described.get_all("Requires-Dist", [])
    assert {"alembic", "granian[pname]", "psycopg[binary]", "sqlalchemy>=2.1"} <= {*needed}
    assert [one for one in needed if "extra ==" in one] == ['aiosmtpd; extra == "demo"']
    assert "setuptools" not in needed


FROM_A_WHEEL = """
import portal.cli
from portal.core import i18n, shipped
from portal.runtime import schema
print(shipped.INSTALLED, *sorted(folder.name for folder in shipped.FILES.iterdir()))
english = "Enter an email address."
print(i18n.catalogue("es").gettext(english) != english, schema.revisions()[0])
"""


def test_what_runs_from_it_finds_its_files_inside(wheel, tmp_path):
    unpack(wheel, tmp_path / "site")
    shown = subprocess.run(
        [sys.executable, "-c", FROM_A_WHEEL], env={"PYTHONPATH": str(tmp_path / "site")}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.splitlines() == [
        "True deploy docs examples migrations requirements static templates",
        "True 0001_kit",
    ]
