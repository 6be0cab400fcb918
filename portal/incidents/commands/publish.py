"""Show what publishing would do, and publish."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import click
from sqlalchemy.orm import Session

from portal.core.settings import Settings
from portal.incidents import announcing, service
from portal.incidents.commands.group import (
    SLUG,
    errors_as_messages,
    incidents,
    time_text,
    unannounced,
    uses,
)
from portal.incidents.differences import REMOVED, SAME, Difference
from portal.incidents.publishing import checks, scheduling
from portal.incidents.publishing.checks import Placed
from portal.incidents.publishing.plan import DraftStatement, DraftUpdate, Plan, plan
from portal.incidents.service import Chosen, Published
from portal.incidents.times import TimeInvalid, parse_time
from portal.runtime.command_line import DecisionNeeded, counted
from portal.runtime.context import Context


@incidents.command()
@SLUG
@click.option("--confirm", is_flag=True, help="Do it. Without this, only say what would happen.")
@click.option("--accept", "accepted", multiple=True, metavar="CODE", help="Accept what is asked; repeatable.")
@click.option("--holding", is_flag=True, help="It is a holding statement: it says when you say more.")
@click.option("--more-by", "more_by", metavar="TIME", help="With --holding: when you say more.")
@click.option("--at", metavar="TIME", help="With --confirm: the worker does it at this time.")
@click.option("--cancel", is_flag=True, help="Do not publish what was scheduled with --at.")
@click.option("--text", metavar="MARK", help="The mark that was printed: nothing else is published.")
@click.pass_obj
@errors_as_messages
def publish(
    context: Context,
    slug: str,
    accepted: tuple[str, ...],
    more_by: str | None,
    at: str | None,
    text: str | None,
    *,
    confirm: bool,
    holding: bool,
    cancel: bool,
) -> None:
    """Publish an incident and all its drafts.

    Prints what becomes public, what changes, who is mailed, and what must be fixed or accepted before. Needs
    the worker's keys if a draft is to be mailed to subscribers (notify), and with --at.
    """
    now = context.clock.now()
    if cancel:
        with context.db.write() as session:
            scheduling.cancel(session, slug, now)
        click.echo(f"{slug}: nothing is scheduled any more. The drafts stay drafts.")
        return
    promise = _promise(context.settings, more_by, now, holding=holding)
    later = None if at is None else future(context.settings, "--at", at, now)
    if promise is not None and later is not None and promise <= later:
        raise click.UsageError("--more-by must be after --at: else readers get a time that has passed")
    vault = context.worker_vault() if confirm and (later or unannounced(context, slug)) else None
    if not confirm:
        with context.db.read() as session:
            planned = plan(session, slug)
            found = checks.findings(session, context.settings, planned, more_by=promise)
            _show(session, context, planned, found, accepted, promise)
        _refuse_stops(found)
        if planned.empty and promise is None:
            return
        options = {"--more-by": more_by, "--at": at}
        _ask(slug, found, accepted, planned, {name: value for name, value in options.items() if value})
        return
    with context.db.write() as session:
        service.locked(session, slug)
        planned = plan(session, slug)
        if text is not None and text != planned.mark:
            raise click.ClickException(
                "The drafts have changed since they were shown. Nothing was published. "
                f"Look again: portal incidents publish {slug}"
            )
        found = checks.findings(session, context.settings, planned, more_by=promise)
        if not (planned.empty and promise is None):
            _refuse_stops(found, say=True)
            if open_questions := checks.asking(found, accepted):
                _echo_findings(open_questions)
                raise DecisionNeeded(f"Nothing was published. {_to_accept(open_questions)}")
        used = _used(found, accepted)
        if later is not None and vault is not None:
            _refuse_nothing(slug, planned, promise)
            scheduling.schedule(session, vault, planned, later, now, used, promise)
            click.echo(
                f"{slug}: the worker publishes exactly these drafts at {time_text(later)}. "
                f"To stop it: portal incidents publish {slug} --cancel"
            )
            return
        service.refuse_scheduled(session, planned.incident)
        chosen = planned.chosen(used, promise)
        done = announcing.publish(session, vault, slug, now, chosen)
    _echo_done(context.settings, slug, done, chosen)


def _promise(settings: Settings, more_by: str | None, now: datetime, *, holding: bool) -> datetime | None:
    """Return when a holding statement says that more follows, or None. Raises UsageError."""
    if holding != (more_by is not None):
        raise click.UsageError(
            "A holding statement says when you say more: --holding --more-by '2026-11-29 18:00'"
        )
    if more_by is None:
        return None
    return future(settings, "--more-by", more_by, now)


def future(settings: Settings, option: str, value: str, now: datetime) -> datetime:
    """Return a time to come, given in the organisation's zone or with an offset. Raises UsageError."""
    try:
        like = f"{now + timedelta(days=1):%Y-%m-%d}"
        at = parse_time(value, settings.site.timezone, like).at
    except TimeInvalid as error:
        raise click.UsageError(f"{option}: {error}") from None
    if at <= now:
        raise click.UsageError(f"{option} has passed; it is now {time_text(now)}")
    return at


def _refuse_nothing(slug: str, planned: Plan, promise: datetime | None) -> None:
    """Raise ClickException where there is nothing to publish at a set time."""
    if planned.empty and promise is None:
        raise click.ClickException(f"{slug} is public, and there is no draft to publish.")


def _used(found: list[Placed], accepted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the accepted codes that were asked."""
    return tuple(sorted({one.finding.code for one in checks.asking(found)} & set(accepted)))


def _refuse_stops(found: list[Placed], *, say: bool = False) -> None:
    """Raise ClickException where something must be fixed first."""
    if stops := checks.stopping(found):
        if say:
            _echo_findings(stops)
        in_files = any(one.where for one in stops)  # else it is about the incident or the settings
        raise click.ClickException(
            f"Nothing was published: {counted(len(stops), 'fault')} must be fixed."
            + (" Correct the file, and store it again." if in_files else "")
        )


def _ask(
    slug: str, found: list[Placed], accepted: tuple[str, ...], planned: Plan, options: dict[str, str]
) -> None:
    """Raise DecisionNeeded with the command that does it."""
    codes = sorted({one.finding.code for one in checks.asking(found)})
    given = " --holding" if "--more-by" in options else ""
    given += "".join(f" {name} '{value}'" for name, value in options.items())
    given += "".join(f" --accept {code}" for code in codes)
    open_questions = checks.asking(found, accepted)
    decide = f" {_to_accept(open_questions)}" if open_questions else ""
    raise DecisionNeeded(
        f"Nothing was published.{decide}\n"
        f"To publish exactly this: portal incidents publish {slug} --confirm{given} "
        f"--text {planned.mark}"
    )


def _to_accept(found: list[Placed]) -> str:
    codes = sorted({one.finding.code for one in found})
    return f"Correct it, or accept it: {' '.join(f'--accept {code}' for code in codes)}"


def _show(
    session: Session,
    context: Context,
    planned: Plan,
    found: list[Placed],
    accepted: tuple[str, ...],
    more_by: datetime | None,
) -> None:
    """Print what would become public, and all that is to be said of it."""
    slug = planned.incident.slug
    if planned.empty and more_by is None:
        click.echo(f"{slug} is public, and there is no draft to publish.")
        return
    if planned.first:
        click.echo(f"The incident becomes public: {context.settings.base_url}/incidents/{slug}/")
        click.echo(f"  title: {planned.incident.title}")
        for language, title in sorted(planned.incident.titles.items()):
            click.echo(f"  title ({language}): {title}")
        click.echo(f"  data: {'; '.join(planned.incident.next_class_names)}")
    for draft in planned.statements:
        for line in _statement_lines(draft):
            click.echo(line)
    for entry in planned.updates:
        for line in _update_lines(entry):
            click.echo(line)
    if planned.classes is not None and not planned.first:
        click.echo(f"data classes: {'; '.join(planned.incident.class_names)}")
        click.echo(f"        then: {'; '.join(planned.classes)}")
    _echo_promise(session, planned, more_by)
    mailed = sum(one.mailed for one in planned.updates)
    people = uses(context).subscribers(session, planned.incident.id) if mailed else 0
    click.echo(
        f"mails: {counted(mailed, 'update')} to {counted(people, 'subscriber')}"
        if mailed
        else "mails: none. Nobody is mailed by publishing a statement."
    )
    _echo_findings(found, accepted)


def _echo_promise(session: Session, planned: Plan, more_by: datetime | None) -> None:
    """Print the time that is promised, or one that was, and is not once these drafts are public."""
    if more_by is not None:
        click.echo(f"Readers see: more by {time_text(more_by)}")
    elif planned.incident.more_by is not None:
        newest = service.newest_public(session, planned.incident)
        if any(one.statement.number > newest for one in planned.statements):
            click.echo(f"Readers no longer see: more by {time_text(planned.incident.more_by)}")


def _statement_lines(draft: DraftStatement) -> Iterator[str]:
    yield f"{draft.name}: {draft.statement.title}"
    if draft.statement.note:
        yield f"  note: {draft.statement.note}"
    if draft.change is None:
        yield "  all of it is new"
    else:
        yield from _difference_lines(draft.change)


def _difference_lines(change: Difference) -> Iterator[str]:
    yield f"  compared with version {change.older}:{'' if change.parts else ' the words are the same'}"
    for part in change.parts:
        yield f"  {part.heading}"
        for pieces in part.paragraphs:
            before = "".join(text for what, text in pieces if what in (SAME, REMOVED)).strip()
            after = "".join(text for what, text in pieces if what != REMOVED).strip()
            if any(what != SAME for what, _text in pieces):
                yield from ([f"    - {before}"] if before else [])
                yield from ([f"    + {after}"] if after else [])


def _update_lines(entry: DraftUpdate) -> Iterator[str]:
    row = entry.update
    mailed = ", mailed to subscribers" if entry.mailed else ""
    yield f"update {row.number}: {row.phase}, {time_text(row.occurred_at)}{mailed}"
    for words in entry.wordings:
        yield f"  {words.language}: {words.title}"


def _echo_findings(found: list[Placed], accepted: tuple[str, ...] = ()) -> None:
    for one in found:
        done = "accepted" if one.finding.code in accepted else one.finding.weight.value
        click.echo(f"{done}  {one}")
        if one.finding.example:
            for line in one.finding.example.split("\n"):
                click.echo(f"      {line}".rstrip())


def _echo_done(settings: Settings, slug: str, done: Published, chosen: Chosen) -> None:
    if not (done.first or done.statements or done.updates or done.classes or chosen.more_by):
        click.echo(f"{slug} is public, and there was no draft to publish.")
        return
    for number, language in done.statements:
        click.echo(f"published: statement, version {number} ({language})")
    for number in done.updates:
        click.echo(f"published: update {number}")
    if done.classes:
        click.echo(f"published: data classes {'; '.join((chosen.classes or '').split(';'))}")
    if chosen.more_by is not None:
        click.echo(f"published: more by {time_text(chosen.more_by)}")
    click.echo(f"{settings.base_url}/incidents/{slug}/")
