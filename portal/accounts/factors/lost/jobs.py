"""The worker's part: mail the two links, and tell the owner that the factors were removed."""

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts.activity import not_me
from portal.accounts.activity.service import Kind
from portal.accounts.address import service as address
from portal.accounts.address import telling
from portal.accounts.address.emails import LOST_REMOVED
from portal.accounts.factors import service as factors
from portal.accounts.factors.lost import service
from portal.accounts.factors.lost.emails import PURPOSE, SecondStepLost, SecondStepRemoved
from portal.accounts.factors.lost.service import Stage
from portal.accounts.factors.models import FactorRemoval
from portal.core.clock import start_of_day
from portal.core.db import new_id
from portal.core.i18n import best_language
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import Account, AccountMissing, Profile
from portal.intake import replies
from portal.intake.jobs import Handler, Request
from portal.outbox import service as outbox
from portal.runtime.parts import BeforeHandover, Outcome, WorkerParts
from portal.runtime.turns import in_turns

log = logging.getLogger("portal.accounts")

_MOST_MAILED = 20


def answer(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail the first link to the owner, and one that stops it to every other known address."""
    found = _owner(session, request, parts)
    if found is None or not parts.settings.accounts.factor_removal:
        return Outcome.ANSWERED
    (account, owner), code = found, request.fields.get("code", "")
    if not code or str(account.version) != request.fields.get("version"):
        return Outcome.ANSWERED
    if not factors.kinds(session, account.id):
        return Outcome.ANSWERED
    # A stolen web server must not mail people without end.
    if not replies.count_answer(
        session,
        parts.vault,
        PURPOSE,
        owner.address,
        now,
        reply_id=request.reply_id,
        lifetime=service.LIFETIME,
    ):
        return Outcome.ANSWERED
    removal = service.begin(session, account, now)
    if removal is not None:
        language = request.fields.get("language") or owner.language
        _mail(session, removal, Stage.FIRST, owner, language, now, parts, code)
    return Outcome.ANSWERED


def mail_second(parts: WorkerParts) -> None:
    """Mail the second link of removals that were confirmed a day ago, and forget those that are over."""
    now = parts.clock.now()
    with parts.db.read() as session:
        if not service.any_due(session, now):
            return
    with parts.db.write() as session:
        for removal in service.take_due(session, now, _MOST_MAILED):
            if not service.holds(session, removal):
                continue
            try:
                owner = state.owner(session, parts.vault, removal.account_id)
            except (AccountMissing, VaultError):
                log.error(
                    "accounts: the second mail about lost factors of account %s could not be written: its "
                    "profile does not decrypt; its factors stay",
                    removal.account_id.hex(),
                )
                continue
            _mail(session, removal, Stage.SECOND, owner, owner.language, now, parts)
    in_turns(parts, service.purge)


def tell(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Tell an account's owner that its factors were removed, at most once a day."""
    found = _owner(session, request, parts)
    if found is None:
        return Outcome.ANSWERED
    account, owner = found
    language = _language(request.fields.get("language") or owner.language, parts)
    day = start_of_day(now).date().isoformat()
    mail, to = SecondStepRemoved(), owner.address
    key = parts.vault.list_index("second step removed", f"{account.id.hex()} {day} {to}")
    row_id = outbox.enqueue(session, parts.vault, mail, address=to, locale=language, now=now, unique=key)
    if row_id is not None:
        kind = Kind.FACTORS_REMOVED
        not_me.prepare(session, parts.vault, row_id, account.id, kind, request.asked_at, now)
    telling.tell_former(
        session,
        parts,
        account.id,
        LOST_REMOVED,
        at=request.asked_at,
        now=now,
        language=language,
        unique=day,
    )
    return Outcome.ANSWERED


def _owner(session: Session, request: Request, parts: WorkerParts) -> tuple[Account, Profile] | None:
    try:
        account_id = bytes.fromhex(request.fields.get("account", ""))
        account = state.of_store(session, account_id, parts.settings.identity.store)
        owner = state.owner(session, parts.vault, account_id)
    except (ValueError, AccountMissing, VaultError):
        return None
    return (account, owner) if account else None


def _mail(
    session: Session,
    removal: FactorRemoval,
    stage: Stage,
    owner: Profile,
    language: str,
    now: datetime,
    parts: WorkerParts,
    code: str = "",
) -> None:
    # The old address of an account that was changed lately can stop it, and not confirm it.
    told = address.told_addresses(session, parts.vault, removal.account_id, now)
    for to in [owner.address, *(one.address for one in told)]:
        row_id, may = new_id(), stage if to == owner.address else Stage.STOP
        replies.prepare(
            session,
            parts.vault,
            PURPOSE,
            row_id,
            data=service.link_data(removal, may, code if may is Stage.FIRST else ""),
            now=now,
            lifetime=service.LIFETIME,
            reusable=True,  # it stops a removal also after it confirmed it
        )
        outbox.enqueue(
            session,
            parts.vault,
            SecondStepLost(int(may)),
            address=to,
            locale=_language(language, parts),
            now=now,
            row_id=row_id,
        )


def _language(wanted: str, parts: WorkerParts) -> str:
    return best_language(wanted, parts.settings.site.languages)


HANDLERS: dict[str, Handler] = {service.LOST: answer, service.REMOVED: tell}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {
    SecondStepLost.name: replies.living_from_handover(service.LIFETIME),
    SecondStepRemoved.name: not_me.before_handover,
}
