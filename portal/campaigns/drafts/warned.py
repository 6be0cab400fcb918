"""What a second person must know of a draft that its request does not show: facts changed, own words lack."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask_babel import format_decimal, gettext, ngettext
from sqlalchemy.orm import Session

from portal.campaigns import wording
from portal.campaigns.forms import STALE
from portal.campaigns.series import shown, steering
from portal.campaigns.series.shown import OtherWords
from portal.core.settings import Settings
from portal.incidents import service as incidents
from portal.web.languages import name_here


def of_request(
    session: Session, settings: Settings, asked: Mapping[str, Any]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the warnings of a request that waits, each with a heading or none, and its lines."""
    incident = incidents.by_slug(session, str(asked["incident"]))
    campaign = steering.found(session, incident.id, int(asked["number"]))
    words = shown.words_of(session, campaign)
    if stale := wording.outdated(session, settings, incident, campaign, words):
        lines = [str(STALE[each]) for each in stale]
        yield (
            gettext("Facts changed since this was drafted"),
            [*lines, gettext("If that matters, send it back.")],
        )
    if others := shown.other_words(words, asked.get("list_languages", {}), settings.site.languages):
        yield "", [_of_language(one) for one in others]


def _of_language(one: OtherWords) -> str:
    """Return which own words the readers of a language get, and how many they are."""
    language, said = name_here(one.language), []
    if one.written:
        other = name_here(one.written)
        said.append(
            gettext(
                "Emails in %(language)s have the author’s own words in %(other)s.",
                language=language,
                other=other,
            )
        )
    else:
        said.append(gettext("Emails in %(language)s have none of the author’s own words.", language=language))
    if one.people:
        said.append(
            ngettext(
                "%(number)s person on the list has this language.",
                "%(number)s people on the list have this language.",
                one.people,
                number=format_decimal(one.people),
            )
        )
    if one.more:
        said.append(
            ngettext(
                "%(number)s person has a rare language, maybe this one.",
                "%(number)s people have rare languages, maybe this one.",
                one.more,
                number=format_decimal(one.more),
            )
        )
    return " ".join(said)
