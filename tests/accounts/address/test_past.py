"""Lists that name an address which somebody had: the answers, and staff's commands."""

import json
import re
from datetime import timedelta

import pytest

from portal.worker import drain
from tests.accounts.address.conftest import NEW
from tests.accounts.conftest import ADDRESS
from tests.commands import context, portal
from tests.exposure.conftest import check, lists, read, words

__all__ = ["check", "context", "lists", "portal", "read"]

ANA = f"{ADDRESS},,Ana,en,,Passwords;Dates of birth\n"


def taken(page: str) -> str:
    """What an answer says was taken from its reader."""
    return " ".join(re.findall(r"What was taken .*?(?= Not yours)", words(page)))


@pytest.fixture
def listed(lists, clock):
    """The list has the address that Ana had until eight days ago: nobody can undo that any more."""
    lists.live(ANA)


@pytest.fixture
def long_ago(moved, clock):
    clock.advance(timedelta(days=9))


def test_the_check_and_the_account_answer_what_was_listed_under_the_old_address(
    moved, listed, check, read, client, sign_in, smtp, worker_parts
):
    mail = check(NEW)
    assert mail.recipients == (NEW,)
    assert "Dates of birth" in read(mail)
    sign_in(address=NEW)
    client.submit("/account/", to="/account/answer/")
    drain(worker_parts)
    first, second = (mail for mail in smtp.to(NEW) if "/check/answer/" in mail.text)
    assert first.content == mail.content
    assert "Dates of birth" in read(second)


def test_the_next_owner_of_the_old_address_learns_nothing_of_the_new_one(
    long_ago, lists, add_account, check, read
):
    """The list names both; the next owner reads what it says of the address, as anybody there did before."""
    lists.live(f"{ADDRESS},,,en,,Names\n{NEW},,,en,,Dates of birth\n")
    before = taken(read(check(ADDRESS)))
    both = taken(read(check(NEW)))
    assert "Names" in both
    assert "Dates of birth" in both
    add_account(ADDRESS)
    assert before == taken(read(check(ADDRESS))) == "What was taken Names"
    assert taken(read(check(NEW))) == "What was taken Dates of birth", "nor the other way round"


def test_a_required_reset_reaches_who_is_listed_by_a_past_address_and_not_only_the_next_owner(
    long_ago, listed, add_account, portal, account_of, work, smtp
):
    add_account(ADDRESS)
    portal("reset", "require", "november")
    work()
    assert account_of()[0].must_reset
    for address in (NEW, ADDRESS):
        assert smtp.to(address)[-1].message["Subject"] == "Please choose a new password"


def test_support_finds_who_moved_and_says_so(moved, listed, portal):
    def found(address):
        result = portal("support", "find", address, "--reason", "ticket 4711", "--json").stdout
        return json.loads(result)["found"][0]

    by_old, by_new = found(ADDRESS), found(NEW)
    shown = [found["account"].pop("address_changed_since") for found in (by_old, by_new)]
    assert shown == [True, False]
    assert by_old["account"] == by_new["account"]
    assert NEW not in json.dumps(by_old), "the caller may be the next owner"
    text = portal("support", "find", ADDRESS, "--reason", "ticket 4711").stdout
    assert "Its owner has changed it since, and signs in with another one." in text
    assert NEW not in text
