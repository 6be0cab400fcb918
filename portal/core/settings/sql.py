"""The company's own table of accounts, for the store `sql`."""

from dataclasses import dataclass, field

from portal.core.environment import Environment

# A name as SQL has it without quotation marks, or with capital letters; a table may have a schema.
COLUMN = r"(?:[A-Za-z_][A-Za-z0-9_$]{0,62})?\Z"
TABLE = r"(?:[A-Za-z_][A-Za-z0-9_$]{0,62}(?:\.[A-Za-z_][A-Za-z0-9_$]{0,62})?)?\Z"
ACTIVE = r"(?:(?:not )?[A-Za-z_][A-Za-z0-9_$]{0,62})?\Z"


@dataclass(frozen=True)
class SqlIdentity:
    """Where the table is, and which column holds what; an empty name is a column that it does not have.

    `format` is that of new hashes; `digest` says how plain digests among the old ones were made. `active` is
    a column that must be set for an account to count, or must not be where `not ` is before it. `factor` is
    set where the product asks for a second factor. `version` is changed, and rows of `sessions_table` are
    deleted, to end sessions. `change_ends_sessions`: the product's sessions end by themselves when a hash
    changes. `upgrade`: a sign-in may replace an old hash.
    The web server does not know the URL.
    """

    url: str = field(default="", repr=False)
    table: str = ""
    id: str = "id"
    email: str = "email"
    hash: str = "password"
    format: str = "argon2id"
    digest: str = ""
    name: str = ""
    locale: str = ""
    reference: str = ""
    active: str = ""
    factor: str = ""
    version: str = ""
    sessions_table: str = ""
    sessions_user: str = "user_id"
    change_ends_sessions: bool = False
    upgrade: bool = False

    @classmethod
    def read(cls, environment: Environment, *, chosen: bool, reads_secrets: bool) -> "SqlIdentity":
        """Read this group; faults are collected. The URL and the table are required where it is chosen."""
        column, table = "the name of a column", "the name of a table, like users or shop.users"
        url = ""
        if reads_secrets and environment.text("IDENTITY_SQL_URL", ""):
            url = environment.database_url("IDENTITY_SQL_URL", "")
        elif reads_secrets and chosen:
            environment.fault(
                "IDENTITY_SQL_URL", "is required: the database that has your customers' accounts"
            )
        read = cls(
            url=url,
            table=environment.matching("IDENTITY_SQL_TABLE", TABLE, "", table),
            id=environment.matching("IDENTITY_SQL_ID", COLUMN, cls.id, column),
            email=environment.matching("IDENTITY_SQL_EMAIL", COLUMN, cls.email, column),
            hash=environment.matching("IDENTITY_SQL_HASH", COLUMN, cls.hash, column),
            format=environment.matching(
                "IDENTITY_SQL_FORMAT", r"[a-z0-9-]{1,40}\Z", cls.format, "the name of a format, like argon2id"
            ),
            digest=environment.text("IDENTITY_SQL_DIGEST", ""),
            name=environment.matching("IDENTITY_SQL_NAME", COLUMN, "", column),
            locale=environment.matching("IDENTITY_SQL_LOCALE", COLUMN, "", column),
            reference=environment.matching("IDENTITY_SQL_REFERENCE", COLUMN, "", column),
            active=environment.matching(
                "IDENTITY_SQL_ACTIVE", ACTIVE, "", "the name of a column, with 'not ' before it or without"
            ),
            factor=environment.matching("IDENTITY_SQL_FACTOR", COLUMN, "", column),
            version=environment.matching("IDENTITY_SQL_VERSION", COLUMN, "", column),
            sessions_table=environment.matching("IDENTITY_SQL_SESSIONS_TABLE", TABLE, "", table),
            sessions_user=environment.matching(
                "IDENTITY_SQL_SESSIONS_USER", COLUMN, cls.sessions_user, column
            ),
            change_ends_sessions=environment.yes_or_no("IDENTITY_SQL_CHANGE_ENDS_SESSIONS"),
            upgrade=environment.yes_or_no("IDENTITY_SQL_UPGRADE"),
        )
        if chosen and not read.table:
            environment.fault(
                "IDENTITY_SQL_TABLE", "is required: the table that has your customers' accounts"
            )
        for name, value in (("ID", read.id), ("EMAIL", read.email), ("HASH", read.hash)):
            if not value:
                environment.fault(f"IDENTITY_SQL_{name}", "must be the name of a column")
        return read
