"""What needs a second person: activating and purging a version. What is shown, and what is then done.

`describe_…` reads plain columns alone, so that the console and the worker show and hash the same.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.exposure import activating, service
from portal.exposure.importing import comparisons
from portal.exposure.models import READY, ExposedPerson, ExposureList
from portal.exposure.people import delete_people
from portal.incidents import service as incidents
from portal.runtime.parts import WorkerParts
from portal.staff.approvals.service import Action, needs_unchanged
from portal.staff.orders import Refused
from portal.staff.roles import Role


def describe_activation(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what is shown to who approves an activation: `fields` are incident (slug) and version.

    Raises Refused where it cannot be activated as it is.
    """
    incident, version = _version(session, fields)
    if beyond := service.classes_beyond(version, incident.class_names):
        raise Refused("list-classes", classes="; ".join(beyond))
    former = service.active(session, incident.id)
    if former is not None and former.id == version.id:
        raise Refused("list-active")
    compared = None
    if former is not None:
        comparison = comparisons.remembered(session, version, former)
        if comparison is None:
            raise Refused("list-not-compared")
        compared = {
            "version": former.number,
            "people": former.people,
            "new": comparison.new,
            "gone": comparison.gone,
            "changed": comparison.changed,
            "loses_many": comparison.loses_many,
        }
    languages = service.languages_of(version)
    counted = _counts(incident.slug, version) | ({"languages": languages} if languages else {})
    return counted | {"bad_rows": version.bad_rows, "compared": compared}


def activate(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Activate the version that was approved: who approved it saw its bad rows, and whom it lacks.

    A second run, after a crash, activates nothing. Raises Refused.
    """
    now = parts.clock.now()
    with parts.db.write() as session:
        incident, version = _version(session, fields)
        former = service.verified_active(session, parts.vault, [incident.id]).get(incident.id)
        if former is not None and former.id == version.id:
            return {"version": version.number, "people": version.people}
        needs_unchanged(session, describe_activation, fields, shown)
        comparison = None
        if former is not None:
            comparison = comparisons.verified(session, parts.vault, version, former)
        try:
            active = activating.activate(
                session,
                parts.vault,
                incident.id,
                version.number,
                now,
                accept_bad_rows=True,
                comparison=comparison,
                replace=True,
            )
        except activating.ListNotCompared:
            raise Refused("list-not-compared") from None
        except activating.ListBeyondClasses as error:
            raise Refused("list-classes", classes="; ".join(error.names)) from None
        return {"version": active.number, "people": active.people}


def describe_purge(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what is shown to who approves the destruction of a version. Raises Refused."""
    incident, version = _version(session, fields)
    former = service.active(session, incident.id)
    if former is not None and former.id == version.id:
        raise Refused("list-active")
    if version.notifying:
        raise Refused("list-notifying")
    return _counts(incident.slug, version)


def purge(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Destroy the key of a version; its rows, which nobody can read then, go by `delete_destroyed`.

    A second run, after a crash, destroys nothing. Raises Refused.
    """
    with parts.db.write() as session:
        incident, version = _version(session, fields, destroyed=True)
        if version.data_key is None:
            return {"version": version.number, "people": version.people}
        needs_unchanged(session, describe_purge, fields, shown)
        try:
            service.destroy(session, incident.id, version.number, parts.clock.now())
        except service.ListActive:
            raise Refused("list-active") from None
        except service.ListNotifying:
            raise Refused("list-notifying") from None
        return {"version": version.number, "people": version.people}


def delete_destroyed(parts: WorkerParts) -> None:
    """Delete what is left of versions whose key is destroyed. Nobody can read it; it only takes room."""
    with parts.db.read() as session:
        left = list(
            session.scalars(
                select(ExposureList.id)
                .where(ExposureList.data_key.is_(None), ExposureList.state == READY)
                .where(select(ExposedPerson.list_id).where(ExposedPerson.list_id == ExposureList.id).exists())
            )
        )
    for list_id in left:
        for _ in delete_people(parts.db, list_id):
            if parts.stopping():
                return


def _version(
    session: Session, fields: Mapping[str, str], *, destroyed: bool = False
) -> tuple[Any, ExposureList]:
    try:
        incident = incidents.by_slug(session, fields["incident"])
        version = service.finished(session, incident.id, int(fields["version"]))
    except (incidents.IncidentUnknown, service.ListUnknown, KeyError, ValueError):
        raise Refused("list-unknown") from None
    if version.data_key is None and not destroyed:
        raise Refused("list-destroyed")
    return incident, version


def _counts(slug: str, version: ExposureList) -> dict[str, Any]:
    return {
        "incident": slug,
        "version": version.number,
        "people": version.people,
        "addresses": version.addresses,
        "classes": service.counts_of(version),
    }


ASK = frozenset({Role.AUTHOR})
ACTIONS = {
    "list.activate": Action(describe_activation, activate, ask=ASK),
    "list.purge": Action(describe_purge, purge, ask=ASK),
}
