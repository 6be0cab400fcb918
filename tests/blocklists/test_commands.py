"""`portal passwords`, as an operator runs it: without settings, and killed in the middle."""

import json
import os
import pty
import signal
import subprocess

import pytest
from click.testing import CliRunner

from portal.reset.stolen import commands
from tests.processes import PORTAL, ROOT

ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("password\nhunter2\n", encoding="utf-8")
    return path


def passwords(*words, typed=b"", status=0, **environ):
    done = subprocess.run(
        [PORTAL, "passwords", *map(str, words)],
        cwd=ROOT, env=ENVIRON | environ, input=typed, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr.decode()
    return done


def here(*words, typed=b"", status=0):
    """Run a command in this process, which is faster."""
    done = CliRunner().invoke(commands.passwords, [str(word) for word in words], input=typed)
    assert done.exit_code == status, done.output
    return done


def test_a_file_is_built_and_looked_into_without_any_other_setting(listed, tmp_path):
    out = tmp_path / "stolen.pwc"
    told = passwords("build", listed, "--output", out, "--json")
    said = json.loads(told.stdout)
    assert {name: said[name] for name in ("output", "files", "hashes", "bytes")} == {
        "output": str(out), "files": 1, "hashes": 2, "bytes": 4146,
    }  # fmt: skip
    assert b"Reading" in told.stderr
    found = passwords("check", "--corpus", out, typed=b"password\n", status=1)
    assert found.stdout == b"This password is in the file.\n"
    clear = passwords("check", typed=b"password1", PORTAL_PASSWORD_CORPUS_FILE=str(out))
    assert clear.stdout == b"This password is not in the file.\n"
    for done in (told, found, clear):
        assert b"hunter2" not in done.stdout + done.stderr


def test_at_a_terminal_it_is_asked_for_and_not_shown(listed, tmp_path):
    here("build", listed, "--output", tmp_path / "stolen.pwc")
    ours, its = pty.openpty()
    with subprocess.Popen(
        [PORTAL, "passwords", "check", "--corpus", tmp_path / "stolen.pwc"],
        cwd=ROOT, env=ENVIRON, stdin=its, stdout=its, stderr=its, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(its)
        shown = b""
        while not shown.endswith(b"Password: "):
            shown += os.read(ours, 100)
        os.write(ours, b"hunter2\n")
        assert process.wait() == 1
    shown += os.read(ours, 1000)
    os.close(ours)
    assert b"This password is in the file." in shown
    assert b"hunter2" not in shown


@pytest.mark.parametrize(
    ("words", "typed", "why"),
    [
        (("check",), b"x\n", "Name a file with --corpus, or set PORTAL_PASSWORD_CORPUS_FILE."),
        (("check", "hunter2"), b"", "Got unexpected extra argument"),
        (("check", "--corpus", "{listed}"), b"x\n", "is not a file of portal passwords build"),
        (("check", "--corpus", "{out}"), b"\n", "There is no password to look up."),
        (("check", "--corpus", "{out}"), b"\xff\n", "The first line is not UTF-8."),
        (("check", "--corpus", "{out}"), b"x" * 5000, "The first line has more than 4096 bytes."),
        (("build", "{listed}"), b"", "Missing option '--output'"),
        (("build", "{listed}", "--output", "{out}/none/x"), b"", "There is no folder"),
        (("build", "{out}/none", "--output", "{out}"), b"", "does not exist"),
    ],
)
def test_what_cannot_be_looked_up_ends_with_2_and_never_with_1(made, listed, tmp_path, words, typed, why):
    out = tmp_path / "stolen.pwc"
    made("password")
    given = [word.format(listed=listed, out=out) for word in words]
    done = here(*given, typed=typed, status=2)
    assert why in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_stopped_leaves_the_output_as_it_was_and_a_second_one_works(listed, tmp_path, how):
    out, pipe = tmp_path / "stolen.pwc", tmp_path / "pipe"
    out.write_bytes(b"as it was")
    os.mkfifo(pipe)
    with subprocess.Popen(
        [PORTAL, "passwords", "build", listed, pipe, "--output", out],
        cwd=ROOT,
        env=ENVIRON,
        stderr=subprocess.PIPE,
    ) as process:
        with pipe.open("wb"):  # waits until the build reads it
            process.send_signal(how)
            assert process.stderr is not None
            said = process.stderr.read()
        assert process.wait() == (-9 if how == signal.SIGKILL else 1)
    pipe.unlink()
    assert out.read_bytes() == b"as it was"
    if how != signal.SIGKILL:
        assert said.decode().endswith(f"Error: Interrupted. {out} is as it was.\n")
        assert sorted(each.name for each in tmp_path.iterdir()) == ["stolen.pwc", "words.txt"]
    here("build", listed, "--output", out)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["stolen.pwc", "words.txt"]
    here("check", "--corpus", out, typed=b"hunter2\n", status=1)
