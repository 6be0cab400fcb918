"""The pages that wait for the company's own store, with a script and without, and what they come to."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect
from sqlalchemy import select

from portal.core.clock import SystemClock
from portal.identity.sealed.jobs import Jobs
from portal.identity.sealed.models import SealedJob
from tests.browser.conftest import PHONE, Console
from tests.identity.sealed.shop import ANN, NEW, OLD, cannot, settings, shop, shop_environ

__all__ = ["cannot", "settings", "shop", "shop_environ"]

DESKTOP = ViewportSize(width=1280, height=800)


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def store(shop, house):
    """The company's store, and a worker's thread that asks it."""
    stop = Event()

    def work() -> None:
        jobs = Jobs(house.worker)
        while not stop.is_set():
            jobs.step()
            stop.wait(0.05)
        jobs.close()

    thread = Thread(target=work)
    thread.start()
    shop.add(ANN, OLD)
    yield shop
    shop.no_trouble()
    stop.set()
    thread.join()


@pytest.fixture
def patient(house):
    """Give the jobs that are asked by now all the time that a busy machine needs to look at their page."""

    def give_time() -> None:
        with house.worker.db.write() as session:
            for job in session.scalars(select(SealedJob)):
                job.deadline += timedelta(minutes=10)

    return give_time


def sign_in(page: Page, url: str, password: str = OLD) -> None:
    page.goto(f"{url}/sign-in/")
    page.locator("[name=email]").fill(ANN)
    page.locator("[name=password]").fill(password)
    page.locator("main form button[type=submit]").first.click()


def reads_well(page: Page, accessible: Callable[[Page], None]) -> None:
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_page_waits_and_goes_on_by_itself(
    house: Any, store: Any, another_person: Callable[..., BrowserContext], accessible, patient, language
):
    page = another_person(locale=language).new_page()
    store.trouble("before verify", "hold")
    sign_in(page, house.url)
    page.wait_for_url("**/sign-in/wait/?link=*")
    patient()
    expect(page.locator("[data-ready]")).to_be_visible()
    reads_well(page, accessible)
    store.no_trouble()
    page.wait_for_url("**/account/")
    assert ANN in page.locator("main").inner_text()


def test_without_a_script_the_page_goes_on_too(
    house: Any, store: Any, another_person: Callable[..., BrowserContext], patient
):
    page = another_person(java_script_enabled=False, viewport=PHONE).new_page()
    store.trouble("before verify", "hold")
    sign_in(page, house.url)
    page.wait_for_url("**/sign-in/wait/?link=*")
    patient()
    assert "checks again every second" in page.locator("main").inner_text()
    store.no_trouble()
    page.wait_for_url("**/account/")


def test_what_went_wrong_reads_well(
    house: Any, store: Any, another_person: Callable[..., BrowserContext], accessible, console: Console
):
    page = another_person().new_page()

    def see(heading: str) -> None:
        expect(page.locator("h1")).to_have_text(heading)
        reads_well(page, accessible)
        store.no_trouble()

    store.trouble("before verify", "away")
    sign_in(page, house.url)
    see("We couldn’t check your password")
    store.run("UPDATE people SET factor = 1")
    sign_in(page, house.url)
    see("Your account needs a second step")
    page.goto(house.link_in(house.ask("/reset/", ANN), "/reset/"))
    for place, what, heading in (
        ("before set_password", "away", "We couldn’t save your new password"),
        ("after set_password", "bug", "We don’t know if your new password was saved"),
    ):
        store.trouble(place, what)
        page.locator("[name=password]").fill(NEW)
        page.locator("main form button[type=submit]").first.click()
        see(heading)
        page.get_by_role("link", name="Try again").click()
    page.locator("[name=password]").fill(NEW)
    page.locator("main form button[type=submit]").first.click()
    expect(page.locator("h1")).to_have_text("Your new password is set")
    console.complaints = [each for each in console.complaints if "503" not in each]
