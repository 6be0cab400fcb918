"""The key files: never overwritten, readable by their owner alone, refused where malformed."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from portal.crypto import keys
from portal.crypto.vault import WebVault, WorkerVault


@pytest.fixture
def files(tmp_path):
    pair = tmp_path / "keys/web.json", tmp_path / "keys/worker.json"
    keys.write_pair(*keys.generate(), *pair)
    return pair


def changed(path, **values):
    raw = json.loads(path.read_text())
    raw |= values
    path.write_text(json.dumps({name: value for name, value in raw.items() if value is not None}))
    return path


def test_what_was_written_is_read_again(tmp_path):
    web, worker = keys.generate()
    keys.write_pair(web, worker, tmp_path / "web", tmp_path / "worker")
    assert keys.read_web(tmp_path / "web") == web
    assert keys.read_worker(tmp_path / "worker") == worker


def test_only_the_owner_can_read_them(files):
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]


@pytest.mark.parametrize("which", [0, 1])
def test_existing_keys_are_never_overwritten_and_nothing_new_is_left(files, which, tmp_path):
    before = files[which].read_bytes()
    fresh = tmp_path / "fresh"
    targets = [fresh, fresh]
    targets[which] = files[which]
    with pytest.raises(keys.KeysInvalid, match="never overwritten"):
        keys.write_pair(*keys.generate(), *targets)
    assert files[which].read_bytes() == before
    assert not fresh.exists()


def test_a_link_to_nowhere_is_not_followed(tmp_path):
    (tmp_path / "web").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(keys.KeysInvalid):
        keys.write_pair(*keys.generate(), tmp_path / "web", tmp_path / "worker")
    assert not (tmp_path / "elsewhere").exists()


def test_one_file_without_the_other_is_not_kept(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(keys.KeysInvalid, match="no key file was created"):
        keys.write_pair(*keys.generate(), tmp_path / "web", tmp_path / "file" / "worker")
    assert not (tmp_path / "web").exists()


def test_two_pairs_share_nothing():
    one, other = keys.generate(), keys.generate()
    for mine, theirs in zip(one, other, strict=True):
        shared = {name for name, value in vars(mine).items() if value == vars(theirs)[name]}
        assert shared <= {"session_fallbacks", "canary"}


def test_the_web_file_holds_nothing_that_opens(files):
    assert set(json.loads(files[0].read_text())) == {
        "for", "key_id", "session_secret", "session_fallbacks", "account_index", "sealing_public",
    }  # fmt: skip


def test_the_files_are_not_taken_for_each_other(files):
    with pytest.raises(keys.KeysInvalid, match="not a key file for this setting"):
        keys.read_web(files[1])
    with pytest.raises(keys.KeysInvalid, match="not a key file for this setting"):
        keys.read_worker(files[0])


@pytest.mark.parametrize(
    "values",
    [
        {"session_secret": "changeme"},
        {"session_secret": "a" * 64},
        {"session_secret": None},
        {"session_secret": 12345},
        {"session_fallbacks": ["short"]},
        {"account_index": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        {"account_index": "dG9vIHNob3J0"},
        {"sealing_public": None},
        {"key_id": None},
        {"key_id": 7},
        {"key_id": "a\0b"},
    ],
)
def test_a_missing_or_weak_key_is_refused_without_being_repeated(files, values):
    with pytest.raises(keys.KeysInvalid, match="PORTAL_WEB_KEYS_FILE") as refused:
        keys.read_web(changed(files[0], **values))
    assert not [value for value in values.values() if value and str(value) in str(refused.value)]


@pytest.mark.parametrize("name", ["storage", "list_index", "mail_token", "sealing_private", "account_index"])
def test_a_worker_key_of_noughts_is_refused(files, name):
    with pytest.raises(keys.KeysInvalid, match="PORTAL_WORKER_KEYS_FILE"):
        keys.read_worker(changed(files[1], **{name: "A" * 43 + "="}))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"x"'])
def test_a_file_that_is_no_key_file_is_refused(files, content):
    files[0].write_bytes(content)
    with pytest.raises(keys.KeysInvalid, match="PORTAL_WEB_KEYS_FILE"):
        keys.read_web(files[0])


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(keys.KeysInvalid, match="portal keys generate"):
        keys.read_worker(tmp_path / "nothing.json")


def test_keys_are_in_no_representation(web_keys, worker_keys):
    assert web_keys.session_secret not in repr(web_keys)
    assert repr(worker_keys.storage) not in repr(worker_keys)


def test_the_canary_sings_only_where_the_keys_belong_together(worker_keys):
    assert WorkerVault(worker_keys).self_test()
    stranger = keys.generate()[1]
    assert not WorkerVault(replace(worker_keys, sealing_private=stranger.sealing_private)).self_test()


def test_the_web_keys_make_no_vault_that_opens(web_keys):
    assert not [
        name for name in ("open", "decrypt", "list_index", "token") if hasattr(WebVault(web_keys), name)
    ]
    with pytest.raises(AttributeError):
        WorkerVault(web_keys)


class TestRenewing:
    def test_the_former_secret_is_the_only_fallback_and_all_else_stays(self, files):
        first = keys.read_web(files[0])
        keys.renew_session(files[0], keys.read_web)
        second = keys.read_web(files[0])
        assert second.session_secret != first.session_secret
        assert second == replace(
            first, session_secret=second.session_secret, session_fallbacks=(first.session_secret,)
        )
        keys.renew_session(files[0], keys.read_web)
        assert keys.read_web(files[0]).session_fallbacks == (second.session_secret,)

    def test_the_file_keeps_its_owner_and_mode(self, files):
        files[0].chmod(0o440)
        if os.geteuid() == 0:
            os.chown(files[0], 1234, 5678)
        before = files[0].stat()
        keys.renew_session(files[0], keys.read_web)
        after = files[0].stat()
        assert after.st_ino != before.st_ino
        assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)

    def test_a_link_to_the_file_stays_a_link(self, files, tmp_path):
        link = tmp_path / "link.json"
        link.symlink_to(files[0])
        before = keys.read_web(files[0])
        keys.renew_session(link, keys.read_web)
        assert link.is_symlink()
        assert keys.read_web(files[0]).session_fallbacks == (before.session_secret,)

    def test_what_cannot_be_finished_changes_nothing_and_leaves_nothing(self, files):
        before = files[0].read_bytes()
        small = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        small += "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
        program = f"{small}from portal.crypto import keys; from pathlib import Path; "
        program += f"keys.renew_session(Path({str(files[0])!r}), keys.read_web)"
        finished = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert "(File too large); the session secret is unchanged" in finished.stderr
        assert files[0].read_bytes() == before
        assert sorted(files[0].parent.iterdir()) == sorted(files)

    def test_a_file_of_other_keys_is_refused(self, files):
        before = files[1].read_bytes()
        with pytest.raises(keys.KeysInvalid, match="not a key file for this setting"):
            keys.renew_session(files[1], keys.read_web)
        assert files[1].read_bytes() == before
