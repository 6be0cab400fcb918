"""`portal reset`: require new passwords of many."""

from dataclasses import asdict
from typing import Any

import click

from portal.crypto.vault import VaultError
from portal.exposure import service as exposure
from portal.identity.service import store_for
from portal.incidents import service as incidents
from portal.reset import require as requiring
from portal.reset.require import EVERYONE, Cohort, Tally, Tools
from portal.runtime.context import Context

PASSWORDS = "Passwords"
LABELS = {
    "people": "people",
    "altered": "altered, left alone",
    "accounts": "accounts found",
    "newly": "newly required",
    "already": "required before",
    "renewed": "chosen anew since",
    "mails": "mails",
}


@click.group()
def reset() -> None:
    """New passwords."""


@reset.command()
@click.argument("slug", required=False)
@click.option("--everyone", is_flag=True, help="Of every account; it says nothing about who was exposed.")
@click.option("--dry-run", is_flag=True, help="Count, and change nothing.")
@click.pass_obj
def require(context: Context, slug: str | None, *, everyone: bool, dry_run: bool) -> None:
    """Require a new password of everyone whose Passwords the active list of SLUG exposes, or of everyone.

    Old passwords stop working and sessions end at once; each person gets one mail with a link. A command that
    was stopped goes on where it was when it is started again. People who chose a new password by a mailed
    link since this was first required for SLUG are left in peace; one that was changed with the old password
    as proof is closed.
    """
    if (slug is None) != everyone:
        raise click.UsageError("Give the SLUG of an incident, or --everyone.")
    tools = Tools(context.db, context.worker_vault(), context.clock, store_for(context.settings))
    cohort = Cohort(EVERYONE) if slug is None else _exposed(tools, slug)
    work = requiring.preview if dry_run else requiring.require
    if cohort.locales is None:
        tally = work(tools, cohort, _silently)
    else:
        with _bar("Counting" if dry_run else "Requiring", len(cohort.locales)) as bar:
            tally = work(tools, cohort, bar.update)
    _print_tally(tally)
    if tally.altered:
        click.echo(
            "Somebody altered rows of accounts. See the operator's guide, and restore them from a backup.",
            err=True,
        )
    if dry_run:
        click.echo("This was a dry run: nothing was changed, and nobody was mailed.")


def _exposed(tools: Tools, slug: str) -> Cohort:
    try:
        with tools.db.read() as session:
            incident = incidents.by_slug(session, slug)
            version = exposure.needed(session, tools.vault, incident.id)
            count = exposure.exposed_count(session, tools.vault, incident.id, PASSWORDS)
            people = exposure.exposed_people(session, tools.vault, incident.id, PASSWORDS)
            with _bar("Finding accounts", count) as bar:
                return requiring.gather(tools, slug, version.number, people, bar.update)
    except incidents.IncidentUnknown:
        raise click.ClickException(f"There is no incident '{slug}'. See: portal incidents list") from None
    except exposure.ListNotActive:
        raise click.ClickException(f"No list of {slug} is active. See: portal exposure list {slug}") from None
    except VaultError:
        raise click.ClickException(
            f"The active list of {slug} does not open with these keys, or was tampered with. Nothing was "
            "changed."
        ) from None
    except exposure.ListDestroyed:
        raise click.ClickException(f"The active list of {slug} was destroyed. Import it again.") from None


def _bar(label: str, length: int) -> Any:
    return click.progressbar(length=max(length, 1), label=label)


def _silently(_steps: int) -> None:
    """Everyone is not counted beforehand, so there is no bar."""


def _print_tally(tally: Tally) -> None:
    for name, count in asdict(tally).items():
        click.echo(f"{LABELS[name]:<20} {count:>10}")
