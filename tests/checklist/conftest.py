"""Commands, to make incidents with."""

from tests.commands import context, portal

__all__ = ["context", "portal"]
