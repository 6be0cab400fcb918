"""`portal reset`: require new passwords of a cohort."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click

from portal.core.settings import Settings
from portal.crypto.vault import VaultError
from portal.exposure import service as exposure
from portal.identity import registry
from portal.identity.ports import StoreFault
from portal.identity.service import external_store, is_external
from portal.incidents import service as incidents
from portal.people_files.progress import bar as progress_bar
from portal.reset.require.cohorts import Everyone, ListReplaced, Tools, listed
from portal.reset.require.preview import preview
from portal.reset.require.run import require as require_reset
from portal.runtime.context import Context

LABELS = {
    "people": "people",
    "altered": "tampered, skipped",
    "accounts": "accounts found",
    "newly": "newly required",
    "already": "already required",
    "renewed": "renewed since",
    "mails": "mails",
}


@click.group()
def reset() -> None:
    """Lock exposed passwords, and ask for new ones by mail."""


@reset.command()
@click.argument("slug", required=False)
@click.option("--everyone", is_flag=True, help="All accounts. Reveals nothing about who is affected.")
@click.option("--dry-run", is_flag=True, help="Count only: change nothing and mail nobody.")
@click.pass_obj
def require(context: Context, slug: str | None, *, everyone: bool, dry_run: bool) -> None:
    """Lock passwords until their owners choose new ones.

    Locks those of everyone on the active list of SLUG whose Passwords were exposed, or all with --everyone.
    Locked passwords sign nobody in, and sessions end at once; each person gets one mail with a link. If
    interrupted, run it again. A second run skips people who have since chosen a new password through a mailed
    link; a password that was changed with the old one as proof is locked again.
    """
    if (slug is None) != everyone:
        raise click.UsageError("Give either the SLUG of an incident, or --everyone.")
    _refuse_without_access(context.settings)
    store = external_store(context.settings) if is_external(context.settings) else None
    tools = Tools(context.db, context.worker_vault(), context.clock, store)
    work = preview if dry_run else require_reset
    with _explained(slug), _short_collections():
        if slug is None:
            tally = work(tools, Everyone(), lambda _steps: None)  # no bar: nobody has counted the accounts
        else:
            cohort = listed(tools, slug)
            with progress_bar("Counting" if dry_run else "Requiring", cohort.people) as bar:
                tally = work(tools, cohort, bar.update)
    for name, count in asdict(tally).items():
        click.echo(f"{LABELS[name]:<20} {count:>10}")
    if tally.altered:
        click.echo(
            "Account rows were tampered with: their profiles do not decrypt or belong to someone else. "
            "Restore them with: portal accounts import FILE. Then run this command again.",
            err=True,
        )
    _say_what_the_store_cannot(context.settings)
    if dry_run:
        click.echo("This was a dry run: nothing was changed and nobody was mailed.")


def _refuse_without_access(settings: Settings) -> None:
    """Raise ClickException where the company's store cannot lock a password."""
    if registry.capabilities(settings).require_change:
        return
    store, elsewhere = settings.identity.store, settings.identity.elsewhere
    names = f", which names {elsewhere.url}" if elsewhere else ""
    raise click.ClickException(
        f"PORTAL_IDENTITY_STORE={store} cannot lock passwords: nothing was changed, and nobody was mailed. "
        "Lock the old passwords with your own tool first. Then ask everyone affected for a new one with the "
        f"notice{names}: portal campaigns notify SLUG --dry-run"
    )


def _say_what_the_store_cannot(settings: Settings) -> None:
    can, store = registry.capabilities(settings), settings.identity.store
    if not can.find_by_reference:
        click.echo(
            f"PORTAL_IDENTITY_STORE={store} cannot find accounts by customer number: people were found by "
            "their addresses alone."
        )
    if not (can.end_sessions or can.change_ends_sessions):
        click.echo(
            f"PORTAL_IDENTITY_STORE={store} cannot end sessions in your product: who is signed in there "
            "stays so. End those sessions with your own tool."
        )


@contextmanager
def _short_collections() -> Iterator[None]:
    """Spare the garbage collector what is imported: looking through it would lengthen a turn by 0.1 s."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _explained(slug: str | None) -> Iterator[None]:
    """Say in a sentence why the list cannot be read, at the start or at a later page."""
    try:
        yield
    except incidents.IncidentUnknown:
        raise click.ClickException(f"There is no incident '{slug}'. See: portal incidents list") from None
    except exposure.ListNotActive:
        raise click.ClickException(
            f"No list of {slug} is active. To choose a version: portal exposure list {slug}"
        ) from None
    except ListReplaced as error:
        raise click.ClickException(
            f"Version {error.number} of the list of {slug} was activated meanwhile, so this stopped. Locked "
            "passwords stay locked, and their owners are mailed. To go on with the new version, run this "
            "command again; nobody gets a second mail."
        ) from None
    except StoreFault as fault:
        raise click.ClickException(
            f"The company's store does not answer as it must: {fault}. To look closer: portal identity "
            "check. Then run this command again: it goes on where it was."
        ) from None
    except VaultError:
        raise click.ClickException(
            f"The active list of {slug} does not decrypt: wrong worker key file, or tampered list. "
            "To check the keys: portal doctor. Then run this command again."
        ) from None
    except exposure.ListDestroyed:
        raise click.ClickException(
            f"The active list of {slug} was destroyed. Import it again: portal exposure import {slug} FILE"
        ) from None
