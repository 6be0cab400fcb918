"""A console whose author sends files, and a worker that reads them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from portal.exposure.uploads.work import Uploads
from tests.colleagues import Office
from tests.exposure.conftest import Lists
from tests.visitor import SAME_SITE, Visitor, hidden

PAGE = "/lists/november/"


@dataclass
class Sender:
    """An author in front of their browser."""

    office: Office
    browser: Visitor

    @property
    def token(self) -> str:
        return hidden(self.browser.get(PAGE).text)["csrf_token"]

    def begin(self, size: int, *, form: str = "text", purpose: str = "list", name: str = "a.csv 1") -> Any:
        fields = {"csrf_token": self.token, "purpose": purpose, "form": form, "size": size, "name": name}
        return self.browser.post("/lists/november/uploads/", data=fields, headers=SAME_SITE)

    def put(self, url: str, content: bytes, offset: int | None = None, **headers: str) -> Any:
        given = SAME_SITE | {"X-CSRFToken": self.token, "Upload-Name": "a.csv 1"} | headers
        if offset is not None:
            given["Upload-Offset"] = str(offset)
        return self.browser.put(url, data=content, headers=given, content_type="application/octet-stream")

    def send(self, content: bytes, **begun: Any) -> str:
        """Send a file as the script does, and return the address of its page."""
        place = self.begin(len(content), **begun).get_json()
        assert self.put(place["content"], content, 0).status_code == 200
        return str(place["page"])

    def send_form(self, content: bytes, name: str = "people.csv", **fields: str) -> Any:
        """Send a file as a browser without script does."""
        given = {"csrf_token": self.token, "purpose": "list"} | fields
        parts = [f'name="{field}"\r\n\r\n{value}'.encode() for field, value in given.items()]
        parts.append(f'name="file"; filename="{name}"\r\n\r\n'.encode() + content)
        body = b"".join(b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
        return self.browser.post(
            "/lists/november/send/",
            data=body + b"--b--\r\n",
            headers=SAME_SITE,
            content_type="multipart/form-data; boundary=b",
        )

    def work(self) -> None:
        step = Uploads(self.office.parts).step
        while step():
            pass

    def read(self, content: bytes, **begun: Any) -> str:
        """Send a file, let the worker read it, and return the address of its page."""
        page = self.send(content, **begun)
        self.work()
        return page

    def press(self, page: str, what: str, **fields: str) -> Any:
        """Press the button of a form of a file's page."""
        sent = {"csrf_token": self.token} | {name.replace("_", "-"): value for name, value in fields.items()}
        return self.browser.post(f"{page}{what}/", data=sent, headers=SAME_SITE)

    def texts(self, page: str) -> str:
        """What a page says, without its markup."""
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.browser.get(page).text))


@pytest.fixture
def lists(office: Office, tmp_path: Path) -> Lists:
    made = Lists(office.db, office.parts.vault, office.clock, tmp_path)
    made.incident()
    return made


@pytest.fixture
def sender(office: Office, lists: Lists) -> Sender:
    return Sender(office, office.as_role("author"))
