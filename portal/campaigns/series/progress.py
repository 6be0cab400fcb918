"""How far notices are: their ledgers, from kept counts, without a look at any mail."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.campaigns.models import DRAFT, PAUSE, PAUSED, STOPPED, Campaign
from portal.exposure import service as exposure
from portal.outbox.bulk import ledger as mail_ledger


@dataclass(frozen=True)
class Ledger:
    """The addresses of a campaign by state; the others and `states` add up to `addresses`.

    `left_out` counts addresses whose people are all left out on request, `earlier` those notified with an
    earlier list version, whose mails belong to that campaign, and `outside` those that are not in its
    audience. `waiting` counts addresses not yet queued; after the end of the campaign, those with tampered
    rows, or of one that was stopped.
    """

    addresses: int
    earlier: int
    left_out: int
    waiting: int
    states: dict[str, int]
    outside: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether no address is missing or counted twice."""
        others = self.earlier + self.left_out + self.outside + self.waiting
        return self.addresses == others + sum(self.states.values())


def campaigns(session: Session) -> list[Campaign]:
    """Return all notices that have begun, newest first."""
    begun = select(Campaign).where(Campaign.begun_at.is_not(None))
    return list(session.scalars(begun.order_by(Campaign.begun_at.desc(), Campaign.number.desc())))


def paused(session: Session) -> list[Campaign]:
    """Return the notices that wait until somebody resumes or stops them, those that began first at first."""
    held = (Campaign.hold == PAUSE) | ((Campaign.state == PAUSED) & Campaign.hold.is_(None))
    found = select(Campaign).where(held, Campaign.state.not_in((DRAFT, STOPPED)))
    return list(session.scalars(found.order_by(Campaign.begun_at, Campaign.number)))


def list_number(session: Session, campaign: Campaign) -> int:
    """Return the number of the list version that a campaign goes to."""
    return exposure.version(session, campaign.list_id).number


def ledger(session: Session, campaign: Campaign) -> Ledger:
    """Return the number of addresses of a campaign by state; it reads kept counts, and no mail."""
    states = mail_ledger.totals(session, campaign.id)
    return Ledger(
        campaign.addresses, campaign.earlier, campaign.left_out, campaign.waiting, states, campaign.outside
    )


def of_incident(session: Session, incident_id: bytes) -> list[Campaign]:
    """Return all notices of an incident, drafts too, newest first; those that were discarded are left out."""
    mine = select(Campaign).where(Campaign.incident_id == incident_id)
    kept = mine.where(Campaign.begun_at.is_not(None) | (Campaign.state == DRAFT))
    return list(session.scalars(kept.order_by(Campaign.number.desc())))
