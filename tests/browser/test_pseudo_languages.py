"""Every page in made-up languages: no text is untranslated or put together, and every page fits."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from portal.app import create_app
from portal.core import i18n
from portal.core.settings import Settings
from portal.outbox import compose
from tests.browser import pseudo
from tests.browser.conftest import served
from tests.browser.house import PASSWORD, SLUG, House
from tests.configured import configured

ANA = "ana@northwind.example"
LONG = "Northwindreiseveranstaltungsgesellschaftmitbeschraenkterhaftung"  # one word of 63 letters
NAMES = (LONG, "Northwind Travel", ANA, "Deutsch", "العربية", "English")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("translations")
    pseudo.write_catalogues(made)
    return made


@pytest.fixture
def catalogues(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The portal speaks these languages and no other."""
    cached = (i18n.translations, i18n.catalogue, compose._environment)
    monkeypatch.setattr(i18n, "TRANSLATIONS", folder)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.fixture
def spoken_house(
    house: House, settings: Settings, servers: ExitStack, db, clock, web_keys, catalogues
) -> str:
    """An affected person with an account, and a portal in these languages over the same database."""
    house.incident()
    house.live(f"{ANA},7,Ana Ruiz,de,ES,Passwords;Phone numbers", f"{ANA},8,Leo Ruiz,de,ES,Names")
    house.account(ANA)
    speaking = configured(
        settings,
        site={
            "languages": ("en", *pseudo.LANGUAGES),
            "organisation": LONG,
            "contact_hours": "Mon–Fri 9–17",
            "contact_email": f"data.protection.officer@{LONG.lower()}.example",
        },
    )
    return servers.enter_context(served(create_app(speaking, db=db, clock=clock, web_keys=web_keys)))


@pytest.mark.parametrize("language", pseudo.LANGUAGES)
def test_no_text_is_untranslated_or_put_together_and_every_page_fits(
    language: str,
    spoken_house: str,
    house: House,
    another_person: Callable[..., BrowserContext],
    accessible: Callable[[Page], None],
):
    page = another_person(locale=language, viewport={"width": 320, "height": 640}).new_page()
    wrong: list[str] = []

    def look() -> None:
        direction = {"de": "ltr", "ar": "rtl"}[language]
        assert page.evaluate("[document.documentElement.lang, document.dir]") == [language, direction]
        assert page.evaluate("getComputedStyle(document.querySelector('footer')).direction") == direction
        path = page.url.removeprefix(spoken_house)
        wrong.extend(f"{path} {fault}" for fault in pseudo.faults(page, NAMES))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{path} is wider than the screen")

    def send(**fields: str) -> None:
        for name, value in fields.items():
            page.locator(f"main input:visible[name={name}]").fill(value)
        with page.expect_navigation():
            page.locator("main form button[type=submit]").first.click()
        look()

    for path in (
        "/", "/incidents/", f"/incidents/{SLUG}/statement/2/", f"/incidents/{SLUG}/updates/1/",
        "/protect-yourself/", "/is-it-real/", "/reminders/elsewhere/", "/language/", "/privacy/",
        "/imprint/", "/nothing/", "/check/answer/", f"/unsubscribe/{'a' * 32}/",
    ):  # fmt: skip
        page.goto(spoken_house + path)
        look()
    page.goto(f"{spoken_house}/check/")
    send(email="ana@gmial.com")
    accessible(page)
    links = {}
    for form, answer in (
        ("/check/", "/check/answer/"),
        ("/reset/", "/reset/"),
        ("/subscribe/", "/subscribe/confirm/"),
    ):
        page.goto(spoken_house + form)
        look()
        send(email="nobody")
        send(email=ANA)
        house.work()
        links[form] = house.link_in(house.smtp.to(ANA)[-1], answer).removeprefix(house.url)
    links["notice"] = f"/check/notice/{'a' * 69}/"
    for form in ("/check/", "/subscribe/", "notice"):
        page.goto(spoken_house + links[form])
        look()
        send()
        accessible(page)
    page.goto(f"{spoken_house}/sign-in/")
    look()
    send(email=ANA, password="wrong")
    send(email=ANA, password=PASSWORD)
    for path in (
        "/account/",
        "/account/password/",
        "/account/reminders/",
        "/account/sessions/",
        "/sign-out/",
    ):
        page.goto(spoken_house + path)
        look()
    page.goto(spoken_house + links["/reset/"])
    look()
    send(password="short")
    send(password="sunlit-marble-otter-harbour")
    assert sorted(set(wrong)) == []
