"""The rights that the store needs in the company's PostgreSQL, and no others."""

from collections.abc import Sequence

from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql import dialect

from portal.core.settings.sql import SqlIdentity

_quote = dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]


def statements(settings: SqlIdentity, role: str) -> list[str]:
    """Return the GRANTs for a role, as the owner of the tables runs them.

    One is a comment: a number that ends sessions must be read to grow, and a text must not, because it may
    sign people in.
    """
    url = make_url(settings.url)
    read = [
        settings.id, settings.email, settings.hash, settings.name, settings.locale, settings.reference,
        settings.active.removeprefix("not "), settings.factor,
    ]  # fmt: skip
    granted = [] if url.database is None else [f"CONNECT ON DATABASE {_quote(url.database)}"]
    tables = [settings.table, *([settings.sessions_table] if settings.sessions_table else [])]
    schemas = dict.fromkeys(table.rpartition(".")[0] or "public" for table in tables)
    granted += [f"USAGE ON SCHEMA {_quote(schema)}" for schema in schemas]
    granted.append(f"SELECT ({_columns(read)}) ON {_table(settings.table)}")
    granted.append(f"UPDATE ({_columns([settings.hash, settings.version])}) ON {_table(settings.table)}")
    if settings.sessions_table:
        sessions = _table(settings.sessions_table)
        granted += [f"SELECT ({_columns([settings.sessions_user])}) ON {sessions}", f"DELETE ON {sessions}"]
    printed = [f"GRANT {right} TO {_quote(role)};" for right in granted]
    if settings.version:
        right = f"SELECT ({_quote(settings.version)}) ON {_table(settings.table)}"
        printed.append(f"-- if {settings.version} has numbers: GRANT {right} TO {_quote(role)};")
    return printed


def _columns(names: Sequence[str]) -> str:
    return ", ".join(_quote(name) for name in dict.fromkeys(filter(None, names)))


def _table(name: str) -> str:
    schema, _, bare = name.rpartition(".")
    return f"{_quote(schema or 'public')}.{_quote(bare)}"
