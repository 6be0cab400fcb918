"""What stops an import without being a fault of the portal, and how it is said."""

from pathlib import Path

from sqlalchemy.exc import DBAPIError

from portal.core.faults import database_message
from portal.people_files.formats.refusal import FileRefused
from portal.people_files.formats.streamed import Input
from portal.people_files.report import ReportUnwritable
from portal.people_files.room import NoRoom

EXPECTED = (FileRefused, ReportUnwritable, NoRoom, OSError, DBAPIError, KeyboardInterrupt)


class ImportStopped(Exception):
    """An import stopped after it had begun to store: `__cause__` is why, the message what came of it."""


def reason_of(error: BaseException, file: Input, database: Path | None) -> str:
    """Return one sentence for one of EXPECTED; `database` is the file of an SQLite database."""
    match error:
        case FileRefused():
            return f"{file.name}, line {error.line}: {error.reason}."
        case KeyboardInterrupt():
            return "Interrupted."
        case OSError():
            return f"The disk failed: {error.strerror}{f' ({error.filename})' if error.filename else ''}."
        case DBAPIError():
            message = database_message(error, database)
            return f"{message[0].upper()}{message[1:]}."
    return str(error)
