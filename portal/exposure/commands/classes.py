"""`portal exposure classes`: list and search the data classes."""

import click

from portal.core.i18n import shipped_languages
from portal.datakinds.names import search, shown
from portal.datakinds.taxonomy import GROUPS, DataClass
from portal.runtime.command_line import AS_JSON, echo_json


@click.command()
@click.argument("words", nargs=-1, metavar="[WORD]")
@AS_JSON
def classes(words: tuple[str, ...], *, as_json: bool) -> None:
    """List the data classes, or search them.

    WORD is what you call it, in English or Spanish: emails, DNI, salary. Both names of a class can be typed
    wherever one is asked for: the first, and what readers see. Severity runs from 1 (little risk) to 5 (act
    first).
    """
    text = " ".join(words)
    found = search(text) if text.strip() else sorted(search(""), key=_by_group)
    if not found:
        raise click.ClickException(
            f"No data class is called '{text}' or nearly so. To see all: portal exposure classes"
        )
    if as_json:
        echo_json(
            [
                {"name": one.name, "readers_see": _shown(one), "group": one.group, "severity": one.severity}
                for one in found
            ]
        )
        return
    for one in found:
        click.echo(f"{one.name}  ({one.group}, severity {one.severity})")
        seen = [f"{language}: {name}" for language, name in _shown(one).items() if name != one.name]
        if seen:
            click.echo(f"    readers see  {'; '.join(seen)}")


def _by_group(data_class: DataClass) -> tuple[int, int, str]:
    return GROUPS.index(data_class.group), -data_class.severity, data_class.name


def _shown(data_class: DataClass) -> dict[str, str]:
    return {language: shown(data_class, language) for language in shipped_languages()}
