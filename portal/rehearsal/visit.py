"""What a customer does, over HTTP as a browser without script: open links, press buttons, fill in forms."""

import time
from dataclasses import dataclass
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from secrets import token_urlsafe
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

from portal.demo.mailbox import Message
from portal.rehearsal.arrivals import Arrivals, link_in

TIMEOUT = 20
MAIL_SECONDS = 60.0
PREPARING_SECONDS = 30
NOTICE, ANSWER, RESET = "/check/notice/", "/check/answer/", "/reset/"


class WentWrong(Exception):
    """A customer could not do what they came for; the message says where it ended."""


@dataclass(frozen=True)
class Page:
    """A page: where it was found, its words with markup, and the hidden fields of its main form."""

    url: str
    html: str
    hidden: dict[str, str]

    @property
    def path(self) -> str:
        """Return the path of its address."""
        return urlsplit(self.url).path

    def says(self, words: str) -> bool:
        """Return whether it shows `words`; long ones may have places to break."""
        return words in self.html.replace("<wbr>", "")


class _MainForm(HTMLParser):
    """Collects the hidden fields of the first form that is sent to its own page."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self._inside = self._done = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self._inside = not self._done and "action" not in values
        elif tag == "input" and self._inside and values.get("type") == "hidden":
            self.hidden[values.get("name") or ""] = values.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._inside:
            self._inside, self._done = False, True


class Visitor:
    """A browser with cookies."""

    def __init__(self, site: str) -> None:
        """Start without cookies; `site` is the portal's address, without a slash at its end."""
        self.site = site
        # Through no proxy, whatever http_proxy says: it would see addresses, and links to their answers.
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def open(self, url: str, fields: dict[str, str] | None = None) -> Page:
        """Return the page at an address, or what a form with these fields leads to. Raises WentWrong."""
        data = None if fields is None else urlencode(fields).encode()
        try:
            with self._opener.open(url, data, timeout=TIMEOUT) as answer:
                html, url = answer.read().decode(), answer.url
        except HTTPError as error:
            with error:
                raise WentWrong(f"{urlsplit(url).path} answered {error.code}") from None
        except OSError as error:
            raise WentWrong(f"{urlsplit(url).path} did not answer ({error})") from None
        form = _MainForm()
        form.feed(html)
        return Page(url, html, form.hidden)

    def press(self, page: Page, **fields: str) -> Page:
        """Fill in the main form of a page and press its button. Raises WentWrong."""
        return self.open(page.url, page.hidden | fields)


def read_notice(site: str, notice: Message) -> None:
    """Open the answer behind the link in a notice. Raises WentWrong."""
    visitor = Visitor(site)
    page = visitor.press(visitor.open(_link(notice, NOTICE)))
    _until_answered(visitor, page, notice.to)


def ask_and_read(site: str, address: str, arrivals: Arrivals) -> None:
    """Ask for an answer in the form, and open it by the link in its mail. Raises WentWrong."""
    visitor = Visitor(site)
    mail = _asked(visitor, "/check/", address, arrivals)
    page = visitor.press(visitor.open(_link(mail, ANSWER)))
    _until_answered(visitor, page, address)


def ask_for_password(site: str, address: str, arrivals: Arrivals) -> Message:
    """Ask for a new password in the form, and return the mail that comes. Raises WentWrong."""
    return _asked(Visitor(site), RESET, address, arrivals)


def choose_password(site: str, mail: Message) -> None:
    """Choose a new password by the link in a mail, and sign in with it. Raises WentWrong."""
    visitor, password = Visitor(site), token_urlsafe(20)
    page = visitor.press(visitor.open(_link(mail, RESET)), password=password)
    if page.path != "/reset/done/":
        raise WentWrong(f"the new password was not stored: {page.path}")
    page = visitor.press(visitor.open(f"{site}/sign-in/"), email=mail.to, password=password)
    if page.path != "/account/":
        raise WentWrong(f"the new password did not sign in: {page.path}")


def _asked(visitor: Visitor, path: str, address: str, arrivals: Arrivals) -> Message:
    """Ask in the form at a path, and return the mail that comes. Raises WentWrong."""
    before = arrivals.newest()
    visitor.press(visitor.open(f"{visitor.site}{path}"), email=address)
    mail = arrivals.next_to(address, before, MAIL_SECONDS)
    if mail is None:
        raise WentWrong(f"no mail came within {MAIL_SECONDS:.0f} seconds")
    return mail


def _until_answered(visitor: Visitor, page: Page, address: str) -> None:
    end = time.monotonic() + PREPARING_SECONDS
    while not (page.path == ANSWER and page.says(address)):
        if time.monotonic() > end:
            raise WentWrong(f"no answer was shown: {page.path}")
        time.sleep(1)
        page = visitor.press(page)


def _link(mail: Message, path: str) -> str:
    link = link_in(mail, path)
    if link is None:
        raise WentWrong(f"the mail has no link to {path}")
    return link
