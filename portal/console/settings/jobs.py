"""The worker's side of settings: save one, or put the operator's value back."""

from collections.abc import Mapping
from typing import Any

from portal.console.settings.emails import tell_admins
from portal.core.settings.site import SettingInvalid
from portal.runtime.parts import WorkerParts
from portal.site.saved import service
from portal.site.saved.pictures import PictureRefused
from portal.staff.orders import Acting, Order, Refused
from portal.staff.roles import Role


def change(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Save a setting. Fields: name, base (the change that it replaces), and value, without which it is reset.

    The value of a logo or a legal page is the hash of a content that the console stored.
    """
    now = parts.clock.now()
    with parts.db.write() as session:
        try:
            number = service.change(
                session,
                parts.vault,
                parts.settings,
                fields["name"],
                fields.get("value"),
                base=int(fields["base"]),
                by=acting.by,
                now=now,
            )
        except service.Outdated as error:
            raise Refused("setting-outdated") from error
        except (
            LookupError,
            SettingInvalid,
            PictureRefused,
            service.ContentMissing,
            ValueError,
        ) as error:
            raise Refused("setting-invalid") from error
        if number:
            tell_admins(session, parts.vault, parts.settings, fields["name"], now)
    return {"number": number}


ORDERS = {"setting": Order(change, frozenset({Role.ADMIN}), step_up=True)}
