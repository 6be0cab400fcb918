"""The pages that the law asks for: the operator's own text, else a draft that says that it is one."""

import os
import re

import pytest

# The pages come from files.
pytestmark = pytest.mark.sqlite

DRAFT = "This is a draft"
TITLES = {
    "privacy": ("Privacy", "Privacidad"),
    "imprint": ("Legal notice", "Aviso legal"),
    "accessibility": ("Accessibility", "Accesibilidad"),
}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "legal"
    path.mkdir()
    return path


@pytest.fixture
def visit(portal_with, folder):
    """Return a page of a portal with this folder, in a language."""
    site = {"legal_dir": folder, "organisation": "North*wind* & Co", "contact_phone": "+1 (555) 01-00"}
    visitor = portal_with(site=site | {"contact_hours": "Mon–Fri 9–17"}).test_client()

    def get(path, language="en"):
        return visitor.get(path, headers={"Accept-Language": language})

    return get


@pytest.mark.parametrize("name", TITLES)
def test_until_it_is_replaced_a_draft_is_shown_in_the_readers_language_and_marked(client, name):
    english, spanish = TITLES[name]
    page = client.get(f"/{name}/")
    assert (page.status_code, page.text.count("<h1>"), f"<h1>{english}</h1>" in page.text) == (200, 1, True)
    assert DRAFT in page.text
    assert "Northwind Travel" in re.sub(r'(?s).*<div class="beside-story">|</main>.*', "", page.text)
    assert not re.search(r"\{\w+\}", page.text)
    other = client.get(f"/{name}/", headers={"Accept-Language": "es"}).text
    assert f"<h1>{spanish}</h1>" in other
    assert "Esto es un borrador" in other


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("builtin", "a protected form of your password|una forma protegida de su contraseña"),
        ("sql", "from our customer system|tomados de nuestro sistema de clientes"),
        ("link", "this site never gets your password|este sitio nunca recibe su contraseña"),
    ],
)
def test_the_draft_about_privacy_says_where_passwords_are(portal_with, store, said, language):
    page = portal_with(identity={"store": store}).test_client()
    text = page.get("/privacy/", headers={"Accept-Language": language}).text
    places = "a protected form of your|from our customer|never gets|protegida de su|tomados de|nunca recibe"
    (place,) = re.findall(places, text)
    assert place in said
    assert not re.search(r"\{\w+", text)
    assert ("After you sign in" in text or "Cuando inicia sesión" in text) is (store != "link")


def test_the_settings_are_filled_in_as_they_are(visit, folder):
    (folder / "imprint.en.md").write_text("{organisation}, {site}, {contact}, {other}", encoding="utf-8")
    page = visit("/imprint/").text
    assert (
        '<p>North*wind* &amp; Co, <a href="http://localhost:8000" rel="nofollow noopener">'
        'http://localhost:8000</a>, <a href="mailto:help@northwind.example" '
        'rel="nofollow noopener">help@northwind.example</a> · <a href="tel:+15550100" '
        'rel="nofollow noopener">+1 (555) 01-00</a> (Mon–Fri 9–17), {other}</p>'
    ) in page


def test_the_operators_text_replaces_a_draft_in_every_language_and_says_which_it_is_in(visit, folder):
    (folder / "privacy.es.md").write_text("# Datos\n\n## Uno\n\nNuestro *texto*.\n", encoding="utf-8")
    page = visit("/privacy/", "es").text
    assert "<h1>Datos</h1>" in page
    assert '<h2 id="part-1">Uno</h2>' in page
    assert "<p>Nuestro <em>texto</em>.</p>" in page
    assert "borrador" not in page
    english = visit("/privacy/").text
    assert '<div class="beside-story" lang="es" dir="ltr">' in english
    assert DRAFT not in english
    assert DRAFT in visit("/imprint/").text


def test_a_text_without_a_title_gets_ours(visit, folder):
    (folder / "privacy.en.md").write_text("Only this.", encoding="utf-8")
    assert "<h1>Privacy</h1>" in visit("/privacy/").text
    assert "<h1>Privacidad</h1>" in visit("/privacy/", "es").text


def test_a_long_text_has_a_path_to_each_of_its_parts(visit, folder):
    parts = "".join(f"## Part {letter} & more\n\nText\n\n### Below it\n\n" for letter in "ABCD")
    (folder / "privacy.en.md").write_text(f"# Privacy\n\nFirst\n\n{parts}", encoding="utf-8")
    page = visit("/privacy/").text
    for number, letter in enumerate("ABCD", 1):
        assert f'<h2 id="part-{number}">Part {letter} &amp; more</h2>' in page
        assert f'<a href="#part-{number}">' in page
    assert page.count("Part A &amp; more") == 3, "the heading, and the path for either width"
    (folder / "privacy.en.md").write_text("## One part\n", encoding="utf-8")
    assert "On this page" not in visit("/privacy/").text


def test_nothing_that_a_text_brings_runs(visit, folder):
    (folder / "privacy.en.md").write_text(
        "<script>alert(1)</script>[x](javascript:alert(1))![i](https://evil.example/i.png)", encoding="utf-8"
    )
    article = re.sub(r'(?s).*<div class="beside-story">|</main>.*', "", visit("/privacy/").text)
    assert not re.search(r"<script|<img|href=\"javascript", article)


def test_a_page_is_kept_until_its_file_changes(visit, folder):
    """The page is public and the same for everyone, so it comes from memory."""
    file = folder / "privacy.en.md"
    file.write_text("One text.", encoding="utf-8")
    first = visit("/privacy/")
    assert "One text." in first.text
    assert first.headers["Cache-Control"].startswith("public")
    assert "Set-Cookie" not in first.headers
    before = file.stat().st_mtime_ns
    file.write_text("Two text.", encoding="utf-8")
    os.utime(file, ns=(before + 1, before + 1))
    assert "Two text." in visit("/privacy/").text
    file.unlink()
    assert DRAFT in visit("/privacy/").text


def test_every_page_leads_to_them(client):
    for path in ("/", "/check/", "/nothing/"):
        footer = client.get(path).text.partition("<footer")[2]
        assert all(f'<a href="/{name}/">' in footer for name in TITLES)


def test_the_doctor_notes_a_draft_and_finds_no_fault(run):
    told = run("doctor")
    assert told.exit_code == 0
    for name in TITLES:
        assert f"note  /{name}/: shows a draft; put your own text into PORTAL_LEGAL_DIR" in told.output


def test_the_doctor_names_what_a_folder_lacks_and_what_is_misspelled(run, folder):
    for name in ("privacy.en.md", "imprint.en.md", "imprint.es.md", "privacy-es.md"):
        (folder / name).write_text("Ours.", encoding="utf-8")
    told = run("doctor", PORTAL_LEGAL_DIR=str(folder))
    assert told.exit_code == 0
    assert f"/privacy/: is in another language for some readers; {folder} has no privacy.es.md" in told.output
    assert f"{folder}/privacy-es.md: is not used; the names are like privacy.en.md" in told.output
    assert "/imprint/" not in told.output


def test_the_doctor_finds_a_file_that_cannot_be_shown(run, folder):
    (folder / "privacy.en.md").write_bytes(b"\xff\xfe")
    told = run("doctor", PORTAL_LEGAL_DIR=str(folder))
    assert told.exit_code == 1
    assert f"WRONG legal page {folder}/privacy.en.md: is not UTF-8; save it as UTF-8" in told.output


@pytest.mark.parametrize("path", ["/", "/check/"])
def test_the_hours_are_beside_the_telephone_in_the_language_they_are_in(visit, path):
    page = visit(path, "es").text
    assert '+1 (555) 01-00</a> <span lang="en" dir="auto">(Mon–Fri 9–17)</span>' in page


def test_a_first_line_that_never_ends_is_read(visit, folder):
    (folder / "privacy.en.md").write_text("# a" + " " * 50_000 + "b\n\nThe text.\n", encoding="utf-8")
    assert "The text." in visit("/privacy/").text


def test_a_title_is_without_the_marks_that_close_it(visit, folder):
    (folder / "privacy.en.md").write_text("# Your data \\#1 ##  \n\nThe text.\n", encoding="utf-8")
    assert "<h1>Your data #1</h1>" in visit("/privacy/").text
