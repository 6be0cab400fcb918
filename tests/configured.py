"""Settings that differ from a test's own: `configured(settings, site={"organisation": ...})`."""

from dataclasses import replace
from typing import Any

from portal.core.settings import Settings


def configured(settings: Settings, **changes: Any) -> Settings:
    """Change fields; a dictionary changes fields of a group and leaves its others."""
    if "site" in changes:
        changes["given"] = changes.pop("site")
    groups = {
        name: replace(getattr(settings, name), **fields)
        for name, fields in changes.items()
        if isinstance(fields, dict)
    }
    return replace(settings, **changes | groups)
