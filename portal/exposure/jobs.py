"""Worker jobs: answer checks by mail, release waiting checks, clean up imports, inspect the lists."""

import logging
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.accounts.address import past as past_service
from portal.accounts.address import service as address_service
from portal.core.addresses import AddressInvalid, folded, normalise, one_mailbox, plain_marks
from portal.core.dates import day
from portal.core.db import new_id
from portal.core.i18n import best_language
from portal.crypto import tokens
from portal.crypto.vault import INDEX_BYTES, VaultError
from portal.exposure import actions, answers, importing, notice_links, service
from portal.exposure.emails import ACCOUNT_PURPOSE, PURPOSE, CheckAnswer
from portal.exposure.models import ActiveList
from portal.identity import state
from portal.identity.account import AccountMissing
from portal.identity.builtin.store import BuiltinStore
from portal.incidents import service as incidents
from portal.intake import jobs as intake
from portal.intake import replies
from portal.outbox import service as outbox
from portal.runtime.parts import Outcome, WorkerParts
from portal.runtime.turns import in_turns
from portal.web import limits

log = logging.getLogger("portal.exposure")

ANSWER_LIFETIME = timedelta(days=30)
INSPECTED_EVERY = "1 per day"
FORGED_LOGGED = "1 per hour"  # anybody can make them up, as many as they like


def answer(session: Session, request: intake.Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Answer one check by mail, or the link of a notice; return whether it must wait for a list.

    Both have one purpose: their rows do not tell who is affected. The fields come from the web process and
    are untrusted: without a valid address nothing is sent.
    """
    if pointer := request.fields.get("pointer"):
        return answer_link(session, request, pointer, now, parts)
    try:
        address = normalise(request.fields.get("email", ""))
    except AddressInvalid:
        log.warning("exposure: check dropped, no valid address")
        return Outcome.ANSWERED
    return answer_address(session, request, address, request.fields.get("language", ""), now, parts)


def answer_link(
    session: Session, request: intake.Request, pointer: str, now: datetime, parts: WorkerParts
) -> Outcome:
    """Prepare the answer that a notice's link leads to; no mail is needed, its reader has the inbox.

    Nothing happens where the link was not made by us, has ended, or its address is on no list any more.
    """
    vault, token = parts.vault, tokens.shortened(pointer)
    try:
        place = notice_links.follow(vault, pointer, now)
    except notice_links.PointerInvalid:
        if limits.hit(session, vault, FORGED_LOGGED, "forged notice links", now=now).allowed:
            log.warning(
                "exposure: a notice's link was opened that is not ours, or older than 90 days; nothing was "
                "shown. Others are not logged for an hour"
            )
        return Outcome.ANSWERED
    ids = [incident.id for incident in incidents.published(session)]
    found = answers.candidates_of_fold(session, vault, ids, place[:INDEX_BYTES])
    stored = {person.address for candidate in found for person in candidate.people}
    for mailbox in stored:
        if notice_links.address_index(vault, mailbox) == place and not replies.lives(
            session, PURPOSE, token, now
        ):
            replies.prepare(
                session,
                vault,
                PURPOSE,
                request.reply_id,
                data=answers.pack(vault, mailbox, answers.findings(mailbox, found)),
                now=now,
                lifetime=ANSWER_LIFETIME,
                reusable=True,
                token=token,
            )
            # As when a mail leaves, or the row would tell from those of checks, and so that somebody affected
            # was here.
            replies.extend(session, request.reply_id, now, ANSWER_LIFETIME)
    return Outcome.ANSWERED


def answer_account(session: Session, request: intake.Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Answer a check of an account's own address; return whether it must wait for a list."""
    try:
        account_id = bytes.fromhex(request.fields.get("account", ""))
        profile = state.owner(session, parts.vault, account_id)
    except VaultError:  # as if the address had been typed into the public form
        return answer(session, request, now, parts)
    except (ValueError, AccountMissing):
        return Outcome.ANSWERED
    language = request.fields.get("language") or profile.language
    # Former versions took typographic marks into addresses.
    address = normalise(plain_marks(profile.address))
    return answer_address(session, request, address, language, now, parts)


def answer_address(
    session: Session, request: intake.Request, address: str, language: str, now: datetime, parts: WorkerParts
) -> Outcome:
    """Answer a normalised address with one mail; rows and lengths are the same whatever the answer.

    Return whether an incident could not be checked yet. A request that waited for a list is exempt from
    the daily limit, but an address gets only one such answer for the same set of checked incidents.
    """
    vault = parts.vault
    found = answers.candidates(session, vault, [i.id for i in incidents.published(session)], address)
    mailbox = answers.recipient(address, found)
    reply_id = request.reply_id
    allowed = request.again or replies.count_answer(
        session, vault, PURPOSE, mailbox or address, now, reply_id=reply_id, lifetime=ANSWER_LIFETIME
    )
    if mailbox is None or not allowed:
        return Outcome.ANSWERED
    findings = answers.unite(answers.findings(mailbox, found), _under_past_addresses(session, mailbox, parts))
    unique = None
    if request.again:
        checked = ",".join(f.incident_id.hex() for f in findings if f.list_number is not None)
        unique = vault.list_index("check again", f"{folded(mailbox)}\0{checked}")
    mail = CheckAnswer()
    if request.again:  # a held request has the day on which it was made, in UTC
        mail = CheckAnswer(day(request.asked_at, best_language(language, parts.settings.site.languages)))
    added = outbox.enqueue(
        session, vault, mail, address=mailbox, locale=language, now=now, row_id=reply_id, unique=unique
    )
    if added is not None:
        replies.prepare(
            session,
            vault,
            PURPOSE,
            reply_id,
            data=answers.pack(vault, mailbox, findings),
            now=now,
            lifetime=ANSWER_LIFETIME,
            code=request.code,
            reusable=True,
        )
    unchecked = not findings or any(finding.outcome is answers.Outcome.NOT_CHECKED for finding in findings)
    return Outcome.HELD if unchecked else Outcome.ANSWERED


def _under_past_addresses(session: Session, mailbox: str, parts: WorkerParts) -> list[answers.Finding]:
    """Return what is listed under the addresses that the mailbox's owner had before, in the builtin store.

    Who has such an address now gets only what the list says of it: they have another account, or none. Where
    it is another account's, the former owner gets only the rows that name them. At
    least one address is looked up for every mailbox, also where there is none: what the database does must
    not tell who has an account.
    """
    if parts.settings.identity.store != BuiltinStore.name:
        return []
    vault = parts.vault
    account = BuiltinStore().find(session, vault, mailbox)
    try:
        profile = state.owner(session, vault, account.id if account else new_id())
        stored, name = normalise(plain_marks(profile.address)), profile.name
    except (AccountMissing, VaultError, AddressInvalid):
        account, stored, name = None, "", ""
    if stored != mailbox and not (stored and one_mailbox(mailbox.rpartition("@")[2])):
        account = None  # another spelling may be another mailbox
    account_id = account.id if account else new_id()
    past = address_service.past_addresses(session, vault, account_id)
    nobody = new_id().hex()
    others = past_service.of_others(session, vault, account_id, past or [nobody])
    ids = [incident.id for incident in incidents.published(session)]
    if not past:
        answers.candidates(session, vault, ids, nobody)
    found = []
    for one in past:
        findings = answers.findings(one, answers.candidates(session, vault, ids, one))
        if one in others:  # only what names this customer: the rest is about who has the address today
            references = BuiltinStore().references(session, vault, account_id)
            findings = [answers.naming(finding, references, name) for finding in findings]
        found += findings
    return found


def release(parts: WorkerParts) -> None:
    """Release waiting checks once a list of a published incident was activated."""
    with parts.db.read() as session:
        published = [incident.id for incident in incidents.published(session)]
        activated = list(
            session.scalars(
                select(ActiveList).where(
                    ActiveList.released.is_(False), ActiveList.incident_id.in_(published)
                )
            )
        )
    if not activated:
        return
    with parts.db.write() as session:
        intake.wait_for_answers(session)
    if not in_turns(parts, lambda session, now, limit: intake.release(session, HANDLERS, now, limit)):
        return  # the rest at the next run
    with parts.db.write() as session:
        for row in activated:
            same = (ActiveList.incident_id == row.incident_id) & (ActiveList.list_id == row.list_id)
            session.execute(
                update(ActiveList)
                .where(same, ActiveList.activated_at == row.activated_at)
                .values(released=True)
            )


def clear(parts: WorkerParts) -> None:
    """Remove what a failed import could not remove itself, and the rows of destroyed versions."""
    importing.clear(parts.db)
    actions.delete_destroyed(parts)


def inspect(parts: WorkerParts) -> None:
    """Verify once a day that the active lists are complete and that every row opens.

    A check itself must not log a damaged row: see `answers.candidates`.
    """
    now = parts.clock.now()
    with parts.db.write() as session:
        if not limits.hit(session, parts.vault, INSPECTED_EVERY, "inspect lists", now=now).allowed:
            return
    with parts.db.read() as session:
        ids = [incident.id for incident in incidents.every(session)]
        versions = list(service.verified_active(session, parts.vault, ids).values())
    for version in versions:
        seen, damaged, marked, after = 0, 0, 0, b""
        while not parts.stopping():
            with parts.db.read() as session:
                people, after = service.people_after(session, parts.vault, version, after, service.PAGE)
            seen += len(people)
            damaged += sum(person is None for _, person in people)
            marked += sum(
                person is not None and plain_marks(person.address) != person.address for _, person in people
            )
            if not after:
                if seen != version.entries:
                    log.error(
                        "exposure: list version %d, incident %s, has %d rows, %d were imported; "
                        "import it again",
                        version.number,
                        version.incident_id.hex(),
                        seen,
                        version.entries,
                    )
                break
        if damaged:
            log.error(
                "exposure: %d rows of list version %d do not decrypt, incident %s; import it again",
                damaged,
                version.number,
                version.incident_id.hex(),
            )
        if marked:
            log.error(
                "exposure: %d addresses of list version %d have typographic apostrophes or hyphens, incident "
                "%s; a former version imported them, and nobody who types plain ones finds them: import the "
                "list again",
                marked,
                version.number,
                version.incident_id.hex(),
            )


# What is called before a mail of a purpose leaves.
BEFORE_HANDOVER = {PURPOSE: replies.living_from_handover(ANSWER_LIFETIME)}
# The handlers of sealed requests, by purpose.
HANDLERS: dict[str, intake.Handler] = {PURPOSE: answer, ACCOUNT_PURPOSE: answer_account}
