"""Check the cells of one row of the company's accounts."""

from dataclasses import dataclass

from portal.identity.account import Profile
from portal.identity.builtin import formats
from portal.identity.builtin.formats import HashRefused
from portal.identity.builtin.profiles import MAX_PROFILE, pack
from portal.people_files import rows

COLUMNS = ("email", "password_hash", "account_ref", "name", "locale")
NEEDED = ("email",)


@dataclass(frozen=True, repr=False)
class Row:
    """One row of the file. Where no hash is usable, `password_hash` is empty, and `unusable` says why."""

    profile: Profile
    reference: str
    password_hash: str
    unusable: str = ""


def parse_row(cells: tuple[str, ...]) -> Row:
    """Return what one row says. Raises RowRefused when a cell is invalid or too long."""
    email, password_hash, ref, name, locale = cells
    address = rows.parse_address(email)
    profile = Profile(address, " ".join(name.split()), locale=rows.parse_locale(locale))
    reference = ref.strip()
    rows.check_text("name", profile.name, rows.MAX_NAME)
    rows.check_text("account_ref", reference, rows.MAX_REF)
    rows.check_size(len(pack(profile)), MAX_PROFILE)
    password_hash = password_hash.strip()
    unusable = formats.unusable(password_hash)
    if unusable:
        return Row(profile, reference, "", unusable)
    try:
        formats.check(password_hash)
    except HashRefused as error:
        raise rows.RowRefused(f"password_hash: {error}") from None
    return Row(profile, reference, password_hash)
