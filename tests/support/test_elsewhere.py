"""What a support person sees of accounts in the company's own table."""

import pytest

from portal.core.settings import Settings
from portal.core.settings.link import Link
from tests.configured import configured
from tests.elsewhere import ANA, TWIN, company, environ

__all__ = ["company", "environ"]
pytestmark = pytest.mark.sqlite


def test_an_account_is_found_by_its_address(lists, find):
    (found,) = find(ANA)["found"]
    assert found["account"]["must_choose_a_password"] is False
    assert found["accounts_at_this_address"] == 1
    (found,) = find("nobody@northwind.example")["found"]
    assert (found["account"], found["accounts_at_this_address"]) == (None, 0)


def test_of_several_accounts_at_one_address_none_is_shown(lists, find, portal):
    (found,) = find(TWIN)["found"]
    assert (found["account"], found["accounts_at_this_address"]) == (None, 2)
    assert [hint for hint in found["hints"] if "cannot tell which is theirs" in hint]
    shown = portal("support", "find", TWIN, "--reason", "ticket 1").stdout
    assert "2 accounts of the user store have this address, so none is shown." in shown


def test_a_store_that_is_away_is_said_and_nothing_is_shown_without_it(lists, portal, company):
    company.unlink()
    failed = portal("support", "find", ANA, "--reason", "ticket 1", status=1)
    assert "The user store cannot be asked now" in failed.stderr


class TestWhereTheAccountsAreTheCompanysAlone:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        link = Link("https://www.northwind.example/forgotten")
        return configured(settings, identity={"store": "link", "link": link})

    def test_nobody_is_told_that_there_is_no_account(self, lists, find, portal):
        (found,) = find(ANA)["found"]
        assert (found["account"], found["accounts_at_this_address"]) == (None, None)
        assert found["hints"][-1].endswith("our own page: https://www.northwind.example/forgotten")
        shown = portal("support", "find", ANA, "--reason", "ticket 1").stdout
        assert "The portal cannot see accounts: look this one up in your own system." in shown
        assert "The portal cannot see accounts. The lists" in find_nothing(portal)
        assert "No person on an active list has this reference." in find_nothing(portal, "--scan")


def find_nothing(portal, *options: str) -> str:
    return str(portal("support", "find", "K-9", "--reason", "ticket 1", *options).stdout)
