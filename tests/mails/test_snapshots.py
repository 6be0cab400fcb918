"""Mails read and look as they were reviewed; every file of `snapshots` is one mail in one language."""

import re
from difflib import unified_diff

import pytest

from portal.exposure.emails import CheckAnswer
from portal.web.theme import contrast
from tests.configured import configured
from tests.mails.snapshots import AT_COMPANY, FOLDER, RENEW, SETTINGS, Case, cases, composed, files, rendered

NAMES = sorted(cases("en"))
CODE = re.compile(r"\b(?:[A-Z2-7]{4}-[A-Z2-7]{4}|[A-Z2-7]{7}-[A-Z2-7]{7})\b")


def test_every_mail_is_as_it_was_reviewed():
    wanted = dict(files())
    changed = [path for path, content in wanted.items() if not path.exists() or path.read_text() != content]
    left = [path.name for path in FOLDER.iterdir() if path not in wanted]
    difference = "\n".join(
        line
        for path in changed
        for line in unified_diff(
            path.read_text().splitlines() if path.exists() else [],
            wanted[path].splitlines(),
            path.name,
            path.name,
            lineterm="",
            n=1,
        )
    )
    assert not changed, f"Write them anew with `{RENEW}`, and read the difference:\n{difference}"
    assert left == [], f"These belong to no mail: `{RENEW}`"


@pytest.mark.parametrize("language", SETTINGS.site.languages)
@pytest.mark.parametrize("name", NAMES)
def test_every_code_has_a_label_and_the_labels_of_a_mail_differ(name, language):
    text = (FOLDER / f"{name}.{language}.txt").read_text()
    html = (FOLDER / f"{name}.{language}.html").read_text()
    codes = CODE.findall(text)
    assert codes == CODE.findall(html)
    labels = [re.findall(rf"^(.+): {code}$", text, re.MULTILINE) for code in codes]
    assert all(len(label) == 1 for label in labels)
    assert len({label for (label,) in labels}) == len(codes)
    for code, (label,) in zip(codes, labels, strict=True):
        assert re.search(rf">{label}<br>\n<strong [^>]*>{code}</strong>", html)


@pytest.mark.parametrize("name", NAMES)
def test_no_mail_loads_anything_and_every_link_is_ours_or_the_contact(name):
    html = (FOLDER / f"{name}.en.html").read_text()
    assert not re.search(r"\bsrc=|url\(|<link|@import|<script|<img|<form|<iframe", html)
    links = re.findall(r'href="([^"]*)"', html)
    ours: tuple[str, ...] = (
        "https://incident.lanternfold.example/",
        "mailto:help@lanternfold.example",
        "tel:+441632960188",
    )
    ours += ("https://console.example.com/",) if name.startswith("staff-") else ()
    assert [link for link in links if not link.startswith(ours)] == []
    assert {"mailto:help@lanternfold.example", "tel:+441632960188"} <= set(links)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("staff-")])
def test_who_types_the_address_of_a_mail_to_staff_comes_to_the_console(name):
    text, html = (FOLDER / f"{name}.en.txt").read_text(), (FOLDER / f"{name}.en.html").read_text()
    assert "into your browser:\nhttps://console.example.com/\n" in text
    assert 'into your browser:<br><a href="https://console.example.com/"' in html
    for part in (text, html):
        _typed, proof = part.split("Is it really from us?", 1)
        assert "https://incident.lanternfold.example/" in proof


@pytest.mark.parametrize("colour", ["#ffff00", "#ffffff", "#000000", "#7f7f7f", "#ff0000", "#7a3b12"])
def test_whatever_the_organisation_s_colour_everything_can_be_read(colour):
    settings = configured(SETTINGS, site={"brand_colour": colour})
    _, html = rendered(settings, cases("en")["check-answer"], "en")
    pairs = re.findall(r"background-color: ?(#\w{6})(?: !important)?; ?color: ?(#\w{6})", html)
    assert len(pairs) >= 4
    day, night = html.split("prefers-color-scheme: dark")
    for sheet, ground in ((day, "#ffffff"), (night, "#14171b")):
        pairs += [
            (ground, ink)
            for ink in re.findall(r"^(?:a|body|\.quiet) \{.*\bcolor: (#\w{6})", sheet, re.MULTILINE)
        ]
    assert len(pairs) >= 10
    assert [pair for pair in pairs if contrast(*pair) < 4.5] == []


def test_without_a_telephone_or_hours_the_contact_is_whole():
    settings = configured(SETTINGS, site={"contact_phone": "", "contact_hours": ""})
    text, html = rendered(settings, cases("en")["link-not-prepared"], "en")
    assert "tel:" not in html
    assert html.count('href="mailto:help@lanternfold.example"') == 2
    assert "Questions? help@lanternfold.example\n" in text


@pytest.mark.parametrize("language", SETTINGS.site.languages)
def test_an_answer_that_comes_later_has_the_size_of_any_other(language):
    """Wherever the text ends within the kilobyte that is filled up, and however long the date is."""
    answers = [cases(language)["check-answer"].mail, cases(language)["check-answer-later"].mail]
    answers.append(CheckAnswer("1 May 2026"))
    for longer in range(0, 1024, 64):
        settings = configured(SETTINGS, site={"contact_phone": "1" * longer})
        sizes = {len(composed(settings, Case(answer), language)) for answer in answers}
        assert len(sizes) == 1


@pytest.mark.parametrize("language", SETTINGS.site.languages)
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"address-restored"}))  # no address is changed here
def test_without_access_to_accounts_no_mail_leads_to_a_page_of_accounts_here(name, language):
    headers, html = rendered(AT_COMPANY, cases(language)[name], language)
    text = headers + html
    assert not re.search(r"incident\.lanternfold\.example(?:<wbr>)?/(?:reset|sign-in|account)/", text)
    new_password = ("reset-", "no-account", "link-not", "password-changed")
    if name == "notice" or name.startswith(new_password):
        assert "https://www.lanternfold.example/forgotten" in headers
        assert 'href="https://www.lanternfold.example/forgotten"' in html
        assert headers.count("www.lanternfold.example") == 2  # where it leads, and what to compare it with
