"""`portal settings`: show what admins saved over the environment's settings, and put the operator's back."""

from datetime import datetime
from typing import Any

import click

from portal.audit.staff import operator
from portal.console.settings.emails import tell_admins
from portal.core.one_line import shown
from portal.core.settings import Settings
from portal.core.settings.site import RULES
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context
from portal.site.saved import rules, service
from portal.site.saved.rules import Kind
from portal.site.saved.service import Change
from portal.staff import members


@click.group()
def settings() -> None:
    """Show the settings that admins saved, and put yours back."""


@settings.command()
@AS_JSON
@click.pass_obj
def show(context: Context, *, as_json: bool) -> None:
    """Show what people see: your value, and the one that an admin saved.

    A saved value replaces yours until it is reset.
    """
    vault = context.worker_vault()
    with context.db.read() as session:
        saved = service.saved(session, vault)
        names = {one.hex(): name for one, name in members.names(session, vault.staff).items()}
    every = dict.fromkeys((*RULES, *rules.LOGOS, *sorted(saved)))
    found = [_row(context.settings, name, saved.get(name), names) for name in every]
    if as_json:
        echo_json(found)
        return
    for row in found:
        if row["saved"] is None:
            line = f"{row['name']}: {row['yours'] or 'not set'}"
        else:
            at: datetime = row["saved_at"]
            line = (
                f"{row['name']}: {row['saved'] or 'not set'} (saved by {row['saved_by']} on {at:%Y-%m-%d}, "
                f"instead of {row['yours'] or 'not set'})"
            )
        click.echo(shown(line))


@settings.command()
@click.argument("name")
@click.pass_obj
def reset(context: Context, name: str) -> None:
    """Put your own value back in place of the one that an admin saved.

    NAME is as `portal settings show` prints it. All admins are mailed where it changes whom people write to,
    or what they read.
    """
    vault, now = context.worker_vault(), context.clock.now()
    name = name.removeprefix("PORTAL_").removesuffix("_FILE").lower() if name.startswith("PORTAL_") else name
    with context.db.write() as session:
        before = service.saved(session, vault).get(name)
        if before is None or before.value is None:
            raise click.ClickException(
                "No admin saved a value of this name, so yours counts. For the names: portal settings show"
            )
        service.change(
            session,
            vault,
            context.settings,
            name,
            None,
            base=before.number,
            by=f"operator {operator().user}",
            now=now,
        )
        tell_admins(session, vault, context.settings, name, now)
    click.echo(f"{name}: your own value counts again. Pages and mails have it within seconds.")


def _row(given: Settings, name: str, change: Change | None, names: dict[str, str]) -> dict[str, Any]:
    """Return a setting as JSON has it; `saved` is null where the operator's value counts."""
    counts = change if change is not None and change.value is not None else None
    return {
        "name": name,
        "yours": service.operators_value(given, name),
        "saved": _text(name, counts.value) if counts and counts.value is not None else None,
        "saved_at": counts.at if counts else None,
        "saved_by": _who(counts.by, names) if counts else None,
    }


def _text(name: str, value: str) -> str:
    try:
        is_line = rules.kind(name) is Kind.LINE
    except LookupError:
        is_line = True
    return value if is_line else f"sha256:{value[:16]}"


def _who(by: str, names: dict[str, str]) -> str:
    return names.get(by.removeprefix("staff "), by)
