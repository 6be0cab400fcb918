"""Every mail can be written, whole, in every language."""

import importlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from portal import app
from portal.core.settings import Mail as MailSettings
from portal.core.settings import Settings, Site
from portal.crypto import tokens
from portal.crypto.keys import generate
from portal.crypto.vault import WorkerVault
from portal.outbox.compose import Composer
from portal.outbox.mail import Mail

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(
    base_url="https://incident.northwind.example",
    mail=MailSettings(sender="incident@northwind.example"),
    given=Site(
        organisation="Northwind Travel",
        contact_email="help@northwind.example",
        contact_phone="+1 555 0100",
    ),
)
WRITTEN_AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def _kinds(base: type[Mail]) -> list[type[Mail]]:
    kinds = []
    for kind in base.__subclasses__():
        kinds += [kind, *_kinds(kind)] if "name" in vars(kind) else _kinds(kind)
    return kinds


for emails in sorted((ROOT / "portal").glob("*/emails.py")):
    importlib.import_module(f"portal.{emails.parent.name}.emails")
KINDS = sorted(
    (kind for kind in _kinds(Mail) if kind.__module__.startswith("portal.")), key=lambda kind: kind.name
)
VAULT = WorkerVault(generate()[1])


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


def written(kind: type[Mail], language: str):
    composer = Composer(SETTINGS, VAULT, {})
    composed = composer.render(
        kind.sample(), "sam.rivera@northwind.example", language, b"\7" * 16, WRITTEN_AT
    )
    message = message_from_bytes(composed.content, policy=policy.default)
    return message, _part(message, "plain"), _part(message, "html")


def _part(message: EmailMessage, form: str) -> str:
    part = message.get_body((form,))
    assert part is not None, f"there is no {form} part"
    return str(part.get_content())


@pytest.mark.parametrize("language", SETTINGS.site.languages)
def test_every_mail_has_its_three_parts_in_every_language(kind, language):
    message, text, html = written(kind, language)
    assert message["Subject"].strip()
    assert message["Content-Language"] == language
    assert f'lang="{language}"' in html
    for part in (message["Subject"], text, html):
        assert part.strip()
        assert not re.search(r"\{\{|\{%|%\(|\bNone\b", part), "something was not filled in"


def test_both_forms_of_a_mail_say_where_to_go_and_how_to_check_it(kind):
    _, text, html = written(kind, "en")
    row = b"\7" * 16
    wanted = [SETTINGS.site.organisation, tokens.grouped(VAULT.authenticity(row), 7)]
    if kind.link_purpose:
        wanted.append(VAULT.token(kind.link_purpose, row))
    if kind.has_code:
        wanted.append(tokens.grouped(VAULT.code(row)))
    assert [word for word in wanted if word not in text or word not in html] == []


@pytest.mark.parametrize("language", [tag for tag in SETTINGS.site.languages if tag != "en"])
def test_no_mail_stays_in_english(kind, language):
    english, here = written(kind, "en"), written(kind, language)
    assert english[0]["Subject"] != here[0]["Subject"]
    data = vars(kind.sample()).values()
    said = [line for line in here[1].splitlines() if len(line.split()) >= 4 and line not in data]
    untouched = [line for line in said if line in english[1]]
    assert untouched == []


@pytest.mark.parametrize("language", SETTINGS.site.languages)
@pytest.mark.parametrize(
    "address", ["a@b.example", "zoë.rivera-de-la-fuente@northwind.example", "x" * 240 + "@y.es"]
)
def test_the_size_of_a_mail_says_nothing_about_its_outcome(kind, language, address):
    """For every mail that could be the answer to one request, or about one event."""
    outcomes = {*kind.sample().alternatives(), kind.sample()}
    if kind.purpose:
        outcomes |= {other.sample() for other in KINDS if other.purpose == kind.purpose}
    composer = Composer(SETTINGS, VAULT, {})
    contents = [
        composer.render(outcome, address, language, bytes([number]) * 16, WRITTEN_AT).content
        for number, outcome in enumerate(sorted(outcomes, key=repr))
    ]
    (size,) = {len(content) for content in contents}
    assert size % 1024 == 0
    for content in contents:
        assert b"\r\n." not in content, "SMTP would double the dot, and so change the size on the wire"
        assert max(map(len, content.split(b"\r\n"))) <= 998
        header, _, body = content.partition(b"\r\n\r\n")
        padding = header.partition(b"\r\nX-Padding: ")[2]
        assert padding.strip(b"x \r\n") == b""
        assert max(map(len, (*padding.split(b"\r\n"), *body.split(b"\r\n")))) <= 78


def test_the_room_of_the_padding_is_used_for_longer_texts_first():
    """By a byte where the mail gets longer: the padding is a whole header, or there is one more KiB."""
    # Of another mail a longer text may take fewer bytes, where its lines break elsewhere.
    (mail,) = (kind.sample() for kind in KINDS if kind.name == "check-answer")

    def sizes_with(length: int) -> tuple[int, int]:
        site = replace(SETTINGS.site, contact_phone="1" * length)
        composer = Composer(replace(SETTINGS, given=site), VAULT, {})
        content = composer.render(mail, "a@b.example", "en", bytes(16), WRITTEN_AT).content
        message = message_from_bytes(content, policy=policy.default)
        assert not message.defects
        assert set(message["X-Padding"]) <= {"x", " "}
        assert message["X-Padding"].strip()
        # A longer number may break the lines elsewhere, and so save two bytes.
        own = re.sub(rb"X-Padding:[x \r\n]+", b"", content, count=1)
        return len(own), len(content)

    steps = {length: sizes_with(length) for length in range(1, 1200, 40)}
    longer = [length for length in steps if steps.get(length + 40, (0, 0))[1] > steps[length][1]]
    assert longer
    near = {sizes_with(length) for start in longer for length in range(start - 20, start + 60) if length > 0}
    padded = [size for _own, size in sorted({*steps.values(), *near})]
    assert padded == sorted(padded)
    assert {size % 1024 for size in padded} == {0}


@pytest.mark.parametrize("language", SETTINGS.site.languages)
def test_an_answer_to_any_mail_reaches_the_contact(kind, language):
    """Nobody reads what comes to the sender, but people do answer."""
    message, _, _ = written(kind, language)
    assert message["Reply-To"].addresses[0].addr_spec == "help@northwind.example"
    assert message["From"].addresses[0].addr_spec == "incident@northwind.example"
    assert len(message.get_all("Reply-To")) == 1


def test_the_worker_knows_every_mail():
    assert sorted(mail.name for mail in app.MAILS) == [kind.name for kind in KINDS]


def test_mails_and_folders_of_templates_belong_to_each_other():
    names = [kind.name for kind in KINDS]
    folders = sorted(path.name for path in (ROOT / "templates/email").iterdir() if path.is_dir())
    assert names == folders


def test_a_mail_that_can_be_ended_says_so_in_its_headers(kind):
    message, text, _ = written(kind, "en")
    if kind.unsubscribe_purpose:
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert message["List-Unsubscribe"].strip("<>") in text
    assert kind.stream in {"asked", "legal", "security", "updates"}
    assert (kind.stream == "updates") <= bool(kind.unsubscribe_purpose)
    assert message["Auto-Submitted"] == "auto-generated"
