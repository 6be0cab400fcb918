"""A calendar file (RFC 5545) for people who prefer their own calendar to mail."""

from datetime import UTC, date, datetime

from portal.core.i18n import Catalogue

CONTENT_TYPE = "text/calendar; charset=utf-8"
LONGEST_LINE = 75  # octets, without the line break (section 3.1)
LAST_SAFE_DAY = 28  # FREQ=MONTHLY skips months without the day (section 3.3.10)


def calendar(
    catalogue: Catalogue, *, host: str, organisation: str, months: int, first: date, now: datetime
) -> bytes:
    """Return a calendar (UTF-8) with one event that recurs every `months` months from `first` on.

    It holds nothing about the person. The UID is the same in every file of this portal, so that a file with
    another interval replaces the event instead of adding a second one.
    """
    _ = catalogue.gettext
    summary = _("Time to review your password for %(organisation)s") % {"organisation": organisation}
    description = "\n".join(
        (
            _("Open the site as you always do. There’s no link here, so nobody can fake one."),
            _("Do you use it, or a similar one, anywhere else? Then change it in both places."),
            _("Does someone else know it? Or did you type it on a page you don’t trust? Then change it now."),
            _("Have you heard that it was taken, from us or anyone else? Then change it now."),
            _("It may be time for a password manager, or for a passkey where a site offers one."),
        )
    )
    start = first.replace(day=min(first.day, LAST_SAFE_DAY))
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:-//{_escape_text(host)}//Password reminder//EN",
        "CALSCALE:GREGORIAN",
        "BEGIN:VEVENT",
        f"UID:password-reminder@{host}",
        f"DTSTAMP:{stamp}",
        f"LAST-MODIFIED:{stamp}",
        f"SEQUENCE:{int(now.timestamp()) // 86_400}",
        f"DTSTART;VALUE=DATE:{start:%Y%m%d}",
        f"RRULE:FREQ=MONTHLY;INTERVAL={months}",
        f"SUMMARY:{_escape_text(summary)}",
        f"DESCRIPTION:{_escape_text(description)}",
        "CLASS:PRIVATE",
        "TRANSP:TRANSPARENT",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "TRIGGER:PT9H",
        f"DESCRIPTION:{_escape_text(summary)}",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return b"".join(_fold(line) for line in lines)


def _escape_text(value: str) -> str:
    """Return a string escaped as a TEXT value (section 3.3.11)."""
    escaped = value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    plain = escaped.replace("\r\n", "\n").replace("\n", "\\n")
    return "".join(character for character in plain if character >= " ")


def _fold(line: str) -> bytes:
    """Return one content line, folded at 75 octets and never inside a character (section 3.1)."""
    pieces: list[bytes] = []
    piece = b""
    for character in line:
        encoded = character.encode()
        if len(piece) + len(encoded) > LONGEST_LINE:
            pieces.append(piece)
            piece = b" "
        piece += encoded
    return b"\r\n".join((*pieces, piece)) + b"\r\n"
