"""The page as it will look, drafts included, in one file that needs nothing else."""

from base64 import b64encode
from mimetypes import guess_type
from pathlib import Path

from flask import Flask, render_template
from flask_babel import force_locale

from portal.incidents import reading, service
from portal.incidents.markdown import absolute
from portal.kit import keys, theme, web
from portal.kit.clock import Clock
from portal.kit.db import Database
from portal.kit.page_cache import PageCache
from portal.kit.parts import WebParts
from portal.kit.settings import Settings
from portal.kit.slots import slots_for
from portal.kit.vault import WebVault

STYLES = ("base.css", "frame.css", "forms.css", "parts.css", "story.css")


def render(settings: Settings, db: Database, clock: Clock, slug: str, language: str) -> str:
    """Return the page of an incident as HTML. Raises IncidentUnknown."""
    with db.read() as session:
        incident = service.by_slug(session, slug)
        page = reading.page(session, incident, [language, settings.default_language], drafts=True)
    with _bare_app(settings, db, clock).test_request_context(page.path), force_locale(language):
        html = render_template(
            "incidents/preview.html",
            page=page,
            root=settings.base_url,
            language=language,
            styles=_styles(settings),
            print_style=(web.ROOT / "static/css/print.css").read_text(encoding="utf-8"),
            logo=_logo(settings.logo_file),
        )
    return absolute(html, settings.base_url)


def _bare_app(settings: Settings, db: Database, clock: Clock) -> Flask:
    """Return an application that only fills templates: it answers nobody, so its keys are made for the moment."""
    app = Flask("portal", template_folder=str(web.ROOT / "templates"), static_folder=str(web.ROOT / "static"))
    web_keys, _ = keys.generate()
    slots = slots_for(settings)
    page_cache = PageCache(lambda: 0, 0.0)
    web.prepare(
        app,
        WebParts(
            settings, db, clock, web_keys, WebVault(web_keys), slots, page_cache, wake=lambda _name: None
        ),
    )
    return app


def _styles(settings: Settings) -> str:
    """Return every style of the page as one text."""
    own = [(web.ROOT / "static/css" / name).read_text(encoding="utf-8") for name in STYLES]
    return "\n".join((*own, theme.stylesheet(theme.Theme.from_colour(settings.brand_colour))))


def _logo(file: Path | None) -> str | None:
    if file is None:
        return None
    kind = guess_type(file.name)[0] or "image/png"
    return f"data:{kind};base64,{b64encode(file.read_bytes()).decode()}"
