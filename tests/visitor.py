"""A person's browser without the picture: keeps cookies, and sends forms as the pages offer them."""

import re
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

FIELD = re.compile(r"<input\b[^>]*>")
ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')

# What every browser says of a form on our own page.
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


class Read(TestResponse):
    """An answer whose addresses are in one piece, as whoever copies them gets them."""

    @property
    def text(self) -> str:
        return str(super().text).replace("<wbr>", "")


class Visitor(FlaskClient):
    """Flask's test client, which can also fill in a form."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.response_wrapper = type("ReadResponse", (Read, self.response_wrapper), {})

    def submit(self, page: str, /, *, to: str | None = None, **fields: Any) -> TestResponse:
        """Open `page`, fill in its form and send it, to the page itself unless `to` says otherwise."""
        shown = self.get(page)
        assert shown.status_code == 200, f"{page} answered {shown.status}"
        return self.post(to or page, data=hidden(shown.text) | fields, headers=SAME_SITE)


def leads_to(redirect: Any) -> str:
    """Where a redirect leads, without the name that it gives to the link."""
    return re.sub(r"\?link=[0-9a-f]{32}\Z", "", str(redirect.location))


def main_of(page: str) -> str:
    """What a page is about, without what surrounds every page."""
    return page.split("<main")[1].split("</main", maxsplit=1)[0]


def hidden(html: str) -> dict[str, str]:
    """The hidden fields of a page's forms, the CSRF token among them."""
    inputs = (dict(ATTRIBUTE.findall(field)) for field in FIELD.findall(html))
    return {each["name"]: unescape(each.get("value", "")) for each in inputs if each.get("type") == "hidden"}
