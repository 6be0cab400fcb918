"""What building a wheel adds to the package: the folders that stay at the top of the repository.

They become `portal/_files`, where `portal/core/shipped.py` looks for them. An editable install needs none.
"""

import shutil
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from setuptools.command.build_py import build_py

FOLDERS = ("deploy", "docs/decisions", "docs/guide", "examples", "migrations", "static", "templates")
FILES = (
    "docs/identity-store.openapi.yaml",
    "docs/operators-guide.md",
    "requirements/run.txt",
)
LEFT_BY_PYTHON = shutil.ignore_patterns("__pycache__", "*.py[co]")


class BuildWithFiles(build_py):  # type: ignore[misc]  # setuptools has no types
    """Copies the package, then the folders and the compiled catalogues."""

    def run(self) -> None:
        """Build into an empty folder: what an earlier build left must not get into this one."""
        if self.editable_mode:
            super().run()
            return
        package = Path(self.build_lib) / "portal"
        shutil.rmtree(package, ignore_errors=True)
        super().run()
        for folder in FOLDERS:
            shutil.copytree(folder, package / "_files" / folder, ignore=LEFT_BY_PYTHON)
        for file in FILES:
            target = package / "_files" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        for catalogue in (package / "translations").glob("*/LC_MESSAGES/*.po"):
            compile_catalogue(catalogue)


def compile_catalogue(catalogue: Path) -> None:
    """Write the `.mo` file beside a `.po` file."""
    with catalogue.open("rb") as source, catalogue.with_suffix(".mo").open("wb") as target:
        write_mo(target, read_po(source, locale=catalogue.parent.parent.name))
