"""Wrong keys are refused before they destroy anything: what they cannot open would count as altered."""

from dataclasses import replace
from threading import Thread

import pytest
from sqlalchemy import func, select

from portal.audit import service as audit
from portal.crypto import keys, self_test
from portal.crypto.vault import WebVault, WorkerVault
from portal.exposure.emails import CheckAnswer
from portal.outbox import service

REFUSED = "These are not the worker's keys of this database"


@pytest.fixture
def stranger(tmp_path):
    """Another whole pair of key files; gives the settings that name it."""
    web, worker = keys.generate()
    keys.write_pair(web, worker, tmp_path / "other/web.json", tmp_path / "other/worker.json")
    return {name: str(tmp_path / "other" / f"{name.split('_')[1].lower()}.json")
            for name in ("PORTAL_WEB_KEYS_FILE", "PORTAL_WORKER_KEYS_FILE")}  # fmt: skip


@pytest.mark.parametrize("name", ["storage", "list_index", "mail_token", "account_index", "sealing"])
def test_each_key_by_itself_is_noticed(db, worker_keys, name):
    self_test.check_or_store(db, WorkerVault(worker_keys))
    self_test.check_or_store(db, WorkerVault(worker_keys))
    other = keys.generate()[1]
    names = ("sealing_public", "sealing_private") if name == "sealing" else (name,)
    mixed = replace(worker_keys, **{each: getattr(other, each) for each in names})
    with pytest.raises(self_test.OtherKeys, match=REFUSED) as refused:
        self_test.check_or_store(db, WorkerVault(mixed))
    assert f"key pair {worker_keys.key_id}. " in str(refused.value)


def test_keys_that_do_not_belong_together_leave_no_canary(db, worker_keys):
    with pytest.raises(self_test.OtherKeys, match="belong together"):
        self_test.check_or_store(
            db, WorkerVault(replace(worker_keys, sealing_private=keys.generate()[1].sealing_private))
        )
    assert not self_test.check(db, WorkerVault(worker_keys))


def test_the_web_keys_are_known_once_the_worker_was_there(db, worker_keys, web_keys):
    other = keys.generate()[0]
    self_test.check_web(db, WebVault(other))
    self_test.check_or_store(db, WorkerVault(worker_keys))
    self_test.check_web(db, WebVault(web_keys))
    for mixed in (other, replace(web_keys, account_index=other.account_index)):
        with pytest.raises(self_test.OtherKeys, match="web server's keys"):
            self_test.check_web(db, WebVault(mixed))


def test_several_that_come_first_agree(db, worker_keys):
    threads = [Thread(target=self_test.check_or_store, args=(db, WorkerVault(worker_keys))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(self_test.KeyCanary)) == 1
    assert self_test.check(db, WorkerVault(worker_keys))


def test_a_worker_with_other_keys_does_not_start_and_a_command_does_nothing(
    run, db, clock, worker_vault, stranger, tmp_path
):
    file = tmp_path / "file.csv"
    file.write_text("email\nsam@example.com\n")
    self_test.check_or_store(db, worker_vault)
    with db.write() as session:
        service.enqueue(
            session, worker_vault, CheckAnswer(), address="sam@example.com", locale="en", now=clock.now()
        )
    for words in (
        ("worker",), ("accounts", "import", str(file)), ("exposure", "import", "x", str(file)),
        ("exposure", "activate", "x", "1"), ("reset", "require", "--everyone"), ("campaigns", "notify", "x"),
    ):  # fmt: skip
        result = run(*words, **stranger)
        assert result.exit_code == 1
        assert REFUSED in result.output
    with db.read() as session:
        assert service.counts(session)["queued"] == 1


def test_the_doctor_and_the_web_server_notice_too(run, db, worker_vault, stranger):
    assert run("doctor", **stranger).exit_code == 0  # it only looks, and puts no canary there
    self_test.check_or_store(db, worker_vault)
    assert run("doctor").exit_code == 0
    result = run("doctor", **stranger)
    assert result.exit_code == 1
    assert "WRONG keys and database: These are not the" in result.output
    result = run("serve", **stranger)
    assert result.exit_code == 1
    assert "These are not the web server's keys" in result.output


def test_a_log_is_not_called_altered_where_only_the_keys_are_others(run, db, clock, worker_vault, stranger):
    self_test.check_or_store(db, worker_vault)
    with db.write() as session:
        audit.record(session, "test.done", "test", {}, clock.now())
    with db.write() as session:
        audit.sign(session, worker_vault.audit_key, clock.now())
    assert "signed up to entry 1" in run("audit", "verify").output
    result = run("audit", "verify", **stranger)
    assert result.exit_code == 0
    assert f"Signatures not checked: {REFUSED}" in result.output
    assert "signatures not checked" in result.output
