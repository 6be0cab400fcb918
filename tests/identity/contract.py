"""The contract of an identity store: one set of tests that every store passes, on the real thing.

A store's file has a class `Test…(Contract)` with a fixture `shop`: a `Shop` without any account.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from portal.core.addresses import sign_in_name
from portal.identity.ports import Entry, ExternalStore, Verdict

OLD, NEW = "the tide rises at nine", "copper kettles sing"
PEOPLE = 501


@dataclass(frozen=True)
class Customer:
    address: str
    password: str | None = OLD
    name: str = ""
    locale: str = ""
    reference: str = ""


class Product(Protocol):
    """The company's product, as far as a test looks at it."""

    def add(self, customers: Sequence[Customer]) -> None:
        """Add accounts, as the product would."""

    def remove(self, address: str) -> None:
        """Remove an account."""

    def open_session(self, address: str) -> None:
        """Sign somebody in to the product."""

    def has_session(self, address: str) -> bool:
        """Return whether that session is still good."""


@dataclass(frozen=True)
class Shop:
    """A store, and the product behind it. `twins`: two of its accounts may differ by case alone."""

    store: ExternalStore
    product: Product
    twins: bool = True
    keeps: dict[str, bytes] = field(default_factory=dict)

    def keep(self, closed) -> None:
        self.keeps.update(closed)

    def with_customers(self, *customers: Customer) -> list[Entry]:
        """Add accounts, and return them as the store finds them, in this order."""
        self.product.add(customers)
        return [self.one(customer.address) for customer in customers]

    def one(self, address: str) -> Entry:
        (found,) = [each for each in self.store.find([address]) if each.address == address]
        return found

    def matching(self, typed: str) -> list[str]:
        """Return the addresses that count as this one, compared once more as callers do."""
        found = self.store.find([typed])
        return [each.address for each in found if sign_in_name(each.address) == sign_in_name(typed)]


def skip_without(capability: bool, what: str) -> None:
    if not capability:
        pytest.skip(f"this store {what}, and says so")


class Contract:
    def test_an_account_is_found_whatever_the_case_and_shown_as_the_store_has_it(self, shop: Shop):
        shop.with_customers(Customer("Ana.Ruiz@example.com"), Customer("ben@example.org"))
        for typed in ("ana.ruiz@example.com", "ANA.RUIZ@example.com", "Ana.Ruiz@example.com"):
            assert shop.matching(typed) == ["Ana.Ruiz@example.com"]
        assert sorted(
            each.address for each in shop.store.find(["ben@example.org", "ana.ruiz@example.com"])
        ) == [
            "Ana.Ruiz@example.com",
            "ben@example.org",
        ]
        assert shop.store.find([]) == []

    def test_an_address_that_only_looks_alike_is_somebody_else(self, shop: Shop):
        shop.with_customers(Customer("ana.ruiz@example.com"))
        twins = [
            "ana.ruız@example.com", "ａna.ruiz@example.com", "anaruiz@example.com", "ana.ruiz+x@example.com",
            "%@example.com", "ana_ruiz@example.com", "ana.ruiz@example.com ", "' OR 1=1 --@example.com",
        ]  # fmt: skip
        assert {typed: shop.matching(typed) for typed in twins} == {typed: [] for typed in twins}

    def test_two_accounts_at_one_address_are_both_returned(self, shop: Shop):
        skip_without(shop.twins, "has one account for an address")
        twins = shop.with_customers(Customer("Ana@example.com"), Customer("ana@example.com"))
        assert sorted(shop.matching("ana@example.com")) == ["Ana@example.com", "ana@example.com"]
        assert len({each.id for each in twins}) == 2

    def test_five_hundred_are_found_at_once_and_a_page_at_a_time(self, shop: Shop):
        addresses = [f"person{number}@example.com" for number in range(PEOPLE)]
        shop.product.add([Customer(address) for address in addresses])
        found = shop.store.find(addresses[:500])
        assert sorted(each.address for each in found) == sorted(addresses[:500])
        assert {each.id for each in shop.store.get([each.id for each in found])} == {
            each.id for each in found
        }
        pages, after = [], None
        while page := shop.store.page(after, 200):
            pages.append(page)
            after = page[-1].id
        assert [len(page) for page in pages] == [200, 200, 101]
        assert sorted(each.address for page in pages for each in page) == sorted(addresses)

    def test_an_entry_says_whose_it_is(self, shop: Shop):
        shop.product.add([Customer("ana@example.com", name="Ana Ruiz", locale="es", reference="1001")])
        entry = shop.one("ana@example.com")
        assert entry.name in ("", "Ana Ruiz")  # a store need not know it
        assert entry.locale in ("", "es")
        assert entry.references == (("1001",) if shop.store.capabilities.find_by_reference else ())
        assert 1 <= len(entry.id) <= 255

    def test_an_account_is_found_by_its_customer_number(self, shop: Shop):
        skip_without(shop.store.capabilities.find_by_reference, "finds no customer numbers")
        ana, _ = shop.with_customers(
            Customer("ana@example.com", reference="1001"), Customer("ben@example.org", reference="1002")
        )
        assert [each.id for each in shop.store.find_by_reference(["1001", "9999", "no number", ""])] == [
            ana.id
        ]

    def test_an_account_is_read_by_its_id_until_it_is_gone(self, shop: Shop):
        ana, ben = shop.with_customers(Customer("ana@example.com"), Customer("ben@example.org"))
        assert [each.address for each in shop.store.get([ana.id])] == ["ana@example.com"]
        shop.product.remove("ana@example.com")
        assert [each.id for each in shop.store.get([ana.id, ben.id, "no such id", "", "9" * 30])] == [ben.id]
        assert shop.store.verify(ana.id, OLD) is Verdict.WRONG

    def test_the_right_password_signs_in_and_no_other(self, shop: Shop):
        (ana,) = shop.with_customers(Customer("ana@example.com"))
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS
        for wrong in (NEW, "", OLD + " ", OLD.upper(), "x" * 256, "x" * 100_000, "\ud800", "\0"):
            assert shop.store.verify(ana.id, wrong) is Verdict.WRONG

    def test_nobody_signs_in_without_an_account_or_without_a_password(self, shop: Shop):
        (ana,) = shop.with_customers(Customer("ana@example.com", password=None))
        for account in (None, ana.id, "no such id"):
            assert shop.store.verify(account, OLD) is Verdict.WRONG
            assert shop.store.verify(account, "") is Verdict.WRONG

    def test_a_new_password_replaces_the_old_one_and_may_be_set_twice(self, shop: Shop):
        ana, ben = shop.with_customers(Customer("ana@example.com"), Customer("ben@example.org"))
        for _ in range(2):
            shop.store.set_password(ana.id, NEW)
            assert shop.store.verify(ana.id, NEW) is Verdict.FITS
            assert shop.store.verify(ana.id, OLD) is Verdict.WRONG
        assert shop.store.verify(ben.id, OLD) is Verdict.FITS

    def test_a_new_password_fits_however_a_device_writes_its_accents(self, shop: Shop):
        (ana,) = shop.with_customers(Customer("ana@example.com"))
        shop.store.set_password(ana.id, "caf\u00e9 en la playa")
        assert shop.store.verify(ana.id, "caf\u00e9 en la playa") is Verdict.FITS
        assert shop.store.verify(ana.id, "cafe\u0301 en la playa") is Verdict.FITS

    def test_a_closed_password_signs_in_no_more_and_is_recognised(self, shop: Shop):
        ana, ben, cleo = shop.with_customers(
            Customer("ana@example.com"), Customer("ben@example.org"), Customer("cleo@example.net")
        )
        assert shop.store.require_change([ana.id, ben.id], shop.keep) == 2
        assert {shop.store.verify(each.id, OLD) for each in (ana, ben)} == {Verdict.WRONG}
        assert shop.store.verify(cleo.id, OLD) is Verdict.FITS
        assert {len(kept) <= 1000 for kept in shop.keeps.values()} <= {True}
        if shop.store.capabilities.remembers_closed:
            assert shop.keeps.keys() == {ana.id, ben.id}
            assert shop.store.was_closed(ana.id, OLD, shop.keeps[ana.id])
            assert not shop.store.was_closed(ana.id, NEW, shop.keeps[ana.id])

    def test_closing_again_closes_nobody_and_forgets_no_password(self, shop: Shop):
        ana, ben = shop.with_customers(Customer("ana@example.com"), Customer("ben@example.org"))
        assert shop.store.require_change([ana.id], shop.keep) == 1
        first = dict(shop.keeps)
        assert shop.store.require_change([ana.id, ben.id, "no such id"], shop.keep) == 1
        assert shop.keeps[ana.id] == first[ana.id]
        assert shop.store.require_change([ana.id, ben.id], shop.keep) == 0
        assert shop.store.require_change([], shop.keep) == 0

    def test_a_password_is_kept_before_it_is_closed(self, shop: Shop):
        (ana,) = shop.with_customers(Customer("ana@example.com"))

        def fails(_closed) -> None:
            assert shop.store.verify(ana.id, OLD) is Verdict.FITS
            raise LookupError

        with pytest.raises(LookupError):
            shop.store.require_change([ana.id], fails)
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS
        assert shop.store.require_change([ana.id], shop.keep) == 1

    def test_a_new_password_opens_a_closed_account(self, shop: Shop):
        (ana,) = shop.with_customers(Customer("ana@example.com"))
        shop.store.require_change([ana.id], shop.keep)
        shop.store.set_password(ana.id, NEW)
        assert shop.store.verify(ana.id, NEW) is Verdict.FITS
        assert shop.store.verify(ana.id, OLD) is Verdict.WRONG
        assert shop.store.require_change([ana.id], shop.keep) == 1

    def test_ending_sessions_ends_those_of_these_accounts_alone(self, shop: Shop):
        skip_without(shop.store.capabilities.end_sessions, "cannot end sessions")
        ana, _ = shop.with_customers(Customer("ana@example.com"), Customer("ben@example.org"))
        for _ in range(2):
            shop.product.open_session("ana@example.com")
            shop.product.open_session("ben@example.org")
            shop.store.end_sessions([ana.id])
            assert not shop.product.has_session("ana@example.com")
            assert shop.product.has_session("ben@example.org")
            shop.store.end_sessions([ana.id])
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS

    @pytest.mark.parametrize("change", ["set_password", "require_change"])
    def test_a_changed_password_ends_sessions_where_the_store_says_so(self, shop: Shop, change: str):
        skip_without(shop.store.capabilities.change_ends_sessions, "ends no sessions by itself")
        ana, _ = shop.with_customers(Customer("ana@example.com"), Customer("ben@example.org"))
        shop.product.open_session("ana@example.com")
        shop.product.open_session("ben@example.org")
        changes: dict[str, Callable[[], object]] = {
            "set_password": lambda: shop.store.set_password(ana.id, NEW),
            "require_change": lambda: shop.store.require_change([ana.id], shop.keep),
        }
        changes[change]()
        assert not shop.product.has_session("ana@example.com")
        assert shop.product.has_session("ben@example.org")

    def test_sixteen_threads_share_one_store(self, shop: Shop):
        customers = [Customer(f"person{number}@example.com") for number in range(16)]
        entries = shop.with_customers(*customers)

        def life(entry: Entry) -> tuple[Verdict, Verdict]:
            before = shop.store.verify(entry.id, OLD)
            shop.store.set_password(entry.id, NEW)
            return before, shop.store.verify(entry.id, NEW)

        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(life, entries)) == {(Verdict.FITS, Verdict.FITS)}
