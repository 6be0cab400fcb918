"""`portal purge`: remove at once what is older than the settings say."""

import click

from portal.audit import service as audit
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context
from portal.runtime.turns import Turns

PURGED = "mydata.purge"


@click.command()
@click.option("--dry-run", is_flag=True, help="Count what would go; remove nothing.")
@AS_JSON
@click.pass_obj
def purge(context: Context, *, dry_run: bool, as_json: bool) -> None:
    """Remove at once what is older than the settings say.

    The worker does the same by itself, with the same periods: PORTAL_RETENTION_… in docs/guide/configure.md.
    Prints how many rows of each kind went. Versions of affected lists stay: see 'portal exposure purge'.
    """
    retention, now = context.settings.retention, context.clock.now()
    removed: dict[str, int] = {}
    for expired in context.expired():
        if dry_run:
            with context.db.read() as session:
                removed[expired.kind] = expired.count(session, retention, now)
            continue
        removed[expired.kind] = 0
        turns = Turns(context.db)
        while True:
            limit = turns.rows
            with turns.take() as session:
                gone = expired.purge(session, retention, now, limit)
            removed[expired.kind] += gone
            if gone < limit:
                break
    if not dry_run:
        with context.db.write() as session:
            audit.record(session, PURGED, "", removed, now)
    if as_json:
        echo_json({"dry_run": dry_run, "removed": removed})
        return
    for kind, number in removed.items():
        click.echo(f"{kind:<48} {number:>10}")
    if dry_run:
        click.echo("Nothing was removed.")
