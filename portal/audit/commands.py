"""`portal audit`: list the entries of the audit log, and verify its hash chain."""

import json
import os
from datetime import UTC, datetime

import click
from sqlalchemy.orm import Session

from portal.audit import service
from portal.core.one_line import shown
from portal.crypto import keys, self_test
from portal.crypto.vault import WorkerVault
from portal.runtime.command_line import AS_JSON, counted, echo_json
from portal.runtime.context import Context

BY = "by"


@click.group()
def audit() -> None:
    """List and verify the audit log of what commands and jobs did."""


@audit.command("list")
@click.option("--action", help="Only entries of one action, such as incidents.publish.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="From this day on (UTC).")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, help="How many at most. Default: 50.")
@AS_JSON
@click.pass_obj
def list_entries(
    context: Context, action: str | None, since: datetime | None, limit: int, *, as_json: bool
) -> None:
    """List the newest entries, the last first.

    Each says when, what, about what, and by whom: the system user of a command, or a member of staff. To
    check that none was altered: portal audit verify
    """
    start = since.replace(tzinfo=UTC) if since else None
    with context.db.read() as session:
        found = service.newest(session, limit, action, start)
        said = [(each, json.loads(each.details)) for each in found]
        staff = _staff(context, session) if any('"staff ' in each.details for each in found) else {}
    if as_json:
        echo_json(
            [
                {
                    "number": each.number,
                    "at": each.at,
                    "action": each.action,
                    "subject": each.subject,
                    "by": details.get(BY),
                    "details": details,
                }
                for each, details in said
            ]
        )
        return
    for each, details in said:
        named = {name: staff.get(value, value) for name, value in details.items()}
        who = f"by {named.pop(BY)}" if BY in named else ""
        rest = ", ".join(f"{name} {value}" for name, value in named.items())
        when = f"{each.at:%Y-%m-%d %H:%M} UTC"
        words = (str(each.number), when, each.action, each.subject, who, rest)
        click.echo(shown("  ".join(filter(None, words))))
    if not found:
        click.echo("No entry fits.")


def _parse_marks(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> list[service.Mark]:
    try:
        return [service.Mark.parse(text) for text in values]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@audit.command()
@click.option(
    "--holds",
    metavar="NUMBER:DIGEST",
    multiple=True,
    callback=_parse_marks,
    help="An entry that you noted earlier and the log must still contain. Repeatable.",
)
@AS_JSON
@click.pass_obj
def verify(context: Context, holds: list[service.Mark], *, as_json: bool) -> None:
    """Check every entry of the log for tampering.

    With the worker's keys, check the signatures too, and every request for a second person: that it is as the
    worker wrote it, that it was approved as it was shown, and the passkey's signature over that.
    """
    vault = _vault(context)
    counts: dict[str, int] = {}
    faults: list[str] = []
    with context.db.snapshot() as session:
        try:
            seen = service.verify(session, vault.audit_key if vault else None, holds)
        except service.ChainBroken as error:
            message = f"The audit log does not verify: {error}. See docs/guide/back-up.md"
            raise click.ClickException(message) from error
        if vault and context.approvals:
            counts, faults = context.approvals()(session, vault)
    if faults:
        raise click.ClickException(
            "The audit log is intact, but not what staff approved:\n  "
            + "\n  ".join(shown(fault) for fault in faults)
            + "\nFind out who can write to the database. See docs/guide/back-up.md"
        )
    if as_json:
        signed_up_to = seen.signed_up_to if vault else None
        last = str(seen.last) if seen.entries else None
        told = {"intact": True, "entries": seen.entries, "signed_up_to": signed_up_to, "last": last}
        echo_json(told | {"approvals": counts or None})
        return
    signed = f"signed up to entry {seen.signed_up_to}" if vault else "signatures not checked"
    click.echo(f"The audit log is intact: {seen.entries} entries, {signed}.")
    if counts.get("requests"):
        requests = counted(counts["requests"], "request is", "requests are")
        click.echo(
            f"{requests} intact too: {counts['signed']} approved with a passkey, "
            f"{counts['codes']} with a code, {counts['alone']} without a second person."
        )
    if counts.get("destroyed"):
        texts = counted(counts["destroyed"], "of them shows", "of them show")
        click.echo(f"{texts} less than was approved: the text was destroyed since, as the log says.")
    if seen.entries:
        click.echo(
            f"Its last entry is {seen.last}. Note it outside this system, and compare later: "
            f"portal audit verify --holds {seen.last}"
        )


def _vault(context: Context) -> WorkerVault | None:
    """Return the worker's vault, or None where there is none here; say why where its keys do not fit."""
    if not context.settings.keys.worker_file.is_file():
        return None
    try:
        vault = WorkerVault(keys.read_worker(context.settings.keys.worker_file))
        self_test.check(context.db, vault)
    except (keys.KeysInvalid, self_test.OtherKeys) as error:
        click.echo(f"Signatures not checked: {error}", err=True)
        return None
    return vault


def _staff(context: Context, session: Session) -> dict[str, str]:
    """Return the members of staff as entries name them, with the name to show; none without keys."""
    if context.names is None or not os.access(context.settings.keys.worker_file, os.R_OK):
        return {}
    vault = _vault(context)
    found = {} if vault is None else context.names()(session, vault.staff)
    return {f"staff {member.hex()}": f"{name} (staff)" for member, name in found.items()}
