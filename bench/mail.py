"""Measure one worker's SMTP delivery to a local sink against a loop of Flask-Mail's `send()`."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

from flask import Flask
from flask_mail import Mail as FlaskMail
from flask_mail import Message

from bench.measure import Result, interleaved
from bench.servers import context_of, portal_settings
from bench.sink import NAME, sink
from portal import app as wiring
from portal.campaigns.emails import Notice, Part, Words
from portal.core.clock import SystemClock
from portal.core.db import Database, new_id
from portal.crypto.hashing import dummy_hash
from portal.crypto.vault import WorkerVault
from portal.identity.account import Account, Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.store import BuiltinStore
from portal.outbox import service as outbox
from portal.outbox.compose import Composer
from portal.outbox.deliver import Deliverer, Delivery
from portal.outbox.smtp import Relay
from portal.reset.require.mailing import Recipient, mail_links
from portal.runtime.commands import db as db_command
from portal.runtime.parts import WorkerParts

MAILS = 1000
# As SES says no beyond a rate.
THROTTLED = 14
THROTTLED_SECONDS = 30
# As long as the statement of the demonstration.
TEXT = "Somebody signed in to our order archive with the password of one of our technicians. " * 8
WORDS = Words(
    subject="Your data and our incident of 28 October",
    language="en",
    title="A thief copied the data of 1,000 of our customers",
    parts=tuple(Part(f"Section {number}", TEXT, f"<p>{TEXT}</p>") for number in range(5)),
    signed_by="Ana Ruiz",
    role="Managing director",
    path="/incidents/order-archive/",
    passwords=True,
)


def run() -> list[Result]:
    """Send the same notice with both, mails about required resets, and to a relay of 14 mails a second."""
    with ExitStack() as stack:
        port = stack.enter_context(sink())
        settings, _ = stack.enter_context(
            portal_settings(PORTAL_MAIL_URL=f"smtp://127.0.0.1:{port}?tls=none")
        )
        context = stack.enter_context(context_of(settings))
        db_command.main(["upgrade"], standalone_mode=False, obj=context)
        vault = context.worker_vault()
        parts = wiring.worker_parts(settings, context.db, SystemClock(), vault)
        composer = Composer(settings, vault, parts.composers, {Notice.name: lambda _mail, _language: WORDS})
        sample = composer.render(Notice.sample(), "ada@postbox.example", "en", bytes(16), datetime.now(UTC))
        parsed = message_from_bytes(sample.content, policy=policy.default)
        bodies = [str(part.get_content()) for part in parsed.iter_parts()]
        loop = _flask_mail(port, sample.subject, *bodies)

        def worker(connections: int) -> float:
            _enqueue(context.db, vault)
            return _deliver(parts, composer, connections)

        accounts = _require_resets(context.db, vault)

        def resets() -> float:
            _enqueue_resets(context.db, vault, accounts)
            return _deliver(parts, composer, 4)

        measures = {
            "Flask-Mail": loop,
            "one": lambda: worker(1),
            "worker": lambda: worker(4),
            "resets": resets,
        }
        seen = interleaved(measures)
        _enqueue(context.db, vault)
        share = _share_of_throttling(parts, composer)
    name = "mail by one worker, 4 connections / Flask-Mail's send()"
    rates = f"{seen['worker']:.0f}/s against {seen['Flask-Mail']:.0f}/s"
    detail = f"{rates}, {seen['one']:.0f}/s over one connection; the sink: {NAME}"
    return [
        Result(name, seen["worker"] / seen["Flask-Mail"], detail, least=5),
        Result(
            "required resets by one worker / Flask-Mail's send()",
            seen["resets"] / seen["Flask-Mail"],
            f"{seen['resets']:.0f}/s; each begun handover moves the end of the mail's link",
            least=1.5,
        ),
        Result(
            f"accepted by a relay of {THROTTLED}/s / what it allows",
            share,
            f"in {THROTTLED_SECONDS} s, from a worker that knows nothing of it",
            least=0.8,
        ),
    ]


def _deliver(parts: WorkerParts, composer: Composer, connections: int) -> float:
    """Deliver what is due, over so many connections in a thread each; return mails a second."""
    mail = parts.settings.mail
    delivery = Delivery(parts, composer)
    deliverers = [Deliverer(delivery, Relay(mail.server, mail.sender)) for _ in range(connections)]

    def drain(deliverer: Deliverer) -> int:
        sent = 0
        while claimed := deliverer.run():
            sent += claimed
        return sent

    begin = time.perf_counter()
    with ThreadPoolExecutor(connections) as threads:
        sent = sum(threads.map(drain, deliverers))
    seconds = time.perf_counter() - begin
    for deliverer in deliverers:
        deliverer.relay.close()
    return sent / seconds


def _share_of_throttling(parts: WorkerParts, composer: Composer) -> float:
    """Return which share of its limit a relay accepts that says 454 beyond; it is asked as a worker does."""
    with sink(THROTTLED) as port:
        server = replace(parts.settings.mail.server, port=port)
        settings = replace(parts.settings, mail=replace(parts.settings.mail, server=server))
        delivery = Delivery(replace(parts, settings=settings), composer)
        deliverer = Deliverer(delivery, Relay(server, settings.mail.sender))
        end = time.perf_counter() + THROTTLED_SECONDS
        while time.perf_counter() < end:
            while deliverer.run():
                pass
            time.sleep(0.25)
        deliverer.relay.close()
    with parts.db.read() as session:
        waiting = outbox.counts(session)["queued"]
    return (MAILS - waiting) / (THROTTLED * THROTTLED_SECONDS)


def _enqueue(db: Database, vault: WorkerVault) -> None:
    now = datetime.now(UTC)
    with db.write() as session:
        for number in range(MAILS):
            outbox.enqueue(
                session, vault, Notice.sample(), address=f"p{number}@postbox.example", locale="en", now=now
            )


def _require_resets(db: Database, vault: WorkerVault) -> list[tuple[Account, Profile]]:
    """Add accounts that need a new password, and return them with their profiles."""
    store, now = BuiltinStore(), datetime.now(UTC)
    profiles = [Profile(f"p{number}@postbox.example") for number in range(MAILS)]
    new = [NewAccount(profile, dummy_hash("m=64,t=1,p=1")) for profile in profiles]
    with db.write() as session:
        store.add(session, vault, new, now)
    with db.write() as session:
        store.require_reset(session, store.all_ids(session, None, MAILS), "everyone", now)
        found = [store.find(session, vault, profile.address) for profile in profiles]
    return [(account, profile) for account, profile in zip(found, profiles, strict=True) if account]


def _enqueue_resets(db: Database, vault: WorkerVault, accounts: list[tuple[Account, Profile]]) -> None:
    now = datetime.now(UTC)
    with db.write() as session:
        recipients = {new_id(): Recipient(account, profile, "en") for account, profile in accounts}
        mail_links(session, vault, recipients, everyone=False, now=now, batch=new_id())


def _flask_mail(port: int, subject: str, text: str, html: str) -> Callable[[], float]:
    app = Flask("loop")
    app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=port, MAIL_DEFAULT_SENDER="portal@localhost")
    mail = FlaskMail(app)

    def send() -> float:
        begin = time.perf_counter()
        with app.app_context():
            for number in range(MAILS):
                mail.send(Message(subject, recipients=[f"p{number}@postbox.example"], body=text, html=html))
        return MAILS / (time.perf_counter() - begin)

    return send
