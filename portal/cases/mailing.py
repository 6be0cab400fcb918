"""Queue the mails of a case with their links, say where they are, and end the links."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.accounts.address import service as addresses
from portal.cases.emails import STOP, VERIFY, CaseNotice, CaseReset, CaseVerify
from portal.cases.sealed import MOST_NOTICES, Record
from portal.core.i18n import best_language
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.identity.account import Account, Profile
from portal.intake import replies
from portal.outbox import service as outbox
from portal.outbox.mail import Mail
from portal.outbox.models import BOUNCED, FAILED, SENT, UNCERTAIN
from portal.reset.emails import PURPOSE as RESET
from portal.reset.service import RENEWABLE_FOR, renewable

VERIFY_FOR = timedelta(days=7)
# Longer than any case waits: it works until the end.
STOP_FOR = timedelta(days=90)
LEFT = (SENT, UNCERTAIN, FAILED, BOUNCED)
NEVER_ARRIVED = (FAILED, BOUNCED)
GONE = "gone"


def mail_all(
    session: Session,
    vault: WorkerVault,
    settings: Settings,
    number: str,
    record: Record,
    profile: Profile,
    now: datetime,
) -> None:
    """Queue the mail to the new address and the notice to every old one; note their rows in the record."""
    hours = int(settings.accounts.case_cooling.total_seconds() // 3600)
    languages = settings.site.languages
    theirs = best_language(profile.language or record.language, languages)
    notice = CaseNotice(hours, record.remove_factors, not record.store_id)
    record.notices = []
    for address in known_addresses(session, vault, bytes.fromhex(record.account), profile)[:MOST_NOTICES]:
        row_id = _row_id(vault, STOP, number, record, address)
        content = {"case": number}
        _queue(session, vault, notice, STOP, row_id, content, address, theirs, now, STOP_FOR)
        record.notices.append(row_id.hex())
    row_id = _row_id(vault, VERIFY, number, record, record.new)
    record.verification = row_id.hex()
    content = {"case": number, "notices": " ".join(record.notices)}
    language = best_language(record.language, languages)
    _queue(session, vault, CaseVerify(hours), VERIFY, row_id, content, record.new, language, now, VERIFY_FOR)


def known_addresses(session: Session, vault: WorkerVault, account_id: bytes, profile: Profile) -> list[str]:
    """Return every address that an account has or had, the present one first."""
    return [profile.address, *addresses.past_addresses(session, vault, account_id)]


def mail_reset(
    session: Session,
    vault: WorkerVault,
    settings: Settings,
    number: str,
    record: Record,
    account: Account,
    profile: Profile,
    now: datetime,
) -> None:
    """Queue the link to a new password to the verified address."""
    row_id = _row_id(vault, RESET, number, record, record.new)
    queued = outbox.enqueue(
        session,
        vault,
        CaseReset(number, moved=not record.store_id),
        address=record.new,
        locale=best_language(record.language, settings.site.languages),
        now=now,
        row_id=row_id,
        unique=vault.list_index("case mail", row_id.hex()),
    )
    if queued is not None:
        prepare_reset(session, vault, row_id, record, account, profile, now)


def prepare_reset(
    session: Session,
    vault: WorkerVault,
    row_id: bytes,
    record: Record,
    account: Account,
    profile: Profile,
    now: datetime,
) -> None:
    """Prepare what the link of `mail_reset` opens, in the place of what was there."""
    replies.remove(session, vault, RESET, row_id)
    data, private = renewable(account, profile, record.store_id)
    # Its button for another link would mail the account's address, which may be the one that is lost.
    content = {row_id: (data | {"renewable": False}, private | {"to": record.new})}
    replies.prepare_many(session, vault, RESET, content, now=now, lifetime=RENEWABLE_FOR)


def state_of(session: Session, vault: WorkerVault, row_id: str) -> str:
    """Return where a mail is, in the outbox's words; `gone` where it is in no table."""
    found = outbox.trace(session, vault, row_id=bytes.fromhex(row_id))
    return found.state if found else GONE


def end_links(session: Session, vault: WorkerVault, record: Record) -> None:
    """End the links of a case: what is over can be neither stopped nor confirmed."""
    for row_id in record.notices:
        replies.remove(session, vault, STOP, bytes.fromhex(row_id))
    if record.verification:
        replies.remove(session, vault, VERIFY, bytes.fromhex(record.verification))


def _queue(
    session: Session,
    vault: WorkerVault,
    mail: Mail,
    purpose: str,
    row_id: bytes,
    content: dict[str, str],
    address: str,
    language: str,
    now: datetime,
    lifetime: timedelta,
) -> None:
    queued = outbox.enqueue(
        session,
        vault,
        mail,
        address=address,
        locale=language,
        now=now,
        row_id=row_id,
        unique=vault.list_index("case mail", row_id.hex()),
    )
    if queued is not None:
        replies.prepare(
            session,
            vault,
            purpose,
            row_id,
            data=content,
            now=now,
            lifetime=lifetime,
            private={"case": content["case"]},
        )


def _row_id(vault: WorkerVault, purpose: str, number: str, record: Record, address: str) -> bytes:
    """Return the id of a mail's row: the same one if the same step is done again."""
    return vault.list_index(f"case {purpose}", f"{number} {record.turn} {address}")
