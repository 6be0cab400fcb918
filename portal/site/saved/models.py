"""Tables of saved settings: each change of one, and the files and long texts that they name."""

from datetime import datetime

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import ROW_MAC_BYTES

DIGEST_BYTES = 32


class SiteChange(Base):
    """One change of a setting. The newest of a name counts; without a value, the operator's counts again.

    The number is that of its entry in the audit log. The value of a logo or legal page is the hash of a
    content. The worker alone writes rows: each process checks the MAC that is made for it.
    """

    __tablename__ = "site_changes"
    __table_args__ = WITHOUT_ROWID

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(40))
    value: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Utc)
    who: Mapped[str] = mapped_column(String(100))
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
    web_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
    console_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class SiteContent(Base):
    """A logo or a legal page's text, by its SHA-256. The console stores it; a change makes it count."""

    __tablename__ = "site_contents"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(DIGEST_BYTES), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime] = mapped_column(Utc, index=True)
