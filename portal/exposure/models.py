"""The tables of the affected lists: versions, their people, and which version is active."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, Base, Utc
from portal.crypto.vault import INDEX_BYTES, ROW_MAC_BYTES

IMPORTING = "importing"
READY = "ready"

_ListId = BigInteger().with_variant(Integer, "sqlite")


class ExposureList(Base):
    """One version of one incident's affected list. What it says about people are counts alone.

    `data_key` is wrapped under the storage key; who forgets it destroys the list. `class_counts` is JSON: how
    many people by data class. `notifying`: a notice to it goes out, so it is not destroyed.
    """

    __tablename__ = "exposure_lists"
    __table_args__ = (
        Index(None, "incident_id", "number", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(_ListId, primary_key=True)
    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    number: Mapped[int]
    state: Mapped[str]
    imported_at: Mapped[datetime] = mapped_column(Utc)
    data_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    class_counts: Mapped[str] = mapped_column(Text, default="{}")
    rows: Mapped[int] = mapped_column(default=0)
    people: Mapped[int] = mapped_column(default=0)
    addresses: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    bad_rows: Mapped[int] = mapped_column(default=0)
    notifying: Mapped[bool] = mapped_column(default=False, server_default=false())


class ActiveList(Base):
    """Which version answers for an incident. `released`: checks that waited for a list were let go.

    `row_mac` says that who holds the worker's keys activated it: the web process can write this table, and
    must not be able to choose whom people's answers come from.
    """

    __tablename__ = "exposure_active"

    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    list_id: Mapped[int] = mapped_column(_ListId)
    activated_at: Mapped[datetime] = mapped_column(Utc)
    released: Mapped[bool] = mapped_column(default=False)
    row_mac: Mapped[bytes] = mapped_column("voucher", LargeBinary(ROW_MAC_BYTES))


class ExposedPerson(Base):
    """One person of one version: blind indexes and a sealed, padded blob, in the order of the index."""

    __tablename__ = "exposure_people"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy's own form

    list_id: Mapped[int] = mapped_column(_ListId, primary_key=True, autoincrement=False)
    fold_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    person_key: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    blob: Mapped[bytes] = mapped_column(LargeBinary)
