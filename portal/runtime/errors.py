"""Say in one sentence what ended a command, without quoting stored values."""

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from portal.core.db import sqlite_file
from portal.core.faults import database_message
from portal.crypto.vault import VaultError
from portal.runtime.context import Context


def message_of(error: Exception, context: Context | None) -> str | None:
    """Return the sentence for an error of the database, the disk or the keys; None for one of the portal."""
    match error:
        case VaultError():
            return "A stored value does not decrypt: it was tampered with, or encrypted with other keys."
        case OverflowError():
            return "A number is too large."
        case OSError():
            place = f": {error.filename}" if error.filename else ""
            return f"{error.strerror or type(error).__name__}{place}."
        case DBAPIError():
            file = sqlite_file(make_url(context.settings.database_url)) if context else None
            message = database_message(error, file)
            return f"{message[0].upper()}{message[1:]}."
    return None
