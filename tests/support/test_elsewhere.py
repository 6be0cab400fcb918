"""What a support person sees of accounts in the company's own table."""

import pytest

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
    assert [hint for hint in found["hints"] if "The portal guesses none" in hint]
    shown = portal("support", "find", TWIN, "--reason", "ticket 1").stdout
    assert "2 accounts of the user store have this address, so none is shown." in shown


def test_a_store_that_is_away_is_said_and_nothing_is_shown_without_it(lists, portal, company):
    company.unlink()
    failed = portal("support", "find", ANA, "--reason", "ticket 1", status=1)
    assert "The user store cannot be asked now" in failed.stderr
