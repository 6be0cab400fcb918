"""Say what to do for the caller, from what was found."""

from collections.abc import Iterator
from datetime import datetime

from portal.exposure.answers import Outcome
from portal.intake.replies import CAP_PER_DAY
from portal.outbox.models import FAILED, QUEUED, SENT, UNCERTAIN
from portal.support.mails import MailFound
from portal.support.service import Found, OnList

READ_NOTHING_OUT = (
    "Read none of this out: a caller may not own the mailbox. Its owner sees the same on the answer page."
)
# What a relay's reply to the recipient usually means (RFC 5321, RFC 3463).
_REPLIES = {
    "smtp-550": "the mailbox does not exist, or its provider rejects our mail",
    "smtp-551": "the mailbox has moved",
    "smtp-552": "the mailbox is full",
    "smtp-553": "the address is not allowed there: it may be mistyped",
    "smtp-554": "its provider rejects our mail, often as spam",
    "no-smtputf8": "the relay cannot take an address with letters beyond ASCII",
}


def hints(found: Found, base_url: str, sender: str, now: datetime) -> list[str]:
    """Return sentences for the support person, the most urgent first."""
    said = [READ_NOTHING_OUT]
    for each in found.lists:
        said.extend(_of_list(each, base_url))
    if all(each.answer.outcome is Outcome.NOT_LISTED for each in found.lists):
        said.append(
            "This address is on no list. Ask which other addresses they have used with us, and look each up."
        )
    said.extend(_of_account(found, base_url))
    said.extend(_of_notices(found))
    said.extend(_of_mails(found, sender, now))
    if found.requests.asked:
        said.append("They have asked and no worker has answered yet. See: portal intake status")
    return said


def explained(reason: str | None) -> str:
    """Return a reason with what it usually means: `smtp-550, the mailbox does not exist …`."""
    if reason is None:
        return "no reason stored"
    return f"{reason}, {_REPLIES[reason]}" if reason in _REPLIES else f"{reason}: see docs/guide/operate.md"


def _of_list(each: OnList, base_url: str) -> Iterator[str]:
    match each.answer.outcome:
        case Outcome.AFFECTED if not each.published:
            yield f"{each.slug} is still a draft: say nothing about it until it is published."
        case Outcome.AFFECTED:
            yield (
                f"For {each.slug}: ask them to enter the address at {base_url}/check/. The mail that comes "
                "leads to their own data, and to what they can do."
            )
        case Outcome.OTHER_SPELLING:
            yield (
                f"For {each.slug}: only another spelling of this address is listed. Ask them to enter theirs "
                f"at {base_url}/check/: the answer goes to the spelling on the list."
            )
        case Outcome.NOT_CHECKED:
            yield (
                f"For {each.slug} no list can be read, so nobody can be told. "
                f"See: portal exposure list {each.slug}"
            )
        case Outcome.UNREADABLE:
            yield f"For {each.slug} a row does not open. Tell the operator: the list must be imported again."


def _of_account(found: Found, base_url: str) -> Iterator[str]:
    account = found.account
    if found.company_page:
        yield f"For a new password, send them to our own page: {found.company_page}"
    if found.twins:
        yield (
            "Several accounts of the user store have this address. The portal cannot tell which is theirs, "
            "so they get no link and cannot sign in here. Tell the team that runs the user store."
        )
    if account is None:
        return
    if not account.intact:
        yield "The account's row was altered. Tell the operator: portal accounts import writes it again."
    if account.must_reset:
        yield (
            f"Their password is locked. Ask them to enter the address at {base_url}/reset/: a link comes by "
            "mail. Nobody else can choose the password for them."
        )
    elif account.unset:
        yield (
            f"They have no password yet. Ask them to enter the address at {base_url}/reset/: a link to "
            "choose one comes by mail."
        )
    elif account.restricted:
        yield (
            "Too many wrong passwords were typed for this address, so a new browser cannot sign in. A new "
            f"password ends that: {base_url}/reset/"
        )


def _of_notices(found: Found) -> Iterator[str]:
    notices = {mail.incident: mail for mail in found.mails if mail.kind == "notice"}
    for each in found.lists:
        if not each.listed or not each.published or each.slug in notices:
            continue
        if each.left_out and each.left_out == len(each.answer.sections) + each.answer.more:
            yield (
                f"Nobody at this address gets the notice about {each.slug}, on request. "
                f"To notify them again: portal exposure except remove {each.slug} ADDRESS"
            )
        else:
            yield f"No notice about {each.slug} was queued for them. See: portal campaigns"


def _of_mails(found: Found, sender: str, now: datetime) -> Iterator[str]:
    for mail in found.mails:
        if mail.trace.state == FAILED:
            yield f"The {_named(mail)} failed ({explained(mail.trace.reason)})."
        elif mail.trace.state == UNCERTAIN:
            yield f"The {_named(mail)} may have arrived: the connection broke before the relay's reply."
        elif mail.trace.state == QUEUED and mail.trace.reason:
            yield f"The {_named(mail)} waits for another try ({explained(mail.trace.reason)})."
    if any(mail.trace.state == SENT for mail in found.mails):
        yield (
            "The relay took what is marked as sent. If they miss it: they should look for mail from "
            f"{sender}, in the spam folder too."
        )
    today = [mail for mail in found.mails if mail.asked_at and mail.asked_at.date() == now.date()]
    for kind in sorted({mail.kind for mail in today}):
        if sum(mail.kind == kind for mail in today) >= CAP_PER_DAY and kind != "reset required":
            yield (
                f"They got {CAP_PER_DAY} mails of one kind today ({kind}), which is the most: the next can "
                "come tomorrow."
            )


def _named(mail: MailFound) -> str:
    return f"{mail.kind} about {mail.incident}" if mail.incident else mail.kind
