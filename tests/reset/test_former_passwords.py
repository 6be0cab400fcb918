"""Passwords of the company's former system, and accounts that came without one."""

from unicodedata import normalize

from argon2 import PasswordHasher

from portal.crypto.hashing import unset_hash
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.worker import drain
from tests.reset.journey import ANA, NEW, link_in

CHOOSE = "/reset/choose/"


def test_a_locked_password_is_refused_however_the_former_system_spelled_its_accents(
    client, ask, ana, people, db, clock
):
    former = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    accented = "una contrase\u00f1a de oto\u00f1o"
    with db.write() as session:
        hashed = former.hash(normalize("NFD", accented))
        people.store.set_password(
            session, people.vault, people.account(ana).id, expected_version=1, password_hash=hashed,
            now=clock.now(),
        )  # fmt: skip
    people.require(ana)
    client.get(link_in(ask(ana)))
    for typed in (accented, normalize("NFD", accented)):
        assert "We locked this password" in client.submit(CHOOSE, password=typed).text
    longest = "\u00f1 " * 128  # decomposed it has more than 256 characters
    assert "We locked this password" not in client.submit(CHOOSE, password=longest).text


def test_a_required_reset_mails_who_has_no_password_and_a_second_one_does_not(
    portal, people, db, clock, worker_parts, smtp, client
):
    new = NewAccount(Profile(ANA), unset_hash("m=64,t=1,p=1"), frozenset({"C-1", "C-2"}))
    with db.write() as session:
        people.store.add(session, people.vault, [new], clock.now())
    portal("reset", "require", "--everyone")
    portal("reset", "require", "--everyone")
    drain(worker_parts)
    (mail,) = smtp.to(ANA)
    client.get(link_in(mail))
    assert client.submit(CHOOSE, password=NEW).status_code == 303
    assert people.signs_in_with(ANA, NEW)
    assert not people.account(ANA).unset
