"""The texts of the product and their translations, as the tests read them."""

import tempfile
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from scripts import messages

ROOT = Path(__file__).parents[1]
TRANSLATIONS = ROOT / "portal/translations"
DOMAINS = ("datakinds", "messages")


@cache
def in_use(domain: str) -> Catalog:
    """The texts of a domain, as `make messages` finds them."""
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / f"{domain}.pot"
        messages.extract(domain, template)
        with template.open("rb") as file:
            return read_po(file)


@cache
def read(language: str, domain: str) -> Catalog:
    """The catalogue of a language's folder."""
    with (TRANSLATIONS / language / f"LC_MESSAGES/{domain}.po").open("rb") as file:
        return read_po(file, locale=language)


def forms(text: object) -> list[str]:
    """A text's singular and plural, or the one form it has."""
    return [str(form) for form in text] if isinstance(text, tuple | list) else [str(text)]
