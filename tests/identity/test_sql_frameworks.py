"""Hashes that frameworks made sign in, and what the portal writes is accepted by their own code."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import partial

import pytest
from werkzeug.security import check_password_hash

from portal.crypto.formats import bcrypts, registry
from portal.crypto.hashing import Hasher
from portal.identity.ports import StoreFault, Verdict
from tests.identity.contract import NEW, OLD, Customer
from tests.identity.shops import Table, cheap_hash, open_shop
from tests.processes import ROOT

pytestmark = pytest.mark.parametrize("company_url", ["sqlite"], indirect=True)  # the database changes no hash
ANA = "ana@example.com"


@dataclass
class Case:
    """A framework's own hash of OLD, with the library that made it; and what new ones begin with."""

    framework: str
    old: str
    written: str
    begins: str


# Made once: bcrypt-ruby 3.1.18 (Devise with stretches = 5); PHP 8.2.36, password_hash with Laravel's cost = 5
# and with PASSWORD_ARGON2ID; WordPress 6.1.9's class-phpass.php, and the lines of 6.8's wp_hash_password()
# with cost = 5; Werkzeug 3.1.9, generate_password_hash.
RUBY = "$2a$05$tzxOzPinzeUE8TMIeROQDuOdLmZMzigz1QIenCcMw4D1TeoCDvibG"
PHP = "$2y$05$UrFRfTlzyOBGylBgZhP3R.R24wXNWjs1FBbx5cN5taZmAZbl4QeIG"
PHP_ARGON2 = "$argon2id$v=19$m=64,t=1,p=1$M2hSRXVGbG52Rmo3Wlk5SQ$u0mG+IefgydGGaYpd2wausosDRq9PrhtQV532yoVLyg"
WORDPRESS = "$wp$2y$05$ZHrfIFmtyTSd7CqjxA59xedWxZsEKiWgTRFYKPzML2LYXFwKfw3fy"
PHPASS = "$P$B/jb/CgWX5E/uRnyvabeWFdu09XTLB1"
WERKZEUG = (
    "scrypt:32768:8:1$CwRMDXsomHjaRChO$487791c1fab573c395d4f8a06284bcd888f5173eb96caa0f23e810db0820c3be"
    "346679ff120fc929b118edcbd721007fa8da44b880859f92e480207a08e70a48"
)
# The usual costs are the business of `tests/crypto/formats`.
CHEAP = {
    "bcrypt-2a": partial(bcrypts.make, "2a", 4),
    "bcrypt-2y": partial(bcrypts.make, "2y", 4),
    "wordpress": partial(bcrypts.make_wordpress, 4),
}
CASES = {
    "rails": Case("rails", RUBY, "bcrypt-2a", "$2a$04$"),
    "laravel": Case("laravel", PHP, "bcrypt-2y", "$2y$04$"),
    "laravel argon2id": Case("laravel", PHP_ARGON2, "argon2id", "$argon2id$v=19$"),
    "wordpress": Case("wordpress", WORDPRESS, "wordpress", "$wp$2y$04$"),
    "wordpress before 6.8": Case("wordpress", PHPASS, "phpass", "$P$"),
    "werkzeug": Case("rails", WERKZEUG, "werkzeug-scrypt", "scrypt:32768:8:1$"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_framework_s_hash_signs_in_and_is_replaced_and_closed_in_its_format(
    name, table, tmp_path, monkeypatch
):
    make = registry.make
    monkeypatch.setattr(
        registry, "make", lambda *new: CHEAP[new[0]](new[1]) if new[0] in CHEAP else make(*new)
    )
    case = CASES[name]
    product = table(case.framework)
    product.add([Customer(ANA)])
    column = product.mapping.hash
    product.put(ANA, column, case.old)
    with open_shop(product, tmp_path, format=case.written) as shop:
        ana = shop.one(ANA)
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS
        assert shop.store.verify(ana.id, NEW) is Verdict.WRONG
        assert product.column(ANA, column) == case.old  # nothing is upgraded unless the company allows it
        shop.store.set_password(ana.id, NEW)
        assert product.column(ANA, column).startswith(case.begins)
        assert shop.store.verify(ana.id, NEW) is Verdict.FITS
        assert shop.store.require_change([ana.id], shop.keep) == 1
        closed = product.column(ANA, column)
        assert closed.startswith(case.begins)
        assert shop.store.require_change([ana.id], shop.keep) == 0
        assert shop.store.was_closed(ana.id, NEW, shop.keeps[ana.id])
        assert shop.store.verify(ana.id, NEW) is Verdict.WRONG
        if name == "werkzeug":
            assert not check_password_hash(closed, NEW)


def test_an_old_hash_is_upgraded_where_the_company_allows_it_and_sessions_stay(table, tmp_path):
    product = table("laravel")
    with open_shop(product, tmp_path, upgrade=True) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        product.put(ANA, "password", CASES["laravel"].old)
        product.open_session(ANA)
        assert shop.store.verify(ana.id, NEW) is Verdict.WRONG
        assert product.column(ANA, "password") == CASES["laravel"].old
        for _ in range(2):
            assert shop.store.verify(ana.id, OLD) is Verdict.FITS
            assert product.column(ANA, "password").startswith("$argon2id$v=19$m=64,t=1,p=1$")
        assert product.has_session(ANA)


def test_an_old_hash_stays_where_the_company_does_not_allow_upgrades(table, tmp_path):
    product = table("laravel")
    with open_shop(product, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        product.put(ANA, "password", CASES["laravel"].old)
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS
        assert product.column(ANA, "password") == CASES["laravel"].old


HASH = cheap_hash(OLD)
ODD = {
    "cut short": HASH[:-9],
    "cut to its prefix": "$2y$12$",
    "two gigabytes": HASH.replace("m=64", "m=2097152"),
    "a million passes": HASH.replace("t=1", "t=1000000"),
    "bcrypt for hours": "$2y$31$" + CASES["laravel"].old[7:],
    "one megabyte": "$2y$05$" + "a" * 1_000_000,
    "of nobody": "correct horse",
    "a mark": "!" + HASH,
    "empty": "",
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_hash_signs_nobody_in_and_is_replaced_by_a_new_password(odd, table, tmp_path):
    product = table("rails")
    with open_shop(product, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        product.put(ANA, "encrypted_password", ODD[odd])
        assert shop.store.verify(ana.id, OLD) is Verdict.WRONG
        shop.store.require_change([ana.id], shop.keep)
        assert all(len(kept) <= 1000 for kept in shop.keeps.values())
        assert not shop.store.was_closed(ana.id, OLD, shop.keeps.get(ana.id, b""))
        assert shop.store.verify(ana.id, OLD) is Verdict.WRONG
        shop.store.set_password(ana.id, NEW)
        assert shop.store.verify(ana.id, NEW) is Verdict.FITS


def test_plain_digests_are_verified_as_the_company_declares_them(table, tmp_path):
    product = table("rails")
    product.add([Customer(ANA)])
    # Python 3.11: hashlib.sha1(b"pepper" + OLD.encode()).hexdigest()
    product.put(ANA, "encrypted_password", "929d77791c541e0560be15768296f2fbdcfcc745:pepper")
    with open_shop(product, tmp_path, digest="sha1(salt+password)") as shop:
        assert shop.store.verify(shop.one(ANA).id, OLD) is Verdict.FITS
        assert shop.store.verify(shop.one(ANA).id, NEW) is Verdict.WRONG
    with open_shop(product, tmp_path) as shop:
        assert shop.store.verify(shop.one(ANA).id, OLD) is Verdict.WRONG


@pytest.mark.parametrize(
    ("mapped", "named"),
    [({"format": "md5"}, "PORTAL_IDENTITY_SQL_FORMAT: must be one of argon2id, "),
     ({"digest": "sha1(salt"}, "PORTAL_IDENTITY_SQL_DIGEST: ")],
)  # fmt: skip
def test_an_unknown_format_is_refused_before_anything_connects(table, tmp_path, mapped, named):
    with pytest.raises(StoreFault) as raised, open_shop(table("rails"), tmp_path, **mapped):
        pass
    assert str(raised.value).startswith(named)


class TestDjangoItself:
    """Django makes the tables and the hashes, and then signs in with what the portal wrote."""

    @pytest.fixture
    def product(self, company_url) -> Table:
        product = Table(company_url, "django", cheap_hash)
        self.django(product, "new")
        return product

    def django(self, product: Table, *words: str) -> list[dict]:
        file = product.url.removeprefix("sqlite:///")
        done = subprocess.run(
            [sys.executable, "-m", "tests.identity.django_product", file, *words],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "[]")

    def test_it_accepts_new_passwords_ends_sessions_and_survives_closed_ones(self, product, tmp_path):
        addresses = [f"{name}@example.com" for name in ("ana", "ben", "cleo", "dan")]
        before = self.django(product, "try", ANA, OLD, addresses[3], NEW)
        assert [each["signs in"] for each in before] == [True, False]
        with (
            open_shop(product, tmp_path, format="django-pbkdf2-sha256") as shop,
            open_shop(product, tmp_path, format="django-argon2") as other,
        ):
            ana, ben, cleo, dan = map(shop.one, addresses)
            assert ana.name == "Ana"
            assert shop.store.verify(ana.id, OLD) is Verdict.FITS
            assert shop.store.verify(cleo.id, OLD) is Verdict.WRONG
            shop.store.set_password(ana.id, NEW)
            other.store.set_password(dan.id, NEW)
            assert shop.store.require_change([ben.id, cleo.id], shop.keep) == 1
        after = self.django(product, "try", ANA, NEW, addresses[1], OLD, addresses[2], OLD, addresses[3], NEW)
        assert [each["signs in"] for each in after] == [True, False, False, True]
        # Who must choose a new password may do so at the company's own page too.
        assert [each["may reset there"] for each in after] == [True, True, False, True]
        assert not {each["session"] for each in after} & {each["session"] for each in before}

    def test_the_fixture_s_columns_are_django_s(self, product, tmp_path):
        made = {row[1] for row in product.run("PRAGMA table_info(auth_user)")}
        product.run("DROP TABLE auth_user")
        product.create()
        assert {row[1] for row in product.run("PRAGMA table_info(auth_user)")} == made


def test_one_password_costs_as_differently_without_accounts_as_with_them(table, tmp_path, monkeypatch):
    rails, costs = table("rails"), []
    with open_shop(rails, tmp_path) as shop:
        rails.add([Customer(ANA), Customer("ben@example.org")])
        rails.put(ANA, "encrypted_password", RUBY)
        verify = Hasher.verify_dummy

        def noted(hasher, typed, dummy=None):
            costs.append(registry.read(dummy).cost_class)
            return verify(hasher, typed, dummy)

        monkeypatch.setattr(Hasher, "verify_dummy", noted)
        for seed in range(0, 256, 6):
            for password in (OLD, NEW):
                assert shop.store.verify(None, password, bytes([seed])) is Verdict.WRONG
    assert costs[::2] == costs[1::2], "every try at an address costs the same"
    assert sorted(set(costs)) == ["bcrypt 5", "m=64,t=1,p=1"]
    assert 15 < costs[::2].count("bcrypt 5") < 28
