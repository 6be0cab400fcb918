"""What the checker says about words: stops, what it asks, and what it only tells."""

from dataclasses import replace

import pytest

from portal.incidents.checker.findings import Finding
from portal.incidents.checker.site import Numbers, Site
from portal.incidents.checker.texts import check_statement, check_update
from portal.incidents.models import Section
from portal.incidents.writing import StatementText

SITE = Site(
    ("en", "es"),
    base_url="https://portal.example",
    incidents={"order-archive": Numbers(versions=(1,), updates=(1, 2))},
    contact=True,
)
PAGE = "/incidents/order-archive/updates/2/"


def update(body: str, language: str = "en", page: str = PAGE) -> list[Finding]:
    return check_update("The gap is closed", body, language, SITE, page=page)


def codes(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.weight.value, one.code) for one in findings]


def statement(apology: str, language: str = "en", **fields: str) -> list[Finding]:
    text = StatementText(
        language=language,
        title="We lost your data",
        signed_by="Jane Doe",
        role="CEO",
        note=fields.get("note"),
        apology=apology,
        sections=[Section("What happened", fields.get("section", "Someone broke in."))],
    )
    site = Site(("en", "es"), contact=fields.get("contact") != "no")
    found = check_statement(text, site)
    return [one for one in found if one.code != "missing-section"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("<!-- internal note -->", "comment"),
        ("    <!-- in a block of code -->", "comment"),
        ("Fine.\n\n[//]: # (internal note)", "comment"),
        ("Some <b>bold</b> words.", "html"),
        ("<script>alert(1)</script>", "html"),
        ("<!DOCTYPE html>", "html"),
        ("We found it on <date>.", "placeholder"),
        ("We found it on [DATE].", "placeholder"),
        ("We wrote to [number of customers] people.", "placeholder"),
        ("TO\x44O: ask legal", "placeholder"),
        ("It was closed on TBC.", "placeholder"),
        ("Hello {{ first_name }},", "placeholder"),
        ("Hello *|FNAME|*,", "placeholder"),
        ("Hello %FIRST_NAME%,", "placeholder"),
        ("Lorem\nipsum dolor", "placeholder"),
        ("Signed by ______", "placeholder"),
        ("![plan](plan.png)", "image"),
        ("[a](javascript:alert(1))", "link-broken"),
        ("[a]()", "link-nowhere"),
        ("[a](/chek/)", "link-nowhere"),
        ("[a](/check)", "link-nowhere"),
        ("[a](https://portal.example/nothing/)", "link-nowhere"),
        ("[a](../3/)", "link-nowhere"),
        ("[a](/incidents/other/)", "link-nowhere"),
        ("[a](/incidents/order-archive/statement/2/)", "link-nowhere"),
        ("[a](http:///x)", "link-nowhere"),
    ],
)
def test_what_must_not_go_out_stops(words, code):
    assert ("stop", code) in codes(update(words))


@pytest.mark.parametrize(
    "words",
    [
        "We will add more here when we know more.",
        "The file holds 1,000 names (not 1,180) and 3 < 5 addresses.",
        "Write to help@lanternfold.example or see https://www.lanternfold.example/help.",
        "We sealed the archive with AES-256 and SHA-256, as ISO-27001 and COVID-19 forms ask.",
        "She said: “We [...] shut it down” and [sic].",
        (
            "[Check](/check/), [the first update](../1/), [ours](/incidents/order-archive/#part-2), "
            "[protect yourself](/protect-yourself/#bank), [feed](/incidents/order-archive/feed.atom)."
        ),
        "Type `<b>` or `[NAME]` on the page.",
        "Nobody needs to do anything to-do lists say.",
        "| when | what |\n|---|---|\n| 3 Nov | break-in |",
    ],
)
def test_a_plain_sentence_is_not_stopped_nor_asked_about(words):
    assert [code for weight, code in codes(update(words)) if weight != "warn"] == []


COMPANY = "https://shop.example/forgot"
ELSEWHERE = replace(SITE, company_page=COMPANY)


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("Sorry. Please choose a new password here.", "en"),
        ("Sorry. On this page you can set a new password today.", "en"),
        ("Sorry.\nPlease [change it here](/account/), and your password is new.", "en"),
        ("Lo sentimos. Elija aquí una contraseña nueva.", "es"),
        ("Lo sentimos. En esta página puede cambiar su contraseña.", "es"),
        ("Wählen Sie hier ein neues Passwort.", "de"),
        ("Choisissez un nouveau mot de passe sur cette page.", "fr"),
    ],
)
def test_a_password_that_is_changed_elsewhere_is_not_chosen_here(words, language):
    found = [
        one
        for one in check_update("Closed", words, language, ELSEWHERE, page=PAGE)
        if one.code == "password-elsewhere"
    ]
    assert [one.weight.value for one in found] == ["warn"]
    assert "passwords are not changed on this site" in found[0].reason
    assert COMPANY in found[0].example
    assert "Sorry" not in found[0].reason
    assert "password-elsewhere" not in [code for _, code in codes(update(words, language))]


@pytest.mark.parametrize(
    "words",
    [
        "Choose a new password on our website. Read here what happened.",
        f"[Choose a new password here]({COMPANY}).",
        "You can’t change your password here.",
        f"Choose a [new password]({COMPANY}).",
    ],
)
def test_a_text_that_leads_to_the_companys_page_passes(words):
    assert "password-elsewhere" not in [
        one.code for one in check_update("Closed", words, "en", ELSEWHERE, page=PAGE)
    ]


def test_a_link_to_the_page_that_only_names_the_companys_is_told_with_that():
    words = "Choose a [new password](/reset/)\nor [another](https://portal.example/reset/)."
    found = [one for one in check_update("Closed", words, "en", ELSEWHERE, page=PAGE) if one.example]
    assert [(one.code, one.example) for one in found] == [
        ("password-elsewhere", f"[new password]({COMPANY})"),
        ("password-elsewhere", f"[another]({COMPANY})"),
    ]
    assert codes(update(words)) == []


@pytest.mark.parametrize(
    ("words", "language", "code"),
    [
        ("The cause is in SEC-123.", "en", "ticket-number"),
        ("We wrote to [some people].", "en", "maybe-placeholder"),
        ("Please insert the date of the theft here.", "en", "maybe-placeholder"),
        ("Hier das Datum einfügen.", "de", "maybe-placeholder"),
        ("It began on XX November.", "en", "maybe-placeholder"),
        ("Hemos revisado TO\x44O el archivo.", "es", "maybe-placeholder"),
        ("~~Names~~ addresses", "en", "markdown-unsupported"),
        ("See below[^1].", "en", "markdown-unsupported"),
        ("[a](#q1)", "en", "link-place"),
        ("- [ ] task", "en", "markdown-unsupported"),
    ],
)
def test_what_may_be_meant_is_asked(words, language, code):
    assert codes(update(words, language)) == [("ask", code)]


def test_a_link_without_a_scheme_is_told_to_lead_elsewhere():
    [found] = update("[ours](//cdn.lanternfold.example/x)")
    assert (found.weight.value, found.code) == ("warn", "link-without-scheme")
    assert found.example == "[ours](https://cdn.lanternfold.example/x)"


def test_the_siglo_xx_is_no_placeholder():
    assert update("El archivo es del siglo XX.", "es") == []


@pytest.mark.parametrize(
    ("words", "language", "quote"),
    [
        ("Your data **may\nhave** been copied.", "en", "“may have”"),
        ("There is No Evidence of misuse.", "en", "“No Evidence”"),
        (
            "We take the security of your data very seriously.",
            "en",
            "“We take the security of your data very",
        ),
        ("Out of an abundance of caution we write.", "en", "“Out of an abundance of caution”"),
        ("Nos tomamos su privacidad muy en serio.", "es", "“Nos tomamos su privacidad muy en serio”"),
        ("No nos consta un uso indebido.", "es", "“No nos consta”"),
        ("Wir nehmen den Schutz Ihrer Daten sehr ernst.", "de", "“nehmen den Schutz Ihrer Daten sehr ernst”"),
        ("Es gibt keine Hinweise auf Missbrauch.", "de", "“keine Hinweise”"),
        ("Vos données ont pu être copiées.", "fr", "“ont pu être”"),
        ("Nous prenons la sécurité très au sérieux.", "fr", "“prenons la sécurité très au sérieux”"),
    ],
)
def test_a_hedge_is_told_with_better_words(words, language, quote):
    found = [one for one in update(words, language) if one.code == "hedge"]
    assert len(found) == 1
    assert quote in found[0].reason
    assert found[0].weight.value == "warn"
    assert found[0].example


@pytest.mark.parametrize(
    ("words", "language", "code"),
    [
        ("We’re sorry. Mistakes were made.", "en", "passive-apology"),
        ("We apologise if you were affected.", "en", "passive-apology"),
        ("We regret any inconvenience, and we’re sorry.", "en", "passive-apology"),
        ("Something happened to your data.", "en", "no-apology"),
        ("Lo sentimos. Se cometieron errores.", "es", "passive-apology"),
        ("Lamentamos lo ocurrido.", "es", "no-apology"),
        ("Es tut uns leid, falls Sie betroffen sind.", "de", "passive-apology"),
        ("Nous sommes désolés pour la gêne occasionnée.", "fr", "passive-apology"),
    ],
)
def test_an_apology_that_does_not_apologise_is_asked_about(words, language, code):
    assert ("ask", code) in codes(statement(words, language))


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("We’re sorry. We lost your data.", "en"),
        ("Lo sentimos. Perdimos sus datos.", "es"),
        ("Es tut uns leid.", "de"),
        ("Nous sommes désolés.", "fr"),
        ("Przepraszamy.", "pl"),  # no words are known in it
    ],
)
def test_an_apology_passes(words, language):
    assert statement(words, language) == []


def test_a_correction_needs_a_note_of_twenty_characters():
    assert codes(statement("We’re sorry.", note="Typo.")) == [("ask", "short-note")]
    assert statement("We’re sorry.", note="We counted 180 twice.") == []


def test_without_any_contact_nothing_goes_out():
    assert codes(statement("We’re sorry.", contact="no")) == [("stop", "no-contact")]
    for contact in ("Call +44 1632 960 188.", "Write to help@lanternfold.example."):
        assert statement("We’re sorry.", contact="no", section=contact) == []


@pytest.mark.parametrize(
    ("involved", "classes", "said"),
    [
        ("- your name\n- your password", ("Names", "Passwords"), []),
        (
            "- your name",
            ("Names", "Passwords"),
            ["the incident lists “Passwords”, and the text does not name it"],
        ),
        (
            "Your name and your card number.",
            ("Names",),
            ["the text names “card”, and the incident does not list it"],
        ),
        ("Your name. It has no card numbers or bank details.", ("Names",), []),
        ("Your name, by email.", ("Names",), []),
        ("- your name", ("Names", "Drinking habits"), []),
    ],
)
def test_what_the_text_names_is_what_the_incident_lists(involved, classes, said):
    sections = [Section("What data was taken", involved)]
    text = StatementText("en", "We lost your data", "Jane Doe", "CEO", None, "We’re sorry.", sections)
    found = check_statement(text, SITE, classes=classes)
    assert [one.reason for one in found if one.code == "class-mismatch"] == said


def test_in_other_languages_too():
    for language, words, kind in (
        ("es", "Su nombre y su contraseña.", "contraseña"),
        ("de", "Ihr Name und Ihre Kreditkartennummer.", "Kreditkartennummer"),
        ("fr", "Votre nom et vos coordonnées bancaires.", "bancaires"),
    ):
        sections = [Section("What data was taken", words)]
        text = StatementText(language, "T", "J", "C", None, "Sorry.", sections)
        found = check_statement(text, SITE, classes=("Names",))
        assert [kind in one.reason for one in found if one.code == "class-mismatch"] == [True]


def test_a_stored_text_is_told_by_its_part():
    [found] = statement("We’re sorry.", section="[TO\x44O]")
    assert (found.line, found.reason[:18]) == (None, "“What happened”: a")


LONG = (
    "Notwithstanding the aforementioned circumstances, the organisation subsequently ascertained that "
    "unauthorised individuals had obtained authentication credentials facilitating the exfiltration of "
    "customer information from proprietary repositories maintained by subcontracted infrastructure providers."
)


def test_a_text_that_is_hard_to_read_is_told_with_its_longest_sentence():
    found = {one.code: one for one in update(f"We closed it.\n\n{LONG}")}
    assert set(found) == {"hard-to-read", "long-sentence"}
    assert "a sentence of 29 words" in found["long-sentence"].reason
    assert "school year" in found["hard-to-read"].reason


def test_the_pages_that_may_be_linked_to_are_those_that_there_are(app):
    routes = {rule.rule for rule in app.url_map.iter_rules() if "<" not in rule.rule}
    assert SITE.pages - routes == set()
