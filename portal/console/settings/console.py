"""The console's page of settings."""

import re
from typing import Any

from flask import render_template, request
from flask_babel import lazy_gettext

from portal.console.settings import reading
from portal.staff import sending
from portal.staff.pages import StaffPages
from portal.staff.roles import Role
from portal.web.theme import TEXT

bp = StaffPages("settings", __name__)

ADMIN = frozenset({Role.ADMIN})
REFUSED = 422
GROUPS = {
    "name": lazy_gettext("Name, logo and colour"),
    "contact": lazy_gettext("Contacts"),
    "place": lazy_gettext("Languages and time"),
    "addresses": lazy_gettext("Addresses and approvals"),
    "mail": lazy_gettext("Email"),
    "limits": lazy_gettext("Limits"),
    "accounts": lazy_gettext("User store"),
    "retention": lazy_gettext("How long things are kept"),
}
LEGAL = {
    "privacy": lazy_gettext("Privacy"),
    "imprint": lazy_gettext("Imprint"),
    "accessibility": lazy_gettext("Accessibility"),
}
LEGAL_STATES = {
    "own": lazy_gettext("Your text"),
    "draft": lazy_gettext("Our draft: replace it before you publish"),
    "other": lazy_gettext("Shown in another language"),
    "fault": lazy_gettext("Can’t be read"),
}
_COLOUR = re.compile(r"#?([0-9a-fA-F]{6})\Z")


@bp.page("/settings/", roles=ADMIN)
def overview() -> Any:
    """Show the settings, and what would become of another colour."""
    settings = sending.parts().settings
    typed = request.args.get("colour", "").strip()
    match = _COLOUR.match(typed)
    colour = f"#{match[1].lower()}" if match else settings.site.brand_colour
    page = render_template(
        "console/settings/settings.html",
        seen=reading.seen(settings),
        operators=reading.operators(settings),
        spoken=reading.languages(settings),
        legal=reading.legal_pages(settings),
        colours=reading.colours(colour),
        colour=colour,
        wrong=bool(typed) and not match,
        typed=typed,
        tried=bool(match),
        least=TEXT,
        groups=GROUPS,
        legal_names=LEGAL,
        legal_states=LEGAL_STATES,
    )
    return page, REFUSED if typed and not match else 200
