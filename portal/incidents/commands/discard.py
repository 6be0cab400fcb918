"""Discard drafts, and write a template to start from."""

from pathlib import Path

import click

from portal.core.i18n import catalogue
from portal.incidents import service
from portal.incidents.checker.sections import SECTIONS
from portal.incidents.commands.group import SLUG, check_language, errors_as_messages, incidents, uses
from portal.incidents.publishing import discarding
from portal.runtime.command_line import DecisionNeeded
from portal.runtime.context import Context


@incidents.command()
@SLUG
@click.option("--version", type=int, metavar="N", help="The draft of this version of the statement.")
@click.option("--language", help="With --version: its language. Default: the first of PORTAL_LANGUAGES.")
@click.option("--update", type=int, metavar="ID", help="The draft of this update.")
@click.option("--classes", is_flag=True, help="The data classes that wait for the next publish.")
@click.option("--confirm", is_flag=True, help="Without the other options: delete the whole draft incident.")
@click.pass_obj
@errors_as_messages
def discard(
    context: Context,
    slug: str,
    version: int | None,
    language: str | None,
    update: int | None,
    *,
    classes: bool,
    confirm: bool,
) -> None:
    """Discard a draft, or a whole incident that was never public.

    What is public is withdrawn instead: its address stays, and says why.
    """
    if sum((version is not None, update is not None, classes)) > 1:
        raise click.UsageError("Give one of --version, --update and --classes.")
    now = context.clock.now()
    language = language or context.settings.default_language
    with context.db.write() as session:
        if version is not None:
            discarding.discard_version(session, slug, version, language, now)
            what = f"the draft of version {version} ({language})"
        elif update is not None:
            discarding.discard_update(session, slug, update, now)
            what = f"the draft of update {update}"
        elif classes:
            discarding.discard_classes(session, slug, now)
            what = "the data classes that waited"
        else:
            lists = uses(context).lists(session, service.by_slug(session, slug).id)
            discarding.discardable(session, slug, lists)
            if not confirm:
                raise DecisionNeeded(
                    f"Nothing was discarded. To delete {slug} with all its drafts, add --confirm."
                )
            discarding.discard_incident(session, slug, lists, now)
            what = "the incident and all its drafts"
    click.echo(f"{slug}: discarded {what}.")


@incidents.command("new")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--language", help="The language of the statement. Default: the first of PORTAL_LANGUAGES.")
@click.pass_obj
def write_template(context: Context, file: Path, language: str | None) -> None:
    """Write FILE, a statement to fill in.

    Each [bracket] says what to write there. A file that still has one is not stored.
    """
    settings = context.settings
    language = language or settings.default_language
    check_language(settings, language)
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(template(language))
    except FileExistsError:
        raise click.ClickException(f"{file} exists. Choose another name.") from None
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written ({error.strerror}).") from error
    click.echo(f"{file}: fill in every [bracket]. Next: portal incidents check {file}")


# Each begins with a word of `placeholders` in checker/words/en.toml: a bracket that is left over is a stop.
HINTS = (
    "[Describe what was done, by whom if you know, on which day, and when you noticed.]",
    "- [name one kind of data a line, in the words of your customers]",
    "[Describe what you did to stop it, whom you told, and what you change so that it cannot happen again.]",
    "- [name one thing a line that your customers can do now, the most urgent first]",
    "[Phone, email and hours: how people reach you.]",
)


def template(language: str) -> str:
    """Return a statement with brackets where its author must write."""
    say = catalogue(language).gettext
    lines = [
        "---",
        "title: [title: in one sentence, what happened to the data of your customers]",
        f"language: {language}",
        "signed_by: [name of the person who apologises]",
        "role: [role of that person, such as Managing director]",
        "---",
        "[Your apology, in the first person: We are sorry. We did not keep your data safe.]",
    ]
    for name, hint in zip(SECTIONS, HINTS, strict=True):
        lines += ["", f"## {say(name)}", "", hint]
    return "\n".join(lines) + "\n"
