"""The table of prepared copies."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc


class DataCopy(Base):
    """The copy of a person's data that a mailed link opens, encrypted under the link's token.

    The id is the mail's, as that of the link's reply. Nothing in a row derives from an account, and its
    length is a multiple of 64 KiB. `ends_at` is a full hour.
    """

    __tablename__ = "data_copies"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)
