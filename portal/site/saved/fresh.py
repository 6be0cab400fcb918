"""Keep a process's settings up to date with what admins save, without a restart."""

from collections.abc import Callable
from threading import Lock
from time import monotonic

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.vault import PageVault
from portal.site.saved import service

LOOK_SECONDS = 1.0


class Fresh:
    """Looks for changes at most once every so many seconds, and replaces what `settings.site` returns.

    While the database fails, what was read before stays.
    """

    def __init__(
        self,
        settings: Settings,
        db: Database,
        vault: PageVault,
        seconds: float = LOOK_SECONDS,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Store the settings, which every part of the process shares, and look for the first time."""
        self._settings, self._db, self._vault = settings, db, vault
        self._seconds, self._now = seconds, now
        self._looked_at = float("-inf")
        self._looking, self._reading = Lock(), Lock()
        self.look()

    @classmethod
    def of(cls, settings: Settings, db: Database, vault: PageVault) -> "Fresh":
        """Return what a process looks with; tests save and read at the same instant."""
        return cls(settings, db, vault, 0.0 if settings.environment == "test" else LOOK_SECONDS)

    def look(self) -> None:
        """Read what changed, if it is time; one thread does, and the others go on with what there is."""
        if self._now() - self._looked_at < self._seconds or not self._looking.acquire(blocking=False):
            return
        try:
            with self._db.read() as session:
                self.read(session)
        except DBAPIError:  # who needs the database will say so
            pass
        finally:
            self._looked_at = self._now()
            self._looking.release()

    def read(self, session: Session) -> tuple[int, int]:
        """Read what changed, and return the version of what is read, for a cache of what was made of it."""
        with self._reading:
            version = service.version(session)
            if version != self._settings.site.version:
                self._settings.saved.site = service.over(session, self._vault, self._settings, version)
            return version
