"""The tables of drafts, and of updates that one author published alone."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, Base, Utc, new_id
from portal.core.faults import parsed
from portal.incidents.models import TITLE_LENGTH

DOCUMENT_LENGTH = 40


class Draft(Base):
    """One save of a text that is being written; a row never changes its number.

    `document` names the text within its incident, such as `statement:en`. `parts_json` holds it as a JSON
    object of texts by part. `base` is the revision that its author started from, 0 for none. One that is
    `aside` lost a race: another was saved meanwhile, so it is no version of the text, but nothing of it is
    lost. The text is what the highest revision says that is not aside.
    """

    __tablename__ = "incidents_drafts"

    incident_id: Mapped[bytes] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    document: Mapped[str] = mapped_column(String(DOCUMENT_LENGTH), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    base: Mapped[int]
    aside: Mapped[bool]
    parts_json: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    saved_at: Mapped[datetime] = mapped_column(Utc)

    @property
    def parts(self) -> dict[str, str]:
        """Return the texts by part."""
        return parsed(self.parts_json, "incidents_drafts", f"{self.document} {self.revision}")


class Unconfirmed(Base):
    """An update that one author published alone, and why; open until a second person confirms it."""

    __tablename__ = "incidents_unconfirmed"

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    update_id: Mapped[bytes] = mapped_column(ForeignKey("incidents_updates.id"))
    author: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Utc)
    confirmed_by: Mapped[str | None] = mapped_column(String(TITLE_LENGTH))
    confirmed_at: Mapped[datetime | None] = mapped_column(Utc)
