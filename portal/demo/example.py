"""Load the example incident with the same commands that an operator uses."""

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
from portal.campaigns.commands import campaigns
from portal.core.clock import FixedClock, SystemClock
from portal.demo.people import FAMILY, PASSWORD, STAFF, accounts_file, list_file
from portal.exposure.commands import exposure
from portal.identity.service import hasher_for
from portal.incidents.commands import incidents
from portal.reset.commands import reset
from portal.runtime.commands import db
from portal.runtime.context import Context
from portal.staff import members
from portal.staff.roles import Role
from portal.staff.sign_in import credentials

Step = tuple[datetime, click.Group, tuple[str, ...]]
CONTENT = Path(__file__).parent / "content"


def incident() -> dict[str, Any]:
    """Return the example incident: slug, title, classes, and the company's name, contact and colour."""
    return tomllib.loads((CONTENT / "incident.toml").read_text(encoding="utf-8"))


def load(context: Context, *, new: bool) -> None:
    """Migrate the database; if it is new, load the example."""
    _run(context, db, "upgrade")
    if not new:
        return
    about = incident()
    with TemporaryDirectory(prefix="portal-demo-") as folder:
        steps = [*_story(about), *_files(about, Path(folder), hasher_for(context.settings).hash(PASSWORD))]
        for at, group, arguments in sorted(steps, key=lambda step: step[0]):
            context.clock = FixedClock(at)
            _run(context, group, *arguments)
    context.clock = SystemClock()


def close_stolen_passwords(context: Context) -> None:
    """Require new passwords. Run at start-up, since the links in the mails it sends expire after a day."""
    _run(context, reset, "require", incident()["slug"])


def show_notice(context: Context) -> None:
    """Send the notice, in each language, to one address: to all thousand, it would fill the mailbox."""
    for language in context.settings.site.languages:
        _run(context, campaigns, "test", incident()["slug"], "--to", FAMILY, "--language", language)


def add_staff(context: Context) -> None:
    """Add an author, an approver and an admin, who sign in with a password and a code, where nobody is."""
    vault, now = context.worker_vault(), context.clock.now()
    with context.db.read() as session:
        if members.listed(session, vault.staff):
            return
    hasher, language = hasher_for(context.settings), context.settings.default_language
    hashes = [hasher.hash(one.password) for one in STAFF]
    with context.db.write() as session:
        for one, password_hash in zip(STAFF, hashes, strict=True):
            role = frozenset({Role(one.role)})
            member = members.add(session, vault, one.address, role, language, now, one.name)
            credentials.set_password(session, vault, member.id, password_hash, now)
            credentials.set_code(session, vault, member.id, one.secret, 0, now)
            members.activate(session, vault, member, one.name, language)


def _first_statement_at(about: dict[str, Any]) -> datetime:
    """Return the time of the first statement."""
    return min(datetime.fromisoformat(at) for at in about["statements"].values())


def _files(about: dict[str, Any], folder: Path, password_hash: str) -> Iterator[Step]:
    """Write the files of customers and affected people; yield the step that imports each."""
    customers = folder / "accounts.csv"
    customers.write_text(accounts_file(password_hash), encoding="utf-8")
    yield _first_statement_at(about) - timedelta(hours=2), accounts, ("import", str(customers))
    for count, at in about["lists"].items():
        file = folder / f"{count}.csv"
        file.write_text(list_file(count), encoding="utf-8")
        yield (
            datetime.fromisoformat(at),
            exposure,
            ("import", about["slug"], str(file), "--activate", "--replace"),
        )


def _story(about: dict[str, Any]) -> Iterator[Step]:
    """Yield the staff's statements and updates with their times, updates 30 minutes after the event."""
    begin, slug = _first_statement_at(about), about["slug"]
    facts = ("--classes", ";".join(about["classes"]), "--happened", about["happened_on"].isoformat())
    created = ("create", slug, "--title", about["title"], *facts)
    yield begin - timedelta(hours=2), incidents, created
    for language, title in about["titles"].items():
        yield begin - timedelta(hours=2), incidents, ("title", slug, "--language", language, title)
    for name, at in about["statements"].items():
        published = datetime.fromisoformat(at)
        yield published - timedelta(minutes=10), incidents, ("statement", slug, str(CONTENT / name))
        # The first version said too little, as the story goes: it named no dates of birth.
        yield published, incidents, ("publish", slug, "--confirm", "--accept", "class-mismatch")
    for number, file in enumerate(sorted((CONTENT / "updates").glob("*.md")), start=1):
        front_matter = _front_matter(file)
        published = max(
            datetime.fromisoformat(front_matter["occurred_at"]) + timedelta(minutes=30),
            begin + timedelta(minutes=5),
        )
        yield (
            published,
            incidents,
            (
                "update",
                slug,
                "--phase",
                front_matter["phase"],
                "--title",
                front_matter["title"],
                str(file),
                "--confirm",
            ),
        )
        for translation in sorted(file.parent.glob(f"*/{file.name}")):
            yield published, incidents, ("update", slug, "--edit", str(number), str(translation), "--confirm")


def _run(context: Context, group: click.Group, *arguments: str) -> None:
    """Run a command and discard its output."""
    with redirect_stdout(io.StringIO()):
        group.main(arguments, standalone_mode=False, obj=context)


def _front_matter(file: Path) -> dict[str, str]:
    lines: Sequence[str] = file.read_text(encoding="utf-8").split("---")[1].strip().splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
