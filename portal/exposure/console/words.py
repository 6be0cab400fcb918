"""What the console says of files: why one is refused, and how it goes on."""

import re
from collections.abc import Mapping

from flask_babel import gettext, lazy_gettext

from portal.core.i18n import matching_language
from portal.datakinds import taxonomy
from portal.datakinds.names import shown
from portal.exposure.importing.reading import OTHERS
from portal.people_files.rows import UNKNOWN_LANGUAGE
from portal.web.languages import name_here

REFUSALS = {
    "many-today": lazy_gettext("You stored more today than we take from one person. Go on tomorrow."),
    "empty": lazy_gettext("The file is empty."),
    "too-large": lazy_gettext("The file is too large. Text may have 2 GB, a workbook 200 MB."),
    "too-many": lazy_gettext("Five files are on their way already. Finish or delete one first."),
    "no-room": lazy_gettext("The server’s disk is full. Ask your IT team to free some space."),
    "is-workbook": lazy_gettext("This is a workbook or a zip archive. Choose it again."),
    "is-no-workbook": lazy_gettext("This isn’t a workbook. Save the list as CSV or XLSX."),
    "is-old-workbook": lazy_gettext(
        "This is an old workbook (XLS), or one with a password. Save it as XLSX without a password."
    ),
    "is-no-list": lazy_gettext("This isn’t a list. Choose a CSV file or an XLSX workbook."),
    "too-many-pieces": lazy_gettext("The upload stopped too often. Delete it, and start again."),
    "other-file": lazy_gettext("This is another file. Choose the one you began with, or delete this upload."),
    "busy": lazy_gettext("Two workbooks are being read already. Try again in a minute."),
    "gone": lazy_gettext("This upload is over. Start again."),
    "cut": lazy_gettext("The file didn’t arrive whole. Upload it again."),
}
STATES = {
    "receiving": lazy_gettext("On its way"),
    "waiting": lazy_gettext("Waiting to be read"),
    "working": lazy_gettext("Being read"),
    "undecided": lazy_gettext("Needs your decision"),
    "read": lazy_gettext("Read"),
    "refused": lazy_gettext("Can’t be used"),
    "stored": lazy_gettext("Stored"),
}
TITLES = {
    "receiving": lazy_gettext("Your file is on its way"),
    "waiting": lazy_gettext("We’re reading your file"),
    "working": lazy_gettext("We’re reading your file"),
    "undecided": lazy_gettext("Your file needs a decision"),
    "read": lazy_gettext("Check what’s in your file"),
    "refused": lazy_gettext("We can’t use this file"),
    "stored": lazy_gettext("Your file is stored"),
}
STAGES = {
    "": lazy_gettext("Starting"),
    "reading": lazy_gettext("Reading the file"),
    "checking": lazy_gettext("Comparing with the active list"),
    "storing": lazy_gettext("Storing"),
    "removing": lazy_gettext("Undoing"),
}
PROBLEMS = {
    "columns": lazy_gettext("Say what each column is. We need the one with the email addresses."),
    "encoding": lazy_gettext(
        "The text isn’t UTF-8. Below we read it as Windows does in Western Europe and America. If the names "
        "look right, press the button. If not, choose another encoding."
    ),
    "rows": lazy_gettext("No row can be used. The reasons are below, with the lines of your file."),
    "unread": lazy_gettext(
        "Some people can’t be read, and would get a notice. The reasons are below, with the lines of your "
        "file."
    ),
    "altered": lazy_gettext(
        "Part of the file is missing, or somebody changed it. Send it again, and tell your IT team."
    ),
    "no-room": lazy_gettext("The server’s disk has no room for this list. Ask your IT team."),
    "failed": lazy_gettext("It didn’t work. Ask your IT team: the server’s log says why."),
}
COLUMNS = {
    "email": lazy_gettext("Email address"),
    "account_ref": lazy_gettext("Customer number"),
    "name": lazy_gettext("Name"),
    "locale": lazy_gettext("Language"),
    "jurisdiction": lazy_gettext("Country or state, for the law"),
    "data_classes": lazy_gettext("Kinds of data that were taken"),
}
# What stands in each, for somebody who makes a list.
EXPLAINED = {
    "email": lazy_gettext("Required. One row for each person."),
    "account_ref": lazy_gettext("Tells people apart who share an address."),
    "name": lazy_gettext("Tells people apart who share an address. Emails don’t use it."),
    "jurisdiction": lazy_gettext("So that you can notify one country first."),
    "data_classes": lazy_gettext("Separated by semicolons. Empty: everything that the incident lists."),
}
# What Excel and databases write where they do not write UTF-8.
ENCODINGS = ("cp1252", "cp1250", "cp1251", "cp932", "iso-8859-1", "iso-8859-15", "gb18030", "utf-16-le")
# What messages tell the users of the command line to add.
_OPTION = re.compile(r"[.,;:]?\s*(?:If so, add|or leave it out with|Choose one with|add)?\s*--[a-z].*\Z")


def explained(languages: tuple[str, ...]) -> dict[str, str]:
    """Return what stands in each column, for a site that speaks these languages."""
    tags = ", ".join(languages)
    spoken = gettext("The language of the notice. This site has: %(languages)s.", languages=tags)
    return {name: str(EXPLAINED.get(name, spoken)) for name in COLUMNS}


def by_language(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return how many people have each language, by its name; nothing where a file names none."""
    if not any(counts):
        return []
    return [(_spoken(tag) if tag else str(gettext("Not said")), people) for tag, people in counts.items()]


def not_here(counts: Mapping[str, int], languages: tuple[str, ...]) -> list[str]:
    """Return the names of the languages that a site does not have."""
    known = [tag for tag in counts if tag not in ("", UNKNOWN_LANGUAGE)]
    return [_spoken(tag) for tag in known if matching_language(tag, languages) is None]


def unknown(counts: Mapping[str, int]) -> int:
    """Return how many people have a language that is none we know."""
    return counts.get(UNKNOWN_LANGUAGE, 0)


def _spoken(tag: str) -> str:
    if tag == OTHERS:
        return str(gettext("Others"))
    if tag == UNKNOWN_LANGUAGE:
        return str(gettext("A language that we don’t know"))
    name = name_here(tag)
    return name if name == tag else f"{name} ({tag})"


def kinds(language: str) -> list[tuple[str, str]]:
    """Return each kind of data by the name that lists have, with what readers of a language see, by that."""
    every = [(one.name, shown(one, language)) for one in taxonomy.load()]
    return sorted(every, key=lambda names: names[1].casefold())


def kind_names(language: str) -> dict[str, str]:
    """Return what readers of a language see, by the name of a kind of data."""
    return dict(kinds(language))


def refusal(code: str) -> str:
    """Return why a file is refused."""
    words = REFUSALS.get(code)
    return str(words) if words is not None else str(gettext("It was refused: %(reason)s", reason=code))


def without_options(reason: str) -> str:
    """Return a reason of the command line without what it says of options, which the console has not."""
    return _OPTION.sub("", reason)


def workbook(reason: str) -> str:
    """Return why a workbook cannot be read."""
    return str(gettext("The workbook can’t be read: %(reason)s.", reason=reason))


def sheets(names: list[str]) -> str:
    """Return that one of several sheets must be named."""
    listed = ", ".join(f"“{name}”" for name in names)
    return str(
        gettext(
            "The workbook has several sheets: %(names)s. Type the name of one, and choose the file again.",
            names=listed,
        )
    )
