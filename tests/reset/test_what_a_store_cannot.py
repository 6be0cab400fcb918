"""What the company's store cannot do is said to the person, on the page and in the mail."""

import re

import pytest

from portal.accounts import service as accounts
from portal.identity import state
from portal.identity.builtin.store import BuiltinStore
from portal.identity.ports import Capabilities, Entry
from portal.reset import service
from portal.worker import drain
from tests.reset.journey import NEW, link_in

pytestmark = pytest.mark.sqlite

OTHER_SITES = "We can’t sign you out of our other sites and apps. Sign out there yourself, on every device."
COMPARED = "We can only compare it with the password you have now."


@pytest.fixture(params=["everything", "less"])
def less(request, monkeypatch) -> bool:
    """Whether the store can do less: it is the builtin one, which says so."""
    if request.param == "everything":
        return False
    can = Capabilities(True, True, True, end_sessions=False, remembers_closed=False, find_by_reference=False)
    monkeypatch.setattr(BuiltinStore, "declared", lambda _settings: can)
    return True


def said(text: str) -> tuple[bool, bool]:
    plain = re.sub(r"\s+", " ", text)
    return OTHER_SITES in plain, COMPARED in plain


def test_a_new_password_signs_out_where_the_store_can(less, client, ana, ask, worker_parts, smtp):
    client.get(link_in(ask(ana)))
    assert said(client.get("/reset/choose/").text) == (False, less)
    client.submit("/reset/choose/", password=NEW)
    page = client.get("/reset/done/").text
    assert said(page) == (less, False)
    assert ("Every device is signed out of your account, including this one." in page) is not less
    drain(worker_parts)
    assert said(smtp.messages[-1].text) == (less, False)


def test_a_store_whose_sessions_end_with_the_password_signs_out_too():
    ends = Capabilities(True, True, True, False, False, False, change_ends_sessions=True)
    assert ends.signs_out


def test_a_change_in_the_account_says_so_before(less, client, people, ana):
    client.submit("/sign-in/", email=ana, password="correct-horse-battery-old")
    assert said(client.get("/account/password/").text) == (less, less)


class TestTheCompanysOwnTable:
    @pytest.fixture
    def environ(self, environ, tmp_path):
        return environ | {
            "PORTAL_IDENTITY_STORE": "sql",
            "PORTAL_IDENTITY_SQL_URL": f"sqlite:///{tmp_path}/company.db",
            "PORTAL_IDENTITY_SQL_TABLE": "customers",
        }

    @pytest.fixture
    def account(self, db, worker_vault):
        with db.write() as session:
            return state.ensure(session, worker_vault, "sql", Entry("7", "ana@northwind.example"))

    def test_the_account_says_what_was_seen_here_alone(self, client, db, web_vault, account, clock):
        with db.write() as session:
            token = accounts.create_session(
                session, web_vault, account, address="ana@northwind.example", device="/", now=clock.now()
            )
        with client.session_transaction() as cookie:
            cookie["_user_id"] = token
        page = client.get("/account/").text
        assert "Not changed on this site yet" in page
        assert "Not changed yet" not in page
        # It may have been changed in the company's product, so it is nothing to do.
        assert "<dt>Password</dt>" in page
        assert "This list only covers this site." in client.get("/account/sessions/").text

    def test_the_mail_claims_nothing_about_other_sites(
        self, db, web_vault, worker_vault, worker_parts, account, clock, smtp
    ):
        with db.write() as session:
            service.note_changed(
                session, web_vault, account.id, 1, language="en", by_mail=True, now=clock.now()
            )
        drain(worker_parts)
        (mail,) = smtp.messages
        assert "We signed you out of this site on every device." in mail.text
        assert said(mail.text) == (True, False)
