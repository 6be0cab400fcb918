"""Days and times in words: day before month in every language, which nobody misreads, and never without the zone."""

from datetime import datetime

from babel import Locale
from babel.dates import format_date, format_time, get_timezone

from portal.core.i18n import catalogue, mark

# How a language writes a day, in Unicode's letters for dates.
DAY = mark("d MMMM y")


def day(at: datetime, language: str, zone: str = "UTC") -> str:
    """Return the day of a moment, as it is called in a zone."""
    return format_date(at.astimezone(get_timezone(zone)), catalogue(language).gettext(DAY), _locale(language))


def moment(at: datetime, language: str, zone: str = "UTC") -> str:
    """Return a time in UTC, and in the organisation's zone where that differs, as the pages show it without script."""
    utc = f"{day(at, language)}, {at.astimezone(get_timezone('UTC')):%H:%M} UTC"
    here = at.astimezone(get_timezone(zone))
    if not here.utcoffset():
        return utc
    other = "" if day(at, language) == day(at, language, zone) else f"{day(at, language, zone)}, "
    return f"{utc} ({other}{format_time(here, 'HH:mm VVV', tzinfo=here.tzinfo, locale=_locale(language))})"


def _locale(language: str) -> Locale:
    return Locale.parse(language, sep="-")
