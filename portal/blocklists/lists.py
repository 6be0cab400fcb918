"""Judge a new password by the operator's lists, at their full size, and say what could not be asked."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from portal.blocklists.corpus import Corpus, CorpusRefused
from portal.core.settings import PasswordLists

if TYPE_CHECKING:
    from portal.blocklists.ranges import RangeService

log = logging.getLogger("portal.passwords")

RANGES = "PORTAL_PASSWORD_RANGE_URL"
CORPUS, EXPOSED = "PORTAL_PASSWORD_CORPUS_FILE", "PORTAL_EXPOSED_PASSWORDS_FILE"


@dataclass(frozen=True)
class Judgement:
    """What the lists say of a password. `unchecked`: one of them could not be asked."""

    stolen: bool = False
    exposed: bool = False
    unchecked: bool = False


class CorpusFile:
    """A corpus file by its name: from the next look-up on, that which has the name now. Thread-safe."""

    def __init__(self, setting: str, path: Path) -> None:
        """Take the name of the setting, for the log, and the path; opens nothing."""
        self.setting = setting
        self._path = path
        self._seen: tuple[object, Corpus] | None = None

    def holds(self, password: str) -> bool:
        """Return whether the file has a password, in the form that is hashed. Raises CorpusRefused."""
        return self._current().holds(password)

    def _current(self) -> Corpus:
        try:
            status = self._path.stat()
        except OSError as error:
            raise CorpusRefused(f"cannot be opened ({error.strerror})") from error
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        seen = self._seen
        if seen is None or seen[0] != identity:
            # One that is refused is opened again next time: what was in the way may have been mended.
            seen = self._seen = (identity, Corpus(self._path))
        return seen[1]


class Blocklists:
    """The lists that the operator gave. Thread-safe."""

    def __init__(self, settings: PasswordLists | None = None) -> None:
        """Open nothing yet. Without settings there are none."""
        settings = settings or PasswordLists()
        files = {setting: CorpusFile(setting, path) for setting, path in files_of(settings)}
        self._corpus, self._exposed = files.get(CORPUS), files.get(EXPOSED)
        self._ranges = _service(settings)

    def judge(self, composed: str, *, ask: bool = True) -> Judgement:
        """Return what the lists say of a password, in the form that is hashed.

        A list that cannot be asked is logged: the others decide. Without `ask` nothing leaves the machine:
        the password is refused anyway. Call it outside any transaction.
        """
        exposed, stolen = _look(self._exposed, composed), _look(self._corpus, composed)
        if self._ranges is not None and ask and not exposed:
            stolen = _ask(self._ranges, composed)
        return Judgement(bool(stolen), bool(exposed), unchecked=None in (stolen, exposed))


def faults(settings: PasswordLists) -> Iterator[tuple[str, Path, str]]:
    """Yield the files that cannot be used, by what they begin with: their setting, path, and why."""
    for setting, path in files_of(settings):
        try:
            Corpus(path)
        except CorpusRefused as refused:
            yield setting, path, str(refused)


def files_of(settings: PasswordLists) -> list[tuple[str, Path]]:
    """Return the files that the operator gave, by their settings."""
    named = ((CORPUS, settings.corpus_file), (EXPOSED, settings.exposed_file))
    return [(setting, path) for setting, path in named if path is not None]


def _service(settings: PasswordLists) -> "RangeService | None":
    if not settings.range_url:
        return None
    from portal.blocklists.ranges import RangeService  # noqa: PLC0415 - few need what it imports

    return RangeService(settings.range_url, settings.range_seconds)


def _ask(service: "RangeService", composed: str) -> bool | None:
    """Return whether a service knows a password, or None where it could not be asked."""
    from portal.blocklists.ranges import RangeUnavailable  # noqa: PLC0415

    try:
        return service.holds(composed)
    except RangeUnavailable as error:
        log.warning(
            "passwords: the service of %s could not be asked: %s; a new password was compared with the other "
            "lists alone. In the builtin store it is looked up at the next sign-in. If this goes on, run: "
            "portal doctor",
            RANGES,
            error,
        )
        return None


def _look(file: CorpusFile | None, composed: str) -> bool | None:
    """Return whether a file has a password, or None where it could not be asked."""
    if file is None:
        return False
    try:
        return file.holds(composed)
    except CorpusRefused as refused:
        log.error(
            "passwords: the file of %s %s; a new password was not compared with it", file.setting, refused
        )
        return None
