"""Render Markdown (CommonMark with tables) to sanitised HTML: no images, no raw HTML, nofollow links.

Also to plain text, for mails. Bare addresses become links: `https://…`, `www.…` and mail addresses.
A text with more marks than anybody writes is shown as it is: to read it as Markdown takes seconds, or more
stack than there is.
"""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin

import nh3
from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from markdown_it.tree import SyntaxTreeNode

MAX_HEADING_LEVEL = 6
MOST_MARKS = 10_000  # a line counts as one; a privacy notice of 5 KB has 200
MOST_BRACKETS = 2_000
MOST_CELLS = 5_000
MOST_DEPTH = 50
TAGS = frozenset(
    "p br strong em a ul ol li blockquote code pre hr h2 h3 h4 h5 h6 table thead tbody tr th td".split()
)
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto", "tel"}
REL = "nofollow noopener"


def _render_image(_renderer: Any, tokens: Sequence["Token"], index: int, _options: Any, _env: Any) -> str:
    """Return an image's alternative text in its place, so that browsers fetch nothing from other sites."""
    return escape(tokens[index].content)


class _BareAddresses:
    """Find bare addresses in a text: http, https, `www.` and mail addresses, of any top-level domain.

    Not `//host/path`, nor words with a point such as `file.md`: their authors mean no link.
    """

    def __init__(self) -> None:
        from linkify_it import LinkifyIt  # noqa: PLC0415 - as for the parser

        self._finder = LinkifyIt(options={"fuzzy_link": True, "fuzzy_email": True, "fuzzy_ip": False})
        self._finder.add("//", None).add("ftp:", None).tlds(["[a-z]{2,63}"])
        self.pretest = self._finder.pretest

    def test(self, text: str) -> bool:
        """Return whether there may be an address in a text."""
        return bool(self._finder.test(_searched(text)))

    def match(self, text: str) -> list[Any]:
        """Return the addresses, without quotation marks that close after them."""
        found = []
        for match in self._finder.match(_searched(text)) or ():
            if not match.schema and not match.raw.lower().startswith("www."):
                continue
            after = len(match.raw) - len(match.raw.rstrip(_CLOSING))
            match.last_index -= after
            match.text = match.text[: len(match.text) - after]
            match.url = match.url[: len(match.url) - after]
            if not match.schema:
                match.url = "https://" + match.url.removeprefix("http://")
            found.append(match)
        return found


def _searched(text: str) -> str:
    """Return a text of the same length without words that are too long: to search these takes minutes."""
    return _TOO_LONG.sub(lambda word: "\0" * len(word[0]), text)


_TOO_LONG = re.compile(r"\S{2001,}")
_CLOSING = "”“’‘»›"
_MARK = re.compile(r"[\[\]()*_`<>&|\\!#~:@]")
_COLUMNS = re.compile(r"[\s>|:+*0-9.)-]*-[\s|:-]*")  # the line below the head of a table
_LINK = re.compile(r'(<a href=")([^"]*)(")')


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - 80 modules, and few commands read Markdown

    parser = MarkdownIt("commonmark", {"html": False, "linkify": True}).enable(["table", "linkify"])
    # Slow on hostile text; the rule for whole blocks finds the same.
    parser.inline.ruler.disable("linkify")
    parser.linkify = cast("Any", _BareAddresses())
    parser.add_render_rule("image", _render_image)
    return parser


@cache
def _literal_parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - as above

    return MarkdownIt("zero")  # paragraphs, and nothing else


def parse(text: str, env: dict[str, Any] | None = None) -> list["Token"]:
    """Return the block tokens of a text; `env` collects the link references that it defines.

    What `overload` finds fault with has paragraphs alone.
    """
    tokens = None if _crowded(text) is not None else _parser().parse(text, {} if env is None else env)
    if tokens is None or _too_deep(tokens) is not None:
        if env is not None:
            env.clear()
        return _literal_parser().parse(text)
    return tokens


def overload(text: str) -> int | None:
    """Return the line, from 0, where a text has more marks or deeper ones than anybody writes, or None."""
    line = _crowded(text)
    return _too_deep(_parser().parse(text)) if line is None else line


def _crowded(text: str) -> int | None:
    """Return the line, from 0, up to which a text has too many marks, brackets or cells, or None."""
    marks = brackets = cells = columns = 0
    for number, line in enumerate(text.split("\n")):
        marks += 1 + len(_MARK.findall(line))
        brackets += line.count("[")
        if not line.strip(" \t>"):
            columns = 0
        elif "|" in line and _COLUMNS.fullmatch(line):
            columns = max(columns, line.count("|") + 1)
        cells += columns
        if marks > MOST_MARKS or brackets > MOST_BRACKETS or cells > MOST_CELLS:
            return number
    return None


def _too_deep(tokens: Sequence["Token"]) -> int | None:
    """Return the line, from 0, of a block whose marks are nested too deep, or None."""
    for token in tokens:
        if any(child.level > MOST_DEPTH for child in token.children or ()):
            return token.map[0] if token.map else 0
    return None


@lru_cache(maxsize=256)
def render(text: str, top: int = 3) -> Markup:
    """Return sanitised HTML whose highest heading is `<h{top}>` and whose headings never skip a level."""
    env: dict[str, Any] = {}
    tokens = parse(text, env)
    _demote(tokens, top)
    html = _parser().renderer.render(tokens, _parser().options, env)
    clean = nh3.clean(
        html, tags=set(TAGS), attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel=REL, strip_comments=True
    )
    return Markup(clean)  # noqa: S704 - cleaned on the line above


def absolute(html: str, page_url: str) -> str:
    """Return the HTML with its links resolved against the address of its page, for feeds and mails."""
    return _LINK.sub(lambda found: found[1] + escape(resolved(unescape(found[2]), page_url)) + found[3], html)


@lru_cache(maxsize=256)
def on_page(html: Markup, path: str) -> Markup:
    """Return the HTML with relative links resolved against the path that its author wrote them for.

    Other pages show it too: the timeline an update, the front page a statement. Links to a place on the same
    page stay as they are.
    """

    def rooted(found: re.Match[str]) -> str:
        href = unescape(found[2])
        return found[1] + (found[2] if href.startswith("#") else escape(resolved(href, path))) + found[3]

    return Markup(_LINK.sub(rooted, html))  # noqa: S704 - the addresses alone change, and are escaped


def resolved(href: str, page_url: str) -> str:
    """Return a link's address as a browser resolves it on its page (RFC 3986, 5.2).

    One that names a host without a scheme (`//host/path`) is https.
    """
    if href.startswith("//"):
        return f"https:{href}"
    try:
        return urljoin(page_url, href)
    except ValueError:  # a broken host, like http://[
        return href


def plain(text: str, page_url: str) -> str:
    """Return the text without marks, for the plain part of a mail: lists keep theirs, links their address.

    Links are resolved against the address of the text's page.
    """
    from markdown_it.tree import SyntaxTreeNode  # noqa: PLC0415 - as for the parser

    return "\n".join(_blocks(SyntaxTreeNode(parse(text)), page_url)).strip()


def _blocks(node: "SyntaxTreeNode", page_url: str) -> list[str]:
    """Return the lines of a block, with an empty one after each paragraph, list or table."""
    lines: list[str] = []
    for child in node.children:
        inner = _blocks(child, page_url) if child.children and child.type != "inline" else []
        match child.type:
            case "inline":
                lines += _inline(child, page_url).split("\n")
            case "bullet_list" | "ordered_list":
                lines += [*_items(child, page_url), ""]
            case "blockquote":
                lines += [*(f"> {line}".rstrip() for line in inner[:-1]), ""]
            case "fence" | "code_block":
                lines += [*child.content.rstrip("\n").split("\n"), ""]
            case "hr":
                lines += ["-" * 8, ""]
            case "tr":
                lines.append(" | ".join(inner))
            case "thead" | "tbody" | "th" | "td":
                lines += inner
            case "paragraph" if child.hidden:  # of a list without empty lines between its items
                lines += inner
            case _:
                lines += [*inner, ""]
    return lines


def _items(node: "SyntaxTreeNode", page_url: str) -> list[str]:
    lines = []
    first = int(node.attrs.get("start", 1))
    for number, item in enumerate(node.children, first):
        mark = "- " if node.type == "bullet_list" else f"{number}. "
        inner = _blocks(item, page_url)
        while inner and not inner[-1]:
            inner.pop()
        lines += [f"{' ' * len(mark) if place else mark}{line}".rstrip() for place, line in enumerate(inner)]
    return lines


def _inline(node: "SyntaxTreeNode", page_url: str) -> str:
    """Return inline text; a link's address follows its words where they differ from it."""
    parts = []
    for child in node.children:
        match child.type:
            case "softbreak" | "hardbreak":
                parts.append("\n" if child.type == "hardbreak" else " ")
            case "link":
                words, address = _inline(child, page_url), resolved(str(child.attrs["href"]), page_url)
                shown = address.removeprefix("mailto:").removeprefix("tel:")
                parts.append(words if child.info == "auto" or words == shown else f"{words} ({shown})")
            case _:
                parts.append(_inline(child, page_url) if child.children else child.content)
    return "".join(parts)


def _demote(tokens: Sequence["Token"], top: int) -> None:
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    ranks = {level: rank for rank, level in enumerate(sorted({token.tag for token in headings}))}
    deepest = top - 1
    for token in headings:
        if token.type == "heading_open":
            deepest = min(top + ranks[token.tag], deepest + 1, MAX_HEADING_LEVEL)
        token.tag = f"h{deepest}"
