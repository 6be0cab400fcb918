"""Render an incident's page, drafts included, as one self-contained HTML file."""

import re
from base64 import b64encode
from mimetypes import guess_type
from pathlib import Path

from babel import Locale
from flask import Flask, render_template
from flask_babel import force_locale

from portal.core.clock import Clock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.core.settings.site import Picture
from portal.core.shipped import STATIC, TEMPLATES
from portal.crypto import keys
from portal.crypto.hashing import hash_slots_for
from portal.crypto.vault import WebVault
from portal.incidents import reading, service
from portal.runtime.page_cache import PageCache
from portal.runtime.parts import WebParts
from portal.runtime.storage_check import StorageCheck
from portal.web import frame, theme

STYLES = ("base.css", "frame.css", "forms.css", "parts.css", "story.css", "beside.css")
_OWN_PAGE = re.compile(r'<a href="/(?!/)')


def render(settings: Settings, db: Database, clock: Clock, slug: str, language: str) -> str:
    """Return the page of an incident as HTML. Raises IncidentUnknown."""
    with db.read() as session:
        incident = service.by_slug(session, slug)
        page = reading.page(session, incident, [language, settings.default_language], drafts=True)
    with (
        _bare_app(settings, db, clock).test_request_context(page.path),
        force_locale(Locale.parse(language, sep="-")),
    ):
        html = render_template(
            "incidents/preview.html",
            page=page,
            root=settings.base_url,
            language=language,
            styles=_styles(settings),
            print_style=(STATIC / "css/print.css").read_text(encoding="utf-8"),
            logo=_logo(settings.site.light_logo),
            logo_dark=_logo(settings.site.dark_logo),
        )
    return _OWN_PAGE.sub(lambda _found: f'<a href="{settings.base_url}/', html)


def _bare_app(settings: Settings, db: Database, clock: Clock) -> Flask:
    """Return an application that only renders templates; it serves no requests, so its keys are throwaway."""
    app = Flask("portal", template_folder=str(TEMPLATES), static_folder=str(STATIC))
    web_keys, _ = keys.generate()
    slots = hash_slots_for(settings)
    storage, page_cache = StorageCheck(db), PageCache(lambda: 0, 0.0)
    parts = WebParts(
        settings=settings,
        db=db,
        clock=clock,
        keys=web_keys,
        vault=WebVault(web_keys),
        hash_slots=slots,
        storage=storage,
        page_cache=page_cache,
    )
    frame.prepare(app, parts)
    return app


def _styles(settings: Settings) -> str:
    """Return all style sheets of the page as one text."""
    own = [(STATIC / "css" / name).read_text(encoding="utf-8") for name in STYLES]
    return "\n".join((*own, theme.stylesheet(theme.Theme.from_colour(settings.site.brand_colour))))


def _logo(logo: Picture | Path | None) -> str | None:
    """Return the logo as a data URL (RFC 2397), or None if there is none."""
    if logo is None:
        return None
    if isinstance(logo, Path):
        logo = Picture(logo.read_bytes(), guess_type(logo.name)[0] or "image/png")
    return f"data:{logo.mimetype};base64,{b64encode(logo.content).decode()}"
