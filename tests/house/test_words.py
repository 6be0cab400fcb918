"""The product speaks as one speaks to a worried neighbour: no phrase that nobody would say, no long sentence.

Grades are taken page by page: of a template with those that it includes, and of the texts of each part's
Python.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, meta

from tests import reading
from tests.catalogues import DOMAINS, ROOT, forms, in_use, read
from tests.house.test_catalogues import LANGUAGES

TEMPLATES = ROOT / "templates"
LEGAL = ROOT / "deploy/legal"
PHRASES = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "SECURITY.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/guide/*.md")]
)
ON_EVERY_PAGE = re.compile(r"base\.html|parts/")
# Names of kinds of data, and headings that the law or the reader's browser expects.
NO_SENTENCES = ".csv"
LONGEST_SENTENCE = 25
MOST_WORDS = 15  # on average
HIGHEST_GRADE = {"page": 8, "legal draft": 11}
LOWEST_EASE = 65


def _phrases(*parts: str) -> re.Pattern[str]:
    wanted = (re.escape(phrase) for part in parts for phrase in PHRASES[part])
    return re.compile(rf"(?<!\w)(?:{'|'.join(wanted)})(?!\w)")


def test_no_text_of_a_page_or_a_mail_has_a_phrase_that_nobody_would_say():
    refused = _phrases("everywhere", "to_people")
    texts = (form for domain in DOMAINS for message in in_use(domain) for form in forms(message.id))
    named = (str(message.string) for message in read("en", "datakinds"))
    assert [text for text in (*texts, *named) if refused.search(text)] == []


def test_no_template_has_such_a_phrase():
    refused = _phrases("everywhere")
    files = [file for file in TEMPLATES.rglob("*") if file.is_file()]
    shown = {file: re.sub(r"\{#.*?#\}", "", file.read_text("utf-8"), flags=re.DOTALL) for file in files}
    assert [file.name for file, text in shown.items() if refused.search(text)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_no_document_has_such_a_phrase(document):
    lines = document.read_text(encoding="utf-8").splitlines()
    refused = _phrases("everywhere")
    assert [line for line in lines if refused.search(re.sub(r"`[^`]*`", "", line))] == []


@pytest.mark.parametrize("draft", sorted(LEGAL.glob("*.en.md")), ids=lambda file: file.name)
def test_no_legal_draft_has_such_a_phrase(draft):
    refused = _phrases("everywhere", "to_people")
    assert [line for line in draft.read_text(encoding="utf-8").splitlines() if refused.search(line)] == []


@cache
def _included(template: str) -> frozenset[str]:
    """A template and all that it extends, includes or imports, but for what is on every page."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), extensions=["jinja2.ext.i18n"])
    found, left = {template}, [template]
    while left:
        tree = environment.parse((TEMPLATES / left.pop()).read_text(encoding="utf-8"))
        new = {
            name for name in meta.find_referenced_templates(tree) if name and not ON_EVERY_PAGE.match(name)
        }
        left.extend(new - found)
        found |= new
    return frozenset(found)


@cache
def texts_by_page(language: str) -> dict[str, list[str]]:
    """The texts of each page in a language, by the name of its template, mail or part."""
    by_file: dict[str, list[str]] = {}
    for domain in DOMAINS:
        translated = None if language == "en" else read(language, domain)
        for message in in_use(domain):
            known = translated.get(message.id, message.context) if translated else None
            for file, _ in message.locations if message.id else ():
                by_file.setdefault(file, []).extend(forms(known.string if known else message.id))
    pages: dict[str, list[str]] = {}
    for file in by_file:
        name = file.removeprefix("templates/")
        if file.endswith(NO_SENTENCES) or Path(file).name.startswith("_"):
            continue
        if name == file:
            page, parts = file if file.endswith(".toml") else str(Path(file).parent), {file}
        else:
            page = str(Path(name).parent) if name.startswith("email/") else name
            parts = {f"templates/{part}" for part in _included(name)}
        pages.setdefault(page, []).extend(text for part in sorted(parts) for text in by_file.get(part, ()))
    return pages


def pages_of_sentences(language: str) -> Iterator[tuple[str, list[reading.Sentence]]]:
    for page, texts in texts_by_page(language).items():
        if found := list(reading.sentences(dict.fromkeys(texts), language)):
            yield page, found


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_no_sentence_is_longer_than_one_breath(language):
    everything = (one for _, found in pages_of_sentences(language) for one in found)
    assert {one.text for one in everything if one.words > LONGEST_SENTENCE} == set()


def test_each_english_page_and_mail_is_for_readers_of_thirteen():
    pages = dict(pages_of_sentences("en"))
    assert len(pages) > 60
    grades = {page: round(reading.grade(found), 1) for page, found in pages.items()}
    assert {page: grade for page, grade in grades.items() if grade > HIGHEST_GRADE["page"]} == {}
    lengths = {page: sum(one.words for one in found) / len(found) for page, found in pages.items()}
    assert {page: words for page, words in lengths.items() if words > MOST_WORDS} == {}


def test_each_spanish_page_and_mail_reads_easily():
    eases = {page: round(reading.ease(found), 1) for page, found in pages_of_sentences("es")}
    assert {page: ease for page, ease in eases.items() if ease < LOWEST_EASE} == {}


@pytest.mark.parametrize("draft", sorted(LEGAL.glob("*.md")), ids=lambda file: file.name)
def test_the_legal_drafts_can_be_read_too(draft):
    language = draft.name.split(".")[1]
    lines = [
        re.sub(r"^[#>*\-\d. ]+|\[[^\]]*\]", "", line)
        for line in draft.read_text(encoding="utf-8").split("\n\n")
    ]
    found = list(reading.sentences((line.replace("\n", " ") for line in lines), language))
    if language == "en":
        assert reading.grade(found) <= HIGHEST_GRADE["legal draft"]
    else:
        assert reading.ease(found) >= LOWEST_EASE


def test_the_formulas_give_their_known_figures():
    text = ["The cat sat on the mat and slept. It was a happy day."]
    found = list(reading.sentences(text, "en"))
    assert [one.words for one in found] == [8, 5]
    assert [one.syllables for one in found] == [9, 6]  # as pyphen counts them: slept has two
    assert reading.grade(found) == pytest.approx(0.39 * 6.5 + 11.8 * 15 / 13 - 15.59)
    spanish = list(reading.sentences(["El gato duerme sobre la mesa grande."], "es"))
    assert (spanish[0].words, spanish[0].syllables) == (7, 12)
    assert reading.ease(spanish) == pytest.approx(206.84 - 60 * 12 / 7 - 1.02 * 7)
