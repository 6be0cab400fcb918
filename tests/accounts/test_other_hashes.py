"""Customers with hashes of another system sign in with their old password, and then have a hash of ours."""

import json
import tomllib
from pathlib import Path
from unicodedata import normalize

import pytest

from portal.crypto.formats import children
from tests.accounts.conftest import STORE
from tests.accounts.test_import import HEADER, count, load, row

__all__ = ["load"]
# How accounts are stored is tried on both databases elsewhere; what is tried here is no statement's business.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CASES = Path(__file__).with_name("cases")
MADE = {
    name: hashes
    for file in ("by_python.toml", "by_others.toml")
    for name, hashes in tomllib.loads(
        (Path(__file__).parents[1] / "crypto/formats" / file).read_text()
    ).items()
}
LONG = "longer-than-72-" * 6


@pytest.fixture(autouse=True, scope="module")
def no_process_stays():
    yield
    children.end()


def stored(db, vault, address: str) -> str:
    with db.read() as session:
        account = STORE.find(session, vault, address)
        assert account is not None
        return account.password_hash


# Of the cases, these hashes are of a known password. The others have digests that nobody's password has.
@pytest.mark.parametrize(
    ("name", "digest", "password"),
    [
        ("django-pbkdf2", "", "hunter22"),
        ("werkzeug-scrypt", "", "hunter22"),
        ("bcrypt-2y", "", "abc123xyz"),
        ("md5-plain", "md5(password)", "hunter22"),
        ("sha1-plain", "SHA1 ( password )", "hunter22"),
        ("argon2i", "", None),
        ("bcrypt-2b", "", None),
        ("phpass", "", None),
    ],
)
def test_a_company_s_file_comes_in_and_its_passwords_sign_in(
    load, db, client, sign_in, web_vault, name, digest, password
):
    done = load((CASES / f"accounts-{name}.csv").read_text(), *(["--digest", digest] if digest else []))
    assert done.exit_code == 0, done.output
    assert "New accounts: 5;" in done.output
    assert count(db) == 5
    address = "user0@example.net"
    before = stored(db, web_vault, address)
    assert ("$argon2id$v=19$m=64,t=1,p=1$" in before) == bool(digest)
    assert sign_in("hunter23", address).status_code == 400
    assert stored(db, web_vault, address) == before
    if password is not None:
        assert sign_in(password, address).status_code == 303
        assert stored(db, web_vault, address).startswith("$argon2id$v=19$m=64,t=1,p=1$")


@pytest.mark.parametrize(("name", "reason"), [("empty", "empty"), ("no-hash-column", "empty")])
def test_a_company_s_file_without_hashes_comes_in_too(load, db, name, reason):
    done = load((CASES / f"accounts-{name}.csv").read_text())
    assert done.exit_code == 0, done.output
    assert f"    without a usable hash ({reason}): {count(db)}\n" in done.output


@pytest.mark.parametrize(
    "name",
    ["php crypt 2x", "wordpress phpass", "passlib bcrypt_sha256 v2", "mkpasswd 6", "slappasswd SSHA"],
)
def test_accents_and_long_passwords_sign_in_from_any_format(load, db, sign_in, client, web_vault, name):
    passwords = {"ana@example.com": "contraseña de Núñez", "ben@example.com": LONG}
    done = load(HEADER + "".join(map(row, passwords, MADE[name][1:])))
    assert done.exit_code == 0, done.output
    for address, password in passwords.items():
        assert sign_in(password + "x" if name != "php crypt 2x" else "x", address).status_code == 400
        # Some devices type accents as characters of their own.
        assert sign_in(normalize("NFD", password), address).status_code == 303
        client.submit("/sign-out/", page="/account/")
        assert stored(db, web_vault, address).startswith("$argon2id$")


def test_the_formats_are_counted_in_the_summary_and_as_json(load):
    content = (
        HEADER + row("a@example.com", MADE["ruby 2a"][0]) + row("b@example.com", MADE["slappasswd SSHA"][0])
    )
    content += row("c@example.com", MADE["django PBKDF2PasswordHasher"][0])
    done = load(content, "--dry-run")
    for line in (
        "    bcrypt 4: 1",
        "    {SSHA}, wrapped in Argon2id: 1",
        "    PBKDF2 (Django) pbkdf2-sha256 1000: 1",
    ):
        assert f"{line}\n" in done.output
    assert json.loads(load(content, "--dry-run", "--json").stdout)["hashes"] == [
        {"format": "PBKDF2 (Django)", "cost": "pbkdf2-sha256 1000", "accounts": 1},
        {"format": "bcrypt", "cost": "bcrypt 4", "accounts": 1},
        {"format": "{SSHA}", "cost": "digest", "accounts": 1},
    ]


@pytest.mark.parametrize(
    ("layout", "why"),
    [
        ("crc32(password)", "write it like sha1(salt+password)"),
        ("sha1(salt)", "it must contain the password"),
        ("sha1(salt+password", "write it like"),
        ("password", "it must be a digest"),
        ("sha1(password)+salt", "nothing may follow its last bracket"),
        ("md5(md5(md5(md5(password))))", "at most two inside another"),
        ("hmac-sha1(password)", "',' is missing"),
        ("sha1(" + "password+" * 20 + "salt)", "at most 100 characters"),
    ],
)
def test_a_layout_that_says_nothing_is_refused_with_how_to_write_it(load, db, layout, why):
    done = load(HEADER + row("a@example.com"), "--digest", layout)
    assert done.exit_code == 2
    assert why in " ".join(done.output.split())
    assert count(db) == 0
