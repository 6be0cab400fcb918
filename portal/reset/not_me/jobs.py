"""The worker's part of "this wasn't me": close the password in the company's store, and mail a link."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts.activity.not_me import PURPOSE
from portal.accounts.activity.service import Kind
from portal.accounts.address import telling
from portal.core.db import new_id
from portal.crypto.vault import VaultError
from portal.identity import registry, state
from portal.identity.account import AccountMissing
from portal.identity.builtin.models import STORE as BUILTIN
from portal.identity.ports import Entry, OutcomeUnknown, StoreFault, StoreUnavailable
from portal.identity.service import external_store, is_external
from portal.intake import replies
from portal.intake.jobs import Handler, Lookup, Request
from portal.intake.service import LinkInvalid
from portal.outbox import service as outbox
from portal.reset.emails import PURPOSE as RESET
from portal.reset.jobs import before_required
from portal.reset.not_me.emails import ReportedLocked
from portal.reset.service import RENEWABLE_FOR, renewable
from portal.runtime.parts import BeforeHandover, Outcome, Unanswered, Unavailable, WorkerParts

log = logging.getLogger("portal.reset")


def close(request: Request, parts: WorkerParts) -> Sequence[Entry]:
    """Close the password in the company's own store and end the sessions there; a repetition is harmless.

    Where a new one was chosen before the store could be asked, it stays. Raises Unavailable: the portal has
    locked the account, and what the store did not do is done later.
    """
    if not is_external(parts.settings):
        return ()
    with parts.db.read() as session:
        account_id = _account(session, request, parts)
        account = state.of_store(session, account_id, parts.settings.identity.store) if account_id else None
        if account is None or not account.must_reset:
            return ()
        try:
            entry = state.entry(session, parts.vault, account.id)
        except (AccountMissing, VaultError):
            return ()

    def keep(closed: Mapping[str, bytes]) -> None:
        by_account = {state.account_id(parts.vault, store.name, one): kept for one, kept in closed.items()}
        with parts.db.write() as session:
            state.keep_closed(session, parts.vault, by_account)

    try:
        store = external_store(parts.settings)
        can = store.capabilities
        if can.require_change:
            store.require_change([entry.id], keep)
        if can.end_sessions:
            store.end_sessions([entry.id])
    except (StoreUnavailable, OutcomeUnknown) as error:
        log.warning(
            "reset: the company's store could not lock account %s, which its owner reported (%s); "
            "it is asked again later",
            account.id.hex(),
            error,
        )
        raise Unavailable from error
    except StoreFault as fault:
        log.error(
            "reset: the company's store did not lock account %s, which its owner reported: %s; lock it "
            "there, and run: portal identity check",
            account.id.hex(),
            fault,
        )
        raise Unanswered from fault
    return ()


def mail_link(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail the link to a new password, once per report, unless one was chosen meanwhile.

    Which account it is says the mailed link: whoever controls the web process must not have people mailed
    who reported nothing.
    """
    account_id = _account(session, request, parts)
    account = state.of_store(session, account_id, parts.settings.identity.store) if account_id else None
    if account is None or not account.must_reset:
        return Outcome.ANSWERED
    try:
        profile = state.owner(session, parts.vault, account.id)
        store_id = "" if account.store == BUILTIN else state.entry(session, parts.vault, account.id).id
    except (AccountMissing, VaultError):
        log.error(
            "reset: account %s was reported by its owner and is locked, but does not decrypt: not mailed. "
            "Restore it with: portal accounts import FILE. The owner can then request a link at /reset/",
            account.id.hex(),
        )
        return Outcome.ANSWERED
    can = registry.capabilities(parts.settings)
    row_id = new_id()
    mail = ReportedLocked(
        locks=can.require_change,
        signs_out=can.end_sessions,
    )
    queued = outbox.enqueue(
        session,
        parts.vault,
        mail,
        address=profile.address,
        locale=request.fields.get("language") or profile.language,
        now=now,
        row_id=row_id,
        unique=parts.vault.list_index("reported", request.fields["token"]),
    )
    if queued is not None:
        content = {row_id: renewable(account, profile, store_id)}
        replies.prepare_many(session, parts.vault, RESET, content, now=now, lifetime=RENEWABLE_FOR)
        # The link went to the present address, which a thief may have set.
        telling.tell_former(
            session,
            parts,
            account.id,
            Kind.REPORTED.value,
            at=request.asked_at,
            now=now,
            language=request.fields.get("language") or profile.language,
            unique=row_id.hex(),
        )
    return Outcome.ANSWERED


def _account(session: Session, request: Request, parts: WorkerParts) -> bytes | None:
    """Return whose account the mailed link is about, by the part that only the worker can write, or None."""
    try:
        _id, private = replies.private(session, parts.vault, PURPOSE, request.fields.get("token", ""))
        return bytes.fromhex(private["account"])
    except (LinkInvalid, VaultError, KeyError, ValueError):
        log.warning("reset: a report ('this wasn't me') is dropped, unknown token or altered row")
        return None


HANDLERS: dict[str, Handler] = {PURPOSE: mail_link}
LOOKUPS: dict[str, Lookup] = {PURPOSE: close}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {ReportedLocked.name: before_required}
