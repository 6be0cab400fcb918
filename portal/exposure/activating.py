"""Activate a version of an affected list, and what stops it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.crypto.vault import WorkerVault
from portal.exposure.models import ActiveList, ExposureList
from portal.exposure.service import (
    ListDestroyed,
    activation_mac,
    classes_beyond,
    finished,
    verified_active,
)
from portal.incidents import service as incidents

# A version that lacks more than one in so many people of the active one must be meant.
FEW_LOST = 10


class ListHasBadRows(Exception):
    """Rows of the file were rejected, and `accept_bad_rows` was not set."""

    def __init__(self, bad_rows: int) -> None:
        """Store the number of rejected rows."""
        self.bad_rows = bad_rows
        super().__init__(f"{bad_rows} rows were rejected")


@dataclass
class Comparison:
    """The comparison with version `number`, which has `people`: how many are new, gone and changed.

    Who is on both has changed if anything else about them has: data classes, name, or how the address is
    written. So a file that writes all addresses in lower case loses nobody.
    """

    list_id: int
    number: int
    people: int
    new: int = 0
    gone: int = 0
    changed: int = 0

    @property
    def loses_many(self) -> bool:
        """Whether more than a tenth of the people are gone."""
        return self.gone * FEW_LOST > self.people


class ListNotCompared(Exception):
    """The version was not compared with the one that is active now."""


class ListLosesMany(Exception):
    """More than a tenth of the active version's people are gone, and `replace` was not set."""

    def __init__(self, comparison: Comparison) -> None:
        """Store the comparison."""
        self.comparison = comparison
        super().__init__(f"{comparison.gone} of {comparison.people} people are gone")


class ListBeyondClasses(Exception):
    """People of the version have data classes that the incident does not list in public."""

    def __init__(self, names: list[str], *, staged: bool) -> None:
        """Store the classes, and whether the next publish makes all of them public."""
        self.names, self.staged = names, staged
        super().__init__(f"not listed: {'; '.join(names)}")


def activate(
    session: Session,
    vault: WorkerVault,
    incident_id: bytes,
    number: int,
    now: datetime,
    *,
    accept_bad_rows: bool = False,
    comparison: Comparison | None = None,
    replace: bool = False,
) -> ExposureList:
    """Make a version the one that answers come from; an older one may be activated again.

    `comparison` is with the active version, where another one is. Writes the audit row. Raises ListUnknown,
    ListDestroyed, ListHasBadRows unless `accept_bad_rows`, ListBeyondClasses, ListNotCompared, and
    ListLosesMany unless `replace`.
    """
    version = finished(session, incident_id, number)
    if version.data_key is None:
        raise ListDestroyed
    if version.bad_rows and not accept_bad_rows:
        raise ListHasBadRows(version.bad_rows)
    incident = incidents.by_id(session, incident_id)
    if beyond := classes_beyond(version, incident.class_names):
        raise ListBeyondClasses(beyond, staged=not set(beyond) - set(incident.next_class_names))
    current = session.get(ActiveList, incident_id, with_for_update=True)
    details: dict[str, str | int | bool | None] = {
        "version": number,
        "people": version.people,
        "bad_rows": version.bad_rows,
    }
    former = verified_active(session, vault, [incident_id]).get(incident_id)
    if former is not None and former.id != version.id:
        if comparison is None or comparison.list_id != former.id:
            raise ListNotCompared
        if comparison.loses_many and not replace:
            raise ListLosesMany(comparison)
        details |= {"former": former.number, "new": comparison.new, "gone": comparison.gone}
        details |= {"changed": comparison.changed}
        if former.notifying:
            details["notice_goes_on"] = True
        if comparison.loses_many:
            details["replace"] = True
    row_mac = activation_mac(vault, incident_id, version, now)
    if current is None:
        session.add(
            ActiveList(incident_id=incident_id, list_id=version.id, activated_at=now, row_mac=row_mac)
        )
    else:
        current.list_id, current.activated_at, current.released = version.id, now, False
        current.row_mac = row_mac
    session.flush()
    audit.record(session, "exposure.activate", incident.slug, details, now)
    return version
