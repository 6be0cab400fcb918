"""Puts the portal together: the only file that knows every feature."""

from collections.abc import Callable
from datetime import datetime, timedelta

from flask import Blueprint, Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.accounts import jobs as accounts
from portal.accounts import login
from portal.accounts import views as accounts_views
from portal.accounts.service import LineProvider
from portal.audit import jobs as audit
from portal.campaigns import emails as campaigns_emails
from portal.campaigns import jobs as campaigns
from portal.demo import views as demo_views
from portal.exposure import emails as exposure_emails
from portal.exposure import jobs as exposure
from portal.exposure import views as exposure_views
from portal.identity import jobs as identity
from portal.identity.service import hasher_for, store_for
from portal.incidents import views as incidents_views
from portal.intake import jobs as intake
from portal.intake import replies
from portal.intake.models import FAILED, IntakeRequest
from portal.kit import keys, pages, ratelimit, web
from portal.kit.clock import Clock, SystemClock
from portal.kit.db import Database
from portal.kit.keys import WebKeys
from portal.kit.parts import WebParts, WorkerParts
from portal.kit.queue import Queue
from portal.kit.settings import Settings
from portal.kit.slots import slots_for
from portal.kit.vault import WebVault, WorkerVault
from portal.outbox import service as outbox
from portal.outbox import views as outbox_views
from portal.outbox.mail import Mail
from portal.outbox.models import OutboxMail
from portal.reset import emails as reset_emails
from portal.reset import jobs as reset
from portal.reset import views as reset_views
from portal.rotation import emails as rotation_emails
from portal.rotation import jobs as rotation
from portal.rotation import service as rotation_service
from portal.rotation import views as rotation_views
from portal.subscriptions import emails as subscriptions_emails
from portal.subscriptions import jobs as subscriptions
from portal.subscriptions import views as subscriptions_views

# Every feature's pages.
BLUEPRINTS: tuple[Blueprint, ...] = (
    pages.bp,
    incidents_views.bp,
    outbox_views.bp,
    exposure_views.bp,
    accounts_views.bp,
    reset_views.bp,
    rotation_views.bp,
    subscriptions_views.bp,
)

# What features above the accounts tell on the account page: a function each, in the order of their lines.
ACCOUNT_LINES: tuple[LineProvider, ...] = (rotation_views.account_line,)

# Who answers a sealed request, by its purpose.
HANDLERS: dict[str, intake.Handler] = {
    **exposure.HANDLERS,
    accounts_views.CHECK_ACCOUNT: accounts.mailing_answer(exposure.answer_address),
    accounts_views.LANGUAGE: accounts.keep_language,
    **reset.HANDLERS,
    **subscriptions.HANDLERS,
}

# Every mail that leaves, by its name.
MAILS: tuple[type[Mail], ...] = (
    *exposure_emails.MAILS,
    *campaigns_emails.MAILS,
    *reset_emails.MAILS,
    *rotation_emails.MAILS,
    *subscriptions_emails.MAILS,
)
COMPOSERS: dict[str, type[Mail]] = {mail.name: mail for mail in MAILS}

ANSWER_LATE = timedelta(minutes=2)
MAIL_LATE = timedelta(minutes=10)
# More than one batch: where more wait, those that no batch has touched are overdue.
MAILS_LOOKED_AT = 200


def create_app(
    settings: Settings,
    *,
    db: Database | None = None,
    clock: Clock | None = None,
    web_keys: WebKeys | None = None,
    wake: Callable[[str], None] | None = None,
) -> Flask:
    """Return the web application. Parts that are not given are made from the settings. Raises KeysInvalid."""
    app = Flask("portal", template_folder=str(web.ROOT / "templates"), static_folder=str(web.ROOT / "static"))
    web_keys = web_keys or keys.read_web(settings.web_keys_file)
    parts = WebParts(
        settings=settings,
        db=db or Database(settings.database_url),
        clock=clock or SystemClock(),
        keys=web_keys,
        vault=WebVault(web_keys),
        slots=slots_for(settings),
        wake=wake or Queue(settings.queue_file).wake,
    )
    web.prepare(app, parts)
    login.install(app, store_for(settings), hasher_for(settings), ACCOUNT_LINES)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    if settings.environment == "demo":
        app.register_blueprint(demo_views.bp)
    app.extensions[reset_views.REMINDERS] = reset_views.Reminders(
        rotation_service.choose, rotation_service.chosen
    )
    app.extensions[pages.LANGUAGE] = accounts_views.keep_language
    app.extensions[pages.READINESS] = {"queue": _requests_are_answered, "mail": _mail_leaves}
    return app


def worker_parts(settings: Settings, db: Database, clock: Clock, vault: WorkerVault) -> WorkerParts:
    """Return what the worker works with."""
    return WorkerParts(settings, db, clock, vault, handlers=dict(HANDLERS), composers=dict(COMPOSERS))


def tidy(parts: WorkerParts) -> None:
    """Remove what has ended."""
    now = parts.clock.now()
    with parts.db.write() as session:
        intake.mend_dates(session, now)
        outbox.mend_dates(session, now)
        replies.purge(session, now)
        intake.purge(session, now)
        ratelimit.purge(session, now)
    with parts.db.write() as session:
        outbox.forget_payloads(session, now)


# What the worker does every ten seconds; each looks for itself whether something is due.
SCHEDULE: tuple[Callable[[WorkerParts], object], ...] = (
    tidy,
    audit.sign_log,
    audit.verify,
    exposure.clear,
    exposure.release,
    exposure.inspect,
    campaigns.resume,
    accounts.tidy,
    identity.tend,
    *rotation.SCHEDULE,
    *subscriptions.SCHEDULE,
)


def _requests_are_answered(session: Session, now: datetime) -> bool:
    """Whether no request has been due for long, and none was given up."""
    oldest = session.scalar(select(func.min(IntakeRequest.due_at)))
    given_up = session.scalar(select(IntakeRequest.id).where(IntakeRequest.state == FAILED).limit(1))
    return (oldest is None or oldest > now - ANSWER_LATE) and given_up is None


def _mail_leaves(session: Session, now: datetime) -> bool:
    """Whether no mail has been due for long, and none has waited for long because the relay takes nothing.

    Each try that the relay answers with no word about a recipient puts the mail off, and counts as none.
    """
    oldest = session.scalar(select(func.min(OutboxMail.due_at)))
    if oldest is not None and oldest <= now - MAIL_LATE:
        return False
    waiting = (
        select(OutboxMail.attempts, OutboxMail.reason, OutboxMail.created_at)
        .where(OutboxMail.due_at.is_not(None))
        .order_by(OutboxMail.priority, OutboxMail.due_at)
        .limit(MAILS_LOOKED_AT)
        .subquery()
    )
    put_off = (
        (waiting.c.attempts == 0) & waiting.c.reason.is_not(None) & (waiting.c.created_at <= now - MAIL_LATE)
    )
    return session.scalar(select(func.count()).select_from(waiting).where(put_off)) == 0
