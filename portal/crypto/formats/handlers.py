"""The handlers of libpass, whose import takes a tenth of a second: only who meets such a hash pays for it."""

from typing import Any


def handler(name: str) -> Any:
    """Return libpass' handler of a format, by passlib's name."""
    from passlib import hash as handlers  # noqa: PLC0415 - see above

    return getattr(handlers, name)
