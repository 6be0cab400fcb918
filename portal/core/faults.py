"""Describe an unexpected error for a log by types and frames: its message may quote stored values."""

import traceback

from sqlalchemy.exc import InterfaceError, OperationalError


def error_types(error: BaseException) -> str:
    """Return `Type: Cause`: the error's type and that of the driver's error or cause behind it, or `-`."""
    cause = getattr(error, "orig", None) or error.__cause__
    return f"{type(error).__name__}: {'-' if cause is None else type(cause).__name__}"


def frames(error: BaseException) -> str:
    """Return where an error was raised: file, line and function of each frame, no source and no values.

    Empty for a database that is locked or cannot be reached: that is expected, and its type says all.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return ""
    places = traceback.extract_tb(error.__traceback__)
    return "".join(f"\n  {place.filename}:{place.lineno} in {place.name}" for place in places)
