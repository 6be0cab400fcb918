"""Tables of the affected lists: versions, their people, and the active version of each incident."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES, ROW_MAC_BYTES

IMPORTING = "importing"
READY = "ready"

_ListId = BigInteger().with_variant(Integer, "sqlite")

DIGEST_BYTES = 32


class ExposureList(Base):
    """One version of one incident's affected list; in clear it holds only counts.

    `data_key` is wrapped under the storage key; deleting it destroys the list. `class_counts` is JSON:
    the number of people by data class, `language_counts` by language without its region, where ten or more
    have it. `duplicates` counts the good rows of the file without an entry of their own, less further
    addresses in a row.
    `notifying`: a notice to this version is being sent, so it must not be destroyed.
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
    language_counts: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    rows: Mapped[int] = mapped_column(default=0)
    people: Mapped[int] = mapped_column(default=0)
    addresses: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    bad_rows: Mapped[int] = mapped_column(default=0)
    notifying: Mapped[bool] = mapped_column(default=False, server_default=false())

    @property
    def entries(self) -> int:
        """The number of rows in `exposure_people`: more than `people`, where some have several addresses."""
        return self.rows - self.bad_rows - self.duplicates


class ActiveList(Base):
    """The active version of an incident. `released`: the checks that waited for a list were released.

    `row_mac` proves that the version was activated with the worker's keys: the web process can write this
    table, and must not be able to choose the list that answers come from.
    """

    __tablename__ = "exposure_active"

    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    list_id: Mapped[int] = mapped_column(_ListId)
    activated_at: Mapped[datetime] = mapped_column(Utc)
    released: Mapped[bool] = mapped_column(default=False)
    row_mac: Mapped[bytes] = mapped_column("voucher", LargeBinary(ROW_MAC_BYTES))


class ListComparison(Base):
    """How a version compares with another one: how many of its people are new, gone and changed.

    `row_mac` proves that the worker counted them: who approves an activation must see what is so.
    """

    __tablename__ = "exposure_comparisons"
    __table_args__ = WITHOUT_ROWID

    list_id: Mapped[int] = mapped_column(_ListId, primary_key=True, autoincrement=False)
    other_id: Mapped[int] = mapped_column(_ListId, primary_key=True, autoincrement=False)
    new: Mapped[int]
    gone: Mapped[int]
    changed: Mapped[int]
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class ExposedPerson(Base):
    """One person of one version: blind indexes and a sealed, padded blob, stored in index order."""

    __tablename__ = "exposure_people"
    __table_args__ = WITHOUT_ROWID

    list_id: Mapped[int] = mapped_column(_ListId, primary_key=True, autoincrement=False)
    fold_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    person_key: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    blob: Mapped[bytes] = mapped_column(LargeBinary)


class LeftOutSet(Base):
    """Who is left out of an incident's notices, taken together: what an approval of a notice is bound to.

    `digest` is the sum of the hashes of their indexes, `version` counts the changes, and `history` is JSON of
    the newest: version, who, why, and how many more or fewer. Counts and codes, and no person. The row MAC
    proves that the worker wrote it.
    """

    __tablename__ = "exposure_left_out_sets"
    __table_args__ = WITHOUT_ROWID

    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    version: Mapped[int] = mapped_column(default=0)
    people: Mapped[int] = mapped_column(default=0)
    digest: Mapped[bytes] = mapped_column(LargeBinary(DIGEST_BYTES))
    history: Mapped[str] = mapped_column(Text, default="[]")
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class LeftOut(Base):
    """A person who is left out of an incident's notices on request; on lists and in answers they stay.

    `person_index` is the blind index of the exact address with the account_ref, `person` both of them sealed.
    `row_mac` proves that the row was stored with the worker's keys: a forged one silences nobody.
    """

    __tablename__ = "exposure_left_out"
    __table_args__ = WITHOUT_ROWID

    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    person_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    person: Mapped[bytes] = mapped_column(LargeBinary)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
