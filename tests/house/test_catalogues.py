"""Every sentence that people read exists in every language."""

import re
import tomllib

import pytest
from babel.messages.plurals import get_plural

from portal.core.settings import Settings
from tests.catalogues import DOMAINS, TRANSLATIONS, forms, in_use, read

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|</?\w+")
LANGUAGES = sorted(
    folder.name for folder in TRANSLATIONS.iterdir() if folder.is_dir() and folder.name != "en"
)
EACH = pytest.mark.parametrize(
    ("language", "domain"), [(language, domain) for language in LANGUAGES for domain in DOMAINS]
)


def test_each_language_offered_from_the_start_has_its_catalogues():
    offered = {tag.replace("-", "_") for tag in Settings().site.languages}
    assert offered - {"en", *LANGUAGES} == set()


def test_each_domain_is_looked_up():
    from portal.core import i18n

    assert {file.stem for file in TRANSLATIONS.glob("*.toml")} == set(DOMAINS) == set(i18n.DOMAINS)


@EACH
def test_every_text_is_translated(language, domain):
    assert (TRANSLATIONS / language / f"LC_MESSAGES/{domain}.po").is_file(), (
        "make messages, then translate it"
    )
    translated = read(language, domain)
    missing = []
    for message in in_use(domain):
        if message.id:
            known = translated.get(message.id, message.context)
            if known is None or known.fuzzy or not all(forms(known.string)):
                missing.append(forms(message.id)[0])
    assert missing == [], "make messages, then translate these"


@EACH
def test_no_translation_is_left_of_a_text_that_is_gone(language, domain):
    used = {(message.id, message.context) for message in in_use(domain)}
    assert [m.id for m in read(language, domain) if (m.id, m.context) not in used] == [], "make messages"


@EACH
def test_a_translation_keeps_what_is_filled_in(language, domain):
    for message in read(language, domain):
        if message.id and not message.fuzzy:
            wanted = set(PLACEHOLDER.findall(forms(message.id)[-1]))
            for form in forms(message.string):
                # The singular may spell its number out.
                assert set(PLACEHOLDER.findall(form)) - wanted == set(), form
                assert wanted - set(PLACEHOLDER.findall(form)) <= {"%(num)s", "%(count)s", "%(number)s"}, form


@EACH
def test_a_text_of_a_number_has_each_plural_of_the_language(language, domain):
    catalogue = read(language, domain)
    expected = get_plural(language)
    assert (catalogue.num_plurals, catalogue.plural_expr) == (expected.num_plurals, expected.plural_expr)
    counted = {message.id: message.string for message in catalogue if isinstance(message.id, tuple)}
    wrong = [text for text, string in counted.items() if len(forms(string)) != expected.num_plurals]
    assert wrong == []


@EACH
def test_no_text_is_left_in_english(language, domain):
    """What is the same word in both languages stands in the glossary."""
    glossary = tomllib.loads((TRANSLATIONS / language / "glossary.toml").read_text(encoding="utf-8"))
    same = {form for m in read(language, domain) if m.id for form in forms(m.id) if form in forms(m.string)}
    assert same - set(glossary["same"]) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_of_two_domains_has_one_translation(language):
    first, second = ({m.id: m.string for m in read(language, domain) if m.id} for domain in DOMAINS)
    assert [text for text in first.keys() & second.keys() if first[text] != second[text]] == []


def test_the_plainer_english_names_belong_to_texts_that_exist():
    known = {message.id for message in in_use("datakinds") if message.id}
    named = {message.id: message.string for message in read("en", "datakinds") if message.id}
    assert named
    assert set(named) - known == set()
    assert all(plain and plain != name for name, plain in named.items())


def test_quotation_marks_and_apostrophes_are_curly():
    named = {message.id: message.string for message in read("en", "datakinds") if message.id}
    texts = [message.id for domain in DOMAINS for message in in_use(domain)]
    shown = [form for text in texts for form in forms(named.get(text, text))]
    assert [form for form in shown if re.search("[\"']", form)] == []


def test_spanish_has_one_word_for_updates_and_one_for_signing_in_and_out():
    strings = [
        form
        for domain in DOMAINS
        for message in read("es", domain)
        if message.id and message.id != "Notices"  # of the console
        for form in forms(message.string)
    ]
    assert [form for form in strings if re.match(r"(Avisos|Salir|Entrar)\b", form)] == []
