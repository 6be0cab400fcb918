"""Loads the example incident through the same commands that an operator uses."""

import io
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from portal.accounts.commands import accounts
from portal.demo.people import EXAMPLE_PASSWORD, accounts_file, list_file
from portal.exposure.commands import exposure
from portal.identity.service import hasher_for
from portal.incidents.commands import incidents
from portal.kit.clock import FixedClock, SystemClock
from portal.kit.commands import db
from portal.kit.context import Context

CONTENT = Path(__file__).parent / "content"


def incident() -> dict[str, Any]:
    """Return the example incident: slug, title, classes, and the company's name, contact and colour."""
    return tomllib.loads((CONTENT / "incident.toml").read_text(encoding="utf-8"))


def load(context: Context, *, new: bool) -> None:
    """Migrate the database, and where it is new fill it with the example."""
    _run(context, db, "upgrade")
    if not new:
        return
    about = incident()
    slug = about["slug"]
    for at, arguments in sorted(_story(slug), key=lambda step: step[0]):
        context.clock = FixedClock(at)
        _run(context, incidents, *arguments)
    context.clock = SystemClock()
    with TemporaryDirectory(prefix="portal-demo-") as folder:
        affected, customers = Path(folder) / "affected.csv", Path(folder) / "accounts.csv"
        affected.write_text(list_file(), encoding="utf-8")
        customers.write_text(accounts_file(hasher_for(context.settings).hash(EXAMPLE_PASSWORD)), encoding="utf-8")
        _run(context, exposure, "import", slug, str(affected), "--activate")
        _run(context, accounts, "import", str(customers))


def _story(slug: str) -> Iterator[tuple[datetime, tuple[str, ...]]]:
    """Yield what the company's staff did, each with its time; they wrote updates half an hour after the fact."""
    about = incident()
    begin = min(datetime.fromisoformat(at) for at in about["statements"].values())
    created = ("create", slug, "--title", about["title"], "--classes", ";".join(about["classes"]))
    yield begin - timedelta(hours=2), created
    for name, at in about["statements"].items():
        published = datetime.fromisoformat(at)
        yield published - timedelta(minutes=10), ("statement", slug, str(CONTENT / name))
        yield published, ("publish", slug)
    for number, file in enumerate(sorted((CONTENT / "updates").glob("*.md")), start=1):
        words = _front_matter(file)
        told = max(datetime.fromisoformat(words["occurred_at"]) + timedelta(minutes=30), begin + timedelta(minutes=5))
        yield told, ("update", slug, "--phase", words["phase"], "--title", words["title"], str(file))
        for translation in sorted(file.parent.glob(f"*/{file.name}")):
            yield told, ("update", slug, "--edit", str(number), str(translation))


def _run(context: Context, group: click.Group, *arguments: str) -> None:
    """Run a command without what it would print to an operator."""
    with redirect_stdout(io.StringIO()):
        group.main(arguments, standalone_mode=False, obj=context)


def _front_matter(file: Path) -> dict[str, str]:
    lines: Sequence[str] = file.read_text(encoding="utf-8").split("---")[1].strip().splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
