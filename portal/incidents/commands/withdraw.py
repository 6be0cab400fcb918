"""Withdraw a published text in public."""

from datetime import datetime

import click
from sqlalchemy.orm import Session

from portal.incidents import reading, service
from portal.incidents.commands.group import (
    SLUG,
    check_language,
    errors_as_messages,
    incidents,
    time_text,
    uses,
)
from portal.incidents.models import Incident
from portal.incidents.publishing import promises, withdrawing
from portal.runtime.command_line import DecisionNeeded
from portal.runtime.context import Context


@incidents.command()
@SLUG
@click.option("--version", "version", type=int, metavar="N", help="The version of the statement to withdraw.")
@click.option("--update", "update", type=int, metavar="ID", help="The update to withdraw.")
@click.option("--reason", required=True, help="Why, in the portal's default language: readers see it.")
@click.option(
    "--reason-in",
    "others",
    type=(str, str),
    multiple=True,
    metavar="LANGUAGE TEXT",
    help="The reason in another language of the portal; repeatable.",
)
@click.option(
    "--promise",
    type=click.Choice([promises.KEEP, promises.BACK]),
    default=None,
    help="A time that it promised: keep it, or go back to what was promised before.",
)
@click.option("--erase", is_flag=True, help="Destroy the text too, because it leaks something.")
@click.option("--confirm", is_flag=True, help="Do it. Without this, only say what would happen.")
@click.pass_obj
@errors_as_messages
def withdraw(
    context: Context,
    slug: str,
    version: int | None,
    update: int | None,
    reason: str,
    others: tuple[tuple[str, str], ...],
    promise: str | None,
    *,
    erase: bool,
    confirm: bool,
) -> None:
    """Withdraw a version of the statement or an update.

    Its address stays and says when and why; the text is hidden, and mails about it that wait are not sent.
    With --erase the text is also overwritten in the database, and so are the copies that mails are made from,
    its drafts, and what staff were shown of it to approve. That needs the worker's keys.
    """
    if (version is None) == (update is None):
        raise click.UsageError("Give either --version N or --update ID.")
    reason, told = withdrawing.checked_reason(reason), _others(context, others)
    if not confirm:
        with context.db.read() as session:
            incident = service.by_slug(session, slug)
            for line in _foretell(session, context, incident, version, update, erase=erase):
                click.echo(line)
            for line in _of_promise(incident, version, update, promise, context.clock.now()):
                click.echo(line)
        raise DecisionNeeded("Nothing was withdrawn. To do it, add --confirm.")
    from portal.incidents.drafts import erasing  # noqa: PLC0415 - loads much of staff: the group starts lean

    vault = context.worker_vault() if erase else None
    now = context.clock.now()
    with context.db.write() as session:
        incident = service.by_slug(session, slug)
        lines = _foretell(session, context, incident, version, update, erase=erase)
        lines += _of_promise(incident, version, update, promise, now)
        if version is not None:
            since = _public_since(session, incident, version)
            withdrawing.withdraw_version(
                session, slug, version, reason, now,
                erase=erase, others=told, promise=promise or "", language=context.settings.default_language,
            )  # fmt: skip
            if vault is not None:
                uses(context).forget_notices(session, incident.id, since, now)
                erasing.of_version(session, vault, slug, version, since, None, now)
        elif update is not None:
            update_id = withdrawing.withdraw_update(
                session, slug, update, reason, now,
                erase=erase, others=told, promise=promise or "", language=context.settings.default_language,
            )  # fmt: skip
            uses(context).forget_update(session, update_id)
            if vault is not None:
                erasing.of_update(session, vault, slug, update, None, now)
    for line in lines:
        click.echo(line)
    path = f"statement/{version}/" if version is not None else f"updates/{update}/"
    click.echo(f"{'erased' if erase else 'withdrawn'}: {context.settings.base_url}/incidents/{slug}/{path}")


def _others(context: Context, others: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the reasons in other languages. Raises UsageError, ReasonInvalid."""
    for language, _text in others:
        check_language(context.settings, language)
        if language == context.settings.default_language:
            raise click.UsageError(f"The reason in {language} is that of --reason.")
    return withdrawing.checked_others(dict(others))


def _foretell(
    session: Session,
    context: Context,
    incident: Incident,
    version: int | None,
    update: int | None,
    *,
    erase: bool,
) -> list[str]:
    """Return what withdrawing does, a line each. Raises NotPublished, UpdateUnknown."""
    if version is not None:
        lines = _of_version(session, context, incident, version, erase=erase)
    else:
        withdrawing.published_update(session, incident, update or 0)
        lines = [
            f"Update {update} says only that it was withdrawn, when and why. Its feed entry says so too.",
            "Mails about it that did not leave yet are not sent. Those that left cannot be called back.",
        ]
    if erase:
        lines += [
            "Its text is destroyed, its fingerprint too. Nobody can bring it back.",
            "What staff were shown of it to approve is destroyed too; the log keeps the hashes of that.",
            "It stays in mails that left, in copies that others made, and in your backups: delete those.",
            "The copies of pages that nginx keeps are replaced within a minute.",
            "To take what the database's files still hold of it: portal db vacuum",
        ]
    return lines


def _of_promise(
    incident: Incident, version: int | None, update: int | None, choice: str | None, now: datetime
) -> list[str]:
    """Return what becomes of what the text promised, in a line; none where nothing of it stands."""
    text = promises.of_update(update or 0) if version is None else promises.of_version(version)
    stake = promises.at_stake(incident, text, now)
    if stake is None:
        return ["No promise of this text stands: --promise changes nothing."] if choice else []
    is_kept = (choice or stake.usual) == promises.KEEP
    at = stake.stands if is_kept else stake.before
    seen = f"Readers {'still' if is_kept else 'then'} see: more by {time_text(at)}." if at else ""
    other = promises.BACK if is_kept else promises.KEEP
    instead = "" if choice else f" Otherwise: --promise {other}"
    return [(seen or "Readers see no time by which you say more.") + instead]


def _of_version(
    session: Session, context: Context, incident: Incident, number: int, *, erase: bool
) -> list[str]:
    withdrawing.published_version(session, incident, number)
    others = [one for one in reading.public_statements(session, incident) if one.number != number]
    newest = max((one.number for one in others), default=None)
    lines = [f"Version {number} says only that it was withdrawn, when and why, in all its languages."]
    if newest is None:
        lines.append(f"Then there is no statement. Next: portal incidents statement {incident.slug} FILE")
    elif newest < number:
        lines.append(f"Version {newest} is the newest again.")
    if erase:
        lines.append(
            "All drafts of the statement in the staff console are destroyed too. To keep a corrected one: "
            "withdraw without --erase, publish it, then erase."
        )
    for began in uses(context).notices(session, incident.id, _public_since(session, incident, number)):
        which = f"The notice that began at {time_text(began)} is still being sent"
        if erase:
            lines.append(
                f"{which}: its frozen text is destroyed too, so no more of it leaves. Publish a new version, "
                f"then: portal campaigns notify {incident.slug} --dry-run"
            )
        else:
            lines.append(
                f"{which}, with the words that were frozen then. "
                "To stop it: portal outbox pause --reason TEXT"
            )
    return lines


def _public_since(session: Session, incident: Incident, number: int) -> datetime:
    rows = withdrawing.published_version(session, incident, number)
    return min(one.published_at or one.written_at for one in rows)
