"""The worker's part: answer sign-ups, store confirmed subscriptions, and mail updates to subscribers."""

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from portal.core.addresses import AddressInvalid, normalise
from portal.core.i18n import best_language
from portal.crypto.vault import VaultError
from portal.incidents import announcing
from portal.incidents import service as incidents
from portal.incidents.announcing import Announcement
from portal.intake import replies
from portal.intake.jobs import Request
from portal.intake.service import LinkInvalid
from portal.outbox import service as outbox
from portal.outbox.compose import MailUnfit
from portal.outbox.mail import CurrentWords
from portal.runtime.parts import (
    BeforeHandover,
    FrozenWords,
    Handover,
    LeavingMail,
    Outcome,
    WorkerParts,
)
from portal.runtime.turns import Turns
from portal.subscriptions import frozen, service, wording
from portal.subscriptions.emails import (
    PURPOSE,
    StatusUpdate,
    SubscribeConfirm,
    Words,
)
from portal.subscriptions.models import Subscription
from portal.subscriptions.service import Contact

log = logging.getLogger("portal.subscriptions")


def answer(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail a confirmation link to the typed address.

    Runs the same statements and writes the same rows whether or not the address is subscribed already.
    """
    vault = parts.vault
    try:
        address = normalise(request.fields.get("email", ""))
        incident = incidents.published_by_slug(session, request.fields.get("incident", ""))
    except (AddressInvalid, incidents.IncidentUnknown):
        log.warning("subscriptions: sign-up dropped, no valid address or incident")
        return Outcome.ANSWERED
    topic = incident.id.hex()
    if replies.waiting(session, vault, PURPOSE, address, topic, now - service.ONE_MAIL_WITHIN):
        return Outcome.ANSWERED
    row_id = request.reply_id
    if not replies.count_answer(
        session, vault, PURPOSE, address, now, reply_id=row_id, lifetime=service.CONFIRM_WITHIN, topic=topic
    ):
        return Outcome.ANSWERED
    language = best_language(request.fields.get("language"), parts.settings.site.languages)
    already = service.subscribed(session, vault, incident.id, address)
    replies.prepare(
        session,
        vault,
        PURPOSE,
        row_id,
        data={
            "title": incident.title_in(language),
            "title_language": incident.title_language(language, parts.settings.default_language),
            "already": already,
        },
        private={"incident": incident.id.hex(), "to": address, "language": language},
        now=now,
        lifetime=service.CONFIRM_WITHIN,
    )
    mail = SubscribeConfirm(already)
    outbox.enqueue(session, vault, mail, address=address, locale=language, now=now, row_id=row_id)
    return Outcome.ANSWERED


def confirm(session: Session, request: Request, _now: datetime, parts: WorkerParts) -> Outcome:
    """Store a subscription. The web process sends only a token; the worker wrote address and incident."""
    try:
        reply_id, private = replies.private(session, parts.vault, PURPOSE, request.fields.get("token", ""))
    except (LinkInvalid, VaultError):
        log.warning("subscriptions: confirmation dropped, unknown token or altered row")
        return Outcome.ANSWERED
    if not private:  # a replayed confirmation, which must not resubscribe someone who has since unsubscribed
        log.warning("subscriptions: confirmation dropped, already used")
        return Outcome.ANSWERED
    service.confirm(
        session, parts.vault, bytes.fromhex(private["incident"]), Contact(private["to"], private["language"])
    )
    replies.replace_private(session, parts.vault, reply_id, {})
    return Outcome.ANSWERED


def announce(parts: WorkerParts) -> None:
    """Queue the mails about each update marked for notification, one batch per transaction."""
    with parts.db.read() as session:
        waiting = announcing.waiting(session, parts.vault)
    for update in waiting:
        turns = Turns(parts.db)
        while not parts.stopping() and _batch(parts, update, turns):
            pass


def _batch(parts: WorkerParts, update: Announcement, turns: Turns) -> bool:
    """Queue one batch and store its progress in the same transaction; return whether more may follow."""
    now, limit = parts.clock.now(), turns.rows
    with turns.take() as session:
        progress = service.progress_of(session, update.update_id)
        if progress is None:
            return False
        if announcing.is_withdrawn(session, update.update_id):
            service.forget_update(session, update.update_id)
            return False
        if not update.discreet:
            _freeze(session, parts, update)
        rows = service.next_batch(session, update.incident_id, progress.reached, limit)
        progress.enqueued += sum(_enqueue_update(session, parts, update, row, now) for row in rows)
        if len(rows) == limit:
            progress.reached = rows[-1].index
            return True
        service.finish_announcement(session, progress, update, now)
        return False


def _freeze(session: Session, parts: WorkerParts, update: Announcement) -> None:
    """Store what the mails about an update say, unless it was stored before: everyone gets the same.

    In the transaction that queues the first of them: until then its author may still change it.
    """
    try:
        frozen.read(session, parts.vault, update.update_id)
    except frozen.WordsAltered:
        frozen.store(session, parts.vault, update.update_id, wording.drawn(parts.settings, update))


def _enqueue_update(
    session: Session,
    parts: WorkerParts,
    update: Announcement,
    row: Subscription,
    now: datetime,
) -> bool:
    """Queue one subscriber's mail; return False if it was queued before or the row was tampered with."""
    vault = parts.vault
    try:
        contact = service.contact_of(vault, row)
    except VaultError:
        log.error("subscriptions: row %s does not decrypt, altered or moved; no mail sent", row.id.hex())
        return False
    named = {} if update.discreet else {"update": update.update_id.hex(), "slug": update.slug}
    added = outbox.enqueue(
        session,
        vault,
        StatusUpdate(subscription=row.id.hex(), about=update.update_id.hex(), **named),
        address=contact.address,
        locale=contact.language,
        now=now,
        unique=service.update_key(vault, update.update_id, row.id),
        batch=row.id,
    )
    return added is not None


def before_update(session: Session, mail: LeavingMail, _now: datetime, _parts: WorkerParts) -> Handover:
    """Drop a mail about an update that was withdrawn while it waited."""
    about = bytes.fromhex(mail.fields.get("about", ""))
    return Handover.DROP if announcing.is_withdrawn(session, about) else Handover.SEND


def _read_words(session: Session, parts: WorkerParts, update_id: bytes, language: str) -> Words:
    """Return what the mails about an update say to readers of a language.

    Raises MailUnfit where that was altered: they are not sent.
    """
    try:
        found = frozen.read(session, parts.vault, update_id)
    except frozen.WordsAltered as error:
        log.error(
            "subscriptions: what the mails about update %s say was altered or removed without the worker's "
            "keys, so they are not sent; add the update again: portal incidents update SLUG FILE",
            update_id.hex(),
        )
        raise MailUnfit(StatusUpdate.name) from error
    # A language that was not offered when the update was announced gets the default one's words.
    default = parts.settings.default_language
    return found[best_language(language, tuple(sorted(found, key=lambda tag: (tag != default, tag))))]


WORDS: dict[str, FrozenWords] = {StatusUpdate.name: lambda parts: CurrentWords(parts, _read_words)}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {
    PURPOSE: replies.living_from_handover(service.CONFIRM_WITHIN),
    StatusUpdate.stored_purpose(): before_update,
}
HANDLERS = {PURPOSE: answer, service.CONFIRMED: confirm}
