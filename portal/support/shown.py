"""Show what was found: step by step on a screen, or as the data of `--json`."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from portal.core.addresses import mask
from portal.exposure.answers import IncidentAnswer, Outcome
from portal.outbox.models import FAILED, SENT, UNCERTAIN
from portal.runtime.command_line import Screen, counted
from portal.support.mails import MailFound
from portal.support.service import Found, OnList

SAID = {
    Outcome.AFFECTED: "listed",
    Outcome.NOT_LISTED: "not listed",
    Outcome.NOT_CHECKED: "no list can be read",
    Outcome.OTHER_SPELLING: "not listed in this spelling; another one is",
    Outcome.UNREADABLE: "cannot tell: a row does not open",
}
STYLES = {FAILED: "red", UNCERTAIN: "yellow", SENT: "green"}


def show(screen: Screen, found: Found, hints: Sequence[str]) -> None:
    """Print what was found, in four steps."""
    screen.heading("1. Affected list")
    if not found.lists:
        screen.line("There is no incident.")
    for each in found.lists:
        _show_list(screen, each)
    screen.heading("2. Account")
    for line in _account_lines(found):
        screen.line(line)
    screen.heading("3. Mails and requests")
    for mail in found.mails:
        screen.line(_mail_line(mail), STYLES.get(mail.trace.state, ""))
    if not found.mails:
        screen.line("No mail to this address is known.")
    for line in _other_lines(found):
        screen.line(line)
    screen.heading("4. What to tell the caller")
    for hint in hints:
        screen.line(f"- {hint}")


def _show_list(screen: Screen, each: OnList) -> None:
    screen.line(_list_line(each), "yellow" if each.listed else "")
    for number, section in enumerate(each.answer.sections, 1):
        who = f" ({section.label})" if section.label else ""
        names = "; ".join(one.name for one in section.classes)
        screen.line(f"person {number}{who}: {names}", indent=4)
    if each.left_out:
        screen.line(f"left out of notices on request: {counted(each.left_out, 'person', 'people')}", indent=4)
    if each.answer.more:
        screen.line(f"and {counted(each.answer.more, 'more person', 'more people')}", indent=4)


def as_data(found: Found, shown_address: str, hints: Sequence[str]) -> dict[str, Any]:
    """Return what was found, for JSON."""
    account = found.account
    return {
        "address": shown_address,
        "lists": [
            {
                "incident": each.slug,
                "published": each.published,
                "result": each.answer.outcome.name.lower(),
                "list_version": each.answer.list_number,
                "imported_at": each.answer.as_of,
                "reference": _dashed(each.answer.reference),
                "people": [
                    {"label": section.label, "classes": [one.name for one in section.classes]}
                    for section in each.answer.sections
                ],
                "more_people": each.answer.more,
                "left_out_of_notices": each.left_out,
            }
            for each in found.lists
        ],
        "account": account
        and {
            "intact": account.intact,
            "address_changed_since": account.formerly,
            "must_choose_a_password": account.must_reset or account.unset,
            "required_at": account.reset_required_at,
            "required_because": account.reset_reason,
            "password_changed_on": account.password_changed_at and account.password_changed_at.date(),
            "sign_in_restricted": account.restricted,
            "reminders_every_months": None if account.reminders == "off" else int(account.reminders),
        },
        "accounts_at_this_address": None if found.company_page else found.twins or int(account is not None),
        "mails": [mail_as_data(mail) for mail in found.mails],
        "updates": [
            {"incident": each.slug, "state": "left" if each.left else "subscribed"}
            for each in found.subscriptions
        ],
        "requests": {
            "waiting": found.requests.waiting,
            "opened": found.requests.opened,
            "from_this_address": [
                {"form": form, "state": state, "asked_at": at} for form, state, at in found.requests.asked
            ],
        },
        "hints": list(hints),
    }


def mail_as_data(mail: MailFound) -> dict[str, Any]:
    """Return one mail, for JSON."""
    return {
        "kind": mail.kind,
        "incident": mail.incident or None,
        "state": mail.trace.state,
        "reason": mail.trace.reason,
        "asked_at": mail.asked_at,
        "ended": mail.trace.ended,
        "next_attempt_at": mail.trace.next_attempt,
        "link_until": mail.link_until,
        "link_used": mail.link_used,
        "to": mask(mail.to) if mail.to else None,
    }


def _list_line(each: OnList) -> str:
    answer: IncidentAnswer = each.answer
    version = ""
    if answer.list_number is not None and answer.as_of is not None:
        version = f"; list version {answer.list_number} of {answer.as_of:%Y-%m-%d}"
    draft = "" if each.published else " (draft)"
    return f"{each.slug}{draft}: {SAID[answer.outcome]}{version}; reference {_dashed(answer.reference)}"


def _dashed(reference: str) -> str:
    return f"{reference[:5]}-{reference[5:]}"


def _account_lines(found: Found) -> list[str]:
    account = found.account
    if found.company_page:
        return ["The portal cannot see accounts: look this one up in your own system."]
    if found.twins:
        return [f"{found.twins} accounts of the user store have this address, so none is shown."]
    if account is None:
        return ["No account has this address."]
    lines = ["There is an account."]
    if account.formerly:
        lines = [
            "An account had this address. Its owner has changed it since, and signs in with another one."
        ]
    if not account.intact:
        lines.append("ITS ROW WAS ALTERED: it does not decrypt, or belongs to another address.")
    if account.must_reset:
        at = f" since {_when(account.reset_required_at)}" if account.reset_required_at else ""
        lines.append(f"The password is locked{at}: a new one must be chosen through a mailed link.")
    elif account.unset:
        lines.append("It came without a password: one must be chosen through a mailed link.")
    if account.restricted:
        lines.append("Sign-in is restricted after too many wrong passwords.")
    changed = account.password_changed_at
    lines.append(f"Password last changed here: {f'{changed:%Y-%m-%d}' if changed else 'never'}.")
    if account.reminders != "off":
        lines.append(f"Reminders: every {account.reminders} months.")
    return lines


def _mail_line(mail: MailFound) -> str:
    trace = mail.trace
    about = f" about {mail.incident}" if mail.incident else ""
    to = f" to {mask(mail.to)}" if mail.to else ""
    said = [f"{mail.kind}{about}{to}: {trace.state}"]
    if trace.ended is not None:
        said[0] += f" {_when(trace.ended)}"
    if trace.reason:
        said.append(trace.reason)
    if mail.asked_at is not None:
        said.append(f"asked for {_when(mail.asked_at)}")
    if trace.next_attempt is not None:
        said.append(f"next try {_when(trace.next_attempt)}")
    if mail.link_used:
        said.append("link used")
    elif mail.link_until is not None:
        said.append(f"link works until {_when(mail.link_until)}")
    return ", ".join(said)


def _other_lines(found: Found) -> list[str]:
    lines = [
        f"Updates of {each.slug}: {'left by their owner' if each.left else 'subscribed'}."
        for each in found.subscriptions
    ]
    requests = found.requests
    lines.extend(
        f"Not answered yet: {form}, {state}, asked {_when(at)}." for form, state, at in requests.asked
    )
    if requests.waiting > requests.opened:
        lines.append(
            f"{requests.waiting} requests wait; the newest {requests.opened} were opened to look for this "
            "address."
        )
    return lines


def _when(at: date) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if isinstance(at, datetime) else f"{at:%Y-%m-%d}"
