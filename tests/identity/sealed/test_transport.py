"""Sealed jobs: who can open one, who works on it, and when its verdict is seen."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import func, select, text, update

from portal.core.db import new_id
from portal.crypto import keys, tokens
from portal.crypto.vault import VaultError, WebVault, WorkerVault, open_with
from portal.identity.ports import StoreFault, StoreUnavailable
from portal.identity.sealed import jobs as sealed_jobs
from portal.identity.sealed import service
from portal.identity.sealed.models import SealedJob, WorkerKey
from portal.identity.sealed.process_key import NoWorker, why_degraded
from portal.runtime.backup import save
from tests.identity.sealed.conftest import FIELDS

HALF = timedelta(milliseconds=500)
ALL = ("asked_at", "deadline")
PASSWORD = FIELDS["password"]


def fits(_id, fields, _parts):
    return {"outcome": "fits", "typed": fields["email"]}


def noting(notes, what):
    def handler(*_):
        notes.append(what)
        return {}

    return handler


def move(transport, by, columns=ALL):
    transport.pass_time(**dict.fromkeys(columns, by))


def stored(transport, column):
    with transport.db.read() as session:
        return session.scalars(select(column)).all()


def answered(transport, asked, at=None):
    """Say when a job was answered, relative to when it was asked."""
    with transport.db.write() as session:
        row = session.get(SealedJob, asked.id)
        row.answered_at = row.asked_at + at


class TestWho:
    def test_one_process_works_on_a_job_and_its_browser_alone_reads_the_verdict(self, transport):
        with transport.working(fits):
            asked = transport.ask()
        move(transport, timedelta(seconds=1), (*ALL, "answered_at"))
        assert transport.look(asked).verdict == {"outcome": "fits", "typed": "ann@northwind.example"}
        other = replace(asked, response_key=bytes(32))
        assert transport.look(other).verdict is None
        (verdict,) = stored(transport, SealedJob.verdict)
        assert b"fits" not in verdict
        with pytest.raises(tokens.Unopenable):
            tokens.unlock(transport.vault.bucket("any"), verdict, f"portal verdict sign-in {asked.id.hex()}")

    def test_without_a_worker_there_is_nobody_to_ask(self, transport):
        with pytest.raises(NoWorker):
            transport.ask()
        with transport.working(fits):
            pass
        with pytest.raises(NoWorker):  # it withdrew its key as it ended
            transport.ask()
        assert stored(transport, SealedJob.id) == []

    def test_a_process_that_beat_long_ago_is_not_asked(self, transport):
        with transport.working(fits):
            with transport.db.write() as session:
                session.execute(update(WorkerKey).values(beat_at=transport.now() - timedelta(seconds=21)))
            with pytest.raises(NoWorker):
                transport.ask()

    def test_of_two_processes_the_one_that_was_asked_works(self, transport):
        did: list[object] = []
        with (
            transport.working(noting(did, "first")) as first,
            transport.working(noting(did, "second")) as second,
        ):
            with transport.db.write() as session:
                of_first = WorkerKey.id == first._key.key_id
                later = transport.now() + timedelta(seconds=1)
                session.execute(update(WorkerKey).where(~of_first).values(beat_at=later))
            transport.ask()
            assert first.step() == 0
            assert second.step() == 1
        assert did == ["second"]

    def test_a_restarted_process_cannot_open_what_its_predecessor_was_asked(self, transport):
        with transport.working(fits) as first:
            asked = transport.ask()
            first.close = lambda: None  # kill -9: it withdraws nothing, and its key is gone
            with transport.working(fits) as second:
                assert second.step() == 0
                second_key = second._key
                (sealed,) = stored(transport, SealedJob.sealed)
                with pytest.raises(VaultError):
                    second_key.open("sealed job sign-in", asked.id, sealed)
        move(transport, timedelta(seconds=10))
        assert transport.look(asked) == service.Seen(late=True, begun=False)


class TestThief:
    def test_a_planted_key_is_not_sealed_to(self, transport):
        thief = X25519PrivateKey.generate().public_key().public_bytes_raw()
        soon = transport.now() + timedelta(seconds=1)
        with transport.db.write() as session:
            session.add(WorkerKey(id=new_id(), public=thief, proof=bytes(16), beat_at=soon))
        with pytest.raises(NoWorker):
            transport.ask()
        with transport.working(fits):
            transport.ask()
        assert stored(transport, SealedJob.answered_at) != [None]

    def test_a_planted_key_opens_nothing_even_with_the_web_servers_keys(self, transport, web_keys):
        thief, key_id = X25519PrivateKey.generate(), new_id()
        public = thief.public_key().public_bytes_raw()
        proof = WebVault(web_keys).bucket("worker process key", key_id.hex(), public.hex())
        with transport.db.write() as session:
            session.add(WorkerKey(id=key_id, public=public, proof=proof, beat_at=transport.now()))
        asked = transport.ask()
        (sealed,) = stored(transport, SealedJob.sealed)
        with pytest.raises(VaultError):
            open_with(thief, "sealed job sign-in", asked.id, sealed)

    @pytest.mark.sqlite  # where the time is the clock's, which a test can move
    def test_a_job_that_somebody_held_back_is_not_begun_later(self, transport, caplog):
        did: list[object] = []
        with transport.working(noting(did, "begun")):
            asked = transport.ask()
            transport.clock.advance(timedelta(hours=1))
            move(transport, timedelta(hours=-1))
        assert did == []
        assert caplog.text.count("came after its deadline, and was not begun") == 1
        assert transport.look(asked).verdict is None

    @pytest.mark.sqlite
    def test_a_backup_with_the_workers_key_file_opens_no_password(self, transport, worker_keys, tmp_path):
        begun, go_on = Event(), Event()

        def slow(*_):
            begun.set()
            go_on.wait(30)
            return {"outcome": "fits"}

        backups: list[Path] = []

        def back_up_now():
            backups.append(tmp_path / f"backup-{len(backups)}.db")
            save(transport.db, backups[-1])

        with transport.working(slow) as jobs:
            asked = transport.ask()
            back_up_now()
            (sealed,) = stored(transport, SealedJob.sealed)
            assert jobs.step() == 1
            begun.wait(30)
            back_up_now()
            go_on.set()
        back_up_now()
        inner = WorkerVault(worker_keys).open("sealed job sign-in", asked.id, sealed)
        assert len(inner) > 4096
        for secret in (PASSWORD.encode(), FIELDS["email"].encode(), asked.response_key):
            assert secret not in inner
            assert all(secret not in backup.read_bytes() for backup in backups)
        other = X25519PrivateKey.from_private_bytes(worker_keys.sealing_private)
        with pytest.raises(VaultError):
            open_with(other, "sealed job sign-in", asked.id, inner)
        assert stored(transport, SealedJob.sealed) == [b""]

    def test_a_worker_with_other_keys_is_not_asked(self, transport):
        others = keys.generate()[1]
        own, transport.parts = transport.parts, replace(transport.parts, vault=WorkerVault(others))
        with transport.working(fits), pytest.raises(NoWorker):
            transport.ask()
        transport.parts = own


class TestTicks:
    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        ("took", "seen_after"),
        [(0.01, 1.0), (0.99, 1.0), (1.0, 1.0), (1.01, 1.5), (1.49, 1.5), (4.2, 4.5), (9.99, 10.0)],
    )
    def test_a_verdict_is_seen_at_the_next_half_second_and_not_before_a_second(
        self, transport, took, seen_after
    ):
        with transport.working(fits):
            asked = transport.ask()
        answered(transport, asked, timedelta(seconds=took))
        transport.clock.at += timedelta(seconds=seen_after, milliseconds=-1)
        assert transport.look(asked) == service.Seen()
        transport.clock.at += timedelta(milliseconds=1)
        assert transport.look(asked).verdict is not None

    @pytest.mark.sqlite
    def test_a_verdict_after_the_deadline_is_too_late(self, transport):
        with transport.working(fits):
            asked = transport.ask()
        answered(transport, asked, timedelta(seconds=10, milliseconds=1))
        transport.clock.at += timedelta(seconds=30)
        assert transport.look(asked) == service.Seen(late=True, begun=True)

    def test_rows_of_every_job_have_one_length(self, transport):
        def long(_id, _fields, _parts):
            return {"outcome": "x" * 400}

        with transport.working(long):
            transport.ask({"email": "a@b.example", "password": "x"})
        with transport.working(fits):
            transport.ask({"email": "a" * 200, "password": "\x01" * 256, "current": '"' * 256})
            (new,) = [each for each in stored(transport, SealedJob.sealed) if each]
        lengths = {len(each) for each in stored(transport, SealedJob.verdict)}
        assert lengths == {544}
        with transport.working(fits):
            transport.ask({})
            (short,) = [each for each in stored(transport, SealedJob.sealed) if each]
        assert len(new) == len(short)


class TestTime:
    def test_a_job_that_waited_half_its_time_is_never_begun(self, transport):
        did: list[object] = []
        with transport.working(noting(did, 1)) as jobs:
            asked = transport.ask()
            move(transport, timedelta(seconds=5, milliseconds=1))
            assert jobs.step() == 0
            move(transport, timedelta(seconds=5))
            assert transport.look(asked) == service.Seen(late=True, begun=False)
        assert did == []

    @pytest.mark.sqlite  # on PostgreSQL a busy machine's seconds count, and make jobs too old to begin
    def test_more_jobs_than_threads_wait_and_the_newest_goes_first(self, transport):
        go_on, done = Event(), []

        def slow(_id, fields, _parts):
            go_on.wait(30)
            done.append(fields["n"])
            return {}

        with transport.working(slow, threads=1) as jobs:
            transport.ask({"n": "holds the thread"})
            assert jobs.step() == 1
            transport.ask({"n": "old"})
            move(transport, timedelta(seconds=1))
            transport.ask({"n": "new"})
            assert jobs.step() == 0
            go_on.set()
            while len(done) < 3:
                jobs.step()
        assert done == ["holds the thread", "new", "old"]

    def test_what_nobody_came_back_for_is_swept_away(self, transport):
        with transport.working(fits):
            transport.ask()
        move(transport, timedelta(seconds=29))
        sealed_jobs.tidy(transport.parts)
        assert len(stored(transport, SealedJob.id)) == 1
        move(transport, timedelta(seconds=2))
        sealed_jobs.tidy(transport.parts)
        assert stored(transport, SealedJob.id) == []

    def test_a_read_job_is_gone(self, transport):
        with transport.working(fits):
            asked = transport.ask()
        with transport.db.write() as session:
            assert service.forget(session, asked)
            assert not service.forget(session, asked)
        assert transport.look(asked) == service.Seen(gone=True)

    def test_keys_of_processes_long_silent_go(self, transport):
        with transport.working(fits):
            with transport.db.write() as session:
                long_ago = transport.now() - timedelta(seconds=61)
                session.add(WorkerKey(id=new_id(), public=bytes(32), proof=bytes(16), beat_at=long_ago))
            sealed_jobs.tidy(transport.parts)
            with transport.db.read() as session:
                assert session.scalar(select(func.count()).select_from(WorkerKey)) == 1


@pytest.mark.sqlite
class TestFaults:
    @pytest.mark.parametrize(
        ("error", "outcome", "logged"),
        [
            (StoreUnavailable("hunter22"), "away", "the store is away"),
            (StoreFault("the column of hashes is gone"), "fault", "the column of hashes is gone"),
            (RuntimeError("hunter22"), "fault", "sign-in failed (RuntimeError"),
        ],
    )
    def test_a_store_that_fails_is_told_apart_and_no_secret_is_logged(
        self, transport, caplog, error, outcome, logged
    ):
        def failing(*_):
            raise error

        with transport.working(failing):
            asked = transport.ask(FIELDS | {"password": "hunter22"})
        transport.clock.at += timedelta(seconds=1)
        assert transport.look(asked).verdict == {"outcome": outcome}
        assert logged in caplog.text
        assert "hunter22" not in caplog.text

    def test_a_forged_row_is_answered_by_nobody(self, transport, caplog):
        with transport.working(fits) as jobs:
            asked = transport.ask()
            with transport.db.write() as session:
                session.execute(text("UPDATE sealed_jobs SET sealed = 'a text', kind = 'sign-in'"))
            jobs.step()
        assert "does not open" in caplog.text
        transport.clock.at += timedelta(seconds=10)
        assert transport.look(asked) == service.Seen(late=True, begun=True)

    @pytest.mark.parametrize(
        "forged",
        [
            "asked_at = 'a text'",
            "asked_at = replace(asked_at, '.', ' o''clock.')",
            "asked_at = '9999-01-01 00:00:00.000000'",
            "deadline = 'a text', claimed_at = 'a text', answered_at = 7",
            "id = 'a text'",
            "kind = x'00ff'",
            "verdict = 'a text', answered_at = asked_at",
        ],
    )
    def test_forged_rows_hold_up_nobody_and_are_told_once(self, transport, caplog, forged):
        with transport.working(fits, threads=8) as jobs:
            altered = transport.ask()
            with transport.db.write() as session:
                session.execute(text(f"UPDATE sealed_jobs SET {forged}"))
            for _ in range(3):
                transport.ask()
                jobs.step()
        answers = stored(transport, SealedJob.answered_at == SealedJob.asked_at)
        assert answers.count(True) >= 3
        transport.clock.at += timedelta(minutes=1)
        assert transport.look(altered).verdict in (None, {"outcome": "fits", "typed": FIELDS["email"]})
        sealed_jobs.tidy(transport.parts)
        sealed_jobs.tidy(transport.parts)
        assert len([each for each in caplog.records if each.levelname == "ERROR"]) <= 1
        assert stored(transport, SealedJob.sealed) == []

    @pytest.mark.parametrize(
        "forged", ["beat_at = beat_at || ' o''clock'", "id = 'a text'", "public = 7, proof = 'a text'"]
    )
    def test_a_forged_key_keeps_nobody_from_another_workers(self, transport, forged):
        with transport.working(fits) as jobs:
            with transport.db.write() as session:
                session.execute(
                    text(
                        "INSERT INTO worker_keys (id, public, proof, beat_at) "
                        "SELECT x'00', public, proof, beat_at FROM worker_keys"
                    )
                )
                session.execute(text(f"UPDATE worker_keys SET {forged} WHERE id = x'00'"))
            transport.ask()
            assert jobs.step() == 1
            with transport.db.read() as session:
                assert why_degraded(session, transport.clock.now()) is None

    def test_a_job_cannot_be_moved_to_another_kind(self, transport, caplog):
        with transport.working(fits) as jobs:
            transport.ask()
            with transport.db.write() as session:
                session.execute(update(SealedJob).values(kind="new-password"))
            jobs.step()
        assert "does not open" in caplog.text
