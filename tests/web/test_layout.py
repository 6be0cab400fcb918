"""The frame of every page: titles, errors, times, languages, and nothing that a strict policy would stop."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import render_template, render_template_string

# Pages look the same on either database.
pytestmark = pytest.mark.sqlite

ROOT = Path(__file__).parents[2]
# Mails, and the file that shows an author what a page will look like, carry their style with them.
NO_PAGES = ("mail.html", "preview.html")
PAGES = sorted(
    path
    for path in (ROOT / "templates").rglob("*.html")
    if "email" not in path.parts and path.name not in NO_PAGES
)
MODULES = sorted((ROOT / "static" / "js").glob("*.js"))
ASSET = re.compile(r"asset\('([^']+)'\)")
COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)


def name(path):
    return path.relative_to(ROOT).as_posix()


def test_a_form_that_failed_says_so_in_the_title_and_above_the_form(client):
    page = client.submit("/check/", email="").text
    assert "<title>Error: " in page
    summary = re.search(
        r'<div class="error-summary" role="alert" tabindex="-1" autofocus.*?</div>', page, re.DOTALL
    )
    assert summary
    assert 'href="#email"' in summary.group()
    field = re.search(r'<input[^>]*id="email"[^>]*>', page)
    assert field
    assert 'aria-invalid="true"' in field.group()
    described = re.search(r'aria-describedby="([^"]*)"', field.group())
    assert described
    for target in described.group(1).split():
        assert f'id="{target}"' in page


def test_a_form_that_was_only_opened_shows_no_error(client):
    page = client.get("/check/").text
    assert "Error:" not in page
    assert "error-summary" not in page
    assert "aria-invalid" not in page


def test_the_header_is_the_same_on_every_page_but_for_the_mark_of_where_one_is(client):
    def header(page):
        found = re.search(r"<header.*?</header>", client.get(page).text, re.DOTALL)
        assert found
        return re.sub(r'name="back" value="[^"]*"', "", found.group())

    assert header("/check/").replace(' aria-current="page"', "") == header("/language/")
    assert header("/check/").count('aria-current="page"') == 1


def test_a_reader_finds_the_other_language_by_its_own_name_without_a_cookie(client):
    page = client.get("/protect-yourself/")
    assert '<button name="language" value="es" lang="es">Español</button>' in page.text
    assert "Set-Cookie" not in page.headers
    chosen = client.submit("/language/", language="es")
    assert chosen.status_code == 303
    assert ' lang="en">English</button>' in client.get("/protect-yourself/").text


@pytest.mark.parametrize("code", [400, 403, 404, 405, 410, 413, 429, 500, 503])
@pytest.mark.parametrize("language", ["en", "es"])
def test_every_error_page_says_what_to_do(app, code, language):
    with app.test_request_context("/", headers={"Accept-Language": language}):
        page = render_template(f"errors/{code}.html", retry_after=7)
    assert page.count("<h1>") == 1
    assert f'<html lang="{language}" dir="ltr">' in page
    _, _, after = page.partition("<h2>")
    assert '<a href="/' in after.partition("</main>")[0] or code == 413
    assert "Traceback" not in page
    assert str(code) not in re.sub(r"<[^>]*>", "", page)


def test_a_link_that_ended_leads_to_a_new_one(app):
    with app.test_request_context("/"):
        page = render_template("errors/410.html", retry_after=1)
    main = re.search(r"<main.*?</main>", page, re.DOTALL)
    assert main
    assert 'href="/check/"' in main.group()
    assert 'href="/reset/"' in main.group()


@pytest.mark.parametrize(("minutes", "said"), [(1, "in 1 minute."), (7, "in 7 minutes.")])
def test_who_must_wait_is_told_how_long(app, minutes, said):
    for code in (429, 503):
        with app.test_request_context("/"):
            assert said in render_template(f"errors/{code}.html", retry_after=minutes)


def test_a_stale_form_is_told_apart_from_a_damaged_request(app, client):
    stale = client.post("/check/", data={"email": "ana@example.com"})
    assert stale.status_code == 400
    assert "This page is out of date" in stale.text
    assert "if you sign in or out in another tab" in stale.text
    with app.test_request_context("/"):
        assert "This page is out of date" not in render_template("errors/400.html", retry_after=1)


def test_an_address_that_is_not_there_is_a_helpful_404(client):
    answer = client.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200")
    assert answer.status_code == 404
    assert "Page not found" in answer.text


def shown(app, at):
    with app.test_request_context("/", headers={"Accept-Language": "en"}):
        source = '{% from "parts/time.html" import moment %}{{ moment(at) }}'
        return render_template_string(source, at=at)


def test_a_time_is_shown_in_utc_and_named_so(app):
    page = shown(app, datetime(2026, 11, 9, 23, 30, 15, tzinfo=UTC))
    assert 'datetime="2026-11-09T23:30:15Z"' in page
    assert re.sub(r"<[^>]*>", "", page) == "9 November 2026, 23:30&nbsp;UTC"


def test_a_time_is_shown_in_the_organisations_zone_too_with_its_date_where_that_differs(portal_with):
    app = portal_with(site={"timezone": "Europe/Madrid"})
    late = re.sub(r"<[^>]*>", "", shown(app, datetime(2026, 11, 9, 23, 30, tzinfo=UTC)))
    assert late == "9 November 2026, 23:30&nbsp;UTC (10 November 2026, 00:30 Madrid)"
    early = re.sub(r"<[^>]*>", "", shown(app, datetime(2026, 7, 9, 8, 0, tzinfo=UTC)))
    assert early == "9 July 2026, 08:00&nbsp;UTC (10:00 Madrid)"


def test_the_menu_of_languages_never_carries_a_token(client):
    token = "q" * 43
    page = client.get(f"/unsubscribe/{token}/").text
    assert 'name="back" value="/"' in page
    assert token not in page.partition("<footer")[2]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_no_page_needs_anything_inline_or_from_elsewhere(path):
    source = COMMENT.sub("", path.read_text())
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", source)
    assert not re.search(r"<script(?![^>]*\ssrc=)", source)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", source)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_file_that_a_page_names_is_there(path):
    for asset in ASSET.findall(COMMENT.sub("", path.read_text())):
        assert (ROOT / "static" / asset).is_file(), asset


# The console's own scripts: a draft goes to the form's own address, a file in pieces to where it is kept.
SENDING = {
    "editor.js": ('fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } })',),
    "colour.js": ("fetch(`/settings/colour.json?${query}`)",),
    "live.js": ('fetch(box.dataset.live, { cache: "no-store" })',),
    "upload.js": (
        "new XMLHttpRequest()",
        'fetch(url, { cache: "no-store" })',
        'fetch(this.form.dataset.begin, { method: "POST", body: fields })',
        'fetch(box.dataset.progress, { cache: "no-store" })',
    ),
}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_script_writes_markup_or_runs_text_as_code(path):
    source = path.read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", source
    )
    # Of what lies beside the scripts, of the page, and of a question for a passkey: nothing typed is sent.
    for ours in (
        "fetch(new URL(name, FOLDER))",
        'fetch(new URL("rules.json", FOLDER))',
        'fetch(question, { cache: "no-store" })',
        'fetch(location.href, { cache: "no-store" })',
        'fetch(location.href, { method: "HEAD", redirect: "manual", cache: "no-store" })',
        *SENDING.get(path.name, ()),
    ):
        source = source.replace(ours, "")
    source = re.sub(r"// .*", "", source)
    assert not re.search(r"fetch\(|XMLHttpRequest|sendBeacon|WebSocket|https?://", source)


def test_only_pages_of_staff_load_a_script_that_sends():
    for page in sorted((ROOT / "templates").rglob("*.html")):
        if any(script in page.read_text() for script in SENDING):
            assert "console" in page.relative_to(ROOT / "templates").parts, page
