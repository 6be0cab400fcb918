"""Measure one worker's SMTP delivery to a local sink against a loop of Flask-Mail's `send()`."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from email import message_from_bytes, policy

from flask import Flask
from flask_mail import Mail as FlaskMail
from flask_mail import Message

from bench.measure import Result, interleaved
from bench.servers import context_of, portal_settings
from bench.sink import NAME, sink
from portal import app as wiring
from portal.campaigns.emails import Notice
from portal.core.clock import SystemClock
from portal.core.db import Database
from portal.crypto.vault import WorkerVault
from portal.outbox import service as outbox
from portal.outbox.compose import Composer
from portal.outbox.deliver import Deliverer, Delivery
from portal.outbox.smtp import Relay
from portal.runtime.commands import db as db_command

MAILS = 500


def run() -> list[Result]:
    """Send the same notice with both."""
    with ExitStack() as stack:
        port = stack.enter_context(sink())
        settings, _ = stack.enter_context(
            portal_settings(PORTAL_MAIL_URL=f"smtp://127.0.0.1:{port}?tls=none")
        )
        context = stack.enter_context(context_of(settings))
        db_command.main(["upgrade"], standalone_mode=False, obj=context)
        vault = context.worker_vault()
        parts = wiring.worker_parts(settings, context.db, SystemClock(), vault)
        composer = Composer(settings, vault, parts.composers)
        relay = Relay(settings.mail.server, settings.mail.sender)
        deliverer = Deliverer(Delivery(parts, composer), relay)
        sample = composer.render(Notice.sample(), "ada@postbox.example", "en", bytes(16), datetime.now(UTC))
        parsed = message_from_bytes(sample.content, policy=policy.default)
        bodies = [str(part.get_content()) for part in parsed.iter_parts()]
        loop = _flask_mail(port, sample.subject, *bodies)

        def worker() -> float:
            _enqueue(context.db, vault)
            begin = time.perf_counter()
            sent = 0
            while claimed := deliverer.run():
                sent += claimed
            return sent / (time.perf_counter() - begin)

        seen = interleaved({"Flask-Mail": loop, "worker": worker})
        relay.close()
    detail = f"{seen['worker']:.0f}/s against {seen['Flask-Mail']:.0f}/s; the sink: {NAME}"
    return [
        Result(
            "mail by one worker / Flask-Mail's send()", seen["worker"] / seen["Flask-Mail"], detail, least=2.5
        )
    ]


def _enqueue(db: Database, vault: WorkerVault) -> None:
    now = datetime.now(UTC)
    with db.write() as session:
        for number in range(MAILS):
            outbox.enqueue(
                session, vault, Notice.sample(), address=f"p{number}@postbox.example", locale="en", now=now
            )


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
