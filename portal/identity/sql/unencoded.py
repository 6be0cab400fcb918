"""Read texts of a PostgreSQL database without an encoding (SQL_ASCII), which holds any bytes."""

from typing import Any

from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.adapt import Loader

OTHER_TYPES = 0  # by which psycopg reads types that it does not know, such as citext


class _Marked(Loader):
    """What is no UTF-8 comes with a mark in its place: one odd row must be no error for the others."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode(errors="replace")


def read_as_utf8(connection: Connection[Any]) -> None:
    """Take texts for UTF-8, which most products write; they would come as bytes, and match nothing.

    PostgreSQL cannot be asked to: it refuses a whole answer for one byte that is not.
    """
    for kind in ("text", "varchar", "bpchar", "name", OTHER_TYPES):
        connection.adapters.register_loader(kind, _Marked)
