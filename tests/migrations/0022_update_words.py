"""Former updates have no frozen words."""

from tests.migrations.rows import ANY_TEXT, Rows


def carry(rows: Rows) -> None:
    """Nothing changes for what was there."""


def write(rows: Rows) -> None:
    rows["subscriptions_words"] = [
        {"update_id": b"update 8 words 1", "language": language, "content": ANY_TEXT, "row_mac": b"\x76" * 32}
        for language in ("en", "pt-BR")
    ]
