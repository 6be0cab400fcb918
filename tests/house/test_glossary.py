"""Each language has one word for each thing, as its glossary says."""

import re
import tomllib

import pytest

from tests.catalogues import DOMAINS, TRANSLATIONS, forms, read
from tests.house.test_catalogues import LANGUAGES

FILLED_IN = re.compile(r"%\(\w+\)[sd]|\S*@\S+")
GLOSSARIES = {
    language: tomllib.loads((TRANSLATIONS / language / "glossary.toml").read_text(encoding="utf-8"))
    for language in LANGUAGES
}
TERMS = [(language, term) for language, glossary in GLOSSARIES.items() for term in glossary["terms"]]


def bare(text):
    """The forms of a text without what is filled in."""
    return [FILLED_IN.sub("", form) for form in forms(text)]


def messages(language):
    """Each English text with its translation, all forms of both."""
    for domain in DOMAINS:
        for message in read(language, domain):
            if message.id:
                yield (
                    *(
                        [FILLED_IN.sub("", form) for form in forms(text)]
                        for text in (message.id, message.string)
                    ),
                )


@pytest.mark.parametrize(("language", "term"), TERMS)
def test_a_term_has_its_word(language, term):
    entry = GLOSSARIES[language]["terms"][term]
    wanted = re.compile(rf"(?<![\w-])(?:{entry['english']})s?(?![\w-])", re.IGNORECASE)
    kept = re.compile(rf"\b(?:{'|'.join(entry['words'])})", re.IGNORECASE)
    texts = [
        (english, translated) for english, translated in messages(language) if wanted.search(english[-1])
    ]
    assert texts, "nothing says this any more"
    assert [
        (english[-1], form) for english, translated in texts for form in translated if not kept.search(form)
    ] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_has_another_word_for_it(language):
    refused = re.compile(rf"(?<![\w-])(?:{'|'.join(GLOSSARIES[language]['never'])})(?![\w-])")
    shown = (form for _, translated in messages(language) for form in translated)
    assert [form for form in shown if refused.search(form)] == []
