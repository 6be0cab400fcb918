"""Check the cells of one row of the company's accounts."""

from dataclasses import dataclass

from portal.core.i18n import Message
from portal.crypto.formats.layouts import Layout
from portal.crypto.formats.refusal import HashRefused
from portal.identity.account import Profile
from portal.identity.builtin import formats
from portal.identity.builtin.profiles import MAX_PROFILE, pack
from portal.people_files import rows

COLUMNS = ("email", "password_hash", "account_ref", "name", "locale")
NEEDED = ("email",)


@dataclass(frozen=True, repr=False)
class Row:
    """One row of the file. Where no hash is usable, `password_hash` is empty, and `unusable` says why.

    `fast` is set where the hash is a digest that is to be wrapped.
    """

    profile: Profile
    reference: str
    password_hash: str
    unusable: str = ""
    fast: bool = False


def parse_row(cells: tuple[str, ...], layout: Layout | None = None) -> Row:
    """Return what one row says. Raises RowRefused when a cell is invalid or too long.

    `layout` is what an operator declares of plain digests.
    """
    email, password_hash, ref, name, locale = cells
    address = rows.parse_address(email)
    language = rows.parse_locale(locale)
    known = "" if language == rows.UNKNOWN_LANGUAGE else language
    profile = Profile(address, " ".join(name.split()), locale=known)
    reference = ref.strip()
    rows.check_text("name", profile.name, rows.MAX_NAME)
    rows.check_text("account_ref", reference, rows.MAX_REF)
    rows.check_size(len(pack(profile)), MAX_PROFILE)
    password_hash = password_hash.strip()
    try:
        found = formats.read(password_hash, layout)
    except formats.Unusable as why:
        return Row(profile, reference, "", str(why))
    except HashRefused as error:
        raise rows.RowRefused(
            Message("%(column)s: %(why)s", column="password_hash", why=str(error))
        ) from None
    return Row(profile, reference, password_hash, fast=found.digest is not None)
