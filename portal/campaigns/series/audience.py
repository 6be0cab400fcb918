"""Whom a notice is for: everyone on the list, who is new on it, whom an earlier notice did not reach.

Each of these may be narrowed to kinds of data, and to the language in which people would get the mail.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby

from sqlalchemy.orm import Session

from portal.campaigns.models import FIRST, Campaign
from portal.core.faults import RowUnreadable, parsed
from portal.core.i18n import best_language
from portal.crypto.vault import INDEX_BYTES, WorkerVault
from portal.datakinds.taxonomy import find
from portal.exposure import left_out
from portal.exposure import service as exposure
from portal.exposure.models import ExposureList
from portal.exposure.people import ADDRESS_BYTES, Person, bitmap_of, classes_of, known_folds
from portal.outbox.bulk.adding import on_the_way

ALL, NEW, NOT_REACHED = "all", "new", "not-reached"
BASES = (ALL, NEW, NOT_REACHED)


@dataclass(frozen=True)
class Audience:
    """Whom a notice is for. `since` is the number of the notice that `base` refers to.

    `classes` and `languages` narrow it where they name any; `offered` are the languages of the site then.
    """

    base: str = ALL
    since: int | None = None
    classes: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return what the notice's row holds."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @property
    def is_whole_list(self) -> bool:
        """Return whether it is everyone."""
        return self.base == ALL and not self.classes and not self.languages


@dataclass(frozen=True, repr=False)
class Address:
    """One exact address of a list, with its readable people who are not left out.

    `first` and `last` are the keys of its first and last row. `readable` is False where no row opens.
    """

    first: bytes
    last: bytes
    people: tuple[Person, ...]
    severity: int
    readable: bool

    @property
    def fold(self) -> bytes:
        """Return the index that all spellings of the address share."""
        return self.first[:INDEX_BYTES]


@dataclass(frozen=True, repr=False)
class Page:
    """Addresses of a list, each with all of its people; `rows` are the rows read, `tampered` of them not.

    `more`: others follow.
    """

    addresses: list[Address]
    rows: int
    tampered: int
    more: bool


def of(campaign: Campaign) -> Audience:
    """Return the audience of a notice."""
    if not campaign.audience:
        return Audience()
    raw = parsed(campaign.audience, "notices", campaign.id)
    try:
        lists = (tuple(raw[name]) for name in ("classes", "languages", "offered"))
        return Audience(raw["base"], raw["since"], *lists)
    except (KeyError, TypeError) as error:
        raise RowUnreadable(f"notices {campaign.id.hex()}") from error


def key_of(vault: WorkerVault, campaign: Campaign, address: str) -> bytes:
    """Return the unique key of the mail of a notice to an address.

    First notices share theirs, whichever list they go to: nobody is told the same twice.
    """
    if campaign.kind == FIRST:
        return vault.list_index("notice", f"{campaign.incident_id.hex()}\0{address}")
    return vault.list_index(
        "notice of a series", f"{campaign.incident_id.hex()}\0{campaign.number}\0{address}"
    )


def page_after(session: Session, vault: WorkerVault, version: ExposureList, after: bytes, limit: int) -> Page:
    """Return the addresses behind a key: about `limit` people, and the rest of the last address.

    Raises ListDestroyed, VaultError.
    """
    rows, following = exposure.people_after(session, vault, version, after, limit)
    read = len(rows)
    while following:
        rest, further = exposure.people_after(session, vault, version, following, exposure.FEW)
        same = [row for row in rest if exposure.same_address(row[0], following)]
        rows += same
        following = further if len(same) == len(rest) else b""
    asked = left_out.of_page(session, vault, version, rows)
    found = [
        _address(list(group), asked) for _, group in groupby(rows, key=lambda row: row[0][:ADDRESS_BYTES])
    ]
    return Page(found, len(rows), sum(person is None for _, person in rows), read == limit)


def _address(rows: list[tuple[bytes, Person | None]], asked: Collection[left_out.Who]) -> Address:
    readable = [person for _, person in rows if person is not None]
    people = tuple(person for person in readable if left_out.who_of(person) not in asked)
    severity = max((each.severity for person in readable for each in classes_of(person.classes)), default=0)
    return Address(rows[0][0], rows[-1][0], people, severity, bool(readable))


class Matcher:
    """Says which addresses of a page are in an audience; `since` is the notice that it refers to."""

    def __init__(
        self, vault: WorkerVault, audience: Audience, since: Campaign | None, chosen: Mapping[bytes, str]
    ) -> None:
        """Store the audience; `chosen` maps account indexes to the language chosen on the portal."""
        self._vault = vault
        self._audience = audience
        self._since = since
        self._chosen = chosen
        self._bitmap = bitmap_of(find(name) for name in audience.classes)

    def language(self, person: Person) -> str:
        """Return the language that a person chose, or else that of the list."""
        return self._chosen.get(self._vault.account_index(person.address), person.locale)

    def matching(self, session: Session, addresses: list[Address]) -> set[bytes]:
        """Return the keys of those addresses that are in the audience, each by its last row."""
        some = [address for address in addresses if address.people]
        if self._audience.classes:
            some = [one for one in some if any(person.classes & self._bitmap for person in one.people)]
        if self._audience.languages:
            offered = self._audience.offered
            some = [
                one
                for one in some
                if best_language(self.language(one.people[0]), offered) in self._audience.languages
            ]
        return {address.last for address in self._of_base(session, some)}

    def _of_base(self, session: Session, some: list[Address]) -> list[Address]:
        if self._since is None or not some:
            return some
        if self._audience.base == NEW:
            known = known_folds(session, self._since.list_id, {one.fold for one in some})
            return [one for one in some if one.fold not in known]
        keys = {one.last: key_of(self._vault, self._since, one.people[0].address) for one in some}
        reached = on_the_way(session, keys.values())
        return [one for one in some if keys[one.last] not in reached]
