"""Somebody who makes and uses passkeys, without a browser."""

import pytest

from portal.accounts.passkeys import service
from portal.accounts.passkeys.challenges import Asked, Purpose
from portal.crypto.webauthn import RelyingParty
from tests.accounts.conftest import ADDRESS
from tests.accounts.passkeys.authenticator import Authenticator
from tests.accounts.passkeys.pages import add

PARTY = RelyingParty("localhost", "http://localhost:8000", "Northwind Travel")
SIGN_IN = Asked(Purpose.SIGN_IN, "this browser")
STRANGER = b"somebody else 01"


class Owner:
    """Somebody with an account, who makes and uses passkeys at the service."""

    def __init__(self, db, vault, clock, account_id, address=ADDRESS):
        self.db, self.vault, self.clock = db, vault, clock
        self.account_id, self.address = account_id, address

    @property
    def adding(self) -> Asked:
        return Asked(Purpose.ADD, "this browser", self.account_id)

    def creation(self) -> dict:
        with self.db.read() as session:
            return service.creation(
                session, self.vault, PARTY, self.adding, "Northwind Travel account", self.clock.now()
            )

    def add(self, answer: str, name: str = "Phone", asked: Asked | None = None) -> bytes:
        with self.db.write() as session:
            return service.add(
                session,
                self.vault,
                PARTY,
                answer,
                asked or self.adding,
                address=self.address,
                name=name,
                language="en",
                now=self.clock.now(),
            )

    def new(self, name: str = "Phone", **options) -> tuple[Authenticator, bytes]:
        authenticator = Authenticator(**options)
        return authenticator, self.add(authenticator.create(self.creation()), name)

    def request(self, asked: Asked = SIGN_IN) -> dict:
        if not asked.account_id:
            return service.open_request(self.vault, PARTY, asked, self.clock.now())
        with self.db.read() as session:
            return service.request(session, self.vault, PARTY, asked, self.clock.now())

    def verify(self, answer: str, asked: Asked = SIGN_IN):
        with self.db.write() as session:
            return service.verify(
                session, self.vault, PARTY, answer, asked, language="en", now=self.clock.now()
            )

    def listed(self):
        with self.db.read() as session:
            return service.listed(session, self.vault, self.account_id)


@pytest.fixture
def owner(db, web_vault, clock, ana) -> Owner:
    return Owner(db, web_vault, clock, ana.id)


@pytest.fixture
def signed_in(client, ana, sign_in):
    assert sign_in().status_code == 303
    return client


@pytest.fixture
def phone(signed_in) -> Authenticator:
    passkey, answer = add(signed_in)
    assert "Save your recovery codes" in answer.text
    return passkey
