"""The delivery promise, fault by fault, against a real SMTP server and against worse ones."""

import logging
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import update

from portal.outbox.mail import Mail
from portal.outbox.models import OutboxMail
from portal.outbox.policy import delay
from portal.outbox.smtp import Relay, RelayError
from portal.worker import Worker
from tests.configured import configured
from tests.peers.relays import RudeRelay, speaking


def test_one_recipient_who_is_refused_does_not_hold_up_the_rest(deliverer, enqueue, row, smtp, counts):
    smtp.answer_recipient = lambda address: (
        "550 5.1.1 no such mailbox" if address.startswith("gone") else "250 OK"
    )
    refused = enqueue("gone@example.com")
    for number in range(3):
        enqueue(f"person{number}@example.com")
    assert deliverer().run() == 4
    assert counts() == {"sent": 3, "failed": 1}
    assert (row(refused).reason, row(refused).attempts) == ("smtp-550", 1)
    assert "gone" not in str(vars(row(refused)))


def test_a_message_that_is_refused_after_its_content_fails_once(deliverer, enqueue, row, smtp):
    smtp.answer_data = lambda mail: "554 5.6.0 we do not like this"
    refused = enqueue()
    hands = deliverer()
    hands.run()
    assert (row(refused).state, row(refused).reason, row(refused).due_at) == ("failed", "smtp-554", None)
    assert hands.run() == 0


@pytest.mark.parametrize("where", ["answer_recipient", "answer_data"])
def test_a_temporary_refusal_is_tried_again_later_and_the_same_mail_arrives(
    deliverer, enqueue, row, smtp, clock, where
):
    setattr(smtp, where, lambda _: "451 4.3.0 not now")
    waiting = enqueue()
    hands = deliverer()
    hands.run()
    assert (row(waiting).state, row(waiting).reason) == ("queued", "smtp-451")
    assert row(waiting).due_at == clock.now() + timedelta(seconds=20)
    assert hands.run() == 0
    setattr(smtp, where, lambda _: "250 OK")
    clock.advance(timedelta(seconds=20))
    assert hands.run() == 1
    assert row(waiting).state == "sent"
    assert len(smtp.messages) == 1


def test_waits_grow_up_to_half_an_hour_and_the_tries_are_bounded(deliverer, enqueue, row, smtp, clock):
    smtp.answer_recipient = lambda address: "451 not now"
    waiting = enqueue()
    hands = deliverer()
    begun, waits = clock.now(), []
    while row(waiting).due_at is not None:
        waits.append(row(waiting).due_at - clock.now())
        clock.advance(waits[-1])
        hands.run()
    assert (row(waiting).state, row(waiting).attempts) == ("failed", 48)
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(minutes=30)
    assert timedelta(hours=12) < clock.now() - begun < timedelta(days=2)
    assert {delay(n, chance) <= timedelta(minutes=37.5) for n in range(1, 60) for chance in (0.0, 1.0)} == {
        True
    }


def test_the_same_bytes_leave_on_every_try(deliverer, enqueue, smtp, clock):
    seen = []

    def refuse_twice(mail):
        seen.append(mail.content)
        return "250 OK" if len(seen) == 3 else "451 once more"

    smtp.answer_data = refuse_twice
    enqueue()
    hands = deliverer()
    for _ in range(3):
        hands.run()
        clock.advance(timedelta(minutes=5))
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_an_altered_row_is_not_sent_and_the_rest_are(deliverer, enqueue, row, smtp, db, caplog):
    altered, swapped, other = (
        enqueue("sam@example.com"),
        enqueue("eve@example.com"),
        enqueue("kim@example.com"),
    )
    with db.write() as session:
        touched = bytearray(row(altered).payload)
        touched[40] ^= 1
        session.execute(update(OutboxMail).where(OutboxMail.id == altered).values(payload=bytes(touched)))
        session.execute(update(OutboxMail).where(OutboxMail.id == swapped).values(payload=row(other).payload))
    deliverer().run()
    assert [mail.recipients for mail in smtp.messages] == [("kim@example.com",)]
    assert [row(each).reason for each in (altered, swapped)] == ["altered", "altered"]
    assert "does not decrypt" in caplog.text
    assert "@example.com" not in caplog.text


def test_a_mail_that_cannot_be_composed_waits_and_holds_up_nobody(
    deliverer, enqueue, row, smtp, worker_parts, counts
):
    class Broken(Mail):
        """A mail whose class lost its templates in an upgrade."""

        name = "broken"

    worker_parts.composers["broken"] = Broken
    poison = enqueue("sam@example.com", mail=Broken())
    enqueue("kim@example.com")
    deliverer().run()
    assert [mail.recipients for mail in smtp.messages] == [("kim@example.com",)]
    assert (row(poison).state, row(poison).reason) == ("queued", "not-composed")


class TestTheRelayRefusesUs:
    SIGN_IN = b"250-rude\r\n250 AUTH PLAIN"

    def test_a_wrong_password_pauses_everything_loudly_and_loses_nobody(
        self, deliverer, enqueue, row, counts, clock, caplog
    ):
        rows = [enqueue(f"person{number}@example.com") for number in range(5)]
        with RudeRelay({"EHLO": self.SIGN_IN, "AUTH": b"535 5.7.8 no"}) as relay:
            hands = deliverer(replace(relay.server, user="portal", password="top-secret"))
            hands.run()
            assert counts() == {"queued": 5}
            assert {row(each).attempts for each in rows} == {0}
            assert hands.run() == 0
            assert relay.connections == 1
            assert caplog.text.count("pausing 60 s") == 1
            assert "PORTAL_MAIL_URL" in caplog.text
            assert "top-secret" not in caplog.text
            relay.answers["AUTH"] = b"235 welcome"
            clock.advance(timedelta(seconds=61))
            hands.run()
        assert counts() == {"sent": 5}

    @pytest.mark.parametrize("where", ["MAIL", "RCPT", "DATA", "."])
    def test_no_password_where_one_is_wanted_pauses_instead_of_failing_everybody(
        self, deliverer, enqueue, counts, where
    ):
        for number in range(3):
            enqueue(f"person{number}@example.com")
        with RudeRelay({where: b"530 5.7.0 authentication required"}) as relay:
            deliverer(relay.server).run()
        assert counts() == {"queued": 3}

    def test_a_refused_sender_pauses(self, deliverer, enqueue, counts):
        enqueue()
        with RudeRelay({"MAIL": b"553 not from you"}) as relay:
            hands = deliverer(relay.server)
            hands.run()
        assert counts() == {"queued": 1}
        assert hands.delivery.paused_until is not None

    def test_a_relay_without_starttls_gets_no_password_and_no_mail(
        self, deliverer, enqueue, counts, smtp, worker_parts
    ):
        enqueue()
        mail = replace(worker_parts.settings.mail.server, tls="starttls", user="portal", password="secret")
        deliverer(mail).run()
        assert counts() == {"queued": 1}
        assert smtp.messages == []


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False).sign(key, SHA256())
    )  # fmt: skip
    file = folder / "relay.pem"
    file.write_bytes(
        made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return file


class TestTls:
    @pytest.fixture
    def server_context(self, certificate):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        return context

    @pytest.fixture(params=["starttls", "tls"])
    def tls_server(self, request, smtp, worker_parts, server_context):
        starttls = request.param == "starttls"
        server = speaking(
            smtp,
            lambda: SMTP(smtp, hostname="localhost", tls_context=server_context if starttls else None),
            None if starttls else server_context,
        )
        with server as port:
            yield replace(worker_parts.settings.mail.server, port=port, tls=request.param, user=None)

    def test_a_certificate_that_nobody_vouches_for_is_refused(
        self, deliverer, enqueue, counts, smtp, tls_server, caplog
    ):
        enqueue()
        deliverer(tls_server).run()
        assert counts() == {"queued": 1}
        assert smtp.messages == []
        assert "certificate" in caplog.text

    def test_the_worker_s_own_connection_refuses_it_too(
        self, enqueue, counts, smtp, tls_server, worker_parts, caplog
    ):
        """As `portal worker` builds it: nobody hands it any TLS settings."""
        enqueue()
        with pytest.raises(RelayError, match="certificate"):
            Relay(tls_server, worker_parts.settings.mail.sender).connect()
        worker = Worker(
            replace(worker_parts, settings=configured(worker_parts.settings, mail={"server": tls_server})), ()
        )
        threads = worker.start()
        end = time.monotonic() + 10
        while "rejects the portal" not in caplog.text and not smtp.messages and time.monotonic() < end:
            time.sleep(0.01)
        worker.stop()
        for thread in threads:
            thread.join()
        assert "mail relay rejects the portal (certificate)" in caplog.text
        assert counts() == {"queued": 1}
        assert smtp.messages == []

    def test_one_that_is_vouched_for_is_taken(self, deliverer, enqueue, counts, tls_server, certificate):
        enqueue()
        deliverer(tls_server, context=lambda: ssl.create_default_context(cafile=str(certificate))).run()
        assert counts() == {"sent": 1}

    def test_one_for_another_name_is_refused(self, deliverer, enqueue, counts, tls_server, certificate):
        enqueue()
        named = replace(tls_server, host="localhost")
        deliverer(named, context=lambda: ssl.create_default_context(cafile=str(certificate))).run()
        assert counts() == {"queued": 1}


class TestConnections:
    def test_many_mails_share_one_connection_and_an_idle_one_is_not_kept(self, deliverer, enqueue, smtp):
        for number in range(20):
            enqueue(f"person{number}@example.com")
        with RudeRelay({}) as relay:
            hands = deliverer(relay.server)
            hands.run()
            assert (relay.connections, len(relay.taken)) == (1, 20)
            assert hands.run() == 0
            assert not hands.relay.connected

    def test_a_worker_that_stops_says_goodbye_to_the_relay(self, enqueue, counts, worker_parts):
        for number in range(2):
            enqueue(f"person{number}@example.com")

        def stop_and_take():
            worker.stop()
            return b"250 taken"

        with RudeRelay({".": stop_and_take}) as relay:
            settings = configured(worker_parts.settings, mail={"server": relay.server, "connections": 1})
            worker = Worker(replace(worker_parts, settings=settings), ())
            for thread in worker.start():
                thread.join(10)
        assert relay.heard[-1] == "QUIT"
        assert counts() == {"sent": 1, "queued": 1}

    @pytest.mark.parametrize(
        ("when", "tries"), [("connect", 0), ("EHLO", 0), ("MAIL", 0), ("RCPT", 1), ("DATA", 1)]
    )
    def test_a_relay_that_hangs_before_the_content_costs_a_time_out_and_a_retry(
        self, deliverer, enqueue, row, when, tries
    ):
        waiting = enqueue()
        with RudeRelay({when: RudeRelay.HANG}) as relay:
            deliverer(relay.server, timeout=0.2).run()
        assert (row(waiting).state, row(waiting).attempts) == ("queued", tries)

    def test_a_relay_that_is_not_there_costs_a_retry(self, deliverer, enqueue, row, gone):
        waiting = enqueue()
        deliverer(gone).run()
        assert (row(waiting).state, row(waiting).reason) == ("queued", "no-connection")

    def test_mail_waits_for_a_relay_that_is_away_for_a_week(self, deliverer, enqueue, row, clock, smtp, gone):
        waiting = enqueue()
        hands = deliverer(gone)
        for _ in range(7 * 24):
            hands.run()
            clock.advance(timedelta(hours=1))
        assert (row(waiting).state, row(waiting).attempts) == ("queued", 0)
        deliverer().run()
        assert row(waiting).state == "sent"
        assert len(smtp.messages) == 1

    @pytest.mark.parametrize("ending", [RudeRelay.DROP, RudeRelay.HANG])
    def test_a_connection_lost_after_the_final_dot_is_uncertain_and_repeated_under_the_same_id(
        self, deliverer, enqueue, row, clock, smtp, ending, counts
    ):
        waiting = enqueue()
        with RudeRelay({".": ending}) as relay:
            deliverer(relay.server, timeout=0.3, answer=0.3).run()
            first = relay.taken
        assert (row(waiting).state, row(waiting).reason) == ("uncertain", "connection-lost")
        assert counts() == {"uncertain": 1}
        clock.advance(timedelta(minutes=1))
        deliverer().run()
        assert row(waiting).state == "sent"
        again = smtp.messages[0]
        assert [again.message["Message-ID"]] == [message["Message-ID"] for message in first]
        body = first[0].get_body(("plain",))
        assert body is not None
        assert again.text.splitlines() == body.get_content().splitlines()

    @pytest.mark.parametrize("then", ["away", b"550 no such user", b"451 later"])
    def test_what_may_have_left_is_never_again_shown_as_not_sent(self, deliverer, enqueue, row, clock, then):
        waiting = enqueue()
        with RudeRelay({".": RudeRelay.DROP}) as relay:
            deliverer(relay.server, timeout=0.3, answer=0.3).run()
        clock.advance(timedelta(minutes=1))
        with RudeRelay({} if then == "away" else {"RCPT": then}) as relay:
            hands = deliverer(relay.server, timeout=0.3)
            if then != "away":
                hands.run()
        if then == "away":
            hands.run()
        assert row(waiting).state == "uncertain"

    def test_a_relay_that_says_goodbye_is_tried_again(self, deliverer, enqueue, row):
        waiting = enqueue()
        with RudeRelay({"RCPT": b"421 closing"}) as relay:
            deliverer(relay.server).run()
        assert (row(waiting).state, row(waiting).reason) == ("queued", "smtp-421")


def test_an_address_in_its_own_alphabet_arrives_whole(deliverer, enqueue, smtp, caplog):
    caplog.set_level(logging.DEBUG)
    enqueue("zoé@example.com")
    enqueue("sam@example.com")
    deliverer().run()
    assert sorted(mail.recipients for mail in smtp.messages) == [("sam@example.com",), ("zoé@example.com",)]
