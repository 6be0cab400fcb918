"""Format dates and times for people: day before month in every language, times always with their zone."""

from datetime import date, datetime

from babel import Locale
from babel.dates import format_date, format_time, get_timezone

from portal.core.i18n import catalogue, mark

# Translatable date patterns, in the notation of Unicode TR 35.
DAY = mark("d MMMM y")
DAY_AND_MONTH = mark("d MMMM")


def day(at: datetime, language: str, zone: str = "UTC") -> str:
    """Return the date of `at` in a time zone, in words."""
    return format_date(at.astimezone(get_timezone(zone)), catalogue(language).gettext(DAY), _locale(language))


def day_in_words(on: date, language: str) -> str:
    """Return a date in words; it is the same day in every time zone."""
    return format_date(on, catalogue(language).gettext(DAY), _locale(language))


def day_and_month(on: date, language: str, today: date) -> str:
    """Return a date in words, with its year where that is not the present one."""
    pattern = DAY_AND_MONTH if on.year == today.year else DAY
    return format_date(on, catalogue(language).gettext(pattern), _locale(language))


def moment(at: datetime, language: str, zone: str = "UTC") -> str:
    """Return date and time in UTC, followed by those in `zone` where it differs.

    Pages show this where no script converts it to the reader's zone.
    """
    utc = f"{day(at, language)}, {at.astimezone(get_timezone('UTC')):%H:%M} UTC"
    here = at.astimezone(get_timezone(zone))
    if not here.utcoffset():
        return utc
    other = "" if day(at, language) == day(at, language, zone) else f"{day(at, language, zone)}, "
    return f"{utc} ({other}{format_time(here, 'HH:mm VVV', tzinfo=here.tzinfo, locale=_locale(language))})"


def _locale(language: str) -> Locale:
    return Locale.parse(language, sep="-")
