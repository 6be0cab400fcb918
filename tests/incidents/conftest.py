"""An author at the command line, and a reader before the pages."""

from collections.abc import Callable
from pathlib import Path

import pytest

from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.incidents import service
from portal.incidents.models import Incident
from tests.commands import Portal, context, portal

__all__ = ["context", "portal"]

SLUG = "booking"
STATEMENT = """\
---
title: Your booking was copied
language: en
signed_by: Ana Ruiz
role: Managing director
---
We are sorry. We did not keep your booking safe.

## What happened

Someone copied our bookings on 3 November 2026.

## What information was involved

- your name
- your e-mail address

## What we are doing

We closed the way in.

## What you can do

[Check](/check/) whether you are affected.

## For more information

Call us.
"""
CORRECTED = STATEMENT.replace("- your e-mail address", "- your e-mail address\n- your nickname").replace(
    "role: Managing director", "role: Managing director\nnote: Passwords were copied too. We had missed them."
)
SPANISH = """\
---
title: Han copiado su reserva
language: es
signed_by: Ana Ruiz
role: Directora general
---
Lo sentimos. No protegimos su reserva.

## Qué ha pasado

Alguien copió nuestras reservas.

## Qué información se vio afectada

- su nombre
- su correo electrónico

## Qué estamos haciendo

Cerramos la vía de entrada.

## Qué puede hacer usted

Compruebe si está afectado.

## Más información

Llámenos.
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an author's file."""

    def file(text: str | bytes) -> Path:
        path = tmp_path / f"file-{len(list(tmp_path.glob('file-*')))}.md"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return file


@pytest.fixture
def incident(db: Database, clock: FixedClock) -> Incident:
    """One that is not public, and has no statement."""
    with db.write() as session:
        return service.create(session, SLUG, "Theft of bookings", ("Names",), clock.now())


@pytest.fixture
def draft(portal: Portal) -> str:
    portal("incidents", "create", SLUG, "--title", "Theft of bookings", "--classes", "Names;email addresses")
    return SLUG


@pytest.fixture
def published(portal: Portal, write: Write, draft: str) -> str:
    """A public incident with its first statement."""
    portal("incidents", "statement", draft, write(STATEMENT))
    portal("incidents", "publish", draft, "--confirm")
    return draft
