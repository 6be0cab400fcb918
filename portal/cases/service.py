"""The web process's part: open a case, and show its view to somebody who has its number and code."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import randbelow

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cases import sealed
from portal.cases.models import Case
from portal.cases.sealed import Contact, View
from portal.core import db
from portal.core.clock import start_of_day
from portal.crypto.vault import VaultError, WebVault
from portal.intake import service as intake
from portal.intake.service import LinkInvalid

# A number is random: another one is taken where it exists, which happens once in many thousand cases.
_TRIES = 5
LOOKS = timedelta(hours=1)
TRIES_PER_CASE = "30 per hour"
# Of a code that nobody has.
_NO_PUBLIC = sealed.public_of(sealed.new_code())


class NumbersTaken(Exception):
    """Five random numbers were all taken: the database does not do what it says."""


@dataclass(frozen=True, repr=False)
class OpenedCase:
    """A new case: what the person writes down. The code is stored nowhere."""

    number: str
    code: str


def open_case(session: Session, vault: WebVault, contact: str, language: str, now: datetime) -> OpenedCase:
    """Insert a case and return its number and code: one row of one length. Nobody is looked up.

    Raises NumbersTaken.
    """
    code = sealed.new_code()
    public, at = sealed.public_of(code), now.isoformat(timespec="seconds")
    given = Contact(contact, language, at)
    for _ in range(_TRIES):
        number = sealed.new_number()
        values = {
            "number": number,
            "public": public,
            "view": sealed.seal_view(public, number, View(opened_at=at)),
            "contact": sealed.seal_contact(vault, number, given),
            "record": None,
            "opened_on": start_of_day(now),
            "look_at": next_look(now),
            "closed_on": None,
        }
        added = db.insert(session, Case).values(values).on_conflict_do_nothing(index_elements=["number"])
        if session.execute(added.returning(Case.number)).first() is not None:
            return OpenedCase(number, code)
    raise NumbersTaken


def view_of(session: Session, number: str, code: str) -> View | None:
    """Return what the code of a case opens, or None: a wrong number, a wrong code and a deleted case alike.

    `number` has digits alone. Every answer takes the same steps: without a case, a random blob is opened.
    """
    stored = session.scalar(select(Case.view).where(Case.number == number))
    other = sealed.seal_view(_NO_PUBLIC, number, View())
    try:
        return sealed.open_view(code, number, other if stored is None else stored)
    except VaultError:
        return None


def next_look(now: datetime) -> datetime:
    """Return when the worker next looks at a case: in about an hour, not to the second."""
    return now + LOOKS * 3 / 4 + timedelta(seconds=randbelow(int(LOOKS.total_seconds() / 2)))


def press(session: Session, vault: WebVault, purpose: str, token: str, now: datetime) -> None:
    """Mark a mailed link as used and tell the worker which; a used one is told again.

    From then on the worker changes nothing of a stopped case, and a stopped one cannot be verified. Raises
    LinkInvalid.
    """
    opened = intake.open_reply(session, purpose, token, now, spent_too=True)
    notices = [bytes.fromhex(one) for one in str(opened.data.get("notices", "")).split()]
    if notices and intake.any_spent(session, notices):
        raise LinkInvalid
    if not opened.spent:
        intake.spend(session, opened.id, now)
    intake.submit(session, vault, purpose, {"token": token}, now)
