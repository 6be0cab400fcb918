"""Fast digests are hashed once more at import: told before, on all cores, resumable, and never twice."""

import logging
import os
import signal
import subprocess
from threading import get_native_id

import pytest

from portal.accounts.importing.wrapping import Wrapping
from portal.crypto.formats import layouts
from portal.crypto.hashing import Hasher, hash_slots_for, is_unset
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from tests.accounts.conftest import STORE
from tests.accounts.test_import import HEADER, count, load, row
from tests.processes import PORTAL, ROOT

__all__ = ["load"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MD5 = "cb95015a436fe976eb38e45455372032"  # of "hunter22"
# slappasswd of OpenLDAP 2.5.13, password "hunter22"
SSHA = "{SSHA}lzIRHlqx8U/CuWo51zqWlHxNgEOgtOYs"


def people(count: int, password_hash: str = MD5) -> str:
    return HEADER + "".join(row(f"p{number}@example.com", password_hash) for number in range(count))


def stored(db, vault) -> dict[bytes, str]:
    with db.read() as session:
        ids = STORE.all_ids(session, None, 5000)
        return {found.id: found.password_hash for one in ids if (found := STORE.get(session, vault, one))}


class Watched(Hasher):
    """Notes at which priority each digest is wrapped."""

    def wrap(self, digest):
        priorities.append(os.getpriority(os.PRIO_PROCESS, get_native_id()))
        return super().wrap(digest)


priorities: list[int] = []


def test_only_who_lacks_a_password_is_wrapped_behind_everything_else(
    db, settings, worker_vault, web_vault, clock
):
    priorities.clear()
    before = os.getpriority(os.PRIO_PROCESS, get_native_id())
    hasher = Watched(settings.identity.argon2, hash_slots_for(settings))
    digests = [NewAccount(Profile(f"p{number}@example.com"), MD5) for number in range(5)]
    own = NewAccount(Profile("own@example.com"), hasher.hash("a password of ours"))
    with Wrapping(db, worker_vault, hasher, layouts.parse("md5(password)")) as threads:
        first = threads.wrap([*digests[:3], own])
        with db.write() as session:
            STORE.add(session, worker_vault, first, clock.now())
        assert len(priorities) == 3
        second = threads.wrap([*digests, own])
        with db.write() as session:
            STORE.add(session, worker_vault, second, clock.now())
    assert priorities == [19] * 5
    assert os.getpriority(os.PRIO_PROCESS, get_native_id()) == before
    assert [is_unset(account.password_hash) for account in second] == [True] * 3 + [False] * 3
    kept = stored(db, web_vault)
    assert len(kept) == 6
    assert all(hasher.verify(one, "hunter22") for one in kept.values() if one != own.password_hash)


def test_it_is_told_before_and_nothing_fast_is_stored(load, db, web_vault, caplog):
    caplog.set_level(logging.INFO)
    assert load(people(3, SSHA), "--dry-run").exit_code == 0
    assert "up to 3 fast digests are to be wrapped in Argon2id, less than a minute on" in caplog.text
    assert count(db) == 0
    assert load(people(3, SSHA)).exit_code == 0
    hashes = stored(db, web_vault).values()
    assert {one.rpartition("$argon2id$v=19$m=64,t=1,p=1$")[0].rpartition("$")[0] for one in hashes} == {
        "$wrapped$sha1(password+salt)"
    }
    assert not any("YLOv" in one or "lzIR" in one for one in hashes)


def test_a_wrapped_digest_costs_what_ours_cost_and_is_replaced_at_sign_in(load, db, web_vault, sign_in):
    assert load(people(1), "--digest", "md5(password)").exit_code == 0
    with db.read() as session:
        assert "$m=64,t=1,p=1$" in str(STORE.dummy_hash(session, web_vault, "nobody@example.com"))
    assert sign_in("hunter23", "p0@example.com").status_code == 400
    assert sign_in("hunter22", "p0@example.com").status_code == 303
    assert [one.startswith("$argon2id$") for one in stored(db, web_vault).values()] == [True]


def test_an_import_that_was_killed_goes_on_where_it_was(load, db, environ, tmp_path, web_vault):
    content = people(1500)
    file = tmp_path / "customers.csv"
    file.write_text(content)
    command = [PORTAL, "accounts", "import", file, "--digest", "md5(password)"]
    with subprocess.Popen(
        command, env={**os.environ, **environ}, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while not count(db):
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    before = stored(db, web_vault)
    assert len(before) in {500, 1000}
    done = load(content, "--digest", "md5(password)")
    assert f"New accounts: {1500 - len(before)};" in done.output
    assert f"unchanged: {len(before)}." in done.output
    after = stored(db, web_vault)
    assert {key: after[key] for key in before} == before
    assert len(after) == 1500
