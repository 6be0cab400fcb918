"""Save settings over the environment's, and read what counts: what was not altered without the worker."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.db import among, insert
from portal.core.settings import Settings, Site
from portal.core.settings.site import SettingInvalid, checked, written
from portal.crypto.vault import ConsoleVault, PageVault, WorkerVault
from portal.site.saved import pictures, rules
from portal.site.saved.models import SiteChange, SiteContent
from portal.site.saved.pictures import PictureRefused
from portal.site.saved.rules import Kind

log = logging.getLogger("portal.site")

CHANGE, RESET = "settings.change", "settings.reset"
ACTIONS = (CHANGE, RESET)
WHAT = "site change"


class Outdated(Exception):
    """Somebody else changed this setting since."""


class ContentMissing(Exception):
    """No stored content has this hash."""


@dataclass(frozen=True)
class Change:
    """One change of a setting: its number, the value that was saved or None, when and by whom."""

    name: str
    number: int
    value: str | None
    at: datetime
    by: str


def version(session: Session) -> tuple[int, int]:
    """Return what changes with each change; cheap."""
    count, newest = session.execute(select(func.count(), func.max(SiteChange.number))).one()
    return count, newest or 0


def changes(session: Session, vault: PageVault) -> list[Change]:
    """Return every change that the worker wrote, the newest first; others count for nothing."""
    rows = session.execute(select(SiteChange.__table__).order_by(SiteChange.number.desc()))
    return [
        Change(row.name, row.number, row.value, row.at, row.who)
        for row in rows
        if _written_by_worker(vault, row)
    ]


def saved(session: Session, vault: PageVault) -> dict[str, Change]:
    """Return the newest change of each setting that has one, by name."""
    newest: dict[str, Change] = {}
    for change in changes(session, vault):
        newest.setdefault(change.name, change)
    return newest


def altered(session: Session, vault: PageVault) -> list[int]:
    """Return the numbers of the rows that were inserted or altered without the worker's keys."""
    rows = session.execute(select(SiteChange.__table__).order_by(SiteChange.number))
    return [row.number for row in rows if not _written_by_worker(vault, row)]


def store_content(session: Session, content: bytes, now: datetime) -> str:
    """Store a logo or a text that a change may name; it has no effect by itself. Return its hash in hex."""
    digest = sha256(content).digest()
    values = {"id": digest, "content": content, "added_at": now}
    statement = insert(session, SiteContent).values(values)
    # Again: it stays for another while.
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"added_at": now}))
    return digest.hex()


def content(session: Session, digest: str) -> bytes:
    """Return the content with a hash in hex. Raises ContentMissing, also where it was altered."""
    try:
        found = session.scalar(select(SiteContent.content).where(SiteContent.id == bytes.fromhex(digest)))
    except ValueError:
        found = None
    if not isinstance(found, bytes) or sha256(found).hexdigest() != digest:
        raise ContentMissing
    return found


def unnamed(session: Session, before: datetime) -> list[bytes]:
    """Return the hashes of the contents stored before a time that no change names."""
    named = {
        bytes.fromhex(value)
        for name, value in session.execute(select(SiteChange.name, SiteChange.value))
        if value and _has_content(name) and _is_digest(value)
    }
    old = select(SiteContent.id).where(SiteContent.added_at < before)
    return [one for one in session.scalars(old) if one not in named]


def forget_contents(session: Session, digests: Sequence[bytes]) -> None:
    """Delete contents by their hashes."""
    session.execute(delete(SiteContent).where(among(session, SiteContent.id, digests)))


def change(
    session: Session,
    vault: WorkerVault,
    settings: Settings,
    name: str,
    value: str | None,
    *,
    base: int,
    by: str,
    now: datetime,
) -> int:
    """Save a setting, or put the operator's value back (None); return the change's number, 0 if it is none.

    `value` is a line of text, or the hash of a stored content. `base` is the number of the change that it
    replaces. Raises LookupError for an unknown name, SettingInvalid, PictureRefused, ContentMissing and
    Outdated.
    """
    before = saved(session, vault).get(name)
    if before is None:
        rules.kind(name)
    after = None if value is None else _accepted(session, vault, settings, name, value)
    if _number(before) != base:
        raise Outdated
    if (before.value if before else None) == after:
        return 0
    told = {
        "before": _told(
            name, before.value if before and before.value is not None else operators_value(settings, name)
        ),
        "after": "" if after is None else _told(name, after),
    }
    # Whoever else changes something waits here, for the log's last row.
    number = audit.record(session, RESET if after is None else CHANGE, name, told, now)
    if _number(saved(session, vault).get(name)) != base:
        raise Outdated
    values = (number, name, int(after is not None), after or "", by)
    row = SiteChange(number=number, name=name, value=after, at=now, who=by)
    row.row_mac = vault.row_mac(WHAT, *values)
    row.web_mac = vault.page_mac(WHAT, *values)
    row.console_mac = vault.staff.page_mac(WHAT, *values)
    session.add(row)
    session.flush()
    return number


def over(session: Session, vault: PageVault, settings: Settings, at: tuple[int, int]) -> Site:
    """Return what people see: what was saved, over what the environment gave.

    A saved value that this version no longer takes counts for nothing.
    """
    fields: dict[str, Any] = {"version": at}
    texts: dict[str, str] = {}
    for name, one in saved(session, vault).items():
        if one.value is None:
            continue
        try:
            kind = rules.kind(name)
            if kind is Kind.LINE:
                fields[name] = checked(name, one.value, production=settings.production)
            elif kind is Kind.PICTURE:
                fields[name] = pictures.read(content(session, one.value))
            else:
                texts[name] = rules.legal_text(name, content(session, one.value))
        except (LookupError, SettingInvalid, PictureRefused, ContentMissing) as error:
            log.error(
                "settings: what was saved as %s cannot be used (%s), so the operator's value counts; to "
                "remove it: portal settings reset %s",
                name,
                type(error).__name__,
                name,
            )
    return replace(settings.given, **fields, legal=texts)


def operators_value(settings: Settings, name: str) -> str | None:
    """Return the text of a setting as the environment gives it: of a logo, its file's name; or None."""
    try:
        return _value_of(settings.given, name)
    except LookupError:  # saved by another version
        return None


def _accepted(session: Session, vault: WorkerVault, settings: Settings, name: str, value: str) -> str:
    if rules.kind(name) is Kind.LINE:
        return rules.line(name, value, production=settings.production)
    rules.accept(name, content(session, value))
    if name == "logo_dark" and not settings.given.logo_file:
        light = saved(session, vault).get("logo")
        if light is None or light.value is None:
            raise SettingInvalid(name)
    return value


def _value_of(given: Site, name: str) -> str | None:
    if rules.kind(name) is Kind.LINE:
        return written(getattr(given, name))
    file = getattr(given, f"{name}_file") if rules.kind(name) is Kind.PICTURE else None
    return file.name if file else None


def _told(name: str, value: str | None) -> str:
    """Return a value for the log: of a logo or a text, the begin of its hash."""
    if value is None:
        return ""
    return f"sha256:{value[:16]}" if _has_content(name) and _is_digest(value) else value


def _has_content(name: str) -> bool:
    try:
        return rules.kind(name) is not Kind.LINE
    except LookupError:
        return False


def _is_digest(value: str) -> bool:
    return len(value) == 64 and all(one in "0123456789abcdef" for one in value)  # noqa: PLR2004 - in hex


def _number(change: Change | None) -> int:
    return change.number if change else 0


def _written_by_worker(vault: PageVault, row: Any) -> bool:
    values = (row.number, row.name, int(row.value is not None), row.value or "", row.who)
    if isinstance(vault, WorkerVault):
        mac, own = row.row_mac, vault.row_mac(WHAT, *values)
    elif isinstance(vault, ConsoleVault):
        mac, own = row.console_mac, vault.page_mac(WHAT, *values)
    else:
        mac, own = row.web_mac, vault.page_mac(WHAT, *values)
    return isinstance(mac, bytes) and compare_digest(mac, own)
