"""Read authors' files into statements and updates, or refuse them with all that is wrong."""

from dataclasses import dataclass
from datetime import datetime

from portal.incidents.checker.files import check_statement_file, check_update_file
from portal.incidents.checker.findings import Finding, stops
from portal.incidents.checker.front_matter import MAX_BYTES
from portal.incidents.checker.site import Site
from portal.incidents.service import checked_title
from portal.incidents.writing import StatementText, UpdateText

__all__ = ["MAX_BYTES", "FileInvalid", "Read", "ReadUpdate", "read_statement", "read_update"]


class FileInvalid(ValueError):
    """An author's file must not be stored; `findings` are all that is to be said of it, stops first."""

    def __init__(self, findings: list[Finding]) -> None:
        """Store the findings; the message has a line for each stop, with how to write it below."""
        self.findings = findings
        lines = [line for one in stops(findings) for line in _told(one)]
        super().__init__("\n".join(lines if len(lines) == 1 else ["", *lines]))


def _told(finding: Finding) -> list[str]:
    examples = finding.example.split("\n") if finding.example else []
    return [str(finding), *(f"    {line}".rstrip() for line in examples)]


@dataclass(frozen=True)
class Read:
    """A parsed statement, the names of its missing sections, and what else is to be said of it."""

    text: StatementText
    missing: list[str]
    findings: list[Finding]


@dataclass(frozen=True)
class ReadUpdate:
    """A parsed update, and what else is to be said of it."""

    text: UpdateText
    findings: list[Finding]


def read_statement(content: bytes, languages: tuple[str, ...], site: Site | None = None) -> Read:
    """Read a statement: front matter, apology, five sections under `##` headings. Raises FileInvalid.

    With a `site`, links to its incidents are checked too.
    """
    read = check_statement_file(content, site or Site(languages))
    if read.text is None:
        raise FileInvalid(read.findings)
    return Read(read.text, read.missing, read.findings)


def read_update(
    content: bytes,
    languages: tuple[str, ...],
    zone: str,
    now: datetime,
    *,
    phase: str | None,
    title: str | None,
    site: Site | None = None,
    page: str = "",
) -> ReadUpdate:
    """Read an update; `phase` and `title` of the command line must agree with those of the file.

    With a `site`, links to its incidents are checked too, relative ones with the path of its `page`. Raises
    FileInvalid, TitleInvalid.
    """
    title = None if title is None else checked_title(title)
    site = site or Site(languages)
    read = check_update_file(content, site, zone, now, phase=phase, title=title, page=page)
    if read.text is None:
        raise FileInvalid(read.findings)
    return ReadUpdate(read.text, read.findings)
