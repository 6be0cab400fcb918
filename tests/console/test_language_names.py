"""The console names a language in the reader's language everywhere; the switch of languages in its own."""

import re
from pathlib import Path

import pytest

from tests.visitor import main_of

ROOT = Path(__file__).parents[2]


def test_no_page_of_staff_takes_a_languages_own_name():
    pages = [
        path.relative_to(ROOT)
        for pattern in ("templates/**/*.html", "portal/**/*.py")
        for path in ROOT.glob(pattern)
    ]
    ours = [path for path in pages if "console" in path.as_posix() and path.name != "base.html"]
    assert len(ours) > 80
    named = re.compile(r"\b(?:language_name|own_name)\b")
    assert [str(path) for path in ours if named.search((ROOT / path).read_text(encoding="utf-8"))] == []


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("language", "named", "other"),
    [("en", ["English", "Spanish"], "Español"), ("es", ["Inglés", "Español"], "Spanish")],
)
def test_languages_are_named_in_the_readers_language(office, language, named, other):
    read = {"Accept-Language": language}
    page = office.as_role("admin").get("/settings/", headers=read).text
    rows = re.findall(r'<tr><th scope="row">(\w+)', main_of(page))
    assert [one for one in rows if one in ("English", "Spanish", "Inglés", "Español")] == named
    assert other not in main_of(page)
    assert re.findall(r'<button name="language"[^>]*>(\w+)', page) == ["English", "Español"]
