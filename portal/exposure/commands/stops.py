"""What stops a list before it is stored, in words, and the options that say that it is meant."""

import click

from portal.exposure import left_out
from portal.exposure.commands.exceptions import silenced_line
from portal.exposure.commands.versions import lost_line
from portal.exposure.importing import Source, Summary
from portal.incidents.models import PUBLISHED, Incident
from portal.runtime.command_line import counted

WIDEN = click.option(
    "--widen",
    is_flag=True,
    help="Add data classes of the file that the incident does not list; public with the next publish.",
)


def stops_text(summary: Summary, source: Source, incident: Incident) -> str:
    """Return everything about a file that must be decided, with the option that does, a line each."""
    lines = []
    if summary.beyond and not source.widen:
        named = ", ".join(f"{name} ({counted(n, 'person', 'people')})" for name, n in summary.beyond.items())
        lines.append(
            f"The incident does not list these data classes: {named}. If they were not taken, correct the "
            "file, or check whether it is this incident's. If they were, add them with --widen"
            f"{': its page names them from the next publish on' if incident.state == PUBLISHED else ''}."
        )
    if source.must_not_lose and summary.comparison is not None and summary.comparison.loses_many:
        lines.append(f"{lost_line(summary.comparison)} If that is right, add --replace.")
    if left_out.is_large_part(source.to_leave_out, summary.people):
        lines.append(silenced_line(source.to_leave_out, summary.people))
    return "\n".join(lines)


def staged_line(summary: Summary, slug: str) -> str:
    """Return what must be done before a version with staged classes can be activated."""
    return (
        f"Staged: {', '.join(summary.beyond)}. First publish them: portal incidents publish {slug}. "
        f"Then activate it: portal exposure activate {slug} {summary.number}"
    )
