"""The console's page of all settings."""

from flask import render_template
from flask_babel import lazy_gettext

from portal.console.settings import editing, reading, words
from portal.site.saved import service
from portal.staff import members, sending
from portal.staff.pages import StaffPages
from portal.staff.roles import Role

bp = StaffPages("settings", __name__)

ADMIN = frozenset({Role.ADMIN})
GROUPS = {
    "addresses": lazy_gettext("Addresses and approvals"),
    "mail": lazy_gettext("Email"),
    "limits": lazy_gettext("Limits"),
    "accounts": lazy_gettext("User store"),
    "retention": lazy_gettext("How long things are kept"),
}
LEGAL_STATES = {
    "saved": lazy_gettext("Saved here"),
    "own": lazy_gettext("Your text"),
    "draft": lazy_gettext("Our draft: replace it before you publish"),
    "other": lazy_gettext("Shown in another language"),
    "fault": lazy_gettext("Can’t be read"),
}


@bp.page("/settings/", roles=ADMIN)
def overview() -> str:
    """Show what people see, with who saved it, and what operators set."""
    console = sending.parts()
    settings = console.settings
    with console.db.read() as session:
        changes = service.changes(session, console.vault)
        names = members.names(session, console.vault)
    return render_template(
        "console/settings/settings.html",
        seen=[editing.setting(settings, name, changes) for name in editing.NAMES],
        title_of=words.title,
        value_of_operator=words.value,
        is_word=words.is_word,
        operator_title=words.operator_title,
        who=reading.who(names),
        operators=reading.operators(settings),
        spoken=reading.languages(settings),
        legal=reading.legal_pages(settings),
        groups=GROUPS,
        legal_states=LEGAL_STATES,
    )
