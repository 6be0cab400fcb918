"""Checks of `portal doctor` of saved settings: what overrides the environment, and what was altered."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.audit.models import AuditEntry
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.vault import PageVault
from portal.site.saved import service
from portal.site.saved.fresh import Fresh
from portal.site.saved.keys import vault_of
from portal.site.saved.models import SiteChange


def check(settings: Settings, _keys_right: bool) -> Iterator[tuple[str, str | None]]:
    """Yield whether the saved settings are those of the log; nothing where no key file can be read."""
    vault = vault_of(settings)
    if vault is None:
        return
    database = Database(settings.database_url)
    try:
        with database.read() as session:
            found = _fault(session, vault)
    except DBAPIError:
        return  # said of the database itself
    finally:
        database.dispose()
    yield "saved settings", found


def notes(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield which saved values count instead of the environment's.

    The notes after these ones judge what people see: `settings.site` has the saved values from here on.
    """
    vault = vault_of(settings)
    if vault is None:
        return
    database = Database(settings.database_url)
    try:
        Fresh(settings, database, vault)
        with database.read() as session:
            found = [one for one in service.saved(session, vault).values() if one.value is not None]
    except DBAPIError:
        return
    finally:
        database.dispose()
    for one in sorted(found, key=lambda change: change.name):
        yield (
            one.name,
            (
                f"an admin's value counts instead of yours, since {one.at:%Y-%m-%d}; to see both: portal "
                f"settings show; to put yours back: portal settings reset {one.name}"
            ),
        )


def _fault(session: Session, vault: PageVault) -> str | None:
    if altered := service.altered(session, vault):
        numbers = ", ".join(map(str, altered))
        return (
            f"rows {numbers} of site_changes were inserted or altered without the worker's keys, and count "
            "for nothing; find out who can write to the database, then delete them"
        )
    logged = set(session.scalars(select(AuditEntry.number).where(AuditEntry.action.in_(service.ACTIONS))))
    stored = set(session.scalars(select(SiteChange.number)))
    if missing := logged - stored:
        return (
            f"{len(missing)} of the changes in the audit log are gone from site_changes, so an earlier "
            "value counts; find out who can write to the database, and save the settings again in the console"
        )
    return None
