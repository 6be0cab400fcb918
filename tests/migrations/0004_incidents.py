"""A published incident in two languages with a correction and an edited update, and a draft of another."""

from tests.migrations.rows import ANY_TEXT, Rows, at

NORTHWIND, DRAFT = b"incident north \0", b"incident draft\xff'"
FIRST_UPDATE, SECOND_UPDATE = b"update 1 \0\xff\x80\xfe'ab", b"update 2 as typd"
SECTIONS = (
    '[["What happened","Somebody copied a **backup**."],["What was taken","Names; passwords."],'
    '["What we did","We closed it."],["What you can do","Change it."],["How to reach us","+1 555 0100"]]'
)
SECCIONES = (
    '[["Qué pasó","Alguien copió una **copia**."],["Qué se llevaron","Nombres; contraseñas."],'
    '["Qué hicimos","La cerramos."],["Qué puede hacer","Cámbiela."],["Contacto","+1 555 0100"]]'
)


def carry(rows: Rows) -> None:
    rows["incidents_content"] = [{"id": 1, "number": 1}]


def write(rows: Rows) -> None:
    rows["incidents_content"] = [{"id": 1, "number": 7}]
    rows["incidents"] = [
        {
            "id": NORTHWIND,
            "slug": "northwind-2026",
            "title": "Customer data copied",
            "titles": {"es": "Copiaron datos de clientes", "pt-BR": ANY_TEXT},
            "classes": "Email addresses;Passwords",
            "state": "published",
            "created_at": at(23, 9),
            "published_at": at(23, 9, 30, 15, 123_456),
        },
        {
            "id": DRAFT,
            "slug": "another",
            "title": ANY_TEXT,
            "titles": {},
            "classes": "",
            "state": "draft",
            "created_at": at(24),
            "published_at": None,
        },
    ]
    rows["incidents_statements"] = [
        {
            "id": b"statement 1 en\0\xff",
            "incident_id": NORTHWIND,
            "number": 1,
            "language": "en",
            "title": "We are sorry",
            "signed_by": "Ana García",
            "role": "Managing director",
            "note": None,
            "apology": "We are **sorry**.\n\n" * 500,
            "sections_json": SECTIONS,
            "written_at": at(23, 9, 10),
            "published_at": at(23, 9, 30, 15, 123_456),
        },
        {
            "id": b"statement 1 es 1",
            "incident_id": NORTHWIND,
            "number": 1,
            "language": "es",
            "title": "Lo sentimos",
            "signed_by": "Ana García",
            "role": "Directora",
            "note": "",
            "apology": "Lo **sentimos**.",
            "sections_json": SECCIONES,
            "written_at": at(23, 9, 20),
            "published_at": at(23, 9, 30, 15, 123_456),
        },
        {
            "id": b"statement 2 en 2",
            "incident_id": NORTHWIND,
            "number": 2,
            "language": "en",
            "title": ANY_TEXT,
            "signed_by": "Ana García",
            "role": "Managing director",
            "note": f"Corrected: {ANY_TEXT}",
            "apology": ANY_TEXT,
            "sections_json": SECTIONS,
            "written_at": at(25),
            "published_at": None,
        },
    ]
    rows["incidents_updates"] = [
        {
            "id": FIRST_UPDATE,
            "incident_id": NORTHWIND,
            "number": 1,
            "uuid": b"\x31" * 16,
            "phase": "detected",
            "occurred_at": at(20, 22, 15),
            "written_at": at(23, 9, 11),
            "published_at": at(23, 9, 30, 15, 123_456),
            "edited_at": at(23, 12),
            "notify": True,
            "announced_at": at(23, 9, 31),
            "voucher": b"\x32" * 32,
        },
        {
            "id": SECOND_UPDATE,
            "incident_id": NORTHWIND,
            "number": 2,
            "uuid": b"\x33" * 16,
            "phase": "authorities-informed",
            "occurred_at": at(24, 8),
            "written_at": at(24, 9),
            "published_at": None,
            "edited_at": None,
            "notify": False,
            "announced_at": None,
            "voucher": None,
        },
    ]
    rows["incidents_wordings"] = [
        _wording(FIRST_UPDATE, 1, "en", "We saw strange traffic", "At **night**."),
        _wording(FIRST_UPDATE, 2, "es", "Vimos tráfico extraño", "De **noche**."),
        _wording(FIRST_UPDATE, 3, "en", "We saw unusual traffic", ANY_TEXT),
        _wording(SECOND_UPDATE, 1, "en", "We told the authority", "Today."),
    ]


def _wording(update_id: bytes, number: int, language: str, title: str, body: str) -> dict[str, object]:
    return {
        "update_id": update_id,
        "number": number,
        "language": language,
        "title": title,
        "body": body,
        "phase": "detected",
        "occurred_at": at(20, 22, 15),
        "at": at(23, 9, 11, 0, number),
    }
