"""`portal exposure`: import affected lists, activate and destroy their versions."""

import click

from portal.exposure.commands.classes import classes
from portal.exposure.commands.exceptions import exceptions
from portal.exposure.commands.importing import import_list
from portal.exposure.commands.versions import activate, list_versions, purge


@click.group()
def exposure() -> None:
    """Import, activate and destroy lists of affected people."""


for command in (import_list, list_versions, activate, purge, classes, exceptions):
    exposure.add_command(command)
