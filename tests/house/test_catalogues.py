"""Every sentence that people read exists in every language."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from portal.core.settings import Settings

ROOT = Path(__file__).parents[2]
TRANSLATIONS = ROOT / "portal/translations"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|</?\w+")


def in_use(folder: Path) -> Catalog:
    template = folder / "messages.pot"
    pybabel = Path(sys.executable).with_name("pybabel")
    extract: list[str | Path] = [
        pybabel,
        "--quiet",
        "extract",
        "-F",
        "pyproject.toml",
        "-k",
        "lazy_gettext",
        "-k",
        "mark",
        "-o",
        template,
        ".",
    ]
    subprocess.run(extract, cwd=ROOT, check=True)
    with template.open("rb") as file:
        return read_po(file)


@pytest.fixture(params=[tag for tag in Settings().site.languages if tag != "en"])
def translated(request) -> Catalog:
    with (TRANSLATIONS / request.param / "LC_MESSAGES/messages.po").open("rb") as file:
        return read_po(file, locale=request.param)


def test_every_text_is_translated(translated, tmp_path):
    missing = []
    for message in in_use(tmp_path):
        if message.id:
            known = translated.get(message.id, message.context)
            if known is None or known.fuzzy or not all(_forms(known.string)):
                missing.append(_forms(message.id)[0])
    assert missing == [], "make messages, then translate these"


def test_the_plainer_english_names_belong_to_texts_that_exist(tmp_path):
    known = {message.id for message in in_use(tmp_path) if message.id}
    with (TRANSLATIONS / "en/LC_MESSAGES/messages.po").open("rb") as file:
        named = {message.id: message.string for message in read_po(file, locale="en") if message.id}
    assert named
    assert set(named) - known == set()
    assert all(plain and plain != name for name, plain in named.items())


def test_quotation_marks_and_apostrophes_are_curly(tmp_path):
    with (TRANSLATIONS / "en/LC_MESSAGES/messages.po").open("rb") as file:
        named = {message.id: message.string for message in read_po(file, locale="en") if message.id}
    shown = [form for message in in_use(tmp_path) for form in _forms(named.get(message.id, message.id))]
    assert [form for form in shown if re.search("[\"']", form)] == []


def test_a_translation_keeps_what_is_filled_in(translated):
    for message in translated:
        if message.id and not message.fuzzy:
            wanted = set(PLACEHOLDER.findall(_forms(message.id)[-1]))
            for form in _forms(message.string):
                # The singular may spell its number out.
                assert set(PLACEHOLDER.findall(form)) - wanted == set(), form
                assert wanted - set(PLACEHOLDER.findall(form)) <= {"%(num)s", "%(count)s", "%(number)s"}, form


def test_spanish_has_one_word_for_updates_and_one_for_signing_in_and_out():
    with (TRANSLATIONS / "es/LC_MESSAGES/messages.po").open("rb") as file:
        strings = [
            form for message in read_po(file, locale="es") if message.id for form in _forms(message.string)
        ]
    assert [form for form in strings if re.match(r"(Avisos|Salir|Entrar)\b", form)] == []


def _forms(text: object) -> list[str]:
    return [str(form) for form in text] if isinstance(text, tuple | list) else [str(text)]
