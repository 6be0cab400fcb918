"""`portal campaigns pause`, `resume`, `stop`: hold a notice, let it go on, end the rest."""

from typing import Any

import click

from portal.audit.staff import operator
from portal.campaigns.commands.drafting import NUMBER
from portal.campaigns.commands.refusals import SLUG, errors_as_messages
from portal.campaigns.series import steering
from portal.core.one_line import is_plain
from portal.incidents import service as incidents
from portal.runtime.context import Context

REASON = click.option("--reason", required=True, help="Why. The audit log keeps it.")
LONGEST_REASON = 200


@click.command()
@SLUG
@NUMBER
@REASON
@click.pass_obj
@errors_as_messages
def pause(context: Context, slug: str, number: int | None, reason: str) -> None:
    """Hold a notice at once, on all workers, its queued mails too.

    It needs no keys. What a worker has already handed to the relay cannot be called back.
    """
    with context.db.write() as session:
        campaign = steering.locked(session, incidents.by_slug(session, slug).id, number)
        steering.pause(session, campaign, context.clock.now(), operator().user, _checked(reason))
    click.echo(f"{slug}: notice {campaign.number} is paused. To go on: {_again('resume', slug, campaign)}")


@click.command()
@SLUG
@NUMBER
@click.pass_obj
@errors_as_messages
def resume(context: Context, slug: str, number: int | None) -> None:
    """Let a paused notice go on."""
    vault = context.worker_vault()
    with context.db.write() as session:
        campaign = steering.locked(session, incidents.by_slug(session, slug).id, number)
        steering.resume(session, vault, campaign, context.clock.now(), operator().user)
    click.echo(f"{slug}: notice {campaign.number} goes on. `portal worker` sends it, if it is running.")


@click.command()
@SLUG
@NUMBER
@REASON
@click.pass_obj
@errors_as_messages
def stop(context: Context, slug: str, number: int | None, reason: str) -> None:
    """Stop the rest of a notice for good, or discard a draft.

    It needs no keys. People who have not got it yet do not get it: write to them with another notice,
    `--to not-reached`.
    """
    with context.db.write() as session:
        campaign = steering.locked(session, incidents.by_slug(session, slug).id, number)
        steering.stop(session, campaign, context.clock.now(), operator().user, _checked(reason))
    click.echo(f"{slug}: notice {campaign.number} is stopped. The worker ends the mails that wait.")
    if campaign.begun_at is not None:
        more = (
            f"portal campaigns draft {slug} --kind {campaign.kind} --to not-reached --since {campaign.number}"
        )
        click.echo(f"To write to the others: {more}")


def _again(verb: str, slug: str, campaign: Any) -> str:
    return f"portal campaigns {verb} {slug} --number {campaign.number}"


def _checked(reason: str) -> str:
    if not 0 < len(reason.strip()) <= LONGEST_REASON or not is_plain(reason):
        raise click.UsageError(f"--reason must be one line of at most {LONGEST_REASON} characters.")
    return reason.strip()
