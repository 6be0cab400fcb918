"""The fields that a request may have, and what each may hold; the rest is dropped before anything uses it.

Whoever has the web process's keys can seal any request. A field that a handler stores must not decide whether
an answer still fits its fixed size: that would show what was found.
"""

import re

_HEX_ID = re.compile(r"[0-9a-f]{32}")
FIELDS = {
    "account": _HEX_ID,
    "browser": _HEX_ID,
    "change": re.compile(r"(codes-)?(added|removed)|stopped|recovery-(made|removed)|signed-in|removal-ended"),
    "closes": re.compile(r"1"),
    "code": re.compile(r"[0-9]{6}"),
    "device": re.compile(r"[A-Za-z ]{0,30}/[A-Za-z ]{0,30}"),
    "email": re.compile(r".{0,1000}", re.DOTALL),  # `addresses.normalise` says which of them are addresses
    "event": _HEX_ID,
    "incident": re.compile(r"[a-z0-9-]{1,60}"),
    "interval": re.compile(r"3|6|12|off"),
    "language": re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}"),
    "passkey": _HEX_ID,
    "pointer": re.compile(r"[a-z2-7]{69}"),
    "session": _HEX_ID,
    "stays": re.compile(r"1"),
    "token": re.compile(r"[a-z2-7]{32}"),
    "version": re.compile(r"[0-9]{1,9}"),
}


def valid(fields: dict[str, str]) -> dict[str, str]:
    """Return the known fields with a valid value."""
    return {name: value for name, value in fields.items() if name in FIELDS and FIELDS[name].fullmatch(value)}
