"""What commands share: `--json`, the exit status for a decision that is still needed, and the screen."""

import json
from datetime import UTC, date, datetime
from typing import Any

import click

from portal.core.one_line import shown

# The name of the argument is `as_json`.
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


class DecisionNeeded(click.ClickException):
    """Nothing was stored: an option must say what is wanted, such as --yes or --confirm. Status 2."""

    exit_code = 2


def echo_json(data: dict[str, Any] | list[Any]) -> None:
    """Print one JSON object or array, alone on standard output. Times are ISO 8601 in UTC, with Z."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
    raise TypeError(type(value).__name__)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 address`, `2 addresses`; `many` is `one` with an s unless given."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


class Screen:
    """Print lines below headings: wrapped and with colours at a terminal, else plain. Heeds NO_COLOR."""

    def __init__(self) -> None:
        """Open standard output."""
        from rich.console import Console  # noqa: PLC0415 - slow to import

        self._console = Console(highlight=False, markup=False, emoji=False)

    def heading(self, text: str) -> None:
        """Print a heading."""
        self._console.print(shown(text), style="bold", soft_wrap=True)

    def line(self, text: str, style: str = "", indent: int = 2) -> None:
        """Print a line; where the terminal is too narrow, what follows is indented too.

        Much of it comes from the database, which the web process can write.
        """
        from rich.padding import Padding  # noqa: PLC0415 - slow to import
        from rich.text import Text  # noqa: PLC0415

        text = shown(text)
        if self._console.is_terminal:
            self._console.print(Padding(Text(text, style), (0, 0, 0, indent)))
        else:
            self._console.print(" " * indent + text, soft_wrap=True)
