"""What a former version of the portal wrote, this version still reads."""

from importlib import import_module

import pytest
from argon2 import PasswordHasher

from portal.audit import service as audit
from portal.crypto.keys import WebKeys
from portal.crypto.vault import WebVault
from portal.exposure import service as exposure
from portal.incidents import reading
from portal.incidents import service as incidents
from portal.rotation import service as rotation
from portal.runtime import schema
from tests.migrations import rows
from tests.open_store import OpenStore

# The last revision before a migration changed former rows.
FORMER = rows.REVISIONS[: rows.REVISIONS.index("0009_reset") + 1]
ACCOUNTS = import_module("tests.migrations.0006_identity_accounts")
AUDIT = import_module("tests.migrations.0002_audit")
SEALING_KEY = (9).to_bytes(32, "little")
VAULT = WebVault(WebKeys("a1b2c3d4", "s" * 43, (), ACCOUNTS.ACCOUNT_INDEX_KEY, SEALING_KEY))


@pytest.fixture
def upgraded(empty_db):
    schema.upgrade(empty_db, FORMER[-1])
    written = rows.written_by(FORMER)
    written["key_canary"][0]["fingerprint"] = VAULT.plain_fingerprint()
    rows.load(empty_db, written)
    schema.upgrade(empty_db)
    return empty_db


def test_the_log_is_whole_and_its_signatures_hold(upgraded):
    with upgraded.snapshot() as session:
        verified = audit.verify(session, AUDIT.AUDIT_KEY, [audit.Mark.parse("2:2b14062e0dde2fc9")])
    assert (verified.entries, verified.signed_up_to) == (3, 2)


def test_a_customer_signs_in_with_the_password_from_before(upgraded):
    with upgraded.read() as session:
        account = OpenStore().find(session, VAULT, "Ana.Garcia@example.org")
        assert account is not None
        chosen = rotation.chosen(session, account.id)
    assert PasswordHasher().verify(account.password_hash, ACCOUNTS.PASSWORD)
    assert (account.must_reset, account.reset_reason) == (True, "northwind-2026")
    assert account.reset_required_at == rows.at(23, 13)
    assert account.chosen_by_mail_at is None
    assert (chosen.interval, chosen.next_due_at) == ("6", rows.at(30))


def test_the_public_page_says_what_it_said(upgraded):
    with upgraded.read() as session:
        incident = incidents.published_by_slug(session, "northwind-2026")
        page = reading.page(session, incident, ["es", "en"])
        lists = exposure.versions(session, incident.id)
    assert page.version is not None
    assert page.title == "Copiaron datos de clientes"
    assert page.version.statement.title == "Lo sentimos"
    assert [section.heading for section in page.version.statement.sections][:2] == [
        "Qué pasó",
        "Qué se llevaron",
    ]
    assert [(entry.title, entry.published_at) for entry in page.entries] == [
        ("Vimos tráfico extraño", rows.at(23, 9, 30, 15, 123_456))
    ]
    assert {(one.number, one.state, one.people, one.notifying) for one in lists} == {(2, "ready", 2, False)}
