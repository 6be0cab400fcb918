"""The campaigns table."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, Base, Utc, new_id
from portal.crypto.vault import ROW_MAC_BYTES

KEY_BYTES = 32


class Campaign(Base):
    """One notice to everyone on one list version; its mails carry its id as their batch.

    `addresses` is the number of addresses on the list. `written` of them got a mail from this campaign,
    `earlier` from a notice to an earlier version. `last_key` is the key of the last person processed, in list
    order.
    """

    __tablename__ = "campaigns"
    __table_args__ = (UniqueConstraint("incident_id", "list_id"),)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    list_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    begun_at: Mapped[datetime] = mapped_column(Utc)
    ended_at: Mapped[datetime | None] = mapped_column(Utc)
    addresses: Mapped[int]
    written: Mapped[int] = mapped_column(default=0)
    earlier: Mapped[int] = mapped_column(default=0)
    last_key: Mapped[bytes] = mapped_column(LargeBinary(KEY_BYTES), default=b"")
    # Made with the worker's keys: a row that was inserted or altered without them mails nobody.
    row_mac: Mapped[bytes] = mapped_column("voucher", LargeBinary(ROW_MAC_BYTES))
