"""`portal incidents`: store, preview and publish the statement and the timeline."""

from portal.incidents.commands import check, discard, incident, publish, show, withdraw, write
from portal.incidents.commands.group import incidents

__all__ = ["check", "discard", "incident", "incidents", "publish", "show", "withdraw", "write"]
