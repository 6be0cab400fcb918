"""A thief with the database and the console's key file learns who is staff and no more, and can do nothing.

Everything that the worker acts on it verifies with its own keys, so the thief may write to every table too.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_bytes, token_urlsafe
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from portal.core.addresses import folded
from portal.core.db import new_id
from portal.crypto import keys, tokens
from portal.crypto.keys import ConsoleKeys
from portal.crypto.vault import Cell, ConsoleVault, derived_key
from portal.identity.sealed import service as sealed
from portal.staff import members
from portal.staff.approvals import jobs as approvals
from portal.staff.approvals import telling
from portal.staff.approvals.models import Approval, Told
from portal.staff.models import StaffCredential, StaffHeld, StaffInvitation, StaffMember, StaffSession
from tests.colleagues import Office, press
from tests.exposure.conftest import lists
from tests.peers.loot import PURPOSES, Customer, found_in, rows_of

__all__ = ["lists"]

# What the console counts by: attempts of staff to sign in, by their address.
COMPUTABLE = {("staff_members", "address_index"), ("rate_buckets", "bucket")}
OWN = "portal staff"  # what the console's cells are encrypted for
# Words that the worker's indexes of people are made for, and those of staff.
LABELS = (*PURPOSES, "staff", "staff code", "staff sign-in", "portal staff")


@dataclass
class Thief:
    """What the thief took, and what it can do with it: write to every table, and seal orders."""

    office: Office
    keys: ConsoleKeys

    @property
    def vault(self) -> ConsoleVault:
        return ConsoleVault(self.keys)

    def order(self, name: str, **fields: str) -> dict[str, Any]:
        """Seal an order as the console does, and return what the worker says to it."""
        office = self.office
        with office.db.write() as session:
            asked = sealed.submit(session, self.vault, f"staff.{name}", fields, office.clock.now())
        end = monotonic() + 20
        seen = sealed.Seen()
        while seen == sealed.Seen():
            assert monotonic() < end
            sleep(0.02)
            with office.db.read() as session:
                seen = sealed.look(session, asked, office.clock.now(), at_ticks=False)
        assert seen.verdict is not None
        return seen.verdict

    def insert(self, table: type, **values: object) -> None:
        with self.office.db.write() as session:
            session.execute(insert(table).values(**values))

    def member(self, address: str, roles: str) -> bytes:
        """Write a member, whose name and address the console's key encrypts; the row MAC is a guess."""
        row_id, now = new_id(), self.office.clock.now()
        self.insert(
            StaffMember,
            id=row_id,
            name=self.vault.encrypt_own(OWN, Cell("staff_members", "name", row_id), b"Mal", (256, 512)),
            address=self.vault.encrypt_own(
                OWN, Cell("staff_members", "address", row_id), address.encode(), (256, 512)
            ),
            address_index=self.vault.staff_index(address),
            roles=roles,
            state="active",
            language="en",
            version=1,
            added_at=now,
            row_mac=token_bytes(16),
        )
        return row_id

    def session(self, member_id: bytes) -> str:
        """Write a session of a member, with a token that the thief knows; return that."""
        token, now = token_urlsafe(32), self.office.clock.now()
        row_id = tokens.token_hash(token)
        browser = self.vault.encrypt_own(
            OWN, Cell("staff_sessions", "browser", row_id), b"Firefox", (256, 512)
        )
        with self.office.db.read() as session:
            version = session.scalar(select(StaffMember.version).where(StaffMember.id == member_id))
        self.insert(
            StaffSession,
            id=row_id,
            member_id=member_id,
            member_version=version,
            browser=browser,
            began_at=now,
            seen_at=now,
            row_mac=token_bytes(16),
            proved_at=now,
            how="passkey",
            proof_mac=token_bytes(16),
        )
        return token


@pytest.fixture
def customers() -> list[Customer]:
    return [
        Customer(f"smithson{number}@a-mail.example", f"Personia{number} S.", f"C-4711{number}", number < 40)
        for number in range(60)
    ]


@pytest.fixture
def thief(office, lists, customers, worker_keys, tmp_path) -> Thief:
    """Staff at work, a list of people, and a thief who reads everything that the console's user can."""
    rows = [f"{one.address},{one.ref},{one.name},,,\n" for one in customers if one.affected]
    lists.live("".join(rows))
    office.add("admin", name="Ann")
    office.add("admin", name="Ben")
    file = tmp_path / "console.json"
    keys.write((file, keys.for_console(worker_keys)))
    return Thief(office, keys.read_console(file))


def computed(thief: Thief, customers: list[Customer]) -> Iterator[bytes]:
    """What the thief can compute about a customer with the console's keys."""
    own, vault = thief.keys, thief.vault
    raw = [own.staff_index, own.sealing_public, own.session_secret.encode(), own.key_id.encode()]
    raw.append(urlsafe_b64decode(own.session_secret))
    raw += [derived_key(own.staff_index, label) for label in LABELS]
    for one in customers:
        for form in {one.address, folded(one.address), one.address.upper(), one.ref, one.name}:
            value = form.encode()
            yield from (hashlib.new(name, value).digest() for name in ("sha1", "sha256", "sha512", "blake2b"))
            yield hashlib.blake2b(value, digest_size=16).digest()
            yield vault.staff_index(form)
            yield from (vault.bucket(label, form) for label in LABELS)
            for key in raw:
                yield hashlib.blake2b(value, key=key, digest_size=16).digest()
                yield hmac.digest(key, value, "sha256")


def places_of(thief: Thief, customers: list[Customer]) -> set[tuple[str, str]]:
    guesses = {guess[:16] for guess in computed(thief, customers)}
    return {
        (table, column)
        for table, rows in rows_of(thief.office.db).items()
        for row in rows
        for column, value in row.items()
        if isinstance(value, bytes) and value[:16] in guesses
    }


def test_the_thief_learns_who_is_staff_and_of_nobody_whether_they_are_affected(thief, customers):
    with thief.office.db.read() as session:
        known = {one.address: one.name for one in members.listed(session, thief.vault)}
    assert known == {"ann@northwind.example": "Ann", "ben@northwind.example": "Ben"}
    assert places_of(thief, customers) == set()
    staff = [Customer(address, name, "-" * 9, affected=False) for address, name in known.items()]
    assert places_of(thief, staff) <= COMPUTABLE
    assert ("staff_members", "address_index") in places_of(thief, staff)
    content = b"\0".join(
        value if isinstance(value, bytes) else str(value).encode()
        for rows in rows_of(thief.office.db).values()
        for row in rows
        for value in row.values()
    )
    assert found_in(content, customers) == set()


def test_a_member_and_a_session_that_the_thief_writes_are_nobodys(thief):
    mallory = thief.member("mal@elsewhere.example", "admin approver")
    token = thief.session(mallory)
    for ours in (token, thief.session(thief.office.people["Ann"].id), "x" * 43, ""):
        told = thief.order("add", session=ours, email="eve@x.example", roles="admin", language="en")
        assert told == {"outcome": "session-over"}
    with thief.office.db.read() as session:
        assert len(session.scalars(select(StaffMember.id)).all()) == 3


def test_roles_that_the_thief_gives_or_credentials_it_moves_let_nobody_in(thief):
    office = thief.office
    cid = office.add("author", name="Cid")
    browser = office.sign_in(cid)
    with office.db.write() as session:
        session.execute(update(StaffMember).where(StaffMember.id == cid.id).values(roles="admin"))
    answer = browser.submit("/staff/new/", email="eve@northwind.example", roles=["admin"])
    assert answer.location == "/sign-in/"  # the worker knows no such member
    # Ann's own password and app, at the row of the member that the thief made.
    mallory = thief.member("mal@elsewhere.example", "admin")
    with office.db.write() as session:
        session.execute(update(StaffCredential).values(member_id=mallory))
    ann = office.people["Ann"]
    for address in ("mal@elsewhere.example", ann.address):
        answer = office.browser().submit(
            "/sign-in/", email=address, password="copper-lantern-otter-midday-plume", code=ann.code()
        )
        assert answer.status_code == 422


@pytest.mark.parametrize("kind", ["replaces", "adds", "joins"])
def test_an_invitation_that_the_thief_writes_opens_nothing(thief, kind):
    token, now = "a" * 52, thief.office.clock.now()
    thief.insert(
        StaffInvitation,
        id=tokens.token_hash(token),
        member_id=thief.office.people["Ann"].id,
        replaces=kind == "replaces",
        adds=kind == "adds",
        made_at=now,
        ends_at=now.replace(year=now.year + 1),
        row_mac=token_bytes(16),
    )
    told = thief.order("invitation", token=token)
    assert (told["outcome"], told["reason"]) == ("refused", "invitation")


def test_what_the_thief_calls_valid_lets_nobody_in(thief):
    """The row of what is held, with the thief's own member and session in it, and nobody's any more."""
    office = thief.office
    browser = office.sign_in(office.people["Ann"])
    mallory = thief.member("mal@elsewhere.example", "admin approver")
    token = thief.session(mallory)
    with office.db.write() as session:
        row = session.scalars(select(StaffHeld)).one()
        row.content += (
            b"m" + mallory + token_bytes(16) + b"s" + tokens.token_hash(token)[:16] + token_bytes(16)
        )
        row.number += 2
    told = thief.order("add", session=token, email="eve@x.example", roles="admin", language="en")
    assert told == {"outcome": "session-over"}
    assert browser.get("/me/").location == "/sign-in/?next=/me/"
    with office.db.write() as session:
        session.execute(delete(StaffHeld))
    told = thief.order("add", session=token, email="eve@x.example", roles="admin", language="en")
    assert told == {"outcome": "session-over"}


def test_who_is_told_that_something_waits_is_nobody_that_the_thief_adds(thief):
    """Its row makes at most a mail that says nothing, to somebody who is staff."""
    office, mallory = thief.office, thief.member("mal@elsewhere.example", "admin approver")
    thief.insert(Told, member_id=mallory, until=office.clock.now(), more=True)
    telling.tell_gathered(office.parts)
    with office.db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM outbox_mails")) == 0


def test_an_approval_that_the_thief_writes_is_never_done(thief):
    office = thief.office
    ann = office.sign_in(office.people["Ann"])
    page = ann.submit("/staff/new/", email="eve@northwind.example", roles=["author"]).location
    assert page.startswith("/approvals/")
    now = office.clock.now()
    with office.db.write() as session:
        session.execute(
            update(Approval).values(
                state="approved",
                decided_by=office.people["Ben"].id,
                decided_at=now.replace(year=now.year - 1),
                proof='{"how":"totp"}',
            )
        )
    approvals.resume(office.parts)
    with office.db.read() as session:
        assert session.scalars(select(Approval.state)).all() == ["approved"]
        assert session.scalars(select(StaffInvitation.id)).all() == []
        mails = session.scalar(text("SELECT count(*) FROM outbox_mails WHERE purpose = 'staff-invitation'"))
    assert mails == 0
    assert press(ann, "/me/", page + "withdraw/").status_code == 303
    with office.db.read() as session:
        assert session.scalars(select(Approval.state)).all() == ["approved"]
