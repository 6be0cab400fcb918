"""Mails on a narrow phone: nothing is wider than the screen, and axe finds nothing by day or by night."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.configured import configured
from tests.mails.snapshots import SETTINGS, cases, rendered

# One word of 60 characters, as a name may be in some languages.
LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwenpensionskasse"
LONG_SITE = {
    "organisation": LONG[:60],
    "contact_email": "data-protection-and-security-incident-response@mail.northwind-travel.example",
    "contact_hours": "Monday to Friday from 9 to 17, Central European Time",
}
# Looking costs a second: mails of one kind are built of the same parts, whatever their words and language.
LOOKED_AT = {"en": [name for name in cases("en") if name.count("-") < 2], "es": ["notice-untranslated"]}
BY_NIGHT = {"check-answer", "status-update"}


@pytest.fixture
def phone(another_person: Callable[..., BrowserContext]) -> Page:
    return another_person(viewport={"width": 320, "height": 640}).new_page()


@pytest.mark.parametrize("language", SETTINGS.site.languages)
def test_every_mail_fits_a_narrow_phone_and_can_be_read_by_everyone(
    phone: Page, accessible: Callable[..., None], language: str
):
    wide = []
    for name, case in cases(language).items():
        _, html = rendered(SETTINGS, case, language)
        phone.set_content(html)
        if not phone.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            wide.append(name)
        if name in LOOKED_AT[language]:
            accessible(phone)
        if language == "en" and name in BY_NIGHT:
            phone.emulate_media(color_scheme="dark")
            accessible(phone, colours=True)
            phone.emulate_media(color_scheme="light")
    assert wide == []


def test_a_long_name_address_and_link_fit_too(phone: Page):
    settings = configured(
        SETTINGS,
        base_url="https://information-about-the-security-incident.northwind-travel-and-holidays.example",
        site=LONG_SITE,
    )
    for name in ("check-answer", "notice", "status-update", "link-not-prepared"):
        _, html = rendered(settings, cases("en")[name], "en")
        phone.set_content(html)
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
