"""`portal incidents`: store, preview and publish the statement and the timeline."""

from portal.incidents.commands import check, incident, publish, show, write
from portal.incidents.commands.group import incidents

__all__ = ["check", "incident", "incidents", "publish", "show", "write"]
