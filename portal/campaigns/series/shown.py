"""Show a notice in the console as a made-up person would get it, from its frozen words, without any key."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.campaigns import frozen
from portal.campaigns.emails import Notice, Words
from portal.campaigns.models import Campaign, NoticeWords
from portal.core.i18n import best_language
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.exposure.importing.reading import OTHERS
from portal.outbox.compose import Composer

PERSON = "person@example.com"
# As long as a real link and a real code, and neither.
_LINK, _CODE = "x" * 69, "A" * 14


class _Shown(Notice):
    """A notice whose link leads nowhere: a real one needs the worker's keys."""

    def token(self, *_arguments: Any) -> str:
        return _LINK


class _NoKeys:
    """What composing asks of a vault, without keys."""

    def authenticity(self, _row_id: bytes) -> str:
        return _CODE

    def token(self, *_arguments: Any) -> str:
        return _LINK


def words_of(session: Session, campaign: Campaign) -> dict[str, Words]:
    """Return the words of a notice by language, to be shown: nobody has verified them."""
    rows = session.scalars(
        select(NoticeWords).where(NoticeWords.notice_id == campaign.id).order_by(NoticeWords.language)
    )
    return {row.language: frozen.plain(row) for row in rows}


@dataclass(frozen=True)
class OtherWords:
    """A language whose readers get the author's own words in another one, `written`, or none where empty.

    `people` of the list have it; `more` may have it, whose languages are counted together. Both are None
    where nobody counted the list's languages.
    """

    language: str
    written: str
    people: int | None
    more: int | None


def other_words(
    words: Mapping[str, Words], counts: Mapping[str, int], site: tuple[str, ...]
) -> list[OtherWords]:
    """Return the languages whose emails lack the author's own words, or have them in another language.

    `counts` are the people of its list by language, and `site` the languages of the site, the default one
    first. Languages that nobody on the list has are left out.
    """
    found = {tag: words[tag] for tag in site if tag in words}
    if not any(said.own_text for said in found.values()):
        return []
    offered = tuple(found)
    people: Counter[str] = Counter()
    for tag, number in counts.items():
        people[tag if tag == OTHERS else best_language(tag, offered)] += number
    elsewhere = []
    for language, said in found.items():
        written = (said.own_language or said.language) if said.own_text else ""
        if written != language and (not counts or people[language] or people[OTHERS]):
            known = (people[language], people[OTHERS]) if counts else (None, None)
            elsewhere.append(OtherWords(language, written, *known))
    return elsewhere


@dataclass(frozen=True)
class Shown:
    """The mail that a made-up person would get: its subject, and both of its parts."""

    subject: str
    text: str
    html: str


def mail_of(settings: Settings, found: dict[str, Words], language: str, now: datetime) -> Shown:
    """Return the mail in a language; without words it is the neutral one."""
    default = settings.default_language

    def said(_mail: object, tag: str) -> object:
        return frozen.shown(found, tag, default) if found else None

    composer = Composer(settings, cast("WorkerVault", _NoKeys()), {}, {Notice.name: said})
    composed = composer.render(_Shown(), PERSON, language, bytes(16), now)
    message = message_from_bytes(composed.content, policy=policy.default)
    parts = [message.get_body((kind,)) for kind in ("plain", "html")]
    text, html = (part.get_content() if part is not None else "" for part in parts)
    return Shown(composed.subject, text, html)
