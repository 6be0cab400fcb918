"""Measure every page of the staff's console against 150 ms, with a million people and ten million mails.

`BENCH_PEOPLE=10000 BENCH_MAILS=100000` fills less. The console and its worker are processes of their own.
"""

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from secrets import token_bytes
from statistics import median
from typing import Any

from flask import Flask

from bench import console_rows
from bench.measure import Result
from bench.servers import context_of, portal_settings, serving
from portal import app as wiring
from portal.campaigns import orders as notice_orders
from portal.campaigns.tasks import models as tasks
from portal.campaigns.tasks import service as notice_tasks
from portal.console.application import create_console
from portal.core.clock import SystemClock
from portal.core.settings import Settings
from portal.crypto import keys
from portal.demo import example
from portal.exposure import left_out
from portal.exposure.actions import ACTIONS as LIST_ACTIONS
from portal.exposure.uploads import receiving
from portal.exposure.uploads.models import Upload
from portal.exposure.uploads.work import Uploads
from portal.incidents import service as incidents
from portal.incidents.drafts import entries, statements, store
from portal.incidents.drafts.models import Unconfirmed
from portal.incidents.models import Incident
from portal.reset.runs import service as resets
from portal.runtime.context import Context
from portal.runtime.parts import WorkerParts
from portal.staff import members, sending, sessions
from portal.staff.approvals import service as approvals
from portal.staff.approvals.models import Approval
from portal.staff.roles import Role
from portal.staff.sign_in import credentials
from portal.subscriptions.models import Subscription
from portal.worker import Worker
from tests import databases
from tests.postgres import PostgresServer

TIMES = 50  # for each page, on each database
LIMIT_SECONDS = 0.15
# Of a notice with ten million mails.
NOTICE_SECONDS = 0.05
NOTICE = frozenset({"/notices/<slug>/<number:number>/", "/notices/<slug>/<number:number>/progress"})
SUBSCRIBERS = 100_000
STAFF = 12
REQUESTS = 150
SAVES = 40
UPLOADED = b"email;name\n" + b"".join(b"p%d@postbox.example;Ada\n" % number for number in range(2_000))
BAD = b"nobody\n" * 500
# Open to everyone, with nothing of staff's read for them; and a proof of a megabyte, as its size takes.
NOT_MEASURED = re.compile(
    r"/(healthz|robots\.txt|logo|logo-dark|theme\.css|static/|invitation/|join/|language/"
    r"|.+/files/<file_id>/|settings/colour)"
)


@dataclass(frozen=True)
class Room:
    """A filled portal: its environment, who is signed in, and what stands in a rule's place of a part."""

    environ: dict[str, str]
    parts: WorkerParts
    member: members.Member
    named: dict[str, str]
    update: str


def run() -> list[Result]:
    """Measure on SQLite and on PostgreSQL; of each page the slower one counts."""
    server = PostgresServer.start(os.getpid(), options="")
    try:
        databases.execute(server, "CREATE DATABASE bench_console")
        found = {
            "SQLite": _measured(),
            "PostgreSQL": _measured(PORTAL_DATABASE_URL=server.url("bench_console")),
        }
    finally:
        server.stop()
    return [_result(rule, {name: pages[rule] for name, pages in found.items()}) for rule in found["SQLite"]]


def _result(rule: str, taken: dict[str, list[float]]) -> Result:
    limit = NOTICE_SECONDS if rule in NOTICE else LIMIT_SECONDS
    worst = {name: sorted(times)[math.ceil(0.95 * len(times)) - 1] for name, times in taken.items()}
    detail = "; ".join(
        f"{name} p95 {worst[name] * 1000:.0f} ms, median {median(times) * 1000:.0f} ms"
        for name, times in taken.items()
    )
    return Result(f"{rule} / {limit * 1000:.0f} ms", max(worst.values()) / limit, detail, most=1.0)


def _measured(**more: str) -> dict[str, list[float]]:
    with _filled(more) as room, _worker(room.environ), serving("unused", room.environ, _console) as port:
        app = create_console(Settings.from_env(room.environ))
        return {rule: _asked(app, room, port, path) for rule, path in _pages(app, room)}


def _console(_target: str, port: int) -> list[str]:
    listens = f"PORTAL_CONSOLE_LISTEN=127.0.0.1:{port}"
    return ["env", listens, sys.executable, "-c", "from portal.cli import main; main()", "console"]


def _pages(app: Flask, room: Room) -> Iterator[tuple[str, str]]:
    """Yield every page that staff can open, as its rule and its address."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda one: one.rule):
        if "GET" in (rule.methods or ()) and not NOT_MEASURED.match(rule.rule):
            named = room.named | ({"number": room.update} if "/withdraw/" in rule.rule else {})
            yield rule.rule, _address(rule.rule, named)


def _address(rule: str, named: dict[str, str]) -> str:
    kinds = {"conflict": "conflict", "activate": "version", "edit": "draft"}
    before = next((name for word, name in kinds.items() if f"/{word}/" in rule), "")
    return re.sub(
        r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>",
        lambda part: named[f"{before}-{part[1]}" if f"{before}-{part[1]}" in named else part[1]],
        rule,
    )


def _asked(app: Flask, room: Room, port: int, path: str) -> list[float]:
    """Return how long each request for a page took, of somebody who has just confirmed who they are."""
    headers = {"Cookie": _cookie(app, room), "Accept-Language": "en"}
    connection, taken = HTTPConnection("127.0.0.1", port, timeout=30), []
    for number in range(TIMES + 1):
        begin = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 303):
            message = f"{path} answered {answer.status}"
            raise RuntimeError(message)
        if number:  # the first one compiles its template
            taken.append(time.perf_counter() - begin)
    connection.close()
    return taken


def _cookie(app: Flask, room: Room) -> str:
    with room.parts.db.write() as session:
        now = room.parts.clock.now()
        token = sessions.begin(session, room.parts.vault, room.member, "code", "Firefox, Linux", now)
    with app.test_client() as client:
        with client.session_transaction(base_url=room.environ["PORTAL_CONSOLE_URL"]) as kept:
            kept[sending.TOKEN] = token
        found = client.get_cookie(app.config["SESSION_COOKIE_NAME"], "localhost")
    if found is None:
        message = "the console made no cookie"
        raise RuntimeError(message)
    return f"{found.key}={found.value}"


@contextmanager
def _worker(environ: dict[str, str]) -> Iterator[None]:
    """Run a worker that does what staff order, and delivers nothing: no mail is due yet."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.console", "worker"], env={**os.environ, **environ}
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _work() -> None:
    context = Context(Settings.from_env({k: v for k, v in os.environ.items() if k.startswith("PORTAL_")}))
    Worker(_parts(context), []).run()


def _parts(context: Context) -> WorkerParts:
    return wiring.worker_parts(context.settings, context.db, SystemClock(), context.worker_vault())


@contextmanager
def _filled(more: dict[str, str]) -> Iterator[Room]:
    environment = {
        "PORTAL_ENVIRONMENT": "demo",  # in a test nothing is remembered between two requests
        "PORTAL_CONSOLE_URL": "http://localhost:8001",
        "PORTAL_MAIL_URL": "smtp://127.0.0.1:9?tls=none",
        **more,
    }
    with portal_settings(**environment) as (settings, environ), context_of(settings) as context:
        file = Path(environ["PORTAL_WORKER_KEYS_FILE"])
        environ["PORTAL_CONSOLE_KEYS_FILE"] = str(file.with_name("console.json"))
        keys.write((file.with_name("console.json"), keys.for_console(keys.read_worker(file))))
        example.load(context, new=True)
        yield _fill(context, environ)


def _fill(context: Context, environ: dict[str, str]) -> Room:
    parts = _parts(context)
    slug = example.incident()["slug"]
    with parts.db.read() as session:
        incident = incidents.by_slug(session, slug)
    everyone = _members(parts)
    upload = _uploads(parts, incident, everyone[0])
    version = console_rows.add_people(parts, incident)
    going, draft = console_rows.add_notices(parts, incident, version)
    console_rows.add_entries(parts.db, [one.id for one in everyone], parts.clock.now())
    conflict = _drafts(parts, incident)
    named = {
        "slug": slug,
        "language": "en",
        "number": str(going),
        "conflict-number": str(conflict),
        "draft-number": str(draft),
        "key": "0123456789abcdef",
        "approval_id": _requests(parts, slug, draft, everyone[0]),
        "member_id": everyone[1].id.hex(),
        "run_id": _resets(parts, slug, everyone[0]),
        "upload_id": upload.id.hex(),
        "reason": "0",
        "item": "insurer",
        "what": "update",
        "name": "privacy.en",
        "row_id": _posted_alone(parts, incident, everyone[1]),
        "task_id": _tasks(parts, incident, going),
    }
    return Room(environ, parts, everyone[0], named, "1")


def _members(parts: WorkerParts) -> list[members.Member]:
    """Add staff; the first of them has every role."""
    found = []
    with parts.db.write() as session:
        for number in range(STAFF):
            roles = frozenset(Role) if number == 0 else frozenset({list(Role)[number % len(Role)]})
            address, now = f"staff{number}@northwind.example", parts.clock.now()
            member = members.add(session, parts.vault, address, roles, "en", now, f"Person {number}")
            credentials.set_code(session, parts.vault, member.id, "JBSWY3DPEHPK3PXP", 0, now)
            found.append(members.activate(session, parts.vault, member, f"Person {number}", "en"))
            for _ in range(3):
                sessions.begin(session, parts.vault, member, "code", "Firefox, Linux", now)
    return found


def _uploads(parts: WorkerParts, incident: Incident, member: members.Member) -> Upload:
    """Send and read a file with rejected rows, and add people who are left out and who subscribed."""
    place, content = receiving.Place(parts.db, parts.vault, parts.clock), UPLOADED + BAD
    with parts.db.write() as session:
        upload = receiving.begin(
            session, incident.id, "list", "text", len(content), f"staff {member.id.hex()}", parts.clock.now()
        )
        people = [(f"out{number}@postbox.example", "") for number in range(300)]
        left_out.add(session, parts.vault, incident, people, parts.clock.now())
        console_rows.insert_rows(session, Subscription, _subscribers(incident))
    receiving.receive(place, upload, 0, len(content), lambda _size: content)
    Uploads(parts).step()
    return upload


def _subscribers(incident: Incident) -> Iterator[dict[str, Any]]:
    for _ in range(SUBSCRIBERS):
        yield {
            "id": token_bytes(16),
            "incident_id": incident.id,
            "index": token_bytes(16),
            "suppression": token_bytes(16),
            "contact": bytes(540),
            "unsubscribe_hash": token_bytes(32),
        }


def _drafts(parts: WorkerParts, incident: Incident) -> int:
    """Save a statement and an entry of the timeline often, and each once more, from an old text.

    Returns the number of that save.
    """
    key = entries.document("0123456789abcdef")
    with parts.db.write() as session:
        settings, now = parts.settings, parts.clock.now()
        statement = statements.open_draft(session, incident, "en").parts
        entry = entries.empty(incident, settings.site.languages, "UTC")
        entry |= {"phase": "investigating", "title:en": "News", "title:es": "Noticias", "body:es": "Nada."}
        for document, content, part in (
            (statements.document("en"), statement, "section1"),
            (key, entry, "body:en"),
        ):
            for number in range(SAVES):
                at = now - timedelta(minutes=SAVES - number)
                written = content | {part: f"{content.get(part, '')}\n\nMore, {number}."}
                who = f"staff {number % 3}"
                store.save(session, incident.slug, document, written, number, who, at)
            late = content | {part: "Written meanwhile."}
            conflict = store.save(session, incident.slug, document, late, 1, "staff 9", now)
            assert isinstance(conflict, store.Conflict)
            number = conflict.yours.revision
    return number


def _posted_alone(parts: WorkerParts, incident: Incident, member: members.Member) -> str:
    """Note of the newest update that its author posted it alone; return that note's id."""
    with parts.db.write() as session:
        (newest,) = incidents.updates(session, incident.id, 1)
        author, at = f"staff {member.id.hex()}", parts.clock.now()
        alone = Unconfirmed(update_id=newest.id, author=author, reason="As agreed.", at=at)
        session.add(alone)
        session.flush()
        return alone.id.hex()


def _tasks(parts: WorkerParts, incident: Incident, notice: int) -> str:
    """Add a list of who a notice missed, and the counting of a draft, whose id is returned; both failed."""
    with parts.db.write() as session:
        for kind in (tasks.EXPORT, tasks.DRAFT):
            now = parts.clock.now()
            task = notice_tasks.begin(session, parts.vault, kind, incident.id, {}, now, notice=notice)
            task.state = tasks.FAILED
    return task.id.hex()


def _requests(parts: WorkerParts, slug: str, draft: int, member: members.Member) -> str:
    """Ask to start a notice, and for much that is withdrawn by asking again; return the id of the first."""
    with parts.db.write() as session:
        now, vault = parts.clock.now(), parts.vault

        def asked(kind: str, action: approvals.Action, fields: dict[str, str]) -> Approval:
            return approvals.ask(session, vault, action, kind, fields, "As agreed.", member.id, now)

        start = notice_orders.ACTIONS[notice_orders.START]
        first = asked(notice_orders.START, start, {"incident": slug, "notice": str(draft)})
        for number in range(REQUESTS):
            version = str(2 + number % (console_rows.VERSIONS - 1))
            asked("list.purge", LIST_ACTIONS["list.purge"], {"incident": slug, "version": version})
        return str(first.id.hex())


def _resets(parts: WorkerParts, slug: str, member: members.Member) -> str:
    """Add runs of required resets, which nobody works on; return the id of the last one."""
    with parts.db.acting({"by": f"staff {member.id.hex()}"}).write() as session:
        for _ in range(REQUESTS):
            run = resets.begin(session, parts.vault, slug, console_rows.PEOPLE, parts.clock.now())
            run.state, run.tally = resets.State.DONE.value, '{"newly": 400000, "unknown": 600000}'
    return run.id.hex()


if __name__ == "__main__":
    _work()
