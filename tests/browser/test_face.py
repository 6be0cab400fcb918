"""What the pages' scripts do, and that the pages work without them."""

import random

import pytest
from flask import render_template_string
from flask_wtf import FlaskForm
from playwright.sync_api import expect
from wtforms import PasswordField
from wtforms.validators import Length

from portal.app import create_app
from portal.reset import passwords
from tests.browser.conftest import PHONE, served
from tests.configured import configured

PASSWORD_PAGE = """
{% extends "base.html" %}
{% from "parts/form.html" import error_summary, password, button %}
{% block title %}New password{% endblock %}
{% block main %}
{{ error_summary(form) }}
<h1>New password</h1>
<form method="post" novalidate>{{ form.hidden_tag() }}
{{ password(form.password, autocomplete="new-password", minimum=15, words=["copper lantern drift anchor"]) }}
{{ button("Store") }}</form>
{% endblock %}
{% block scripts %}<script type="module" src="{{ asset('js/password.js') }}"></script>{% endblock %}
"""
STEPS_PAGE = """
{% extends "base.html" %}
{% from "parts/components.html" import data_list %}
{% from "parts/time.html" import moment %}
{% block title %}Steps{% endblock %}
{% block main %}
<h1>Steps</h1>
<p id="when">{{ moment(at) }}</p>
<h2>Exposed</h2>
<form method="post" action="/check/answer/close/"><button>Close</button></form>
{% call data_list() %}
<li><h3>Passwords</h3><ul class="ticks">{% for step in ("Choose", "Change elsewhere") %}
<li class="choice"><input type="checkbox" id="tick-{{ loop.index }}" data-tick="passwords-{{ loop.index }}">
<label for="tick-{{ loop.index }}">{{ step }}</label></li>
{% endfor %}</ul></li>
{% endcall %}
{% endblock %}
{% block scripts %}<script type="module" src="{{ asset('js/ticks.js') }}"></script>{% endblock %}
"""


class NewPassword(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    password = PasswordField(
        "Your new password", validators=[Length(min=15, message="Use 15 characters or more")]
    )


@pytest.fixture
def site(app, clock, servers):
    """The real application, with two pages more that show the parts by themselves."""

    @app.route("/parts/password/", methods=["GET", "POST"])
    def _password():
        form = NewPassword()
        form.validate_on_submit()
        return render_template_string(PASSWORD_PAGE, form=form)

    app.add_url_rule("/parts/steps/", view_func=lambda: render_template_string(STEPS_PAGE, at=clock.now()))
    return servers.enter_context(served(app))


def test_what_is_typed_shows_and_hides(page, site, accessible):
    page.goto(f"{site}/parts/password/")
    field = page.get_by_label("Your new password")
    field.fill("my old blue bicycle")
    assert field.get_attribute("type") == "password"
    page.get_by_role("button", name="Show password").tap()
    assert field.get_attribute("type") == "text"
    accessible(page)
    page.get_by_role("button", name="Hide password").tap()
    assert field.get_attribute("type") == "password"


def test_a_shown_password_is_hidden_again_before_it_is_sent(page, site):
    page.goto(f"{site}/parts/password/")
    page.get_by_label("Your new password").fill("short")
    page.get_by_role("button", name="Show password").tap()
    page.evaluate(
        "document.querySelector('main form').addEventListener('submit', (event) => {"
        " event.preventDefault(); window.typeWhenSent = document.querySelector('#password').type; })"
    )
    page.get_by_role("button", name="Store").tap()
    assert page.evaluate("window.typeWhenSent") == "password"


def test_one_press_takes_a_suggestion_and_shows_it(page, site):
    page.goto(f"{site}/parts/password/")
    page.get_by_role("button", name="Use this one").tap()
    field = page.get_by_label("Your new password")
    assert field.input_value() == "copper lantern drift anchor"
    assert field.get_attribute("type") == "text"
    page.get_by_text("This would last centuries.").wait_for()
    expect(page.get_by_role("button", name="Store")).to_be_focused()
    expect(page.get_by_role("button", name="Store")).to_be_in_viewport()
    expect(field).to_be_in_viewport()


def test_the_strength_is_told_in_words_and_nothing_that_is_typed_leaves_the_page(page, site, accessible):
    page.goto(f"{site}/parts/password/")
    page.wait_for_load_state("networkidle")
    sent = []
    page.on("request", lambda request: sent.append((request.method, request.url.partition("/static/")[2])))
    field = page.get_by_label("Your new password")
    field.fill("short")
    page.get_by_text("Characters still needed: 10").wait_for()
    field.fill("password12345678")
    page.get_by_text("would guess this. We won’t accept it").wait_for()
    accessible(page)
    field.fill("violet meadow paper thunder")
    page.get_by_text("This would last centuries.").wait_for()
    assert set(sent) == {
        ("GET", "js/strength.js"),
        ("GET", "vendor/zxcvbn/zxcvbn.js"),
        ("GET", "vendor/zxcvbn/en.js"),
        ("GET", "js/guess.js"),
        ("GET", "js/lists.js"),
        ("GET", "words/common-passwords.txt"),
        ("GET", "words/famous-phrases.txt"),
        ("GET", "words/keyboards.txt"),
        ("GET", "words/rules.json"),
    }


def test_the_meter_never_promises_more_than_the_server_accepts(page, site):
    page.goto(f"{site}/parts/password/")
    chance = random.Random(7)
    words = [word for word in passwords._common() if word.isalpha() and 4 <= len(word) <= 12]
    drawn = [
        chance.choice(("", " ", "-")).join(
            words[int(len(words) * chance.random() ** 2)] for _ in range(count)
        )
        + chance.choice(("", "41", "1974", "!"))
        for count in (2, 3, 4, 5) * 60
    ]
    told = [
        *drawn,
        *("purple elephant dancing", "lantern-orchard-teapot-41", "correct horse battery staple"),
        *(
            "nora.lind@postbox.example",
            "noralind.postbox.1974",
            "northwindtravel-2026",
            "To be, or not to be!",
        ),
        *("qwertyuiopasdfgh", "abc123def456ghi789", "P@ssw0rdP@ssw0rd!", "qazqazqaz.extreme.meredith41"),
        *passwords.suggest(20, "en"),
    ]
    person = ["nora.lind@postbox.example", "Northwind Travel"]
    levels = page.evaluate(
        "([texts, known]) => import('/static/js/strength.js')"
        ".then(({ prepare }) => prepare())"
        ".then((strength) => texts.map((text) => strength(text, known).level))",
        [told, person],
    )
    verdicts = [passwords.check(text, own_words=person[:1], organisation=person[1]) for text in told]
    assert sum(verdict != () for verdict in verdicts) > 100
    assert [
        text for text, level, verdict in zip(told, levels, verdicts, strict=True) if verdict and level > 2
    ] == []
    assert levels[-20:] == [4] * 20


JUDGED = {
    "1qaz2wsx3edc4rfv": True,
    "To be, or not to be!": True,
    "P@ssw0rdP@ssw0rd!": True,
    "p4$$w0rd-drag0n-99": True,
    "ｄｒａｇｏｎｐａｓｓｗｏｒｄ１": True,
    "sunflowerbutterfly": True,
    "lantern-orchard-teapot-41": True,
    "!!2026 aaaaaaaaaaaaaaaa 2026!!": True,
    "2026-11-23 2026-11-23": True,
    "098765432109876": True,
    "qwertyuiopasdfgh": True,
    "N0ra.L1nd!!1974-1974": True,
    "Northwind-Travel-2026": True,
    "violet meadow paper thunder": False,
    "sunlit-marble-otter-harbour": False,
    "k3vq9xw2mzt7bhp4": False,
    "пурпурный-слон-танцует-ночью": False,
}


def test_the_page_and_the_server_judge_the_same_passwords_alike(page, site):
    page.goto(f"{site}/parts/password/")
    known = ["nora.lind@postbox.example", "Northwind Travel"]
    on_the_page = page.evaluate(
        "([texts, known]) => import('/static/js/guess.js').then(({ loadLists, isRefused }) =>"
        " loadLists().then((lists) => texts.map((text) => isRefused(text, known, lists))))",
        [[*JUDGED], known],
    )
    assert dict(zip(JUDGED, on_the_page, strict=True)) == JUDGED
    on_the_server = {
        text: passwords.check(text, own_words=known[:1], organisation=known[1]) != () for text in JUDGED
    }
    assert on_the_server == JUDGED


def test_the_word_lists_wait_until_somebody_types_a_new_password(page, site):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{site}/parts/password/")
    page.wait_for_load_state("networkidle")
    assert [url for url in requests if "zxcvbn" in url] == []


def test_who_types_before_the_script_has_come_is_told_the_strength_too(page, site):
    def type_first(route):
        page.get_by_label("Your new password").fill("violet meadow paper thunder")
        route.continue_()

    page.route("**/static/js/password.js**", type_first)
    page.goto(f"{site}/parts/password/")
    page.get_by_text("This would last centuries.").wait_for()


@pytest.mark.parametrize("part", ["js/guess.js", "words/common-passwords.txt", "words/rules.json"])
@pytest.mark.parametrize("fault", ["away", "broken"])
def test_without_its_lists_the_meter_is_silent_and_asks_for_them_again(page, site, console, part, fault):
    page.goto(f"{site}/parts/password/")
    page.route(
        f"**/static/{part}", lambda route: route.abort() if fault == "away" else route.fulfill(status=503)
    )
    field = page.get_by_label("Your new password")
    with page.expect_event("console"):
        field.fill("violet meadow paper thunder")
    page.wait_for_timeout(500)
    expect(page.locator(".strength-words")).to_have_text("")
    assert all(heard.startswith("Failed to load resource") for heard in console.complaints)
    console.complaints.clear()
    if part.startswith("js/"):
        return  # whether a module that failed is asked for again is the browser's choice
    page.unroute_all()
    field.blur()
    field.focus()
    page.get_by_text("This would last centuries.").wait_for()


def test_the_error_summary_takes_the_focus_and_leads_to_the_field(page, site, accessible):
    page.goto(f"{site}/parts/password/")
    page.get_by_label("Your new password").fill("short")
    page.get_by_role("button", name="Store").tap()
    page.wait_for_function("document.activeElement.matches('.error-summary')")
    assert page.title().startswith("Error: ")
    accessible(page)
    page.get_by_role("alert").get_by_role("link", name="Use 15 characters or more").tap()
    assert page.evaluate("document.activeElement.id") == "password"


def test_ticks_stay_on_the_device(page, site, accessible):
    page.goto(f"{site}/parts/steps/")
    assert page.get_by_text("Your ticks stay on this device").is_visible()
    expect(page.get_by_role("status").last).to_have_text("0 of 2 steps done")
    page.get_by_label("Change elsewhere").check()
    expect(page.get_by_role("status").last).to_have_text("1 of 2 steps done")
    sent = []
    page.on("request", lambda request: sent.append(request.post_data))
    page.reload()
    assert page.get_by_label("Change elsewhere").is_checked()
    assert not page.get_by_label("Choose").is_checked()
    assert set(sent) == {None}
    accessible(page)
    page.get_by_label("Change elsewhere").uncheck()
    page.reload()
    assert not page.get_by_label("Change elsewhere").is_checked()


def test_ticks_are_forgotten_when_the_answer_is_closed(page, site):
    page.goto(f"{site}/parts/steps/")
    page.get_by_label("Change elsewhere").check()
    assert page.evaluate("localStorage.getItem('ticks')")
    page.get_by_role("button", name="Close").click()
    page.wait_for_url(f"{site}/check/answer/close/")
    assert page.evaluate("localStorage.getItem('ticks')") is None
    page.goto(f"{site}/parts/steps/")
    assert not page.get_by_label("Change elsewhere").is_checked()


def test_a_time_is_turned_into_the_readers_zone_and_keeps_utc_beside_it(page, site):
    page.goto(f"{site}/parts/steps/")
    page.wait_for_function("document.querySelector('#when').innerText.includes('(')")
    assert page.locator("#when").inner_text().replace("\u00a0", " ") in (
        "23 November 2026, 10:00 CET (09:00 UTC)",
        "23 November 2026, 10:00 GMT+1 (09:00 UTC)",
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [160, 320, 1280])  # 160: a narrow phone with letters twice as large
def test_the_parts_read_well_by_day_and_by_night_at_every_width(
    another_person, site, accessible, scheme, width
):
    page = another_person(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()
    for path in ("/parts/password/", "/parts/steps/", "/check/", "/is-it-real/"):
        page.goto(site + path)
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            f"{path} is wider than the screen"
        )


def test_forced_colours_mark_the_page_where_one_is(another_person, site):
    page = another_person(forced_colors="active", viewport={"width": 320, "height": 640}).new_page()
    page.goto(f"{site}/check/")
    lines = page.locator(".top nav a").evaluate_all(
        "links => links.map((one) => getComputedStyle(one).borderBottomColor)"
    )
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert [line != ground for line in lines] == [True, False, False, False]


def test_everything_can_be_read_and_sent_without_script(another_person, site):
    page = another_person(java_script_enabled=False).new_page()
    page.goto(f"{site}/parts/password/")
    assert page.get_by_text("copper lantern drift anchor").first.is_visible()
    assert page.locator("main").get_by_role("button").all_inner_texts() == ["Store"]
    page.get_by_label("Your new password").fill("short")
    page.get_by_role("button", name="Store").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.goto(f"{site}/parts/steps/")
    assert page.locator("#when").inner_text() == "23 November 2026, 09:00\u00a0UTC"
    assert not page.get_by_text("Your ticks stay on this device").is_visible()


def test_going_back_to_a_form_that_was_refused_shows_the_form(page, site):
    page.goto(f"{site}/parts/password/")
    page.get_by_label("Your new password").fill("short")
    page.get_by_role("button", name="Store").tap()
    page.wait_for_function("document.activeElement.matches('.error-summary')")
    page.goto(f"{site}/check/")
    page.go_back()
    assert page.url == f"{site}/parts/password/"
    expect(page.get_by_label("Your new password")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_who_uses_the_keyboard_may_skip_to_the_main_content(page, site):
    page.goto(f"{site}/check/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("script", [True, False])
def test_the_language_changes_by_one_press_and_the_page_stays(another_person, site, script):
    """On a page that no one has, and on one that sends no Referer and so no Origin."""
    page = another_person(viewport=PHONE, java_script_enabled=script).new_page()
    for path in ("/protect-yourself/?from=mail", "/nothing/?a=1"):
        page.goto(f"{site}{path}")
        page.get_by_role("button", name="Español").click()
        expect(page.locator("html")).to_have_attribute("lang", "es")
        assert page.url == f"{site}{path}"
        page.get_by_role("button", name="English").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_menu_of_many_languages_opens_by_keyboard_over_the_page(
    settings, db, clock, web_keys, servers, another_person, accessible
):
    many = configured(settings, site={"languages": ("en", "es", "pt-BR", "ar")})
    site = servers.enter_context(served(create_app(many, db=db, clock=clock, web_keys=web_keys)))
    for width in (320, 1280):
        page = another_person(viewport={"width": width, "height": 640}, locale="en").new_page()
        page.goto(f"{site}/check/")
        page.locator("summary").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="العربية")).to_be_visible()
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for _ in range(4):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
