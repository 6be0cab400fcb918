"""What companies hand over as password hashes: each kind is taken, or refused by its name."""

import json

import pytest

from portal.identity.account import Profile
from portal.identity.builtin import formats
from portal.worker import drain
from tests.accounts.conftest import STORE
from tests.accounts.test_import import HASH, HEADER, STRONG, count, load, report, row
from tests.commands import context, portal
from tests.people_files.workbooks import sheet, write
from tests.reset.journey import NEW, REQUEST, link_in

__all__ = ["context", "load", "portal"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("$2b$10$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "bcrypt"),
        ("$2y$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "bcrypt"),
        ("$2b$12$cut", "bcrypt"),
        ("bcrypt_sha256$$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9", "bcrypt"),
        ("$wp$2y$10$R9h/cIPz0gi.URNNX3kh2OPST9", "bcrypt"),
        ("$argon2i$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$G4uhH8Rka", "Argon2i"),
        ("$argon2d$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$G4uhH8Rka", "Argon2d"),
        ("argon2$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$aGFzaA", "Argon2id with a prefix"),
        (
            "pbkdf2_sha256$600000$saltsaltsaltsalts12345$XKzh8PDaZSpfUxh4Z0JVBFPNkwTizvHKfrHdGLs/5RE=",
            "PBKDF2",
        ),
        ("pbkdf2:sha256:600000$salt$8a7c", "PBKDF2"),
        ("scrypt:32768:8:1$abcdefghijklmnop$63dc31602aaf4a52bf43", "scrypt"),
        ("$P$B12345678XhYOwYMq1f7ApyXAcOJT.1", "phpass"),
        ("$S$D12345678XhYOwYMq1f7ApyXAcOJT", "salted SHA-512 of Drupal"),
        ("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "md5crypt"),
        ("$5$rounds=5000$salt$abc", "sha256crypt"),
        ("$6$salt$abc", "sha512crypt"),
        ("$y$j9T$salt$abc", "yescrypt"),
        ("{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "salted SHA-1"),
        ("sha1$a1b2c$60b3af8bfe3735623c7d4a5ef749bb6ac1a4413a", "salted SHA-1"),
        ("cb95015a436fe976eb38e45455372032:a1b2", "salted MD5"),
        ("cb95015a436fe976eb38e45455372032", "MD5"),
        ("60B3AF8BFE3735623C7D4A5EF749BB6AC1A4413A", "SHA-1"),
        ("0" * 64, "SHA-256"),
        ("0" * 128, "SHA-512"),
        ("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19", "MySQL's PASSWORD()"),
        ("{CRYPT}rqXexS6ZhobKA", "a format in braces"),
    ],
)
def test_another_format_is_refused_by_its_name(text, name):
    assert formats.unusable(text) is None
    with pytest.raises(formats.HashRefused) as refused:
        formats.check(text)
    assert str(refused.value) == f"{name} is not taken yet"


@pytest.mark.parametrize("text", ["hunter22", "correct horse battery staple", "Xp2s5v8y/B?E(H+M", "0"])
def test_what_is_no_hash_is_refused_and_does_not_become_an_empty_one(text):
    assert formats.unusable(text) is None
    with pytest.raises(formats.HashRefused, match=r"\Anot a password hash of a known format\Z"):
        formats.check(text)


@pytest.mark.parametrize(
    "text",
    ["", "!", "*", "!!", "x", "*LK*", "!$6$salt$abc", "!aB3dE5fG7hJ9kL1mN3pQ5rS7", "NULL"],
)
def test_a_mark_for_no_password_is_unusable(text):
    assert formats.unusable(text)


def test_an_argon2id_hash_whose_end_is_missing_is_unusable():
    whole = [length for length in range(1, len(HASH) + 1) if formats.unusable(HASH[:length]) != "cut short"]
    # 128 and 192 bits are lengths that other systems use.
    assert whole == [len(HASH) - 21, len(HASH) - 11, len(HASH)]
    formats.check(HASH)


def rows(*hashes: str) -> str:
    return HEADER + "".join(
        f'user{n}@example.net,"{text}",{2000 + n},User {n},en\n' for n, text in enumerate(hashes)
    )


def test_rows_of_another_format_become_no_account_and_are_counted_by_its_name(
    load, db, tmp_path, worker_vault
):
    bcrypt, md5 = (
        "$2b$10$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        "cb95015a436fe976eb38e45455372032",
    )
    done = load(rows(bcrypt, HASH, bcrypt, md5))
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "customers.csv.report.csv").read_text().splitlines()[1:]
    assert lines == [
        "2,password_hash: bcrypt is not taken yet",
        "4,password_hash: bcrypt is not taken yet",
        "5,password_hash: MD5 is not taken yet",
    ]
    assert bcrypt not in done.output + "".join(lines)
    with db.read() as session:
        assert len(STORE.all_ids(session, None, 9)) == 1
        assert STORE.find(session, worker_vault, "user0@example.net") is None


def test_a_file_of_another_format_is_refused_whole_by_its_name(load, db):
    done = load(rows(*["$P$B12345678XhYOwYMq1f7ApyXAcOJT.1"] * 12))
    assert done.exit_code == 1
    assert "no row of the file is usable (password_hash: phpass is not taken yet: 12)" in done.output
    assert "Nothing was stored." in done.output
    assert count(db) == 0


def test_the_counts_come_as_json(load):
    told = json.loads(load(rows("", HASH, "!"), "--dry-run", "--json").stdout)
    assert told["must_choose_because"] == [
        {"reason": "empty", "accounts": 1},
        {"reason": "says that there is no password", "accounts": 1},
    ]
    assert (told["added"], told["must_choose"], told["shared_rows"], told["dry_run"]) == (3, 2, 0, True)


def test_a_workbook_of_accounts_comes_in(portal, tmp_path, db, sign_in, worker_vault):
    head, customer = (
        ("E-Mail-Adresse", "PASSWORD-HASH", "Kunden-Nr."),
        ("user0@example.net", STRONG, "12345.0"),
    )
    file = write(tmp_path / "customers.xlsx", {"Kunden": sheet(head, customer)})
    asked = portal("accounts", "import", file, status=2)
    assert "E-Mail-Adresse" in asked.output
    assert count(db) == 0
    assert "New accounts: 1;" in portal("accounts", "import", file, "--yes").output
    assert sign_in("another password", "user0@example.net").status_code == 303
    with db.read() as session:
        assert len(STORE.find_by_ref(session, worker_vault, "12345")) == 1


WITHOUT_HASHES = {
    "empty": rows("", "", ""),
    "no column": "email,account_ref,name\nuser0@example.net,1,U\n",
    "marks": rows("!", "*", "x"),
    "cut": rows(HASH[:60], HASH[:-1]),
}


@pytest.mark.parametrize("kind", WITHOUT_HASHES)
def test_who_comes_without_a_usable_hash_chooses_a_password_by_mail(
    load, kind, client, sign_in, worker_parts, smtp, db, web_vault
):
    address = "user0@example.net"
    done = load(WITHOUT_HASHES[kind])
    assert done.exit_code == 0, done.output
    assert "must choose a password by email" in done.output
    with db.read() as session:
        account = STORE.find(session, web_vault, address)
    assert account is not None
    assert account.unset
    unknown = sign_in("!", "nobody@example.net")
    for typed in ("!", account.password_hash):
        refused = sign_in(typed, address)
        assert (refused.status_code, refused.text.count("<p>")) == (400, unknown.text.count("<p>"))
    client.submit("/reset/", email=address)
    drain(worker_parts)
    (mail,) = [each for each in smtp.to(address) if each.message["Subject"] == REQUEST]
    assert "has no password here yet" in client.get(link_in(mail), follow_redirects=True).text
    assert client.submit("/reset/choose/", password=NEW).status_code == 303
    assert sign_in(NEW, address).location == "/account/"


@pytest.mark.parametrize("turned", [False, True])
def test_customers_with_one_address_are_one_account_with_every_number_in_any_order(
    load, db, worker_vault, sign_in, turned
):
    rows = [
        row("ana@example.com", STRONG, "C-1", "Ana Ruiz"),
        row("ANA@Example.com", STRONG, "C-2", "Ana", "es"),
        row("ana@example.com", "!", "C-2"),
        row("ben@example.com", "", "C-3"),
        row("ben@example.com", "!", "C-4"),
        row("cy@example.com", STRONG, "C-5"),
        row("cy@example.com", HASH, "C-6"),
    ]
    done = load(HEADER + "".join(rows[::-1] if turned else rows))
    assert "customers.csv: rows: 7; accounts: 3." in done.output
    assert "Rows at the address of another row: 4." in done.output
    assert "    Argon2id m=128,t=2,p=1: 1\n" in done.output
    assert "    without a usable hash (empty): 1\n" in done.output
    assert "    without a usable hash (different hashes at one address): 1\n" in done.output
    assert (
        "Accounts whose owner must choose a password by email, which they ask for at /reset/: 2."
        in done.output
    )
    with db.read() as session:
        (ana,) = {
            account.id
            for number in "12"
            for account in STORE.find_by_ref(session, worker_vault, f"C-{number}")
        }
        assert STORE.references(session, worker_vault, ana) == ["C-1", "C-2"]
        profile = STORE.profile(session, worker_vault, ana)
    assert profile == Profile("ANA@example.com", "Ana", locale="es")
    for password in ("another password", "a password of long ago"):
        assert sign_in(password, "cy@example.com").status_code == 400
    assert sign_in("another password", "ana@example.com").status_code == 303
    for again in (rows, rows[::-1]):
        assert (
            "New accounts: 0; updated, passwords kept: 0; unchanged: 3."
            in load(HEADER + "".join(again)).output
        )


def test_an_address_of_too_many_customers_is_a_placeholder(load, db, tmp_path):
    def customers(number: int) -> str:
        return "".join(row("info@example.com", ref=f"C-{one}") for one in range(number))

    done = load(HEADER + row("ana@example.com") + customers(201))
    assert "rows: 202; accounts: 1." in done.output
    assert "Invalid rows, skipped: 201." in done.output
    assert '3,"email: more than 200 customer numbers at this address' in report(tmp_path)
    assert count(db) == 1
    assert load(HEADER + customers(200)).exit_code == 0
    assert count(db) == 2
