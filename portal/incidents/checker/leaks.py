"""Find what is not meant for readers: comments, HTML, placeholders, images, marks that show as they are."""

import re
from collections.abc import Iterator
from functools import cache

from portal.incidents.checker.findings import Finding, Weight
from portal.incidents.checker.phrases import Words, words_of
from portal.incidents.checker.prose import Paragraph, Part, quoted

_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9-]{0,30})(?:[ \t\n/:][^<>]{0,200})?>|<[!?][A-Za-z][^<>]{0,200}>")
_BRACKETED = re.compile(r"\[([^\[\]]{1,200})\](?!\()")
_FIELD = re.compile(
    r"\{\{[^{}]{0,80}\}\}|\{%[^{}]{0,80}%\}|\$\{[^{}]{0,80}\}|\|[A-Z_]{2,40}\||<<[^<>\n]{1,80}>>"
    r"|%[A-Z][A-Z_]{2,40}%|%\([a-z_]{1,40}\)s|\blorem\s+ipsum\b",
    re.IGNORECASE,
)
_BLANK = re.compile(r"_{3,}|\?{3,}|\bX{2,}\b|\bx{3,}\b")
_MARKER = re.compile(r"\b(?:TO[D]O|TBC|TBD|TBA|FIX[M]E|X{3})\b:?")
_TICKET = re.compile(r"\b([A-Z][A-Z0-9]{1,9})-\d{1,6}\b")
# What looks like the number of a ticket, and is a standard, a virus or a method.
_STANDARDS = frozenset(
    "AES BSI COVID CVE CWE DIN DSA ECC EN FIPS HMAC IEC IP IPV ISO MD NIST PBKDF PCI RC RFC RSA SARS SHA SOC "
    "SSL TLS UTC GMT UTF WPA A4 USB AGPL GPL".split()
)
_HTML = frozenset(
    "a abbr address article aside audio b base big blockquote body br button canvas caption center cite code "
    "col dd del details dfn div dl dt em embed fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 "
    "head header hr html i iframe img input ins kbd label legend li link main map mark meta nav noscript "
    "object ol optgroup option p picture pre q s samp script section select small source span strike strong "
    "style sub summary sup svg table tbody td template textarea tfoot th thead time title tr tt u ul var "
    "video wbr".split()
)
_SHOWN_AS_THEY_ARE = (
    (re.compile(r"~~[^~\n]{1,200}~~"), "struck-out text is not supported: readers see the words and the ~~"),
    (re.compile(r"\[\^[^\]\n]{1,40}\]"), "footnotes are not supported: readers see the mark as it is"),
    (re.compile(r"\A\[[ xX]\] "), "lists of tasks are not supported: readers see the box as it is"),
)
_UNTAKEN = re.compile(r"\[[^\[\]]{0,200}\]\([^\n]{0,200}?\)")


def leaks(part: Part, language: str) -> Iterator[Finding]:
    """Yield what must not be seen by readers, and what they would not see as it is meant."""
    words = words_of(language)
    for one in part.definitions:
        if one.label == "//" or one.label.casefold() == "comment" or one.href in ("", "#"):
            yield part.finding(
                "comment", Weight.STOP, one.offset, "a comment: feeds publish it; take it out of the file"
            )
    for paragraph in part.paragraphs:
        yield from _comments(part, paragraph)
        yield from _images(part, paragraph)
        yield from _html(part, paragraph)
        yield from _placeholders(part, paragraph, words)
        yield from _tickets(part, paragraph)
        if part.markdown:
            yield from _marks(part, paragraph)


def _comments(part: Part, paragraph: Paragraph) -> Iterator[Finding]:
    for found in re.finditer("<!--", paragraph.text):
        said = quoted(paragraph.text[found.start() : found.start() + 200])
        yield part.finding(
            "comment",
            Weight.STOP,
            paragraph.offset_of(found.start()),
            f"an internal comment would be published: {said}; take it out of the file",
        )
    if "<!--" in paragraph.code:
        yield part.finding(
            "comment",
            Weight.STOP,
            paragraph.offset,
            f"an internal comment would be published: {quoted(paragraph.code)}; take it out of the file",
        )


def _images(part: Part, paragraph: Paragraph) -> Iterator[Finding]:
    for image in paragraph.images:
        yield part.finding(
            "image",
            Weight.STOP,
            image.offset,
            f"the image {quoted(image.href)} is not shown: pages have no pictures; say it in words",
            f"[{image.words or 'Our plan'}]({image.href})" if "://" in image.href else "",
        )


def _html(part: Part, paragraph: Paragraph) -> Iterator[Finding]:
    opened: set[str] = set()
    for found in _TAG.finditer(paragraph.text):
        name = (found[1] or "").casefold()
        if found[0].startswith("</") and name in opened:
            continue
        opened.add(name)
        at = paragraph.offset_of(found.start())
        if name in _HTML or not name:
            yield part.finding(
                "html",
                Weight.STOP,
                at,
                f"HTML is shown to readers as it is: {quoted(found[0])}; use Markdown instead",
                _MARKDOWN_FOR.get(name, ""),
            )
        elif not _is_autolink(found[0]):
            yield _placeholder(part, at, found[0])


_MARKDOWN_FOR = {
    "b": "**bold**",
    "strong": "**bold**",
    "i": "*italic*",
    "em": "*italic*",
    "a": "[the words of the link](https://www.example.com/)",
    "li": "- one point",
    "ul": "- one point",
    "br": "An empty line begins a new paragraph.",
    "p": "An empty line begins a new paragraph.",
}


def _is_autolink(tag: str) -> bool:
    return "://" in tag or tag.casefold().startswith(("<mailto:", "<tel:"))


def _placeholder(part: Part, offset: int, said: str, weight: Weight = Weight.STOP) -> Finding:
    if weight is Weight.STOP:
        reason = f"a placeholder: {quoted(said)}; put in the real words"
        return part.finding("placeholder", weight, offset, reason)
    reason = f"{quoted(said)} looks like a placeholder; put in the real words, or accept it"
    return part.finding("maybe-placeholder", weight, offset, reason)


def _placeholders(part: Part, paragraph: Paragraph, words: Words) -> Iterator[Finding]:
    text, taken = paragraph.text, []
    for found in _BRACKETED.finditer(text):
        weight = _weight_of(found[1], words)
        if weight is not None:
            taken.append((found.start(), found.end()))
            yield _placeholder(part, paragraph.offset_of(found.start()), found[0], weight)
    for found in _FIELD.finditer(text):
        yield _placeholder(part, paragraph.offset_of(found.start()), found[0])
    marks = [*_MARKER.finditer(text), *_BLANK.finditer(text), *_insert_here(words).finditer(text)]
    for found in marks:
        if any(start <= found.start() < end for start, end in taken[:100]):
            continue
        sure = found.re is _MARKER and (found[0].rstrip(":") not in words.not_markers or found[0][-1] == ":")
        weight = Weight.STOP if sure or found[0].startswith("___") else Weight.ASK
        if found[0].casefold() in words.not_markers or _is_roman(text, found):
            continue
        yield _placeholder(part, paragraph.offset_of(found.start()), found[0], weight)


def _is_roman(text: str, found: re.Match[str]) -> bool:
    """Return whether XX is a century, as in `siglo XX` and `XXe siècle`."""
    before = text[: found.start()].rsplit(None, 1)[-1:] if set(found[0]) == {"X"} else []
    return bool(before) and before[0].casefold() in ("siglo", "siècle", "xix")


@cache
def _insert_here(words: Words) -> re.Pattern[str]:
    """Return the pattern of an instruction like `insert the date here`."""
    verbs, here = "|".join(words.insert), "|".join(words.here)
    between = r"\s{1,9}(?:[^\s.!?]{1,30}\s{1,9}){0,6}?"
    orders = rf"(?:{verbs}){between}(?:{here})|(?:{here}){between}(?:{verbs})"
    return re.compile(rf"\b(?:{orders})\b", re.IGNORECASE)


def _weight_of(said: str, words: Words) -> Weight | None:
    """Return how sure it is that words in brackets are a placeholder; None if they are not."""
    first = re.match(r"\W{0,3}([\w’'-]{1,40})", said)
    if said[:1] == "^" or first is None or said.strip() in ("x", "X", "sic"):
        return None
    letters = [one for one in said if one.isalpha()]
    if first[1].casefold() in words.placeholders or _MARKER.search(said):
        return Weight.STOP
    if len(letters) > 2 and all(one.isupper() for one in letters):  # noqa: PLR2004 - [NAME], not [UK]
        return Weight.STOP
    return Weight.ASK if letters else None


def _tickets(part: Part, paragraph: Paragraph) -> Iterator[Finding]:
    for found in _TICKET.finditer(paragraph.text):
        if found[1].rstrip("0123456789") not in _STANDARDS and found[1] not in _STANDARDS:
            yield part.finding(
                "ticket-number",
                Weight.ASK,
                paragraph.offset_of(found.start()),
                f"{quoted(found[0])} looks like the number of an internal ticket; take it out, or accept it",
            )


def _marks(part: Part, paragraph: Paragraph) -> Iterator[Finding]:
    for pattern, reason in _SHOWN_AS_THEY_ARE:
        for found in pattern.finditer(paragraph.text):
            at = paragraph.offset_of(found.start())
            yield part.finding("markdown-unsupported", Weight.ASK, at, f"{quoted(found[0])}: {reason}")
    for found in _UNTAKEN.finditer(paragraph.text):
        yield part.finding(
            "link-broken",
            Weight.STOP,
            paragraph.offset_of(found.start()),
            f"not a link that we allow: {quoted(found[0])}; readers see it as it is",
            "[the words of the link](https://www.example.com/)",
        )
