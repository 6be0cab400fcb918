"""Assemble the console; the only module that knows every feature's staff pages."""

import os
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from io import BytesIO
from wsgiref.types import WSGIEnvironment

from flask import Flask, Request

from portal.campaigns import console as campaigns
from portal.campaigns.drafts import console as notice_drafts
from portal.campaigns.tasks import console as notice_tasks
from portal.checklist import console as checklist
from portal.checklist.proofs import console as proofs
from portal.console import home, site
from portal.console.actions import ACTIONS
from portal.console.audit import console as audit
from portal.console.mail import console as mail
from portal.console.settings import changing
from portal.console.settings import console as settings_pages
from portal.console.uses import INCIDENT_USES, remembered
from portal.core.clock import Clock, SystemClock
from portal.core.db import Database
from portal.core.faults import RowUnreadable
from portal.core.settings import SendsMail, Settings
from portal.core.shipped import STATIC, TEMPLATES
from portal.crypto import keys
from portal.crypto.keys import ConsoleKeys
from portal.crypto.vault import ConsoleVault
from portal.exposure.console import files, lists, uploads
from portal.incidents import service as incidents
from portal.incidents.console import incident, publishing, shared, statement, timeline
from portal.reset.runs import console as resets
from portal.runtime.parts import ConsoleParts
from portal.site.saved.fresh import Fresh
from portal.staff import pages, sending
from portal.staff.approvals import console as approvals
from portal.staff.people import console as people
from portal.staff.sign_in import console as sign_in
from portal.web import clients, errors, frame, languages
from portal.web.gate import Gate

COOKIE = "console"
# Forms that always find a ticket: what ends something and needs no second person, and who signs in to do so.
STOPPING, SIGNING_IN = "stopping", "signing in"
STOPS = ("/pause/", "/stop/", "/hold/", "/cancel/", "/send-back/", "/sign-out/", "/me/sessions/")
SIGN_INS = ("/sign-in/", "/confirm/")
TICK_SECONDS = 0.5  # of answers to a sign-in
COUNT_SECONDS = 60.0  # how old the number of subscribers on a page may be
TEXT_BYTES = 1024 * 1024  # a long statement, as a form writes its letters
PAGES = (
    site,
    sign_in,
    home,
    approvals,
    people,
    incident,
    statement,
    publishing,
    timeline,
    campaigns,
    notice_drafts,
    notice_tasks,
    mail,
    resets,
    audit,
    checklist,
    proofs,
    settings_pages,
    changing,
    lists,
    files,
    uploads,
)


class MemoryRequest(Request):
    """A request whose form never touches a disk: werkzeug would put its files into a temporary folder.

    Files come by pages that read the body as it streams; a form has no more bytes than MAX_CONTENT_LENGTH.
    """

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002 - part of the interface
        content_type: str | None,  # noqa: ARG002 - part of the interface
        filename: str | None = None,  # noqa: ARG002 - part of the interface
        content_length: int | None = None,  # noqa: ARG002 - part of the interface
    ) -> BytesIO:
        return BytesIO()

    def _load_form_data(self) -> None:
        """Read the form; a NUL, which PostgreSQL takes in no text, becomes what HTML makes of it."""
        if "form" not in self.__dict__:
            super()._load_form_data()
            pairs = [(name, text.replace("\0", "\ufffd")) for name, text in self.form.items(multi=True)]
            self.__dict__["form"] = self.parameter_storage_class(pairs)


def from_environment() -> Flask:
    """Return the application of the environment's settings, for the server."""
    return create_console(Settings.from_env(os.environ, sends_mail=SendsMail.NO))


def create_console(
    settings: Settings,
    *,
    db: Database | None = None,
    clock: Clock | None = None,
    console_keys: ConsoleKeys | None = None,
) -> Flask:
    """Return the staff's application; create the parts that are not given. Raises KeysInvalid.

    Its pages know it by PORTAL_CONSOLE_URL, where the public site's know PORTAL_BASE_URL.
    """
    app = Flask("portal", template_folder=str(TEMPLATES), static_folder=str(STATIC))
    console_keys = console_keys or keys.read_console(settings.keys.console_file)
    database, vault = db or Database(settings.database_url, for_web=True), ConsoleVault(console_keys)
    parts = ConsoleParts(
        settings=replace(settings, base_url=settings.console.url),
        db=database,
        clock=clock or SystemClock(),
        keys=console_keys,
        vault=vault,
        look=Fresh.of(settings, database, vault).look,
        cookie=COOKIE,
        unlisted_paths=("/",),
        public_url=settings.base_url,
        actions=ACTIONS,
        refusals=campaigns.REASONS | proofs.REFUSALS | shared.REFUSALS,
        titles=incidents.titles,
        uses=remembered(INCIDENT_USES, 0 if settings.environment == "test" else COUNT_SECONDS),
        tick=0 if settings.environment == "test" else TICK_SECONDS,
    )
    app.request_class = MemoryRequest
    frame.prepare(app, parts)
    app.config.update(MAX_CONTENT_LENGTH=TEXT_BYTES, MAX_FORM_MEMORY_SIZE=TEXT_BYTES)
    app.config[errors.PAGE] = "console/error.html"
    app.register_error_handler(RowUnreadable, errors.show_altered_row)
    for page in PAGES:
        app.register_blueprint(page.bp)
    pages.install(app)
    app.jinja_env.globals |= {"public_url": settings.base_url, "one_person": settings.console.one_person}
    app.jinja_env.globals["language_here"] = languages.name_here
    app.jinja_env.filters |= {
        "as_time": datetime.fromisoformat,
        "as_day": date.fromisoformat,
        "filesizeformat": languages.size_here,
    }
    _put_in_front(app, parts.settings)
    return app


def _put_in_front(app: Flask, settings: Settings) -> None:
    """Put the gate for forms before Flask: a page to read must not wait behind an order."""

    def language(environ: WSGIEnvironment) -> str:
        return languages.negotiated(environ, settings)

    app.wsgi_app = Gate(  # type: ignore[method-assign]  # how Flask documents middleware
        app.wsgi_app,
        network=partial(_holder, app, settings.trusted_proxies),
        language=language,
        busy_page=partial(errors.busy_page, app, settings.base_url),
        kept={STOPPING: 1, SIGNING_IN: 1},
        group=_group,
    )


def _holder(app: Flask, trusted_proxies: int, environ: WSGIEnvironment) -> str:
    """Return who gets so many tickets: a session whose cookie we signed, else the network.

    Colleagues may share a network. Other cookies are whatever their sender likes.
    """
    session = app.session_interface.open_session(app, app.request_class(environ))
    token = session.get(sending.TOKEN) if session else None
    return f"session {token}" if token else f"network {clients.client_network(environ, trusted_proxies)}"


def _group(path: str) -> str | None:
    """Return which kept tickets a form may take: files on their way must not keep anybody from stopping."""
    if path.endswith(STOPS) or "/withdraw/" in path:
        return STOPPING
    return SIGNING_IN if path.startswith(SIGN_INS) else None
