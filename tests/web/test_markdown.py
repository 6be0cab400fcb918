"""Authors are people: what they paste must not run in anybody's browser."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest

from portal.web import markdown

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#x6a;avascript:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    '[x](https://e.example/" onmouseover="alert(1))',
    '[x](https://e.example "title\\" onmouseover=\\"alert(1)")',
    "![x](https://e.example/pixel.png)",
    '![x" onerror="alert(1)](y)',
    "![<img src=x onerror=alert(1)>](y)",
    "<!-- --><script>alert(1)</script>",
    "`<script>alert(1)</script>`",
    "```html onload=alert(1)\n<script>alert(1)</script>\n```",
    "<style>body{display:none}</style>",
    "<form action=//e.example><input name=email></form>",
    "<meta http-equiv=refresh content=0;url=//e.example>",
    "<base href=//e.example>",
    "|a<script>|\n|-|\n|<img src=x onerror=alert(1)>|",
    "[x]: javascript:alert(1)\n\n[x]",
    "<https://e.example/?a=<script>alert(1)</script>>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]


TAGS = set(
    "p br strong em a ul ol li blockquote code pre hr h2 h3 h4 h5 h6 table thead tbody tr th td".split()
)


class Elements(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_an_author_pastes_runs(payload):
    html = markdown.render(f"before {payload} after\n\n{payload}\n\n> {payload}")
    for tag, attributes in Elements(html).found:
        assert tag in TAGS
        assert set(attributes) <= {"href", "title", "rel", "start"}
        href = attributes.get("href") or ""
        scheme = re.match(r"[a-z][a-z0-9+.-]*(?=:)", href.lower())
        assert scheme is None or scheme[0] in {"http", "https", "mailto", "tel"}, href


def test_links_vouch_for_nobody():
    link = Elements(markdown.render("[x](https://e.example)")).found[1]
    assert link == ("a", {"href": "https://e.example", "rel": "nofollow noopener"})


def test_an_image_leaves_its_words():
    assert markdown.render("![A map of the office](map.png)") == "<p>A map of the office</p>\n"


def test_headings_stand_below_the_pages_own_and_skip_no_level():
    html = markdown.render("# A\n\n### B\n\n###### C\n\n# D", top=3)
    assert re.findall(r"<h(\d)>", html) == ["3", "4", "5", "3"]
    assert re.findall(r"<h(\d)>", markdown.render("### deep first\n\n# then high", top=4)) == ["4", "4"]
    assert re.findall(r"<h(\d)>", markdown.render("# A\n\n## B\n\n### C\n\n#### D", top=4)) == [
        "4",
        "5",
        "6",
        "6",
    ]


def test_what_people_write_looks_as_they_mean_it():
    html = markdown.render("**All** is *well*.\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    for element in ("<strong>All</strong>", "<em>well</em>", "<ol>", "<th>a</th>", "<td>2</td>"):
        assert element in html


@pytest.mark.parametrize("tag", ["strong", "a", "h2", "table", "p", "blockquote"])
def test_html_is_text_even_where_the_same_element_may_come_from_markdown(tag):
    html = markdown.render(f"before <{tag}>inside</{tag}> after\n\n<{tag}>\nblock\n</{tag}>\n")
    assert f"&lt;{tag}&gt;inside&lt;/{tag}&gt;" in html
    assert {found for found, _ in Elements(html).found} == {"p"}


WRITTEN = """\
We are **sorry**. [Check](/check/) or
see <https://x.example/> or [a@b.example](mailto:a@b.example).\\
A new line.

- one
- two
  more
  - *nested*

3. three

   with more
4. `four`

> They said
>
> sorry

| data | since |
|---|---|
| names | 2021 |

```
as
  it is
```

![a picture](https://e.example/x.png) [by name][r]

### Heading

[r]: //e.example/y
"""
READ = """\
We are sorry. Check (https://portal.example/check/) or see https://x.example/ or a@b.example.
A new line.

- one
- two more
  - nested

3. three

   with more
4. four

> They said
>
> sorry

data | since
names | 2021

as
  it is

a picture by name (https://e.example/y)

Heading"""


BARE = """\
See https://www.example.org/status, “https://a.example/” or www.b.example/x_(y).
Mail help@lanternfold.example. Not //cdn.example.org/x, file.md, ftp://f.example or javascript:alert(1).
Nor `https://code.example`, [https://words.example](https://target.example) or a@b.
"""


def test_bare_addresses_become_links_and_nothing_else_does():
    links = [attributes["href"] for tag, attributes in Elements(markdown.render(BARE)).found if tag == "a"]
    assert links == [
        "https://www.example.org/status",
        "https://a.example/",
        "https://www.b.example/x_(y)",
        "mailto:help@lanternfold.example",
        "https://target.example",
    ]
    assert markdown.resolved("http://[", "https://portal.example/") == "http://["
    assert "“<a" in markdown.render(BARE)
    assert "</a>”" in markdown.render(BARE)
    assert markdown.plain("www.b.example/x and a@b.example", "") == "www.b.example/x and a@b.example"


RELATIVE = "[a](../1/) [b](#q1) [c](/check/) [d](//cdn.example.org/x) [e](?x=1&y=2) <m@e.example>"


def hrefs(html: str) -> list[str | None]:
    return [attributes["href"] for tag, attributes in Elements(html).found if tag == "a"]


def test_a_word_that_is_too_long_to_be_an_address_is_not_searched_for_one():
    hostile = "http://a.b/(" * 4000
    assert "<a" not in markdown.render(hostile)
    assert 'href="https://a.example/x"' in markdown.render(f"{hostile} https://a.example/x.")


def test_in_feeds_and_mails_links_are_absolute():
    page = "https://portal.example/incidents/order-archive/updates/2/"
    assert hrefs(markdown.absolute(markdown.render(RELATIVE), page)) == [
        "https://portal.example/incidents/order-archive/updates/1/",
        "https://portal.example/incidents/order-archive/updates/2/#q1",
        "https://portal.example/check/",
        "https://cdn.example.org/x",
        "https://portal.example/incidents/order-archive/updates/2/?x=1&y=2",
        "mailto:m@e.example",
    ]
    assert markdown.plain("[a](../1/) [b](#q1)", page) == (
        "a (https://portal.example/incidents/order-archive/updates/1/) "
        "b (https://portal.example/incidents/order-archive/updates/2/#q1)"
    )


def test_on_another_page_a_relative_link_leads_where_its_author_meant():
    html = markdown.on_page(markdown.render(RELATIVE), "/incidents/order-archive/updates/2/")
    assert hrefs(html)[:5] == [
        "/incidents/order-archive/updates/1/",
        "#q1",
        "/check/",
        "https://cdn.example.org/x",
        "/incidents/order-archive/updates/2/?x=1&y=2",
    ]


def test_in_a_plain_mail_a_text_reads_as_one_writes_by_hand():
    assert markdown.plain(WRITTEN, "https://portal.example") == READ


OVERLOADED = {
    "brackets": "[" * 10_000,
    "pictures": "![" * 10_000,
    "pairs": "[" * 5_000 + "](x)" * 5_000,
    "angles": "<" * 10_001,
    "stars": "*a" * 10_001,
    "underscores": "_a " * 10_001,
    "backticks": "`a" * 10_001,
    "lines": "a\n" * 10_001,
    "addresses": "a@b.c " * 10_001,
    "deep": "**a " * 1_000 + " a**" * 1_000,
    "one run": "*" * 1_000 + "a" + "*" * 1_000,
    "a wide table": "|a" * 60 + "|\n" + "|-" * 60 + "|\n" + "|\n" * 2_000,
    "a quoted table": "> " + "|a" * 60 + "|\n> " + "|-" * 60 + "|\n" + "> |\n" * 2_000,
}


@pytest.mark.parametrize("name", OVERLOADED)
def test_a_text_with_more_marks_than_anybody_writes_is_shown_as_it_is(name):
    hostile = OVERLOADED[name]
    assert markdown.overload(hostile) is not None
    html, plain = markdown.render(hostile), markdown.plain(hostile, "https://portal.example/")
    assert {tag for tag, _ in Elements(html).found} <= {"p"}
    assert plain.split()[0] in unescape(html)


def test_what_people_write_is_not_overloaded():
    row = "| [a](https://a.example/) | *b* | `c` | d |\n"
    table = "| a | b | c | d |\n|---|---|---|---|\n" + row * 120
    text = "\n\n".join([table, "- one\n- two\n" * 200, "We are **sorry**, as *nobody* was.\n" * 500])
    assert markdown.overload(text) is None
    assert "<strong>sorry</strong>" in markdown.render(text)


def test_an_overloaded_text_names_the_line():
    assert markdown.overload("fine\n\n" + "[a\n" * 2_500) == 2_002
    assert markdown.overload("fine\n\n" + "**a " * 60 + " a**" * 60) == 2
