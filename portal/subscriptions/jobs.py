"""The worker's part: answer a sign-up, keep a confirmed one, and mail an update to those who want it."""

import logging
from datetime import datetime

from babel import Locale
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.addresses import AddressInvalid, normalise, sign_in_name
from portal.core.dates import moment
from portal.core.i18n import best_language, catalogue
from portal.crypto.vault import VaultError
from portal.incidents import service as incidents
from portal.incidents import writing
from portal.incidents.writing import Announcement
from portal.intake import replies
from portal.intake.jobs import Request
from portal.intake.service import LinkInvalid
from portal.outbox import service as outbox
from portal.runtime.parts import Outcome, WorkerParts
from portal.subscriptions import service
from portal.subscriptions.emails import (
    LONGEST_INCIDENT,
    LONGEST_TITLE,
    PURPOSE,
    StatusUpdate,
    SubscribeConfirm,
    clipped,
)
from portal.subscriptions.models import Subscription
from portal.subscriptions.service import Contact

log = logging.getLogger("portal.subscriptions")

BATCH = 100  # a quarter of a second of writing at most, also on a busy machine


def answer(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail a link to whoever was typed: the same statements and rows for those who get updates already."""
    vault = parts.vault
    try:
        address = normalise(request.fields.get("email", ""))
        incident = incidents.published_by_slug(session, request.fields.get("incident", ""))
    except (AddressInvalid, incidents.IncidentUnknown):
        log.warning("a sign-up without an address or an incident was dropped")
        return Outcome.ANSWERED
    owner, topic = sign_in_name(address), incident.id.hex()
    if replies.waiting(session, vault, PURPOSE, owner, topic, now - service.ONE_MAIL_WITHIN):
        return Outcome.ANSWERED
    row_id = request.reply_id
    if not replies.count_answer(
        session, vault, PURPOSE, owner, now, reply_id=row_id, lifetime=service.CONFIRM_WITHIN, topic=topic
    ):
        return Outcome.ANSWERED
    language = best_language(request.fields.get("language"), parts.settings.languages)
    already = service.subscribed(session, vault, incident.id, address)
    title = clipped(incident.title_in(language), LONGEST_INCIDENT)
    replies.prepare(
        session,
        vault,
        PURPOSE,
        row_id,
        data={"title": incident.title_in(language), "already": already},
        private={"incident": incident.id.hex(), "to": address, "language": language},
        now=now,
        lifetime=service.CONFIRM_WITHIN,
    )
    mail = SubscribeConfirm(title, already)
    outbox.enqueue(session, vault, mail, address=address, locale=language, now=now, row_id=row_id)
    return Outcome.ANSWERED


def confirm(session: Session, request: Request, _now: datetime, parts: WorkerParts) -> Outcome:
    """Keep a subscription. The web process brings a token; address and incident are what the worker itself wrote."""
    try:
        reply_id, private = replies.private(session, parts.vault, PURPOSE, request.fields.get("token", ""))
    except LinkInvalid:
        log.warning("a confirmation that belongs to no mail of ours was dropped")
        return Outcome.ANSWERED
    if (
        not private
    ):  # a copy of a request that was answered: whoever left since must not be brought back by it
        log.warning("a confirmation that was used before was dropped")
        return Outcome.ANSWERED
    service.confirm(
        session, parts.vault, bytes.fromhex(private["incident"]), Contact(private["to"], private["language"])
    )
    replies.replace_private(session, parts.vault, reply_id, {})
    return Outcome.ANSWERED


def announce(parts: WorkerParts) -> None:
    """Queue the mails about every update whose author wants it, a batch at a time; a crash undoes one batch at most."""
    with parts.db.read() as session:
        waiting = writing.waiting(session, parts.vault)
    for update in waiting:
        while not parts.stopping() and _batch(parts, update):
            pass


def _batch(parts: WorkerParts, update: Announcement) -> bool:
    """Queue one batch, and note in the same transaction how far it came; return whether more may follow."""
    now = parts.clock.now()
    with parts.db.write_in_turn() as session:
        progress = service.progress_of(session, update.update_id)
        if progress is None:
            return False
        rows = service.next_batch(session, update.incident_id, progress.reached, BATCH)
        progress.enqueued += sum(_enqueue_update(session, parts, update, row, now) for row in rows)
        if len(rows) == BATCH:
            progress.reached = rows[-1].index
            return True
        if writing.mark_announced(session, update.update_id, now):
            details = {"update": update.number, "mails": progress.enqueued}
            audit.record(session, "subscriptions.announce", update.slug, details, now)
        session.delete(progress)
        return False


def _enqueue_update(
    session: Session,
    parts: WorkerParts,
    update: Announcement,
    row: Subscription,
    now: datetime,
) -> bool:
    """Queue one subscriber's mail; return whether it is new."""
    vault = parts.vault
    try:
        contact = service.contact_of(vault, row)
    except VaultError:
        log.error("a subscription does not open: it was altered or moved, and gets no mail")
        return False
    added = outbox.enqueue(
        session,
        vault,
        _mail(parts, update, row, best_language(contact.language, parts.settings.languages)),
        address=contact.address,
        locale=contact.language,
        now=now,
        unique=vault.list_index("announcement", f"{update.update_id.hex()} {row.id.hex()}"),
        batch=row.id,
    )
    return added is not None


def _mail(parts: WorkerParts, update: Announcement, row: Subscription, language: str) -> StatusUpdate:
    shown, title = update.title(language)
    locale = Locale.parse(language, sep="-")
    return StatusUpdate(
        subscription=row.id.hex(),
        incident=clipped(update.incident_title(language), LONGEST_INCIDENT),
        title=clipped(title, LONGEST_TITLE),
        title_language=shown,
        phase=catalogue(language).gettext(update.phase_words),
        occurred_at=moment(update.occurred_at, language, parts.settings.timezone),
        path=update.path,
        untranslated=""
        if shown == language
        else Locale.parse(shown, sep="-").get_display_name(locale) or shown,
    )


HANDLERS = {PURPOSE: answer, service.CONFIRMED: confirm}
