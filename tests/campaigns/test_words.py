"""What the notice says: the public facts of the statement, frozen when it begins, and forged by nobody."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from sqlalchemy import text

from portal.campaigns import frozen, jobs, service, wording
from portal.campaigns.emails import Notice
from portal.campaigns.rehearsal import Rehearsal
from portal.incidents import service as incidents
from portal.outbox import service as outbox
from portal.worker import drain
from tests.campaigns.conftest import SLUG, SPANISH, STATEMENT
from tests.mailbox import Delivered

ANN, ANA = "ann@northwind.example", "ana@northwind.example"
CATALOGUE = Path("portal/translations/es/LC_MESSAGES/messages.po")
LIST = f"{ANN},1,Ann,en\n{ANA},2,Ana,es\n"
# What is tried has nothing to do with the database.
one_database = pytest.mark.sqlite


@pytest.fixture
def told(operator):
    """A published statement in both languages, and an active list of two people."""
    operator.statement(STATEMENT)
    operator.statement(SPANISH)
    operator.live(LIST)
    return operator


def notify(operator, count=2):
    done = operator.run("notify", SLUG, "--confirm", str(count))
    assert done.exit_code == 0, done.output
    return done


def change(db, statement, **values):
    with db.write() as session:
        assert session.execute(text(statement), values).rowcount


def test_the_notice_tells_what_the_statement_tells_in_each_language(told, worker_parts, smtp):
    notify(told)
    drain(worker_parts)
    mail = smtp.to(ANN)[0]
    assert mail.message["Subject"] == "Your data and an incident at Northwind Travel"
    for part in (mail.text, mail.html):
        for said in (
            "a thief copied our customers’ names", "This email address is among those affected. We’re sorry.",
            "What happened", "What information was involved", "your email address", "What we are doing",
            "What you can do", "For more information", "Call +1 555 0100.", "Ana Ruiz", "Managing director",
            "http://localhost:8000/check/", "http://localhost:8000/incidents/november/",
            "If you have an account with us, you can keep your password.",
        ):  # fmt: skip
            assert said in part
        assert "Ann" not in part
    assert "a stolen password on 28" in mail.text
    assert "a <strong>stolen password</strong> on 28" in mail.html
    assert '<a href="http://localhost:8000/check/"' in mail.html
    spanish = smtp.to(ANA)[0]
    assert spanish.message["Subject"] == "Sus datos y un incidente en Northwind Travel"
    assert "El 28 de octubre copiaron los nombres de nuestros clientes" in spanish.text
    assert "Qué puede hacer usted" in spanish.html
    english = mail.text.splitlines()
    same = [line for line in spanish.text.splitlines() if line in english and len(line.split()) > 3]
    assert same == []


def test_without_a_translation_the_default_language_is_sent_and_marked(operator, worker_parts, smtp):
    operator.statement(STATEMENT)
    operator.live(LIST)
    notify(operator)
    drain(worker_parts)
    spanish = smtp.to(ANA)[0]
    assert "Todavía no tenemos este mensaje en su idioma. Esta versión está en inglés." in spanish.text
    assert "On 28 October a thief copied our customers’ names" in spanish.text
    assert '<h1 style="margin:0 0 16px;font-size:24px;line-height:1.25" lang="en" dir="auto">' in spanish.html
    assert spanish.message["Content-Language"] == "es"
    assert "in your language" not in smtp.to(ANN)[0].text


@pytest.mark.parametrize("when", ["created", "later"])
def test_a_discreet_incident_keeps_the_neutral_mail(operator, worker_parts, smtp, when, db, clock):
    operator.statement(STATEMENT)
    operator.live(LIST)
    with db.write() as session:
        incidents.set_discreet(session, SLUG, clock.now(), discreet=True)
    notify(operator)
    if when == "later":  # one that has begun does not change
        with db.write() as session:
            incidents.set_discreet(session, SLUG, clock.now(), discreet=False)
        notify(operator)
    drain(worker_parts)
    for mail in smtp.messages:
        said = f"{mail.message['Subject']} {mail.text} {mail.html}"
        assert not [word for word in ("October", "thief", "affected", "octubre", SLUG) if word in said]
    assert smtp.to(ANN)[0].message["Subject"] == "A message about your account at Northwind Travel"


def test_a_later_edit_changes_nothing_for_a_notice_that_has_begun(told, db, worker_parts, smtp):
    with db.write() as session:
        incident = incidents.by_slug(session, SLUG)
        words = wording.drawn(session, told.vault, told.settings, incident, told.clock.now())
        service.start(session, told.vault, incident.id, SLUG, 2, told.clock.now(), words)
    told.statement(STATEMENT.replace("role:", "note: x\nrole:").replace("a thief copied", "nobody copied"))
    change(db, "UPDATE incidents SET discreet = :yes", yes=True)
    notify(told)
    drain(worker_parts)
    assert "a thief copied" in smtp.to(ANN)[0].text
    assert "nobody copied" not in smtp.to(ANN)[0].text


def forge_text(db):
    change(db, "UPDATE campaigns_words SET content = replace(content, 'thief', 'hero') WHERE language = 'en'")


def swap_languages(db):
    with db.write() as session:
        rows = dict(session.execute(text("SELECT language, content FROM campaigns_words")).all())
    change(db, "UPDATE campaigns_words SET content = :c WHERE language = 'en'", c=rows["es"])
    change(db, "UPDATE campaigns_words SET content = :c WHERE language = 'es'", c=rows["en"])


def move_languages(db):
    for old, new in (("en", "x"), ("es", "en"), ("x", "es")):
        change(db, "UPDATE campaigns_words SET language = :new WHERE language = :old", old=old, new=new)


def widen_audience(db):
    change(db, "UPDATE campaigns_words SET addresses = addresses + 1")


def other_list(db):
    change(db, "UPDATE campaigns_words SET list_id = list_id + 1")


def remove_one(db):
    change(db, "DELETE FROM campaigns_words WHERE language = 'es'")


def remove_all(db):
    change(db, "DELETE FROM campaigns_words")


FORGERIES = [forge_text, swap_languages, move_languages, widen_audience, other_list, remove_one, remove_all]


@pytest.mark.parametrize("forge", FORGERIES)
def test_forged_or_swapped_words_mail_nobody_and_the_log_says_what_to_do(
    told, db, worker_parts, smtp, caplog, forge
):
    notify(told)
    forge(db)
    drain(worker_parts)
    assert smtp.messages == []
    assert "the frozen text of notice" in caplog.text
    assert "portal campaigns notify SLUG --dry-run" in caplog.text
    with db.read() as session:
        assert outbox.failures(session) == {"not-composed": 2}


def test_an_unfinished_notice_with_forged_words_queues_nothing(told, db, worker_parts, caplog):
    with db.write() as session:
        incident = incidents.by_slug(session, SLUG)
        words = wording.drawn(session, told.vault, told.settings, incident, told.clock.now())
        service.start(session, told.vault, incident.id, SLUG, 2, told.clock.now(), words)
    forge_text(db)
    jobs.resume(worker_parts)
    assert told.ledger().waiting == 2
    assert "was altered or removed" in caplog.text


@pytest.mark.parametrize("outspoken", [True, False])
def test_nobody_makes_a_notice_neutral_or_outspoken_in_the_database(told, db, worker_parts, outspoken):
    with db.write() as session:
        incident = incidents.by_slug(session, SLUG)
        words = wording.drawn(session, told.vault, told.settings, incident, told.clock.now())
        service.start(session, told.vault, incident.id, SLUG, 2, told.clock.now(), {} if outspoken else words)
    change(db, "UPDATE notices SET frozen = :frozen", frozen=outspoken)
    jobs.resume(worker_parts)
    assert told.ledger().waiting == 2


def test_the_words_of_another_notice_do_not_pass(told, db, worker_parts, smtp):
    notify(told)
    change(db, "UPDATE campaigns_words SET notice_id = :other", other=b"another notice 1")
    drain(worker_parts)
    assert smtp.messages == []


def test_a_mail_of_the_previous_version_gets_the_neutral_text(told, db, worker_parts, smtp):
    notify(told)
    with db.write() as session:
        row_id = outbox.enqueue(
            session, told.vault, Notice(), address="old@northwind.example", locale="en", now=told.clock.now()
        )
        content = {"to": "old@northwind.example", "locale": "en", "name": "notice", "fields": {}}
        assert row_id is not None
        payload = told.vault.encrypt(outbox.payload_cell(row_id), json.dumps(content).encode(), sizes=(1024,))
        session.execute(
            text("UPDATE outbox_mails SET payload = :p WHERE id = :id"), {"p": payload, "id": row_id}
        )
    drain(worker_parts)
    assert "We have a message for you" in smtp.to("old@northwind.example")[0].text


@pytest.mark.parametrize(
    ("language", "said"), [("en", "choose a new password here"), ("es", "elija aquí una")]
)
@one_database
def test_if_passwords_were_taken_everyone_is_told_where_to_choose_a_new_one(told, db, clock, language, said):
    with db.write() as session:
        incidents.by_slug(session, SLUG).classes = "Names;Passwords"
    with db.read() as session:
        incident = incidents.by_slug(session, SLUG)
        words = wording.drawn(session, told.vault, told.settings, incident, clock.now())
    mail = Delivered(
        "", (), Rehearsal(told.settings, told.vault, words).compose(ANN, language, clock.now()).content
    )
    for part in (mail.text, mail.html):
        assert said in part
        assert "http://localhost:8000/reset/" in part


@pytest.mark.parametrize("language", ["en", "es"])
@one_database
def test_all_notices_of_a_language_have_one_size(told, db, clock, language):
    """Wherever the text ends within the kilobyte that is filled up."""
    with db.read() as session:
        incident = incidents.by_slug(session, SLUG)
        words = wording.drawn(session, told.vault, told.settings, incident, clock.now())
    addresses = ["a@b.example", "zoë@northwind.example", f"{'b' * 64}@{'.'.join(['c' * 58] * 3)}.example"]
    for longer in range(0, 1024, 64):
        changed = {tag: replace(said, role="x" * longer) for tag, said in words.items()}
        rehearsal = Rehearsal(told.settings, told.vault, changed)
        mails = [rehearsal.compose(address, language, clock.now()).content for address in addresses]
        assert len({len(mail) for mail in mails}) == 1


@one_database
def test_a_language_that_came_later_gets_the_default_one_s_words(told, db, worker_parts, smtp):
    notify(told)
    with db.read() as session:
        campaign = service.campaigns(session)[0]
        found = frozen.read(session, told.vault, campaign.id)
    words = frozen.shown(found, "pt", "en")
    assert (words.title, words.untranslated) == (
        "On 28 October a thief copied our customers’ names",
        "inglês",
    )


def test_long_sections_need_a_summary_and_then_the_notice_holds_it(operator, worker_parts, smtp):
    long = STATEMENT.replace("We closed the gap", "We closed the gap. " * 400)
    operator.statement(long)
    operator.live(LIST)
    refused = operator.run("notify", SLUG, "--confirm", "2")
    assert refused.exit_code == 1
    assert "Nothing was sent: the sections of the statement in en have" in refused.output
    assert "`summary: ...`" in refused.output
    short = "summary: A thief copied names. **Check** your address.\nnote: A summary.\nrole:"
    operator.statement(long.replace("role:", short))
    notify(operator)
    drain(worker_parts)
    mail = smtp.to(ANN)[0]
    assert "A thief copied names. Check your address." in mail.text
    assert "A thief copied names. <strong>Check</strong> your address." in mail.html
    assert "We closed the gap" not in mail.text


def test_nothing_says_that_a_mail_was_read_or_delivered():
    """Acceptance by a mail server is all that anybody knows; a page that says more would be believed."""
    said = re.compile(
        r"\b(was|were|been|has|is) (not )?(delivered|read|opened)\b|\bdelivered\b", re.IGNORECASE
    )
    known = {
        "“Accepted” means that the email server took it. Nobody can say if it was read.",
        "Accepted isn’t read: nobody knows who opened it.",
    }
    with CATALOGUE.open("rb") as file:
        texts = {one.id if isinstance(one.id, str) else one.id[0] for one in read_po(file)}
    about_mail = {
        one for one in texts if re.search(r"mail|notice|inbox", one, re.IGNORECASE) and said.search(one)
    }
    assert known <= texts
    assert about_mail - known == set()
