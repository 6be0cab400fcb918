"""The words of the mails about an update, in every language of the portal."""

from babel import Locale

from portal.core.dates import day_in_words, moment
from portal.core.i18n import catalogue
from portal.core.settings import Settings
from portal.incidents import writing
from portal.incidents.announcing import Announcement
from portal.subscriptions.emails import Words
from portal.web import markdown


def drawn(settings: Settings, update: Announcement) -> dict[str, Words]:
    """Return what the mails about an update say, by language."""
    return {language: _words(settings, update, language) for language in settings.site.languages}


def _words(settings: Settings, update: Announcement, language: str) -> Words:
    say = catalogue(language).gettext
    shown, title = update.title(language)
    incident = update.incident_title(language)
    body = update.bodies[shown] if update.bodies is not None else ""
    if len(body) > writing.MAX_MAILED:
        body = ""
    page_url = settings.base_url + update.path
    return Words(
        subject=f"{title} – {incident}",  # what is new comes first: mail programs cut the end
        incident=incident,
        incident_language=language if language in update.incident_titles else settings.default_language,
        title=title,
        language=shown,
        phase=say(update.phase_words),
        occurred_at=(
            day_in_words(update.occurred_on, language)
            if update.occurred_on
            else moment(update.occurred_at, language, settings.site.timezone)
        ),
        text=markdown.plain(body, page_url),
        html=markdown.absolute(markdown.render(body, top=2), page_url),
        path=update.path,
        untranslated="" if shown == language else _name_of(shown, language),
    )


def _name_of(language: str, reader: str) -> str:
    name = Locale.parse(language, sep="-").get_display_name(Locale.parse(reader, sep="-"))
    return name or language
