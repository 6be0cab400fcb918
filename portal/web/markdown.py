"""Render Markdown (CommonMark with tables) to sanitised HTML: no images, no raw HTML, nofollow links.

Also to plain text, for mails.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markupsafe import Markup

MAX_HEADING_LEVEL = 6
TAGS = frozenset(
    "p br strong em a ul ol li blockquote code pre hr h2 h3 h4 h5 h6 table thead tbody tr th td".split()
)
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto", "tel"}
REL = "nofollow noopener"


def _render_image(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """Return an image's alternative text in its place, so that browsers fetch nothing from other sites."""
    return escapeHtml(tokens[index].content)


_OWN_LINK = re.compile(r'<a href="/(?!/)')
_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
_PARSER.add_render_rule("image", _render_image)


def parse(text: str, env: dict[str, Any] | None = None) -> list[Token]:
    """Return the block tokens of a text; `env` collects the link references that it defines."""
    return _PARSER.parse(text, {} if env is None else env)


@lru_cache(maxsize=256)
def render(text: str, top: int = 3) -> Markup:
    """Return sanitised HTML whose highest heading is `<h{top}>` and whose headings never skip a level."""
    env: dict[str, Any] = {}
    tokens = parse(text, env)
    _demote(tokens, top)
    html = _PARSER.renderer.render(tokens, _PARSER.options, env)
    clean = nh3.clean(
        html, tags=set(TAGS), attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel=REL, strip_comments=True
    )
    return Markup(clean)  # noqa: S704 - cleaned on the line above


def absolute(html: str, base_url: str) -> str:
    """Return the HTML with the links to the portal's own pages made absolute, for feeds and mails."""
    return _OWN_LINK.sub(lambda _found: f'<a href="{base_url}/', html)


def plain(text: str, base_url: str) -> str:
    """Return the text without marks, for the plain part of a mail: lists keep theirs, links their address.

    Links to the portal's own pages are made absolute.
    """
    return "\n".join(_blocks(SyntaxTreeNode(parse(text)), base_url)).strip()


def _blocks(node: SyntaxTreeNode, base_url: str) -> list[str]:
    """Return the lines of a block, with an empty one after each paragraph, list or table."""
    lines: list[str] = []
    for child in node.children:
        inner = _blocks(child, base_url) if child.children and child.type != "inline" else []
        match child.type:
            case "inline":
                lines += _inline(child, base_url).split("\n")
            case "bullet_list" | "ordered_list":
                lines += [*_items(child, base_url), ""]
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


def _items(node: SyntaxTreeNode, base_url: str) -> list[str]:
    lines = []
    first = int(node.attrs.get("start", 1))
    for number, item in enumerate(node.children, first):
        mark = "- " if node.type == "bullet_list" else f"{number}. "
        inner = _blocks(item, base_url)
        while inner and not inner[-1]:
            inner.pop()
        lines += [f"{' ' * len(mark) if place else mark}{line}".rstrip() for place, line in enumerate(inner)]
    return lines


def _inline(node: SyntaxTreeNode, base_url: str) -> str:
    """Return inline text; a link's address follows its words where they differ from it."""
    parts = []
    for child in node.children:
        match child.type:
            case "softbreak" | "hardbreak":
                parts.append("\n" if child.type == "hardbreak" else " ")
            case "link":
                words, address = _inline(child, base_url), str(child.attrs["href"])
                if address.startswith("/") and not address.startswith("//"):
                    address = base_url + address
                shown = address.removeprefix("mailto:").removeprefix("tel:")
                parts.append(words if words == shown else f"{words} ({shown})")
            case _:
                parts.append(_inline(child, base_url) if child.children else child.content)
    return "".join(parts)


def _demote(tokens: Sequence[Token], top: int) -> None:
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    ranks = {level: rank for rank, level in enumerate(sorted({token.tag for token in headings}))}
    deepest = top - 1
    for token in headings:
        if token.type == "heading_open":
            deepest = min(top + ranks[token.tag], deepest + 1, MAX_HEADING_LEVEL)
        token.tag = f"h{deepest}"
