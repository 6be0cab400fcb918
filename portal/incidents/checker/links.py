"""Find links that lead nowhere on the own site. Nothing outside is fetched."""

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from portal.incidents.checker.findings import Finding, Weight
from portal.incidents.checker.prose import Link, Part, quoted
from portal.incidents.checker.site import Site
from portal.web import markdown

_INCIDENT = re.compile(
    r"/incidents/([a-z0-9-]{1,60})/(?:(statement|updates)/(\d{1,9})/|feed\.(?:atom|json))?"
)
# The portal's page for a new password, and the finding about what leads to it where passwords are elsewhere.
RESET_PAGE = "/reset/"
ELSEWHERE = "password-elsewhere"
_NO_HOST = "https://site.invalid"
# The places of an incident's page that a link may lead to.
_ANCHOR = re.compile(r"apology|progress|timeline|genuine|versions|part-[1-5]|main")
_RESERVED = re.compile(r"(?:[a-z0-9-]+\.)*example\.(?:com|org|net)", re.IGNORECASE)


def broken_links(part: Part, site: Site, page: str) -> Iterator[Finding]:
    """Yield the links of a part that lead nowhere; `page` is the path of the page that it will be on.

    An empty `page` is one whose incident is not known yet: links that depend on it are not checked.
    """
    for paragraph in part.paragraphs:
        for link in paragraph.links:
            yield from _of_link(part, link, site, page)


def _of_link(part: Part, link: Link, site: Site, page: str) -> Iterator[Finding]:
    href = link.href
    if href.startswith("//"):
        yield part.finding(
            "link-without-scheme",
            Weight.WARN,
            link.offset,
            f"the link {quoted(href)} leads to another site, {quoted(href[2:].split('/')[0])}; say so",
            f"[{link.words}](https:{href})",
        )
        return
    try:
        target = urlsplit(markdown.resolved(href, (site.base_url or _NO_HOST) + (page or "/incidents/?/")))
    except ValueError:
        yield part.finding(
            "link-broken", Weight.STOP, link.offset, f"the link {quoted(href)} has no valid address"
        )
        return
    reason, example = _fault(link, target, site, page)
    if reason:
        said = f"the link {quoted(link.words)} to {quoted(href)} leads nowhere: {reason}"
        # Such a page opens, at its top.
        code, weight = ("link-place", Weight.ASK) if href[:1] == "#" else ("link-nowhere", Weight.STOP)
        yield part.finding(code, weight, link.offset, said, example)
    elif site.company_page and is_own(target, site) and target.path == RESET_PAGE:
        said = f"the link {quoted(link.words)} leads to a page that only names your own: link to that"
        example = f"[{link.words}]({site.company_page})"
        yield part.finding(ELSEWHERE, Weight.WARN, link.offset, said, example)
    elif target.hostname and _RESERVED.fullmatch(target.hostname):
        said = f"{quoted(href)} is an address that exists only in examples"
        yield part.finding("example-address", Weight.WARN, link.offset, said)
    elif target.scheme == "mailto" and _RESERVED.fullmatch(target.path.rpartition("@")[2]):
        said = f"{quoted(target.path)} is an address that exists only in examples"
        yield part.finding("example-address", Weight.WARN, link.offset, said)


def _fault(link: Link, target: SplitResult, site: Site, page: str) -> tuple[str, str]:
    """Return why a link leads nowhere, and a better one; both are empty where it does not."""
    if not link.href.strip():
        return "it has no address", f"[{link.words}](/check/)"
    if target.scheme in ("mailto", "tel"):
        return "", ""
    if not target.netloc:
        return "it has no host", f"[{link.words}](https://www.example.com/)"
    if not is_own(target, site):
        return "", ""
    if link.href.startswith("#"):
        return _anchor_fault(link, target.fragment, page)
    if "?" in target.path or (not page and not link.href.startswith(("/", "http"))):
        return "", ""
    return _path_fault(link, target.path or "/", site)


def is_own(target: SplitResult, site: Site) -> bool:
    """Return whether an address is on the own site."""
    own = urlsplit(site.base_url or _NO_HOST)
    return target.scheme in ("http", "https") and target.netloc.casefold() == own.netloc.casefold()


def _anchor_fault(link: Link, fragment: str, page: str) -> tuple[str, str]:
    found = _INCIDENT.fullmatch(page)
    if page and found and not found[2] and _ANCHOR.fullmatch(fragment):
        return "", ""
    if not page and _ANCHOR.fullmatch(fragment):
        return "", ""
    where = f"/incidents/{found[1]}/" if found else "/incidents/SLUG/"
    return "the page has no such place", f"[{link.words}]({where}#part-1)"


def _path_fault(link: Link, path: str, site: Site) -> tuple[str, str]:
    if path in site.pages:
        return "", ""
    if f"{path}/" in site.pages:
        return "it lacks the / at its end", f"[{link.words}]({path}/)"
    found = _INCIDENT.fullmatch(path) or _INCIDENT.fullmatch(f"{path}/")
    if found is None:
        near = next((one for one in sorted(site.pages) if one != "/" and one in f"{path}/"), "/check/")
        return "this site has no such page", f"[{link.words}]({near})"
    if not path.endswith(("/", ".atom", ".json")):
        return "it lacks the / at its end", f"[{link.words}]({path}/)"
    if site.incidents is None:
        return "", ""
    numbers = site.incidents.get(found[1])
    if numbers is None:
        return f"there is no incident {found[1]}", ""
    if found[2] and int(found[3]) not in (numbers.versions if found[2] == "statement" else numbers.updates):
        what = "version" if found[2] == "statement" else "update"
        return f"there is no {what} {int(found[3])}", ""
    return "", ""
