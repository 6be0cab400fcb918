"""A whole portal on a disk of a few megabytes, in a mount namespace of its own.

`run(folder, megabytes, scenario)` starts this file below `unshare`; it prints what each step saw as JSON.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any, cast

from click.testing import CliRunner
from sqlalchemy import Engine, event, func, select

from portal.app import create_app, worker_parts
from portal.cli import main
from portal.core.clock import SystemClock
from portal.core.db import Database
from portal.core.disk_space import free_bytes
from portal.core.settings import Settings
from portal.crypto import keys
from portal.crypto.vault import WorkerVault
from portal.exposure.emails import CheckAnswer
from portal.exposure.models import ExposedPerson, ExposureList
from portal.intake.models import IntakeRequest
from portal.outbox import service as outbox
from portal.runtime import schema
from portal.worker import drain
from tests import databases
from tests.mailbox import Mailbox, running
from tests.visitor import Visitor, hidden

ROOT = Path(__file__).parent.parent.parent
WAIT_SECONDS = 60


def run(folder: Path, megabytes: int, scenario: str, *arguments: str | Path) -> dict[str, Any]:
    """Run a scenario of this file with a disk of that size mounted at `folder`, for its process alone."""
    mount = f'mount -t tmpfs -o size={megabytes}m tmpfs {folder} && exec "$@"'
    command = [sys.executable, "-m", "tests.runtime.small_disk", scenario, str(folder), *map(str, arguments)]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", *command],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen | {"log": done.stderr}


class SmallPortal:
    """A portal whose database lies on the small disk."""

    def __init__(self, folder: Path, mailbox: Mailbox) -> None:
        self.folder = folder
        url = f"sqlite:///{folder}/portal.db"
        web, worker = keys.generate()
        keys.write_pair(web, worker, folder / "web.json", folder / "worker.json")
        self.environ = {
            "PORTAL_ENVIRONMENT": "test",
            "PORTAL_BASE_URL": "http://localhost:8000",
            "PORTAL_DATABASE_URL": url,
            "PORTAL_MAIL_URL": mailbox.url,
            "PORTAL_MAIL_SENDER": "incident@northwind.example",
            "PORTAL_WEB_KEYS_FILE": str(folder / "web.json"),
            "PORTAL_WORKER_KEYS_FILE": str(folder / "worker.json"),
            "PORTAL_EMBEDDED": "1",
            "PORTAL_ARGON2": "m=64,t=1,p=1",
            "PORTAL_RATE_INTAKE_IP": "1000000 per hour",
        }
        databases.build(url)
        self.db = Database(url)
        self.vault = WorkerVault(worker)
        settings = Settings.from_env(self.environ)
        app = create_app(settings, db=self.db)
        app.test_client_class = Visitor
        self.client = cast("Visitor", app.test_client())
        self.worker = worker_parts(settings, self.db, SystemClock(), self.vault)

    def fill(self) -> None:
        """Fill the disk, the room that SQLite's log still has included."""
        with closing(self.db.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError:
                    pass

    def free(self) -> None:
        (self.folder / "ballast").unlink()

    def ready(self) -> tuple[int, str]:
        answer = self.client.get("/readyz")
        return answer.status_code, answer.text

    def command(self, *words: str | Path) -> tuple[int, str]:
        unset: dict[str, str | None] = {name: None for name in os.environ if name.startswith("PORTAL_")}
        result = CliRunner().invoke(main, [str(word) for word in words], env=unset | self.environ)
        return result.exit_code, result.output

    def stored(self) -> tuple[int, int]:
        """How many lists and people lie in the database."""
        return self.count(ExposureList), self.count(ExposedPerson)

    def count(self, table: type) -> int:
        with self.db.read() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0


@contextmanager
def portal(folder: Path) -> Iterator[tuple[SmallPortal, Mailbox]]:
    with running(Mailbox()) as mailbox:
        made = SmallPortal(folder, mailbox)
        try:
            yield made, mailbox
        finally:
            made.db.dispose()


def forms(folder: Path) -> dict[str, Any]:
    """Forms until the disk is full, and again when it has room."""
    with portal(folder) as (small, _):
        filled_in = hidden(small.client.get("/check/").text) | {"email": "sam@example.com"}

        def send() -> Any:
            return small.client.post("/check/", data=filled_in)

        small.command("incidents", "create", "november", "--title", "T", "--classes", "Names")
        write_list(folder / "affected.csv", 30_000)
        refused = small.command("exposure", "import", "november", folder / "affected.csv")
        seen: dict[str, Any] = {"import": (*refused, small.stored())}
        seen["before"] = (small.ready(), send().status_code)
        small.fill()
        answer = send()
        seen["full"] = (small.ready(), answer.status_code, answer.headers["Retry-After"])
        seen["page"] = small.client.get("/check/").status_code
        seen["stored"] = small.count(IntakeRequest)
        seen["doctor"] = small.command("doctor")
        seen["command"] = small.command("incidents", "create", "x", "--title", "T", "--classes", "Names")
        backup = folder / "backup.db"
        seen["backup"] = (*small.command("db", "backup", backup), backup.exists())
        small.free()
        seen["after"] = (small.ready(), send().status_code, small.count(IntakeRequest))
        return seen


def delivery(folder: Path) -> dict[str, Any]:
    """Mails, of which the fifth fills the disk before the relay takes it."""
    with portal(folder) as (small, mailbox):
        with small.db.write() as session:
            for number in range(10):
                outbox.enqueue(
                    session, small.vault, CheckAnswer(), address=f"p{number}@northwind.example", locale="en",
                    now=small.worker.clock.now(),
                )  # fmt: skip

        def answer(_mail: object) -> str:
            if len(mailbox.messages) == 5:
                small.fill()
            return "250 OK"

        mailbox.answer_data = answer
        worker = Thread(target=drain, args=(small.worker,))
        worker.start()
        for _ in range(WAIT_SECONDS * 20):
            if len(mailbox.messages) >= 5 and small.ready()[0] == 503:
                break
            sleep(0.05)
        seen: dict[str, Any] = {"full": small.ready(), "sent meanwhile": len(mailbox.messages)}
        small.free()
        worker.join(WAIT_SECONDS)
        with small.db.read() as session:
            seen["states"] = {state: number for state, number in outbox.counts(session).items() if number}
        seen["recipients"] = sorted(mail.recipients[0] for mail in mailbox.messages)
        seen["after"] = small.ready()
        return seen


def write_list(file: Path, rows: int) -> None:
    lines = (f"p{number}@northwind.example,{number},Person {number}\n" for number in range(rows))
    file.write_text("email,account_ref,name\n" + "".join(lines))


def imports(folder: Path) -> dict[str, Any]:
    """An import for which there is too little room, and one whose room something else takes meanwhile."""
    with portal(folder) as (small, _):
        file = folder / "affected.csv"
        small.command("incidents", "create", "november", "--title", "T", "--classes", "Names")
        seen: dict[str, Any] = {}
        write_list(file, 100_000)
        seen["too large"] = (*small.command("exposure", "import", "november", file), small.stored())
        write_list(file, 40_000)

        def fill(connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if statement.startswith("INSERT INTO exposure_people") and not (folder / "ballast").exists():
                with (folder / "ballast").open("wb") as ballast:
                    ballast.write(bytes(free_bytes(folder) - (12 << 20)))

        event.listen(Engine, "before_cursor_execute", fill)
        seen["taken"] = (*small.command("exposure", "import", "november", file), small.stored())
        event.remove(Engine, "before_cursor_execute", fill)
        seen["left"] = (small.ready(), small.client.submit("/check/", email="sam@example.com").status_code)
        small.free()
        seen["after"] = (*small.command("exposure", "import", "november", file), small.stored())
        return seen


def upgrade(folder: Path) -> dict[str, Any]:
    """An upgrade while the disk is full, and again when it has room."""
    with portal(folder) as (small, _):
        former = Database(f"sqlite:///{folder}/former.db")
        schema.upgrade(former, "0011_intake_order")
        small.environ["PORTAL_DATABASE_URL"] = str(former.engine.url)
        former.dispose()
        small.fill()
        seen: dict[str, Any] = {"full": small.command("db", "upgrade")}
        small.free()
        seen["then"] = schema.fault_of(former)
        seen["after"] = (*small.command("db", "upgrade"), schema.fault_of(former))
        former.dispose()
        return seen


SCENARIOS = {"imports": imports, "forms": forms, "delivery": delivery, "upgrade": upgrade}

if __name__ == "__main__":
    # Before a command does so, whose output the test collects.
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    sys.stdout.write(json.dumps(SCENARIOS[sys.argv[1]](Path(sys.argv[2]))) + "\n")
