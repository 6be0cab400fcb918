"""What a passkey proves, once; how it is stored, and what becomes of one that was copied."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from portal.accounts.factors import service as factors
from portal.accounts.passkeys import service, stored
from portal.accounts.passkeys.challenges import Asked, Purpose
from portal.accounts.passkeys.jobs import tidy
from portal.accounts.passkeys.models import Passkey, SpentChallenge
from portal.crypto.vault import VaultError
from portal.worker import drain
from tests.accounts.conftest import ADDRESS
from tests.accounts.passkeys.authenticator import Authenticator, encoded
from tests.accounts.passkeys.conftest import STRANGER, Owner


def test_a_passkey_signs_in_by_itself_and_says_whose_address_it_is(owner):
    phone, passkey_id = owner.new()
    proof = owner.verify(phone.get(owner.request()))
    assert proof is not None
    assert (proof.passkey_id, proof.account_id, proof.address) == (passkey_id, owner.account_id, ADDRESS)


def test_one_that_was_made_for_the_account_is_asked_for_by_its_id(owner):
    (first, _), (second, _) = owner.new(), owner.new("Laptop")
    asked = Asked(Purpose.SECOND, "this browser", owner.account_id)
    options = owner.request(asked)
    assert {each["id"] for each in options["allowCredentials"]} == {
        encoded(first.credential_id),
        encoded(second.credential_id),
    }
    assert {tuple(each["transports"]) for each in options["allowCredentials"]} == {("hybrid", "internal")}
    second.handle = None  # a browser need not tell it where the id was given
    proof = owner.verify(second.get(options), asked)
    assert proof is not None
    assert (proof.account_id, proof.address) == (owner.account_id, None)


def test_what_a_browser_is_asked_for_names_nobody(owner):
    owner.new()
    creation, request = owner.creation(), owner.request()
    assert creation["user"]["name"] == creation["user"]["displayName"] == "Northwind Travel account"
    assert len(stored.handle_of(bytes(32))) == 32
    assert request["allowCredentials"] == []
    assert request["userVerification"] == creation["authenticatorSelection"]["userVerification"] == "required"
    assert creation["authenticatorSelection"]["residentKey"] == "required"
    assert len(creation["excludeCredentials"]) == 1
    for text_ in (json.dumps(creation), json.dumps(request)):
        assert "example.com" not in text_
        assert owner.account_id.hex() not in text_
    assert owner.creation()["user"]["id"] != creation["user"]["id"], "each has a handle of its own"


def test_nothing_is_stored_before_somebody_answers(owner, db):
    owner.creation()
    owner.request()
    with db.read() as session:
        assert session.scalars(select(SpentChallenge)).all() == []


def test_an_answer_is_worth_nothing_twice(owner):
    phone, _ = owner.new()
    answer = phone.get(owner.request())
    assert owner.verify(answer) is not None
    assert owner.verify(answer) is None


def test_a_challenge_is_worth_nothing_twice(owner):
    (phone, _), (laptop, _), options = owner.new(), owner.new(), owner.request()
    assert owner.verify(phone.get(options)) is not None
    assert owner.verify(laptop.get(options)) is None


def test_a_challenge_lasts_five_minutes(owner, clock):
    phone, _ = owner.new()
    options = owner.request()
    clock.advance(timedelta(minutes=4, seconds=59))
    assert owner.verify(phone.get(options)) is not None
    options = owner.request()
    clock.advance(timedelta(minutes=5))
    assert owner.verify(phone.get(options)) is None


def test_answered_challenges_are_forgotten_once_they_have_ended(owner, db, clock, worker_parts):
    phone, _ = owner.new()
    answer = phone.get(owner.request())
    assert owner.verify(answer)
    clock.advance(timedelta(minutes=30))
    tidy(worker_parts)
    with db.read() as session:
        assert len(session.scalars(select(SpentChallenge)).all()) == 2
    clock.advance(timedelta(hours=2))
    tidy(worker_parts)
    with db.read() as session:
        assert session.scalars(select(SpentChallenge)).all() == []


def test_a_passkey_of_another_account_is_no_factor_of_this_one(owner, add_account):
    ben = Owner(owner.db, owner.vault, owner.clock, add_account("ben@example.org").id, "ben@example.org")
    phone, _ = ben.new()
    asked = Asked(Purpose.SECOND, "this browser", owner.account_id)
    assert owner.verify(phone.get(owner.request(asked)), asked) is None


def test_a_removed_passkey_proves_nothing_and_cannot_be_removed_again(owner):
    phone, passkey_id = owner.new()
    options = owner.request()
    with owner.db.write() as session:
        args = (session, owner.vault, owner.account_id, passkey_id, "en", owner.clock.now())
        assert service.remove(*args)
        assert not service.remove(*args)
    assert owner.verify(phone.get(options)) is None
    assert owner.listed() == []


def test_nobody_removes_or_renames_somebody_else_s(owner, add_account):
    _, passkey_id = owner.new()
    stranger = add_account("ben@example.org").id
    with owner.db.write() as session:
        assert not service.rename(session, owner.vault, stranger, passkey_id, "Mine")
        assert not service.remove(session, owner.vault, stranger, passkey_id, "en", owner.clock.now())
    assert [one.name for one in owner.listed()] == ["Phone"]


def test_a_sign_count_that_went_back_stops_the_passkey_and_its_owner_is_told(
    owner, caplog, smtp, worker_parts
):
    key, _ = owner.new(count=5)
    copy = replace(key)
    assert owner.verify(key.get(owner.request())) is not None
    assert owner.verify(copy.get(owner.request())) is None, "the copy counts from where it was copied"
    assert "went from 6 back to 6" in caplog.text
    key.count = 90
    assert owner.verify(key.get(owner.request())) is None, "nobody can tell which one is the owner's"
    assert [one.stopped for one in owner.listed()] == [True]
    drain(worker_parts)
    told = {str(mail.message["Subject"]): mail.text for mail in smtp.to(ADDRESS)}
    assert set(told) == {"A passkey was added to your account", "We stopped one of your passkeys"}
    assert "Phone" not in told["We stopped one of your passkeys"]


def test_a_counting_passkey_does_not_stop_counting(owner):
    key, _ = owner.new(count=5)
    key.count = 0
    assert owner.verify(key.get(owner.request())) is None
    assert [one.stopped for one in owner.listed()] == [True]


def test_a_passkey_that_devices_share_does_not_count(owner):
    phone, _ = owner.new()
    for _ in range(2):
        assert owner.verify(phone.get(owner.request())) is not None


def test_a_passkey_is_listed_with_its_name_and_days(owner, clock):
    phone, passkey_id = owner.new("Ana’s phone")
    clock.advance(timedelta(days=3))
    owner.verify(phone.get(owner.request()))
    (one,) = owner.listed()
    assert (one.name, one.added_on.isoformat(), one.used_on.isoformat()) == (
        "Ana’s phone",
        "2026-11-23",
        "2026-11-26",
    )
    with owner.db.write() as session:
        assert service.rename(session, owner.vault, owner.account_id, passkey_id, "Old phone")
    assert [one.name for one in owner.listed()] == ["Old phone"]


@pytest.mark.parametrize(
    "asked",
    [
        Asked(Purpose.ADD, "another browser"),
        Asked(Purpose.CONFIRM, "this browser"),
    ],
)
def test_a_new_passkey_belongs_to_who_asked_for_it(owner, asked):
    answer = Authenticator().create(owner.creation())
    with pytest.raises(service.NotAdded):
        owner.add(answer, asked=replace(asked, account_id=owner.account_id))
    with pytest.raises(service.NotAdded):
        owner.add(answer, asked=replace(owner.adding, account_id=STRANGER))


def test_a_new_passkey_is_stored_once(owner):
    answer = Authenticator().create(owner.creation())
    owner.add(answer)
    with pytest.raises(service.NotAdded):
        owner.add(answer)
    assert len(owner.listed()) == 1


def test_a_credential_belongs_to_one_account(owner, add_account):
    phone, _ = owner.new()
    ben = Owner(owner.db, owner.vault, owner.clock, add_account("ben@example.org").id)
    with pytest.raises(service.NotAdded):
        ben.add(phone.create(ben.creation()))
    assert ben.listed() == []
    assert len(owner.listed()) == 1


def test_an_account_has_twenty_passkeys_at_most(owner):
    for _ in range(20):
        owner.new()
    with pytest.raises(service.NotAdded):
        owner.new()
    assert len(owner.listed()) == 20


def test_the_longest_passkey_fits_its_row(owner):
    owner.new(name="é" * 60, credential_id=bytes(512))
    (one,) = owner.listed()
    assert one.name == "é" * 40


def test_every_row_has_one_length_and_opens_in_no_other_place(owner, db):
    for name, size in (("Phone", 16), ("A much longer name of a passkey", 300)):
        owner.new(name=name, credential_id=bytes(size))
    with db.write() as session:
        rows = session.scalars(select(Passkey)).all()
        assert {(len(row.content), len(row.address)) for row in rows} == {(1564, 560)}
        (first, second) = rows
        with pytest.raises(VaultError):
            stored.decrypt(owner.vault, second.id, first.content)
        session.execute(update(Passkey).where(Passkey.id == second.id).values(content=first.content))
    assert len(owner.listed()) == 1


def test_whoever_has_database_and_web_keys_cannot_read_the_address(owner, db):
    phone, _ = owner.new()
    with db.read() as session:
        row = session.scalars(select(Passkey)).one()
        content = stored.decrypt(owner.vault, row.id, row.content)
        for guess in (content.public, content.credential[:32], row.id * 2, bytes(32)):
            with pytest.raises(VaultError):
                stored.open_address(guess, row.id, row.address)
        assert phone.handle is not None
        assert stored.open_address(phone.handle, row.id, row.address) == ADDRESS


def test_a_new_address_is_what_the_passkey_then_tells(owner):
    phone, _ = owner.new()
    with owner.db.write() as session:
        service.readdress(session, owner.vault, owner.account_id, "ana@new.example")
    proof = owner.verify(phone.get(owner.request()))
    assert proof is not None
    assert proof.address == "ana@new.example"


def test_an_altered_row_proves_nothing(owner, db):
    phone, _ = owner.new()
    with db.write() as session:
        session.execute(text("UPDATE passkeys SET address = content"))
    assert owner.verify(phone.get(owner.request())) is None


def test_all_passkeys_of_an_account_go_at_once(owner):
    owner.new()
    owner.new()
    with owner.db.write() as session:
        factors.remove_all(session, STRANGER)
        assert service.count(session, owner.account_id) == 2
        assert factors.kinds(session, owner.account_id) == {factors.Kind.PASSKEY}
        factors.remove_all(session, owner.account_id)
        assert service.count(session, owner.account_id) == 0
