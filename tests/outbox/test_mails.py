"""What leaves: the same bytes for the same row, no smuggled content, and a code that proves it is ours."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from portal.outbox import service
from portal.outbox.compose import Composer, MailUnfit
from portal.outbox.mail import Mail
from portal.outbox.models import OutboxMail
from portal.subscriptions import frozen
from portal.subscriptions.emails import StatusUpdate, Words
from portal.worker import drain
from tests.configured import configured
from tests.mailbox import Delivered


@pytest.fixture
def compose(worker_parts, row):
    def write(row_id, **settings):
        changed = configured(worker_parts.settings, **settings)
        composer, stored = Composer(changed, worker_parts.vault, worker_parts.composers), row(row_id)
        payload = service.unseal(worker_parts.vault, row_id, stored.payload)
        return composer.compose(row_id, stored.created_at, payload)

    return write


def read(composed):
    return Delivered("", (), composed.content)


def test_one_row_gives_the_same_bytes_in_any_worker(enqueue, compose):
    row_id = enqueue()
    assert compose(row_id).content == compose(row_id).content
    assert compose(row_id).content != compose(enqueue()).content


def test_a_mail_has_both_parts_and_says_what_it_is(enqueue, compose):
    mail = read(compose(enqueue()))
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["To"] == "sam@example.com"
    assert "Northwind Travel" in mail.message["From"]
    assert mail.message["Message-ID"].endswith("@localhost>")
    assert "http://localhost:8000/check/answer/" in mail.text
    assert "http://localhost:8000/check/answer/" in mail.html
    assert mail.message.get_content_type() == "multipart/alternative"
    assert not mail.message.defects


def test_the_hours_are_beside_the_telephone(enqueue, compose):
    mail = read(compose(enqueue(), site={"contact_hours": "Mon–Fri 9–17"}))
    assert "Questions? +1 555 0100 (Mon–Fri 9–17) · help@northwind.example" in mail.text
    assert '<a dir="ltr" href="tel:+15550100">+1 555 0100</a>' in mail.html
    assert '<span lang="en" dir="auto">(Mon–Fri 9–17)</span>' in mail.html
    assert 'href="mailto:help@northwind.example">help@<wbr>northwind<wbr>.example</a>' in mail.html


def test_every_line_is_short_and_ends_as_smtp_wants_it(enqueue, compose):
    content = compose(enqueue(locale="es"), site={"organisation": "Ñandú " * 40}).content
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    assert content.isascii()


@pytest.mark.parametrize(
    "organisation",
    [
        "Ñandú y Compañía, S.A.",
        "旅行会社",
        '"Quoted" \\ Company <x@y.example>',
        "A, B; C: D",
        "=?utf-8?q?Fake?=",
    ],
)
def test_the_organisation_s_name_arrives_as_it_is_written(enqueue, compose, organisation):
    sender = read(compose(enqueue(), site={"organisation": organisation})).message["From"]
    assert [(each.display_name, each.addr_spec) for each in sender.addresses] == [
        (organisation, "incident@northwind.example")
    ]


def test_an_update_can_be_ended_with_one_click_and_other_mails_cannot(enqueue, compose, worker_vault):
    mail = StatusUpdate.sample()
    message = read(compose(enqueue(mail=mail))).message
    token = worker_vault.token(mail.unsubscribe_purpose, bytes.fromhex(getattr(mail, mail.unsubscribe_field)))
    assert message["List-Unsubscribe"] == f"<http://localhost:8000/unsubscribe/{token}/>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert read(compose(enqueue())).message["List-Unsubscribe"] is None


@pytest.fixture
def named(worker_parts):
    """The worker of a company of another name; mails carry it in their subject and their sender."""

    def make(organisation):
        return replace(
            worker_parts, settings=configured(worker_parts.settings, site={"organisation": organisation})
        )

    return make


FORGED = "x\r\nBcc: all@example.com\r\n\r\n.\r\nMAIL FROM:<x@y.example>\r\n"


@pytest.mark.parametrize(
    "organisation", [FORGED, "x\nX-Evil: 1", "x\rBcc: all@example.com", "x\0y", "x\x1by"]
)
def test_no_header_can_be_smuggled_into_a_subject(enqueue, named, row, smtp, organisation):
    row_id = enqueue(mail=StatusUpdate.sample())
    drain(named(organisation))
    assert smtp.messages == []
    assert (row(row_id).state, row(row_id).reason) == ("failed", "not-composed")


@pytest.fixture
def enqueue_update(enqueue, db, worker_vault):
    """Put an update into the outbox that says these words."""

    def put(**changes):
        own = {"incident_language": "en", "language": "en", "html": "<p>Text</p>", "untranslated": ""}
        said = Words(**dict.fromkeys(Words._fields, "Words") | own | changes)
        with db.write() as session:
            frozen.store(session, worker_vault, b"u" * 16, {"en": said})
        return enqueue(mail=StatusUpdate("00" * 16, (b"u" * 16).hex()))

    return put


@pytest.mark.parametrize(
    "title", [FORGED, "a\r.\rb", "a\r\n.\r\nb", "\r\n--boundary--", "<script>alert(1)</script>"]
)
def test_what_an_author_writes_stays_inside_the_body(enqueue_update, worker_parts, smtp, title):
    enqueue_update(title=title, incident=title, text=title)
    drain(worker_parts)
    (mail,) = smtp.messages
    assert mail.recipients == ("sam@example.com",)
    assert mail.message["Bcc"] is None
    assert [part.get_content_type() for part in mail.message.iter_parts()] == ["text/plain", "text/html"]
    assert b"\r" not in mail.content.replace(b"\r\n", b"")
    assert "<script>" not in mail.html


@pytest.mark.sqlite  # how a header is written has nothing to do with the database
@pytest.mark.parametrize("title", [FORGED, "x\nX-Evil: 1", "x\rBcc: all@example.com", "x\0y"])
def test_no_header_can_be_smuggled_into_the_subject_of_an_update(
    enqueue_update, row, worker_parts, smtp, title
):
    row_id = enqueue_update(subject=title)
    drain(worker_parts)
    assert smtp.messages == []
    assert (row(row_id).state, row(row_id).reason) == ("failed", "not-composed")


@pytest.mark.sqlite  # how a header is written has nothing to do with the database
@pytest.mark.parametrize("title", ["=?utf-8?q?x?=", "Ñandú\u2028X-Evil: 1", "\u202eevil", "x" * 900])
def test_the_subject_of_an_update_arrives_as_one_header(enqueue_update, worker_parts, smtp, title):
    enqueue_update(subject=title)
    drain(worker_parts)
    (mail,) = smtp.messages
    assert mail.message["Subject"].split() == title.split()
    assert mail.message["X-Evil"] is None


@pytest.mark.parametrize(
    "address",
    [
        "a@x.example\r\nBcc: b@x.example",
        "a@x.example,b@x.example",
        "a b@x.example",
        "<a@x.example>",
        'a"@x.y',
    ],
)
def test_no_second_recipient_can_be_smuggled_into_an_address(enqueue, compose, address):
    with pytest.raises(MailUnfit):
        compose(enqueue(address))


@pytest.mark.parametrize(
    "organisation",
    ["Ñ" * 60, "旅" * 160, "😀" * 120, '"' * 200, "\\" * 200, "=?utf-8?q?x?=", "long name " * 30],
)
def test_a_long_or_foreign_subject_arrives_and_can_be_looked_up(
    enqueue, named, row, smtp, db, worker_vault, organisation
):
    row_id = enqueue(mail=StatusUpdate.sample())
    drain(named(organisation))
    assert row(row_id).state == "sent"
    subject = smtp.messages[0].message["Subject"]
    assert organisation.strip() in subject
    with db.read() as session:
        shown = service.look_up(session, worker_vault.authenticity(row_id)).subject
    assert len(shown) >= min(30, len(subject))
    assert subject.startswith(shown)


class TestRows:
    def test_one_cause_makes_one_row_however_often_it_is_repeated(self, enqueue, counts):
        assert enqueue(unique=b"u" * 16) is not None
        assert enqueue("kim@example.com", unique=b"u" * 16) is None
        assert enqueue(unique=b"v" * 16) is not None
        assert counts() == {"queued": 2}

    def test_what_fails_takes_its_mail_along(self, db, worker_vault, clock, counts):
        def fail():
            with db.write() as session:
                service.enqueue(
                    session,
                    worker_vault,
                    StatusUpdate.sample(),
                    address="sam@example.com",
                    locale="en",
                    now=clock.now(),
                )
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert counts() == {}

    def test_rows_have_one_length_and_name_nobody(self, enqueue, db):
        enqueue("a@b.example")
        enqueue("a" * 60 + "@" + "b" * 60 + ".example", mail=StatusUpdate.sample())
        with db.read() as session:
            payloads = list(session.scalars(select(OutboxMail.payload)))
        assert len({len(payload) for payload in payloads}) == 1
        assert not any(b"@" + b"b.example" in payload for payload in payloads)

    def test_an_unsent_batch_can_be_withdrawn(self, enqueue, worker_parts, db, clock, counts):
        enqueue(batch=b"b" * 16)
        drain(worker_parts)
        enqueue(batch=b"b" * 16)
        enqueue(batch=b"c" * 16)
        with db.write() as session:
            service.withdraw(session, b"b" * 16, clock.now())
        assert counts() == {"sent": 1, "queued": 1}

    def test_what_people_wait_for_leaves_first(self, enqueue, worker_parts, smtp):
        for number in range(3):
            enqueue(f"reader{number}@example.com", mail=StatusUpdate.sample())
        enqueue("sam@example.com")
        drain(worker_parts)
        assert smtp.messages[0].recipients == ("sam@example.com",)


class TestIsItReal:
    def test_the_code_of_a_mail_shows_when_what_and_to_whom(
        self, client, enqueue, worker_parts, smtp, worker_vault
    ):
        row_id = enqueue()
        drain(worker_parts)
        code = worker_vault.authenticity(row_id)
        shown = f"{code[:7]}-{code[7:]}".upper()
        assert shown in smtp.messages[0].text
        page = client.submit("/is-it-real/", code=f" {shown.lower()} ")
        assert page.status_code == 200
        assert "s…@e….com" in page.text
        assert "sam@example.com" not in page.text

    @pytest.mark.parametrize("code", ["", " ", "aaaaaaaaaaaaa", "x" * 41, "\0", "<script>alert(1)</script>"])
    def test_any_other_code_is_an_error_in_the_form(self, client, enqueue, worker_parts, code):
        enqueue()
        drain(worker_parts)
        answer = client.submit("/is-it-real/", code=code)
        assert answer.status_code == 400
        assert "<title>Error:" in answer.text
        assert "<script>alert" not in answer.text

    def test_a_mail_that_has_not_left_is_not_vouched_for(self, client, enqueue, worker_vault):
        code = worker_vault.authenticity(enqueue())
        assert "We don’t know this code" in client.submit("/is-it-real/", code=code).text

    def test_a_proof_moved_to_another_code_opens_for_neither(
        self, client, enqueue, worker_parts, worker_vault, db
    ):
        one, other = enqueue(), enqueue("kim@example.com")
        drain(worker_parts)
        with db.write() as session:
            proof = session.scalar(select(OutboxMail.proof).where(OutboxMail.id == other))
            session.execute(update(OutboxMail).where(OutboxMail.id == one).values(proof=proof))
            assert session.scalar(select(func.count()).select_from(OutboxMail)) == 2
        page = client.submit("/is-it-real/", code=worker_vault.authenticity(one))
        assert "We don’t know this code" in page.text


def test_mails_are_found_by_their_own_names(worker_parts):
    assert {name: kind.name for name, kind in worker_parts.composers.items()} == {
        name: name for name in worker_parts.composers
    }
    assert all(issubclass(kind, Mail) for kind in worker_parts.composers.values())


def test_no_mail_leaves_with_a_link_that_may_have_ended(worker_parts):
    """A feature says what to do with it when it leaves; else only updates and notices, which can be held."""
    requested = {"check", "erase-account", "my-data", "reminder", "reset", "reset-required", "subscribe"}
    told = {"account-changed", "passkey-changed", "password-changed", "reported-locked"}
    told |= {"case-notice", "case-reset", "case-verify"}
    second_step = {"second-step-lost", "second-step-removed"}
    moved = {"address-change", "address-confirm", "address-restored", "former-address"}
    with_links = requested | told | second_step | moved
    assert set(worker_parts.before_handover) == {*with_links, "status-update", "notice"}
    kinds = worker_parts.composers.values()
    assert {kind.purpose or kind.name for kind in kinds if kind.link_purpose} == with_links
