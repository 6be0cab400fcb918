"""A language is a folder: with its catalogues and nothing else, the portal speaks it."""

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from portal.core import i18n
from portal.reset import passwords
from scripts import messages
from tests.catalogues import DOMAINS, in_use

pytestmark = pytest.mark.sqlite

PLURAL = ("You can try again in %(num)s minute.", "You can try again in %(num)s minutes.")
MINUTES = (
    "Спробуйте ще раз за %(num)s хвилину.",
    "Спробуйте ще раз за %(num)s хвилини.",
    "Спробуйте ще раз за %(num)s хвилин.",
)
TEXTS: dict[str, str | tuple[str, ...]] = {
    "Check if you are affected": "Перевірити, чи це вас стосується",
    "Passwords": "Паролі",
    PLURAL[0]: MINUTES,
}


@pytest.fixture
def ukrainian(tmp_path, monkeypatch):
    """A folder in which a translator has begun, as `make messages` and set up leave it."""
    for domain in DOMAINS:
        template = tmp_path / f"{domain}.pot"
        with template.open("wb") as file:
            write_po(file, in_use(domain))
        catalogue = tmp_path / "translations/uk/LC_MESSAGES" / f"{domain}.po"
        catalogue.parent.parent.mkdir(parents=True, exist_ok=True)
        messages.bring_up_to_date(catalogue, template)
        with catalogue.open("rb") as file:
            translated = read_po(file, locale="uk")
        for text, string in TEXTS.items():
            if known := translated.get(text):
                known.string = string
        with catalogue.with_suffix(".mo").open("wb") as file:
            write_mo(file, translated)
    monkeypatch.setattr(i18n, "TRANSLATIONS", tmp_path / "translations")
    i18n.translations.cache_clear()
    i18n.catalogue.cache_clear()
    yield
    i18n.translations.cache_clear()
    i18n.catalogue.cache_clear()


def test_its_catalogues_are_all_that_a_language_needs(portal_with, ukrainian):
    assert i18n.shipped_languages() == ("en", "uk")
    visitor = portal_with(site={"languages": ("en", "uk")}).test_client()
    page = visitor.get("/check/", headers={"Accept-Language": "uk-UA,en;q=0.5"}).text
    assert '<html lang="uk" dir="ltr">' in page
    assert "Перевірити, чи це вас стосується</h1>" in page
    assert "Українська" in page
    assert i18n.catalogue("uk").gettext("Passwords") == "Паролі"
    said = tuple(i18n.catalogue("uk").ngettext(*PLURAL, number) for number in (1, 2, 5))
    assert said == MINUTES
    assert passwords.list_language("uk") == "en"
