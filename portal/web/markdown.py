"""Render Markdown (CommonMark with tables) to sanitised HTML: no images, no raw HTML, nofollow links."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
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


def _demote(tokens: Sequence[Token], top: int) -> None:
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    ranks = {level: rank for rank, level in enumerate(sorted({token.tag for token in headings}))}
    deepest = top - 1
    for token in headings:
        if token.type == "heading_open":
            deepest = min(top + ranks[token.tag], deepest + 1, MAX_HEADING_LEVEL)
        token.tag = f"h{deepest}"
