"""Assemble the portal; the only module that imports every feature."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from wsgiref.types import WSGIEnvironment

from flask import Flask

from portal.accounts import external as accounts_external
from portal.accounts import jobs as accounts
from portal.accounts import login
from portal.accounts import service as accounts_service
from portal.accounts import views as accounts_views
from portal.accounts.activity import emails as activity_emails
from portal.accounts.activity import jobs as activity
from portal.accounts.activity import service as activity_service
from portal.accounts.activity import views as activity_views
from portal.accounts.address import emails as address_emails
from portal.accounts.address import jobs as address
from portal.accounts.address import views as address_views
from portal.accounts.factors import confirm, second
from portal.accounts.factors import jobs as factors
from portal.accounts.factors import views as factors_views
from portal.accounts.factors.lost import emails as lost_emails
from portal.accounts.factors.lost import jobs as lost
from portal.accounts.factors.lost import views as lost_views
from portal.accounts.passkeys import emails as passkeys_emails
from portal.accounts.passkeys import jobs as passkeys
from portal.accounts.passkeys import sign_in as passkey_sign_in
from portal.accounts.passkeys import views as passkeys_views
from portal.audit import jobs as audit
from portal.blocklists.lists import Blocklists
from portal.campaigns import emails as campaigns_emails
from portal.campaigns import jobs as campaigns
from portal.campaigns.tasks import jobs as notice_tasks
from portal.campaigns.tasks.work import Tasks
from portal.cases import emails as cases_emails
from portal.cases import jobs as cases
from portal.cases import views as cases_views
from portal.checklist import emails as checklist_emails
from portal.checklist import jobs as checklist
from portal.checklist.proofs import jobs as proofs
from portal.console import actions, orders
from portal.console.settings import emails as settings_emails
from portal.core.clock import Clock, SystemClock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.core.shipped import STATIC, TEMPLATES
from portal.crypto import keys
from portal.crypto.hashing import hash_slots_for
from portal.crypto.keys import WebKeys
from portal.crypto.vault import WebVault, WorkerVault
from portal.demo import views as demo_views
from portal.exposure import emails as exposure_emails
from portal.exposure import jobs as exposure
from portal.exposure import views as exposure_views
from portal.exposure.uploads import jobs as uploads
from portal.exposure.uploads.work import Uploads
from portal.identity import registry
from portal.identity.builtin import jobs as identity
from portal.identity.sealed import jobs as sealed
from portal.identity.service import is_external
from portal.incidents import jobs as incidents_jobs
from portal.incidents import service as incidents
from portal.incidents import views as incidents_views
from portal.intake import jobs as intake
from portal.intake import pace, replies
from portal.intake import service as intake_service
from portal.mydata import emails as mydata_emails
from portal.mydata import jobs as mydata
from portal.mydata import service as mydata_service
from portal.mydata import views as mydata_views
from portal.outbox import jobs as outbox
from portal.outbox import pace as outbox_pace
from portal.outbox import service as outbox_service
from portal.outbox import views as outbox_views
from portal.outbox.mail import Mail
from portal.reset import done as reset_done
from portal.reset import emails as reset_emails
from portal.reset import jobs as reset
from portal.reset import passwords
from portal.reset import service as reset_service
from portal.reset import views as reset_views
from portal.reset.external import jobs as reset_jobs
from portal.reset.external import views as reset_external
from portal.reset.link import after_passkey
from portal.reset.link import factor as reset_factor
from portal.reset.link import review as reset_review
from portal.reset.not_me import emails as not_me_emails
from portal.reset.not_me import jobs as not_me
from portal.reset.not_me import views as not_me_views
from portal.reset.runs.work import Runs
from portal.reset.stolen import rechecking
from portal.reset.undo import emails as undo_emails
from portal.reset.undo import jobs as undo
from portal.reset.undo import views as undo_views
from portal.rotation import emails as rotation_emails
from portal.rotation import jobs as rotation
from portal.rotation import views as rotation_views
from portal.runtime import heartbeat
from portal.runtime.page_cache import PageCache
from portal.runtime.parts import BeforeHandover, FrozenWords, SealedHandler, WebParts, WorkerParts
from portal.runtime.schedule import ScheduledJob
from portal.runtime.storage_check import ReadinessCheck, StorageCheck
from portal.runtime.turns import Expired
from portal.site import legal
from portal.site import views as site_views
from portal.site.saved import jobs as saved_settings
from portal.site.saved.fresh import Fresh
from portal.staff import emails as staff_emails
from portal.staff.approvals import jobs as approvals
from portal.staff.approvals import telling as approvals_telling
from portal.staff.sign_in import jobs as staff_sign_in
from portal.subscriptions import emails as subscriptions_emails
from portal.subscriptions import jobs as subscriptions
from portal.subscriptions import views as subscriptions_views
from portal.web import clients, errors, frame, languages, limits, overnight
from portal.web.gate import Gate
from portal.web.public_cache import PublicCache

# The modules of pages; each has a blueprint `bp`, and UNLISTED_PATHS that search engines are told to skip.
PAGES = (
    site_views,
    incidents_views,
    outbox_views,
    exposure_views,
    accounts_views,
    second,
    confirm,
    factors_views,
    passkeys_views,
    passkey_sign_in,
    lost_views,
    reset_views,
    reset_factor,
    reset_review,
    reset_done,
    reset_external,
    activity_views,
    address_views,
    not_me_views,
    undo_views,
    rotation_views,
    mydata_views,
    subscriptions_views,
    cases_views,
)

# The handlers of sealed requests, by purpose.
HANDLERS: dict[str, intake.Handler] = {
    **exposure.HANDLERS,
    accounts_views.LANGUAGE: accounts.store_language,
    **passkeys.HANDLERS,
    **activity.HANDLERS,
    **address.HANDLERS,
    **lost.HANDLERS,
    **reset.HANDLERS,
    **not_me.HANDLERS,
    **undo.HANDLERS,
    **rotation.HANDLERS,
    **subscriptions.HANDLERS,
    **mydata.HANDLERS,
    **cases.HANDLERS,
}

# The handlers of sealed jobs, by kind: what only the worker may ask a company's own store.
SEALED: dict[str, SealedHandler] = {
    **accounts_external.SEALED,
    **factors.SEALED,
    **passkeys.SEALED,
    **reset_jobs.SEALED,
}
# What handlers need of other servers, by purpose.
LOOKUPS: dict[str, intake.Lookup] = {**reset.LOOKUPS, **not_me.LOOKUPS, **mydata.LOOKUPS}

# Every kind of mail.
MAILS: tuple[type[Mail], ...] = (
    *exposure_emails.MAILS,
    *campaigns_emails.MAILS,
    *passkeys_emails.MAILS,
    *activity_emails.MAILS,
    *address_emails.MAILS,
    *lost_emails.MAILS,
    *reset_emails.MAILS,
    *not_me_emails.MAILS,
    *undo_emails.MAILS,
    *rotation_emails.MAILS,
    *subscriptions_emails.MAILS,
    *mydata_emails.MAILS,
    *cases_emails.MAILS,
    *staff_emails.MAILS,
    *settings_emails.MAILS,
    *checklist_emails.MAILS,
)
COMPOSERS: dict[str, type[Mail]] = {mail.name: mail for mail in MAILS}

# What is called before a mail leaves, by purpose, where what it offers ends some day.
BEFORE_HANDOVER: dict[str, BeforeHandover] = {
    **exposure.BEFORE_HANDOVER,
    **campaigns.BEFORE_HANDOVER,
    **lost.BEFORE_HANDOVER,
    **passkeys.BEFORE_HANDOVER,
    **activity.BEFORE_HANDOVER,
    **address.BEFORE_HANDOVER,
    **reset.BEFORE_HANDOVER,
    **not_me.BEFORE_HANDOVER,
    **undo.BEFORE_HANDOVER,
    **rotation.BEFORE_HANDOVER,
    **subscriptions.BEFORE_HANDOVER,
    **mydata.BEFORE_HANDOVER,
    **cases.BEFORE_HANDOVER,
}

# What finds the frozen words of a mail, by its name.
WORDS: dict[str, FrozenWords] = {**campaigns.WORDS, **subscriptions.WORDS}

# What /readyz reports beside the database.
READINESS: dict[str, ReadinessCheck] = {
    "worker": heartbeat.why_degraded,
    "queue": intake_service.why_degraded,
    "mail": outbox_service.why_degraded,
}

# How long the page cache of a web process may miss a publication.
LOOK_SECONDS = 0.1


def create_app(
    settings: Settings,
    *,
    db: Database | None = None,
    clock: Clock | None = None,
    web_keys: WebKeys | None = None,
    storage: StorageCheck | None = None,
) -> Flask:
    """Return the web application; create the parts that are not given. Raises KeysInvalid.

    Without a `storage` whose thread was started, `/readyz` writes a row itself each time.
    """
    app = Flask("portal", template_folder=str(TEMPLATES), static_folder=str(STATIC))
    web_keys = web_keys or keys.read_web(settings.keys.web_file)
    database = db or Database(settings.database_url, for_web=True)

    def content_version() -> object:
        with database.read() as session:
            return incidents.content_number(session), fresh.read(session), legal.version(settings)

    # Tests publish and read at the same instant.
    look_seconds = 0.0 if settings.environment == "test" else LOOK_SECONDS
    vault = WebVault(web_keys)
    fresh = Fresh.of(settings, database, vault)
    parts = WebParts(
        settings=settings,
        db=database,
        clock=clock or SystemClock(),
        keys=web_keys,
        vault=vault,
        hash_slots=hash_slots_for(settings),
        blocklists=Blocklists(settings.passwords),
        storage=storage or StorageCheck(database, READINESS, clock),
        page_cache=PageCache(content_version, look_seconds),
        look=fresh.look,
        account_lines=(
            address_views.account_line,
            passkeys_views.account_line,
            factors_views.account_line,
            rotation_views.account_line,
            activity_views.account_line,
            mydata_views.account_line,
        ),
        waits=(pace.present_wait, outbox_pace.present_wait),
        language_chosen=accounts_views.store_language,
        sign_in_failed=reset_views.submit_failed_sign_in,
        password_due=after_passkey.choose,
        stolen_password_locked=rechecking.locked,
        unlisted_paths=tuple(path for page in PAGES for path in page.UNLISTED_PATHS),
        listed_pages=(*exposure_views.LISTED_PAGES, *reset_views.LISTED_PAGES),
    )
    frame.prepare(app, parts)
    app.jinja_env.globals["store_can"] = registry.capabilities(settings)  # pages say what a store cannot do
    overnight.install(app)
    login.install(app)
    for page in PAGES:
        app.register_blueprint(page.bp)
    if settings.environment == "demo":
        app.register_blueprint(demo_views.bp)
    _put_in_front(app, parts)
    return app


def _put_in_front(app: Flask, parts: WebParts) -> None:
    """Put before Flask what must answer when Flask cannot: the gate for forms, and the cache of pages."""
    settings = parts.settings

    def language(environ: WSGIEnvironment) -> str:
        return languages.negotiated(environ, settings)

    one_click = (subscriptions_views.ONE_CLICK, rotation_views.ONE_CLICK)
    gate = Gate(
        app.wsgi_app,
        network=lambda environ: clients.client_network(environ, settings.trusted_proxies),
        language=language,
        busy_page=partial(errors.busy_page, app, settings.base_url),
        # Mail programs do not ask again as people do.
        kept={"one click": 2},
        group=lambda path: "one click" if path.startswith(one_click) else None,
    )
    paths = (*incidents_views.PUBLIC_PATHS, *exposure_views.PUBLIC_PATHS, *site_views.PUBLIC_PATHS)
    app.wsgi_app = PublicCache(  # type: ignore[method-assign]  # how Flask documents middleware
        gate, parts.page_cache, paths=paths, host=settings.host, language=language
    )


def worker_parts(settings: Settings, db: Database, clock: Clock, vault: WorkerVault) -> WorkerParts:
    """Return the parts of the worker."""
    return WorkerParts(
        settings,
        db,
        clock,
        vault,
        handlers=dict(HANDLERS),
        lookups=dict(LOOKUPS),
        composers=dict(COMPOSERS),
        before_handover=dict(BEFORE_HANDOVER),
        words=dict(WORDS),
        sealed=(SEALED if is_external(settings) else {}) | (orders.SEALED if settings.console.url else {}),
        actions=actions.ACTIONS,
        password_faults=partial(_password_faults, settings),
        look=Fresh.of(settings, db, vault).look,
        sign_in_failed=reset_service.submit_failed_sign_in,
        long_work={
            "uploads": lambda parts: Uploads(parts).step,
            "resets": lambda parts: Runs(parts).step,
            "notices": lambda parts: Tasks(parts).step,
        },
    )


def _password_faults(settings: Settings, password: str, own_words: Sequence[str]) -> list[str]:
    found = passwords.check(password, own_words=own_words, organisation=settings.site.organisation)
    return [one.reason for one in found]


# What goes by itself after a time, for `portal purge`; the worker's jobs remove the same.
EXPIRED: tuple[Expired, ...] = (
    accounts_service.EXPIRED,
    activity_service.EXPIRED,
    intake.EXPIRED,
    replies.EXPIRED,
    replies.EXPIRED_CAPS,
    outbox.UNSENT,
    outbox.SENT_LONG_AGO,
    mydata_service.EXPIRED,
    cases.CLOSED,
)

OFTEN = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)  # for jobs that themselves check whether they are due
# The worker's periodic jobs. A name is the key of its job's row in the database: do not change it.
SCHEDULE: tuple[ScheduledJob, ...] = (
    ScheduledJob("intake.tidy", MINUTE, intake.tidy),
    ScheduledJob("intake.measure", OFTEN, pace.measure),
    ScheduledJob("outbox.tidy", MINUTE, outbox.tidy),
    ScheduledJob("outbox.move_sent", OFTEN, outbox.move_sent),
    ScheduledJob("outbox.count_changed", OFTEN, outbox.count_changed),
    ScheduledJob("limits.tidy", MINUTE, limits.tidy),
    ScheduledJob("audit.sign_log", OFTEN, audit.sign_log),
    ScheduledJob("audit.verify", HOUR, audit.verify),
    ScheduledJob("exposure.clear", MINUTE, exposure.clear),
    ScheduledJob("exposure.tidy_uploads", MINUTE, uploads.tidy),
    ScheduledJob("campaigns.tidy_tasks", MINUTE, notice_tasks.tidy),
    ScheduledJob("exposure.release", OFTEN, exposure.release),
    ScheduledJob("exposure.inspect", HOUR, exposure.inspect),
    ScheduledJob("campaigns.resume", OFTEN, campaigns.resume),
    ScheduledJob("accounts.tidy", MINUTE, accounts.tidy),
    ScheduledJob("passkeys.tidy", MINUTE, passkeys.tidy),
    ScheduledJob("accounts.mail_second", MINUTE, lost.mail_second),
    ScheduledJob("identity.encrypt_hashes", OFTEN, identity.encrypt_hashes),
    ScheduledJob("identity.inspect", HOUR, identity.inspect),
    ScheduledJob("identity.count_hash_costs", HOUR, identity.count_hash_costs),
    ScheduledJob("identity.tidy_sealed", OFTEN, sealed.tidy),
    ScheduledJob("reset.recover", OFTEN, reset_jobs.recover),
    ScheduledJob("rotation.remind", OFTEN, rotation.remind),
    ScheduledJob("rotation.forget", HOUR, rotation.forget),
    ScheduledJob("mydata.tidy", MINUTE, mydata.tidy),
    ScheduledJob("incidents.publish_due", OFTEN, incidents_jobs.publish_due),
    ScheduledJob("subscriptions.announce", OFTEN, subscriptions.announce),
    ScheduledJob("cases.look", MINUTE, cases.look),
    ScheduledJob("cases.tidy", HOUR, cases.tidy),
    ScheduledJob("checklist.remind", MINUTE, checklist.remind),
    ScheduledJob("checklist.tidy", MINUTE, proofs.tidy),
    ScheduledJob("settings.tidy", HOUR, saved_settings.tidy),
    ScheduledJob("staff.tidy", MINUTE, staff_sign_in.tidy),
    ScheduledJob("staff.resume", MINUTE, approvals.resume),
    ScheduledJob("staff.tell", MINUTE, approvals_telling.tell_gathered),
)
