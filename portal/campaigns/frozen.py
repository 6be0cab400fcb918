"""What a notice says, frozen when it begins: stored under row MACs, verified when its mails are composed.

Also the subjects that the operator sets before.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any, NamedTuple

from babel import Locale
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns.emails import Part, Words
from portal.campaigns.models import SUBJECT_LENGTH, NoticeWords, Subject
from portal.core.db import ID_BYTES
from portal.core.i18n import best_language
from portal.core.one_line import is_plain
from portal.crypto.vault import WorkerVault
from portal.incidents.models import Incident

_LATER = ("kind", "own_text", "own_html", "own_source", "own_language")


class SubjectInvalid(ValueError):
    """The subject is empty, longer than 200 characters, or more than one line."""


class WordsAltered(Exception):
    """The frozen words of a notice were altered or removed without the worker's keys."""


class SubjectAltered(Exception):
    """A subject was stored without the worker's keys."""


class Audience(NamedTuple):
    """Whom a notice goes to: the number of addresses of a list, or the recipient of a test."""

    incident_id: bytes
    list_id: int
    addresses: int


def store(
    session: Session, vault: WorkerVault, notice_id: bytes, audience: Audience, words: Mapping[str, Words]
) -> None:
    """Store what a notice says, in place of what was stored before for it."""
    session.execute(delete(NoticeWords).where(NoticeWords.notice_id == notice_id))
    for language, said in words.items():
        content = json.dumps(_as_data(said), ensure_ascii=False)
        row = NoticeWords(notice_id=notice_id, language=language, content=content, **audience._asdict())
        row.row_mac = _row_mac(vault, row, sorted(words))
        session.add(row)
    session.flush()


def read(session: Session, vault: WorkerVault, notice_id: bytes) -> dict[str, Words]:
    """Return the frozen words of a notice by language. Raises WordsAltered."""
    rows = session.scalars(select(NoticeWords).where(NoticeWords.notice_id == notice_id)).all()
    languages = sorted(row.language for row in rows)
    if not rows or not all(compare_digest(row.row_mac, _row_mac(vault, row, languages)) for row in rows):
        raise WordsAltered
    return {row.language: _words(row.content) for row in rows}


def shown(found: Mapping[str, Words], language: str, default: str) -> Words:
    """Return the words for readers of a language, marked where they are in another.

    A language that was not offered when the notice began gets the default one's words.
    """
    offered = tuple(sorted(found, key=lambda tag: (tag != default, tag)))
    words = found[best_language(language, offered)]
    if words.language == language:
        return words
    reader = Locale.parse(language, sep="-")
    name = Locale.parse(words.language, sep="-").get_display_name(reader)
    return replace(words, untranslated=name or words.language)


def shown_words(row: NoticeWords) -> dict[str, Any]:
    """Return what a row says as text, to be shown; its row MAC is not verified.

    `fingerprint` is the SHA-256 hash of all of it, HTML too.
    """
    said = _words(row.content)
    return {
        "subject": said.subject,
        "own": said.own_text,
        "title": said.title,
        "parts": ["\n\n".join(filter(None, (part.heading, part.text))) for part in said.parts],
        "signed_by": said.signed_by,
        "role": said.role,
        "fingerprint": sha256(row.content.encode()).hexdigest(),
    }


def plain(row: NoticeWords) -> Words:
    """Return the words of a row, to be shown; its row MAC is not verified."""
    return _words(row.content)


def _as_data(said: Words) -> dict[str, Any]:
    """Return words as JSON holds them: without the parts that earlier versions did not have, if empty."""
    return {name: value for name, value in asdict(said).items() if value or name not in _LATER}


def _words(content: str) -> Words:
    words = Words(**json.loads(content))
    return replace(words, parts=tuple(Part(*part) for part in words.parts))


def _row_mac(vault: WorkerVault, row: NoticeWords, languages: list[str]) -> bytes:
    audience = (row.incident_id, row.list_id, row.addresses)
    return vault.row_mac(
        "notice words", row.notice_id, *audience, " ".join(languages), row.language, row.content
    )


def fingerprint(vault: WorkerVault, incident_id: bytes, words: Mapping[str, Words]) -> bytes:
    """Return 16 bytes that stand for what a notice says in all languages."""
    shown_of = {language: _as_data(replace(words[language], own_source="")) for language in sorted(words)}
    said = json.dumps(shown_of)
    return vault.row_mac("notice text", incident_id, said)[:ID_BYTES]


def mark(vault: WorkerVault, described: Mapping[str, Any]) -> str:
    """Return the mark of a draft: another one for any other content, audience, count or wave."""
    said = json.dumps(described, sort_keys=True, ensure_ascii=False)
    return vault.row_mac("notice draft", said)[:8].hex()


def set_subject(
    session: Session, vault: WorkerVault, incident: Incident, language: str, subject: str, now: datetime
) -> None:
    """Store the subject of an incident's next notice in a language. Raises SubjectInvalid."""
    subject = subject.strip()
    if not subject or len(subject) > SUBJECT_LENGTH or not is_plain(subject):
        raise SubjectInvalid(f"a subject is one line of at most {SUBJECT_LENGTH} characters")
    row = Subject(incident_id=incident.id, language=language, subject=subject)
    row.row_mac = _subject_mac(vault, row)
    session.merge(row)
    session.flush()
    audit.record(session, "campaigns.subject", incident.slug, {"language": language}, now)


def subjects(session: Session, vault: WorkerVault, incident_id: bytes) -> dict[str, str]:
    """Return the subjects that the operator set for an incident, by language. Raises SubjectAltered."""
    rows = session.scalars(select(Subject).where(Subject.incident_id == incident_id)).all()
    if not all(compare_digest(row.row_mac, _subject_mac(vault, row)) for row in rows):
        raise SubjectAltered
    return {row.language: row.subject for row in rows}


def _subject_mac(vault: WorkerVault, row: Subject) -> bytes:
    return vault.row_mac("notice subject", row.incident_id, row.language, row.subject)
