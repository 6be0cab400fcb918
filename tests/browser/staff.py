"""A person of staff in front of the console, with a passkey."""

from dataclasses import dataclass

from playwright.sync_api import Page, expect

from tests.browser.test_passkeys import Authenticator


@dataclass
class Staff:
    """A person in front of the console, with an authenticator."""

    page: Page
    url: str

    @property
    def path(self) -> str:
        """Where the page is, within the console."""
        return self.page.url.removeprefix(self.url)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.url}{path}")
        return self.page

    def press(self, words: str, within: str = "main") -> None:
        """Press a button, and wait for the page that it leads to."""
        button = self.page.locator(within).get_by_role("button", name=words, exact=True).first
        with self.page.expect_navigation():
            button.click()
        self.confirm()

    def confirm(self) -> None:
        """Confirm with the passkey where the console asks who is there."""
        if "/confirm/" in self.page.url:
            with self.page.expect_navigation(url=lambda url: "/confirm/" not in url):
                self.page.get_by_role("button", name="Use your passkey").click()

    def approve(self, path: str) -> None:
        self.open(path)
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Approve with your passkey").click()
        expect(self.page.locator(".notice").first).to_have_text("Approved and done.")


def join(page: Page, link: str, name: str, url: str) -> Staff:
    """Join by an invitation, with a passkey."""
    Authenticator(page)
    page.goto(link)
    page.locator("#passkey-name").fill(name)
    with page.expect_navigation():
        page.get_by_role("button", name="Join with a passkey").click()
    expect(page.locator("h1")).to_have_text("Save your recovery codes")
    return Staff(page, url)
