"""A new password is compared with the operator's files, whatever becomes of them meanwhile."""

import os
import resource
from contextlib import contextmanager

import pytest

from portal.blocklists.lists import Blocklists, Judgement
from portal.core.settings import PasswordLists

NEITHER, STOLEN, UNCHECKED = Judgement(), Judgement(stolen=True), Judgement(unchecked=True)


@contextmanager
def no_more_files():
    """Let this process open no file, as where it has too many open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def lists(corpus=None, exposed=None):
    return Blocklists(PasswordLists(corpus_file=corpus, exposed_file=exposed))


def test_without_files_nothing_is_listed_and_nothing_unchecked():
    assert lists().judge("password") == NEITHER


def test_each_file_says_what_it_has(made):
    both = lists(made("password"), made("hunter2", "password", name="exposed.pwc"))
    assert both.judge("password") == Judgement(stolen=True, exposed=True)
    assert both.judge("hunter2") == Judgement(exposed=True)
    assert both.judge("another") == NEITHER


def test_a_new_file_is_used_without_a_restart(made):
    used = lists(made("password"))
    assert (used.judge("password"), used.judge("letmein")) == (STOLEN, NEITHER)
    made("letmein")
    assert (used.judge("password"), used.judge("letmein")) == (NEITHER, STOLEN)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (lambda path: os.truncate(path, 4000), "has 4000 bytes instead of 4143"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "is damaged in shard 91"),
        (lambda path: path.unlink(), "cannot be opened (No such file or directory)"),
    ],
)
def test_a_file_that_fails_is_logged_and_leaves_the_password_unchecked_until_it_is_mended(
    made, caplog, fault, why
):
    path = made("password")
    used = lists(path)
    assert used.judge("password") == STOLEN
    fault(path)
    assert used.judge("password") == UNCHECKED
    assert caplog.messages == [
        f"passwords: the file of PORTAL_PASSWORD_CORPUS_FILE {why}; a new password was not compared with it"
    ] or caplog.messages[0].startswith(f"passwords: the file of PORTAL_PASSWORD_CORPUS_FILE {why}.")
    made("password")
    assert used.judge("password") == STOLEN


def test_a_file_that_could_not_be_opened_once_is_opened_again(made):
    """Nothing about the file changes where only its permissions did, or where too many files were open."""
    path = made("password")
    used = lists(path)
    with no_more_files():
        assert used.judge("password") == UNCHECKED
    assert used.judge("password") == STOLEN
