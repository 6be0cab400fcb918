"""What companies hand over as password hashes: each kind is taken, or refused by its name."""

import json
from pathlib import Path

import pytest

from portal.crypto.formats import layouts
from portal.crypto.formats.refusal import HashRefused
from portal.identity.account import Profile
from portal.identity.builtin import formats
from portal.worker import drain
from tests.accounts.conftest import STORE
from tests.accounts.test_import import HASH, HEADER, STRONG, count, load, report, row
from tests.commands import context, portal
from tests.people_files.workbooks import sheet, write
from tests.reset.journey import NEW, REQUEST, link_in

__all__ = ["context", "load", "portal"]
CASES = Path(__file__).with_name("cases")


BCRYPT = "$2y$04$HHprCYkrhXKoRtOFlAn1fu7UnCw4LJF9av7hR8gg5BvkDRIxsJNYG"
DECLARE = "Nothing in it says how it was made: declare it, like --digest "
MD5, SSHA = "cb95015a436fe976eb38e45455372032", "{SSHA}lzIRHlqx8U/CuWo51zqWlHxNgEOgtOYs"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$S$D12345678XhYOwYMq1f7ApyXAcOJT", "salted SHA-512 of Drupal is not taken"),
        ("$y$j9T$salt$abc", "yescrypt is not taken"),
        ("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19", "MySQL's PASSWORD() is not taken"),
        ("{CRYPT}rqXexS6ZhobKA", "a format in braces is not taken"),
        (
            "$2b$03$HHprCYkrhXKoRtOFlAn1fu7UnCw4LJF9av7hR8gg5BvkDRIxsJNYG",
            "bcrypt, but not as it is usually written",
        ),
        ("pbkdf2:sha256:1000$salt$" + "0" * 66, "PBKDF2 (Werkzeug) with a digest of another length"),
        ("scrypt:1000:8:1$salt$" + "0" * 128, "scrypt (Werkzeug) with numbers that scrypt does not allow"),
        ("$1$saltsalt$J8GX5cnoDxTbcMuHvJTzB!", "md5crypt, but not as it is usually written"),
        ("hunter22", "not a password hash of a known format"),
        ("correct horse battery staple", "not a password hash of a known format"),
        ("Xp2s5v8y/B?E(H+M", "not a password hash of a known format"),
        ("0", "not a password hash of a known format"),
        ("contraseña", "not a password hash of a known format"),
        (BCRYPT + "\0", "bcrypt, but not as it is usually written"),
        (BCRYPT[:-1] + "ñ", "bcrypt, but not as it is usually written"),
        (BCRYPT + "x" * 1_000_000, "longer than 510 characters"),
        ("scrypt:32768:8:1$" + "x" * 1_000_000, "longer than 510 characters"),
    ],
)
def test_what_cannot_be_verified_is_refused_by_its_name_and_does_not_become_an_empty_one(text, why):
    with pytest.raises(HashRefused) as refused:
        formats.read(text)
    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("text", "name", "layout"),
    [
        (MD5, "MD5", "md5(password)"),
        ("60B3AF8BFE3735623C7D4A5EF749BB6AC1A4413A", "SHA-1", "sha1(password)"),
        ("0" * 64, "SHA-256", "sha256(password)"),
        ("0" * 128, "SHA-512", "sha512(password)"),
        (f"{MD5}:a1b2", "salted MD5", "md5(salt+password)"),
        (f"a1b2:{MD5}", "salted MD5", "md5(salt+password)"),
        ("sha1$a1b2c$60b3af8bfe3735623c7d4a5ef749bb6ac1a4413a", "salted SHA-1", "sha1(salt+password)"),
    ],
)
def test_a_plain_digest_is_refused_with_the_option_that_declares_it(text, name, layout):
    with pytest.raises(HashRefused) as refused:
        formats.read(text)
    assert str(refused.value) == f"{name}. {DECLARE}'{layout}'"
    assert formats.read(text, layouts.parse(layout)).digest is not None


@pytest.mark.parametrize(
    "text",
    ["", "!", "*", "!!", "x", "*LK*", "!$6$salt$abc", "!aB3dE5fG7hJ9kL1mN3pQ5rS7", "NULL"],
)
def test_a_mark_for_no_password_is_unusable(text):
    with pytest.raises(formats.Unusable):
        formats.read(text)


def cut_short(text):
    try:
        formats.read(text)
    except formats.Unusable as why:
        return str(why) == "cut short"
    return False


def test_an_argon2id_hash_whose_end_is_missing_is_unusable():
    whole = [length for length in range(1, len(HASH) + 1) if not cut_short(HASH[:length])]
    # 128 and 192 bits are lengths that other systems use; cut there, the last character has bits left over.
    assert set(whole) <= {len(HASH) - 21, len(HASH) - 11, len(HASH)}
    assert len(HASH) in whole


def rows(*hashes: str) -> str:
    return HEADER + "".join(
        f'user{n}@example.net,"{text}",{2000 + n},User {n},en\n' for n, text in enumerate(hashes)
    )


def test_rows_of_another_format_become_no_account_and_are_counted_by_its_name(
    load, db, tmp_path, worker_vault
):
    yescrypt = "$y$j9T$ETlCM2AvdLt2P13EAfBp9.$TngVdtRiWnW.ckVKDRlWowFXcRkSivZnTySJDKlFQr2"
    done = load(rows(yescrypt, HASH, yescrypt, MD5))
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "customers.csv.report.csv").read_text().splitlines()[1:]
    assert lines == [
        "2,password_hash: yescrypt is not taken",
        "4,password_hash: yescrypt is not taken",
        f"5,\"password_hash: MD5. {DECLARE}'md5(password)'\"",
    ]
    assert yescrypt not in done.output + "".join(lines)
    with db.read() as session:
        assert len(STORE.all_ids(session, None, 9)) == 1
        assert STORE.find(session, worker_vault, "user0@example.net") is None


def test_a_file_of_plain_digests_is_refused_whole_by_their_name(load, db):
    done = load((CASES / "accounts-md5-plain.csv").read_text())
    assert done.exit_code == 1
    assert "no row of the file is usable (password_hash: MD5. Nothing in it says" in done.output
    assert "--digest" in done.output
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
