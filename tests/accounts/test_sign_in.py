"""Signing in and out, as a person does it and as somebody who guesses does it."""

import re
from contextlib import ExitStack
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from portal.accounts import attempt, lockout
from portal.accounts.models import FailureCount
from portal.crypto.hashing import Hasher, HashSlots, hash_slots_for, unset_hash
from portal.worker import drain
from tests.accounts.conftest import ADDRESS, PASSWORD, STORE
from tests.traces import statements
from tests.visitor import hidden, main_of

WRONG = "not the password at all"
PASSWORD_NFC = "una contrase\u00f1a de la Pe\u00f1a"
PASSWORD_NFD = "una contrasen\u0303a de la Pen\u0303a"


def without_nonces(page: str) -> str:
    return re.sub(r'(name="csrf_token"[^>]*value="|data-passkey=")[^"]*', r"\1", page)


def test_the_right_password_opens_the_account(client, ana, sign_in):
    answer = sign_in()
    assert (answer.status_code, answer.location) == (303, "/account/")
    page = client.get("/account/")
    assert page.status_code == 200
    assert f'<b class="address">{ADDRESS}</b>' in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_the_address_may_be_typed_in_any_case_and_with_spaces_around(client, ana, sign_in):
    assert sign_in(address=" ana.RUIZ@Example.COM ").status_code == 303
    assert '<b class="address">ana.RUIZ@example.com</b>' in client.get("/account/").text


def test_an_account_page_leads_to_the_sign_in_and_back(client, ana, sign_in):
    asked = client.get("/account/sessions/")
    assert (asked.status_code, asked.location) == (303, "/sign-in/?next=/account/sessions/")
    assert sign_in(page=asked.location).location == "/account/sessions/"
    assert client.get("/sign-in/").location == "/account/"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/", "//evil.example/account/", "/\\evil.example", "/account/../sign-out/",
        "/account//evil.example/", "/account/\n/", "javascript:alert(1)", "/sign-out/",
        "/account/@evil.example/",
    ],
)  # fmt: skip
def test_the_sign_in_leads_nowhere_else(client, ana, elsewhere):
    page = client.get("/sign-in/", query_string={"next": elsewhere})
    assert "evil" not in main_of(page.text)
    answer = client.post(
        "/sign-in/",
        query_string={"next": elsewhere},
        data=hidden(page.text) | {"email": ADDRESS, "password": PASSWORD},
    )
    assert answer.location == "/account/"


def require_reset(db, clock, account):
    with db.write() as session:
        STORE.require_reset(session, [account.id], "exposed", clock.now())


def test_every_failure_gets_one_answer_and_runs_the_same_statements(
    client, db, clock, ana, add_account, sign_in
):
    forced = add_account("forced@example.com")
    require_reset(db, clock, forced)
    seen = {}
    for name, address, password in (
        ("unknown", "nobody@example.com", PASSWORD),
        ("wrong", ADDRESS, WRONG),
        ("forced", "forced@example.com", PASSWORD),
        ("forced, wrong", "forced@example.com", WRONG),
    ):
        client.get("/sign-in/")
        with statements(db) as run:
            answer = sign_in(password, address)
        body = without_nonces(answer.text).replace(address, "ADDRESS")
        cookies = [cookie.split("=")[0] for cookie in answer.headers.getlist("Set-Cookie")]
        headers = {k: v for k, v in answer.headers if k not in ("Set-Cookie", "Content-Length")}
        seen[name] = (answer.status_code, body, headers, cookies, run)
    assert all(one == seen["unknown"] for one in seen.values())
    status, body, *_ = seen["unknown"]
    assert status == 400
    assert "<title>Error: Sign in" in body
    assert 'href="/reset/"' in body
    assert PASSWORD not in body


@pytest.mark.parametrize("address", [ADDRESS, "nobody@northwind.example"])
def test_after_a_failure_one_press_asks_for_a_link_to_the_same_address(
    client, ana, sign_in, worker_parts, smtp, address
):
    page = sign_in(WRONG, address).text
    form = page.partition('action="/reset/"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))
    assert fields["email"] == address
    assert client.post("/reset/", data=fields).location == "/reset/sent/"
    drain(worker_parts)
    assert smtp.messages[0].recipients == (address,)


def test_every_failure_leaves_rows_of_the_same_number_and_length(
    client, db, clock, ana, add_account, sign_in
):
    def left(address: str) -> dict[str, list[int]]:
        with db.write() as session:
            for table in ("sign_in_doors", "sign_in_waits", "rate_buckets"):
                session.execute(text(f"DELETE FROM {table}"))
        sign_in(WRONG, address)
        with db.read() as session:
            doors = session.execute(
                text(
                    "SELECT length(door), length(strangers), length(devices), length(sessions) FROM "
                    "sign_in_doors"
                )
            ).all()
            waits = session.execute(text("SELECT length(bucket), failures FROM sign_in_waits")).all()
            buckets = session.execute(text("SELECT length(bucket), hits FROM rate_buckets")).all()
        return {"doors": doors, "waits": waits, "buckets": buckets}

    assert left(ADDRESS) == left("nobody@example.com")


def test_unknown_people_cost_as_much_hashing_as_accounts_do(
    db, settings, ana, add_account, web_vault, clock, tmp_path
):
    """The call structure, not the clock: each failure hashes once, or twice where it is not typed in NFC."""
    hashed: list[str] = []

    class Counting(HashSlots):
        def taken(self):
            hashed.append("slot")
            return super().taken()

    hasher = Hasher(settings.identity.argon2, Counting(tmp_path / "slots"))
    require_reset(db, clock, add_account("forced@example.com"))
    add_account("unset@example.com", password_hash=unset_hash("m=64,t=1,p=1"))
    addresses = ("nobody@example.com", "forced@example.com", "unset@example.com", ADDRESS)
    for address, password in ((address, typed) for address in addresses for typed in (WRONG, PASSWORD_NFD)):
        with db.write() as session:
            begun = attempt.begin(
                session, web_vault, address=address, network="192.0.2.1", device_cookie=None,
                limit="100 per hour", now=clock.now(),
            )  # fmt: skip
        assert isinstance(attempt.check(hasher, begun, password), attempt.Refused)
    closed = replace(begun, counted=replace(begun.counted, open=False))
    assert isinstance(attempt.check(hasher, closed, WRONG), attempt.Refused)
    assert isinstance(attempt.check(hasher, closed, PASSWORD_NFD), attempt.Refused)
    assert hashed == ["slot"] * 15


def test_a_required_reset_ends_the_session_too(client, db, clock, ana, sign_in):
    sign_in()
    require_reset(db, clock, ana)
    assert client.get("/account/").status_code == 303
    assert sign_in().status_code == 400


@pytest.mark.parametrize(
    "typed",
    [
        "", "no address", "a@b@c.example", "ana\0@example.com", "ana\r\nBcc: x@example.com",
        "ana@example.com,b@example.com", "ana%0a@example.com\n.", "x" * 300 + "@example.com",
        "ﬁona@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_a_form_error_and_is_not_looked_up(client, ana, sign_in, db, typed):
    client.get("/sign-in/")
    with statements(db) as run:
        answer = sign_in(address=typed)
    assert answer.status_code == 400
    assert "<title>Error:" in answer.text
    assert run == []


def test_an_empty_password_is_a_form_error(sign_in, ana):
    assert "Enter your password." in sign_in("").text


@pytest.mark.parametrize("field", ["email", "password"])
def test_a_megabyte_is_refused_whole(client, ana, sign_in, field):
    answer = sign_in("x" * 1_000_000) if field == "password" else sign_in(address="x" * 1_000_000)
    assert answer.status_code == 413


def test_a_password_of_any_alphabet_signs_in(sign_in, add_account):
    add_account("zoë@example.com", "пароль с \0 и 🦉 внутри")
    assert sign_in("пароль с \0 и 🦉 внутри", "zoë@example.com").status_code == 303


@pytest.mark.parametrize("address", [ADDRESS, "nobody@example.com"])
def test_a_password_too_long_to_be_checked_is_told_whoever_s_address_it_is(client, ana, sign_in, address):
    page = sign_in("x" * 257, address)
    assert page.status_code == 400
    assert "If it’s yours, you can only change it by email." in page.text
    assert "Email me a link for a new password" in page.text
    client.get("/sign-in/")
    assert "more than 256 characters" not in sign_in("x" * 256, address).text


def test_a_password_hashed_decomposed_signs_in_where_it_is_typed_so_and_is_hashed_composed(
    db, add_account, sign_in, web_vault
):
    """macOS and iOS send accents as characters of their own; the company's former system hashed them so."""
    add_account(password_hash=PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD_NFD))
    assert sign_in(PASSWORD_NFC).status_code == 400, "nobody knows how to decompose it as the device did"
    assert sign_in(PASSWORD_NFD).status_code == 303
    with db.read() as session:
        account = STORE.find(session, web_vault, ADDRESS)
    assert account is not None
    assert PasswordHasher().verify(account.password_hash, PASSWORD_NFC)


def test_an_old_hash_is_renewed_at_sign_in_and_the_session_lives(client, db, add_account, sign_in, web_vault):
    old = PasswordHasher(time_cost=3, memory_cost=128, parallelism=2).hash(PASSWORD)
    account = add_account(password_hash=old)
    assert sign_in().status_code == 303
    with db.read() as session:
        renewed = STORE.get(session, web_vault, account.id)
    assert renewed is not None
    assert renewed.password_hash.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert renewed.version == account.version
    assert client.get("/account/").status_code == 200


def test_signing_out_ends_the_session_in_the_database_too(client, app, db, ana, sign_in):
    sign_in()
    stolen = client.get_cookie("session").value
    answer = client.submit("/sign-out/")
    assert (answer.status_code, answer.location) == (303, "/sign-in/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "You’ve signed out." in client.get("/sign-in/").text
    assert "You’ve signed out." not in client.get("/sign-in/").text
    thief = app.test_client()
    thief.set_cookie("session", stolen)
    assert thief.get("/account/").status_code == 303


def test_a_get_signs_nobody_out(client, ana, sign_in):
    sign_in()
    assert client.get("/sign-out/").status_code == 200
    assert client.get("/account/").status_code == 200


@pytest.mark.parametrize("page", ["/sign-in/", "/sign-out/", "/account/answer/", "/account/sessions/"])
@pytest.mark.parametrize("token", [None, "", "a-stale-or-foreign-token"])
def test_a_form_without_its_own_csrf_token_does_nothing(client, ana, sign_in, page, token):
    sign_in()
    data = {"email": ADDRESS, "password": PASSWORD, "end": "others"}
    answer = client.post(page, data=data if token is None else data | {"csrf_token": token})
    assert answer.status_code == 400
    assert client.get("/account/").status_code == 200


def test_a_prepared_session_is_worth_nothing_after_the_sign_in(client, ana, sign_in):
    with client.session_transaction() as prepared:
        prepared["token reset"] = "prepared"
        prepared["_user_id"] = "prepared"
    sign_in()
    with client.session_transaction() as now:
        assert "token reset" not in now
        assert now["_user_id"] != "prepared"


def test_signing_in_again_ends_the_session_before(client, db, clock, ana, sign_in):
    sign_in()
    form = hidden(client.get("/sign-out/").text)
    client.post("/sign-in/", data=form | {"email": ADDRESS, "password": PASSWORD})
    with db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM account_sessions")) == 1


def test_no_address_password_or_token_is_logged(client, ana, sign_in, caplog):
    caplog.set_level("DEBUG")
    sign_in(WRONG)
    sign_in()
    client.get("/account/")
    for secret in (ADDRESS, WRONG, PASSWORD, client.get_cookie("session").value):
        assert secret not in caplog.text


def test_nothing_stored_names_who_is_signed_in(client, db, ana, sign_in, clock):
    sign_in()
    with db.read() as session:
        rows = [
            *session.execute(text("SELECT * FROM account_sessions")),
            *session.execute(text("SELECT * FROM sign_in_doors")),
        ]
    stored = b"".join(v if isinstance(v, bytes) else str(v).encode() for row in rows for v in row)
    with client.session_transaction() as kept:
        token = kept["_user_id"]
    for secret in (b"ana.ruiz", b"ana ruiz", b"example", token.encode()):
        assert secret not in stored.lower()


def test_when_every_core_is_hashing_nothing_is_counted_and_the_page_says_when(
    client, db, settings, ana, sign_in, web_vault
):
    slots = hash_slots_for(settings)
    with ExitStack() as full:
        for _ in range(slots.count):
            full.enter_context(slots.taken())
        answer = sign_in()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    with db.read() as session:
        none = lockout.lockout_of(web_vault, web_vault.account_index(ADDRESS), 1).keyed_count(
            web_vault, FailureCount.strangers, 0
        )
        assert bytes(session.scalar(text("SELECT strangers FROM sign_in_doors"))) == none
        assert session.scalar(text("SELECT sum(failures) FROM sign_in_waits")) == 0
    assert sign_in().status_code == 303


def test_a_form_from_before_signing_out_in_another_tab_says_why_it_ended(client, ana, sign_in):
    sign_in()
    open_form = hidden(client.get("/account/password/").text)
    client.submit("/sign-out/")
    answer = client.post(
        "/account/password/", data=open_form | {"current_password": PASSWORD, "password": "x" * 20}
    )
    assert answer.status_code == 400
    assert "if you sign in or out in another tab" in answer.text
