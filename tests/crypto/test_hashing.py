"""Passwords are hashed whole, in NFC, at today's cost, and never more at once than there are slots."""

import os
import signal
import subprocess
import sys
import time
import unicodedata
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from argon2 import PasswordHasher

from portal.core.settings import Argon2Parameters
from portal.crypto.formats import children, registry
from portal.crypto.hashing import (
    Hasher,
    HashSlots,
    Match,
    PasswordTooLong,
    TooBusy,
    dummy_hash,
    folder_for,
    is_unset,
    unset_hash,
)
from portal.identity.service import hasher_for

CHEAP = Argon2Parameters(64, 1, 1)


@pytest.fixture
def slots(tmp_path) -> HashSlots:
    return HashSlots(tmp_path / "slots", count=2, wait=0.2)


@pytest.fixture
def hasher(slots) -> Hasher:
    return Hasher(CHEAP, slots)


def test_a_password_fits_its_own_hash_alone(hasher):
    hashed = hasher.hash("correct horse battery")
    assert hasher.verify(hashed, "correct horse battery")
    assert not hasher.verify(hashed, "correct horse batterx")
    assert hashed.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert hasher.hash("correct horse battery") != hashed


def test_a_password_is_the_same_however_its_accents_are_composed(hasher):
    composed = "contraseña de Núñez"
    hashed = hasher.hash(unicodedata.normalize("NFD", composed))
    assert hasher.verify(hashed, unicodedata.normalize("NFC", composed))


def test_no_character_is_cut_off(hasher):
    longest = "𝕡" * 256
    assert not hasher.verify(hasher.hash(longest), longest[:-1])
    assert hasher.verify(hasher.hash("a\0b"), "a\0b")
    assert not hasher.verify(hasher.hash("a\0b"), "a\0c")


@pytest.mark.parametrize("password", ["x" * 257, "x" * 1_000_000, "\ud800"])
def test_what_is_too_long_or_no_text_is_refused_before_it_is_hashed(tmp_path, password):
    full = Hasher(CHEAP, HashSlots(tmp_path, count=1, wait=0))
    with full._slots.taken():  # hashing would raise TooBusy
        for use in (
            full.hash,
            full.verify_dummy,
            lambda typed: full.verify(dummy_hash("m=64,t=1,p=1"), typed),
        ):
            with pytest.raises(PasswordTooLong):
                use(password)


def test_nobodys_password_never_fits(hasher):
    assert not hasher.verify_dummy("anything")
    assert not hasher.verify_dummy("anything", dummy_hash("m=128,t=2,p=1"))


def test_who_has_no_password_yet_has_a_hash_like_others_that_nothing_fits(hasher):
    unset = unset_hash("m=64,t=1,p=1")
    assert is_unset(unset)
    assert not is_unset(hasher.hash("x"))
    assert not is_unset(dummy_hash("m=64,t=1,p=1"))
    assert registry.cost_class(unset) == "m=64,t=1,p=1"
    assert len(unset) == len(hasher.hash("x"))
    assert unset != unset_hash("m=64,t=1,p=1")
    for typed in ("", "x", "\0" * 32, unset):
        assert not hasher.verify_typed(unset, typed).fits


def test_a_typed_text_is_tried_in_nfc_and_as_typed(hasher):
    nfc, nfd = "contrase\u00f1a", "contrasen\u0303a"
    argon2 = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    assert hasher.verify_typed(argon2.hash(nfc), nfd) == Match(in_nfc=True)
    assert hasher.verify_typed(argon2.hash(nfd), nfd) == Match(in_nfc=False, as_typed=True)
    assert not hasher.verify_typed(argon2.hash(nfd), nfc).fits
    assert not hasher.verify_typed(argon2.hash("contrasena"), nfd).fits


def test_an_unreadable_hash_fits_nothing_and_is_told_without_its_value(hasher, caplog):
    assert not hasher.verify("$argon2id$v=19$broken-and-secret", "anything")
    assert "is malformed" in caplog.text
    assert "broken-and-secret" not in caplog.text


def test_a_hash_of_another_cost_wants_a_new_one(hasher):
    assert not hasher.needs_rehash(hasher.hash("x"))
    assert hasher.needs_rehash(PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash("x"))


def test_a_new_hash_has_a_salt_of_128_bits_and_256_of_its_own(hasher):
    salt, hashed = hasher.hash("correct horse battery").split("$")[-2:]
    assert [len(b64decode(part + "==")) for part in (salt, hashed)] == [16, 32]


def test_who_finds_every_slot_taken_waits_a_little_and_is_told_when_to_come_back(slots):
    with slots.taken(), slots.taken():
        began = time.monotonic()
        with pytest.raises(TooBusy) as busy, slots.taken():
            pass
        assert time.monotonic() - began >= 0.2
    assert busy.value.retry_after == 5
    with slots.taken():
        pass


def test_who_waits_gets_the_slot_that_becomes_free(tmp_path):
    slots = HashSlots(tmp_path, count=1, wait=5)
    with ThreadPoolExecutor(1) as pool:
        with slots.taken():
            waiting = pool.submit(lambda: Hasher(CHEAP, slots).hash("patience"))
            time.sleep(0.1)
            assert not waiting.done()
        assert waiting.result(timeout=5).startswith("$argon2id$")


def test_a_thread_hands_its_slot_to_the_next_one_that_waits(tmp_path, monkeypatch):
    monkeypatch.setattr("portal.crypto.hashing._POLL_SECONDS", (60, 60))
    slots, order = HashSlots(tmp_path, count=1, wait=30), []

    def work(number: int) -> None:
        with slots.taken():
            order.append(number)

    with ThreadPoolExecutor(3) as pool:
        with slots.taken():
            waiting = [pool.submit(work, number) for number in range(3)]
            while slots._waiting is None:
                time.sleep(0.01)
        for each in waiting:
            each.result(timeout=20)
    assert sorted(order) == [0, 1, 2]


def test_who_waits_in_another_process_has_a_turn_too(tmp_path):
    """Two that look at the same folder are as two processes: the locks are those of open files."""
    ours, theirs = HashSlots(tmp_path, count=1, wait=20), HashSlots(tmp_path, count=1, wait=20)
    served = Event()

    def work() -> None:
        while not served.is_set():
            with ours.taken():
                time.sleep(0.002)

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work) for _ in range(4)]
        try:
            with theirs.taken():
                pass
        finally:
            served.set()
        for each in working:
            each.result(timeout=30)


def test_a_slot_that_comes_too_late_is_free_for_others(tmp_path):
    slots = HashSlots(tmp_path, count=1, wait=0.05)
    with slots.taken():
        for _ in range(20):
            with pytest.raises(TooBusy), slots.taken():
                pass
    with HashSlots(tmp_path, count=1, wait=0).taken():
        pass


def test_threads_of_one_process_share_the_slots_too(tmp_path):
    slots = HashSlots(tmp_path, count=2, wait=5)
    inside, most = [], []

    def hash_slowly() -> None:
        with slots.taken():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(hash_slowly) for _ in range(16)]:
            done.result()
    assert max(most) == 2


HOLD = """
import sys, time
from pathlib import Path
from portal.crypto.hashing import HashSlots
with HashSlots(Path(sys.argv[1]), count=2, wait=5).taken():
    print("taken", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    return process


def test_two_processes_share_the_slots_and_a_killed_one_gives_its_own_back(slots):
    with holder(slots.folder) as first, holder(slots.folder) as second:
        try:
            with pytest.raises(TooBusy), slots.taken():
                pass
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            with slots.taken(), pytest.raises(TooBusy), slots.taken():
                pass
        finally:
            second.kill()


def test_there_are_as_many_slots_as_cores_for_all_processes_of_one_database(settings, db, tmp_path):
    hasher = hasher_for(settings)
    assert hasher._slots.count == len(os.sched_getaffinity(0))
    assert hasher._slots.folder == hasher_for(settings)._slots.folder
    assert (hasher._slots.folder == tmp_path / "hash-slots") is db.is_sqlite
    other = replace(settings, database_url=f"{settings.database_url}/other")
    assert hasher_for(other)._slots.folder != hasher._slots.folder


def test_the_name_of_the_slots_folder_tells_nothing_of_the_password():
    urls = [f"postgresql://portal:{password}@db.example/portal" for password in ("one", "two")]
    assert len({folder_for(url) for url in urls}) == 1


def _of_another_user(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 64_103, -1)


TAKEN = {
    "a folder for everyone": lambda folder: (folder.mkdir(), folder.chmod(0o777)),
    "a folder for the group": lambda folder: (folder.mkdir(), folder.chmod(0o750)),
    "a link": lambda folder: folder.symlink_to(folder.parent),
    "a link to nowhere": lambda folder: folder.symlink_to(folder.parent / "nowhere"),
    "a file": lambda folder: folder.write_text("mine"),
    "another user's folder": _of_another_user,
}


@pytest.mark.parametrize("what", TAKEN)
def test_another_local_user_who_takes_the_folder_first_holds_no_slot(tmp_path, caplog, what):
    """The folder's name can be guessed; with PostgreSQL it lies where every user may write."""
    if what == "another user's folder" and os.geteuid():
        pytest.skip("only root can act as another user")
    folder = tmp_path / "portal-hash-slots-1-abc"
    TAKEN[what](folder)
    slots, others = (HashSlots(folder, count=1, wait=0) for _ in range(2))
    with slots.taken(), pytest.raises(TooBusy), others.taken():  # they still share
        pass
    (beside,) = tmp_path.glob("portal-hash-slots-1-abc-*")
    assert beside.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in beside.iterdir()] == ["0.lock"]
    assert caplog.text.count("remove it") == 1
    assert str(folder) in caplog.text
    if not folder.is_symlink() and folder.is_dir():
        assert list(folder.iterdir()) == []


def test_once_nobody_is_in_the_way_the_folder_of_always_is_used_again(tmp_path):
    folder = tmp_path / "slots"
    folder.write_text("in the way")
    slots = HashSlots(folder, count=1, wait=0)
    with slots.taken():
        pass
    folder.unlink()
    with slots.taken():
        assert (folder / "0.lock").exists()


SHA512 = (
    "/44/hr/nIJ.sgijzD1TkbPSXbmrn59leFoIHTXoxR1tjS1orPuHs3Lj9rNsPjFb5acNJwjY65.VbZBx8wzztA/",
    "XSDuI3Kd4hnJIKIdCbofSJv5GYcyQ3e3PwH5zpwZCX5xtQ6wO0x8MH7PTGLaabx.nJUVJVGWpToMu84Hqcgos0",
)


@pytest.mark.parametrize(
    ("nfc", "nfd"),
    [
        # PHP 8.2.36: password_hash()
        (
            "$2y$04$SwR/x5H8ytxm1YFObqo4kOVspifwUtDQp8WwfoOs5dgIjC.OWpb.u",
            "$2y$04$7nEZTOKMqGG2qkr.O640.eqRtn2U9Wps7vCDxrezqCEp7Q7G1pvNe",
        ),
        # PHP 8.2.36: crypt()
        (
            "$6$rounds=1000$saltsaltsalt$" + SHA512[0],
            "$6$rounds=1000$saltsaltsalt$" + SHA512[1],
        ),
        # slappasswd of OpenLDAP 2.5.13
        ("{SSHA}oR5r2Lm580ksJYu+0NGYiao3oW+8bIK4", "{SSHA}gMpDCnXSKnbizrLiTznq91zwmKeChhcs"),
    ],
    ids=["bcrypt", "sha512crypt", "ssha"],
)
def test_other_formats_are_tried_in_nfc_and_as_typed_too(hasher, nfc, nfd):
    composed, decomposed = "contrase\u00f1a", "contrasen\u0303a"
    assert hasher.verify_typed(nfc, decomposed) == Match(in_nfc=True)
    assert hasher.verify_typed(nfd, decomposed) == Match(in_nfc=False, as_typed=True)
    assert not hasher.verify_typed(nfd, composed).fits
    assert hasher.needs_rehash(nfc)
    children.end()
