"""A browser that an account knows, as after an earlier sign-in: to sign in there again is no news."""

from typing import Any

from portal.accounts import service
from portal.crypto.vault import WebVault


def recognise(browser: Any, vault: WebVault, account: Any) -> None:
    """Give the browser the account's device cookie."""
    known = service.device_cookie_with(vault, None, account.id, account.version)
    browser.set_cookie("device", known)
