"""What a mail is: a frozen dataclass whose class says how its links are made, and whose fields fill its templates."""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

ASKED = "asked"
LEGAL = "legal"
SECURITY = "security"
UPDATES = "updates"
PRIORITIES = {ASKED: 0, SECURITY: 1, LEGAL: 2, UPDATES: 3}


@dataclass(frozen=True)
class Mail:
    """The base of every mail. Fields are str, int, bool or list[str]; tokens are never fields, they are derived.

    `name` is the folder below templates/email; `purpose` is what the row shows (the same for every outcome of a
    request); `link_path` is a path with `{token}`, filled with the token of `link_purpose`; `has_code` adds the
    typed alternative. A mail of the stream `updates` has a field `subscription`, the hex id its unsubscribe link
    is derived from.
    """

    name: ClassVar[str]
    stream: ClassVar[str] = ASKED
    purpose: ClassVar[str] = ""
    link_purpose: ClassVar[str | None] = None
    link_path: ClassVar[str | None] = None
    has_code: ClassVar[bool] = False
    unsubscribe_purpose: ClassVar[str | None] = None
    unsubscribe_path: ClassVar[str] = "/unsubscribe/{token}/"
    unsubscribe_field: ClassVar[str] = "subscription"

    @classmethod
    def sample(cls) -> Self:
        """Return an example, from which the tests render the mail in every language."""
        raise NotImplementedError

    @classmethod
    def row_purpose(cls) -> str:
        """Return what the outbox row shows as its purpose."""
        return cls.purpose or cls.name

    def as_json(self) -> dict[str, Any]:
        """Return the fields as they are kept."""
        return asdict(self)


def pack(mail: Mail, address: str, locale: str) -> bytes:
    """Return what an outbox row seals: the recipient, the language and the mail's fields."""
    content = {"to": address, "locale": locale, "name": mail.name, "fields": mail.as_json()}
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Packed:
    """What a row sealed, opened again."""

    address: str
    locale: str
    name: str
    fields: dict[str, Any]


def unpack(content: bytes) -> Packed:
    """Return what `pack` packed."""
    raw = json.loads(content)
    return Packed(raw["to"], raw["locale"], raw["name"], raw["fields"])
