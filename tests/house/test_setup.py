"""A machine that lacks something is told what, and how to get it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKE = shutil.which("make")
MAKEFILE = (ROOT / "Makefile").read_text()


def test_without_python_make_names_the_package(tmp_path):
    finished = subprocess.run(
        [str(MAKE), "setup"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode != 0
    assert "Python 3.11 or newer is needed" in finished.stderr
    assert "apt-get install python3 python3-venv" in finished.stderr


def test_without_venv_set_up_names_the_package(tmp_path):
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    script = (
        "import runpy, sys\n"
        "sys.modules['ensurepip'] = None  # as on a Debian without python3-venv\n"
        "sys.argv = ['setup.py', 'run']\n"
        "runpy.run_path('scripts/setup.py', run_name='__main__')\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.returncode != 0
    assert "apt-get install python3-venv" in finished.stderr
    assert not (tmp_path / ".venv").exists()


def test_without_a_browser_the_script_says_how_to_get_one(tmp_path):
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("dirname", "id", "mktemp", "rm", "cat", "ls"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    finished = subprocess.run(
        ["/bin/sh", "scripts/browser.sh"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert "playwright install --with-deps chromium" in finished.stderr


@pytest.mark.parametrize("target", re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
def test_make_help_explains_every_target(target):
    shown = subprocess.run([str(MAKE), "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^  {target} +\w", shown, re.MULTILINE)


@pytest.mark.parametrize("browser", ["true", "false"])
@pytest.mark.parametrize("nginx", ["true", "false"])
def test_without_a_program_all_other_tests_run_and_what_is_missing_is_said_at_the_end(
    tmp_path, browser, nginx
):
    program = tmp_path / "pytest"
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/ran\n')
    program.chmod(0o755)
    words = [f"BIN={tmp_path}", f"CHROMIUM={browser}", f"NGINX={nginx}"]
    finished = subprocess.run(
        [str(MAKE), "test", "--old-file=setup", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    ran = (tmp_path / "ran").read_text()
    assert (finished.returncode == 0) == (browser == nginx == "true")
    for mark, there, name in (("not browser", browser, "no Chromium"), ("not deploy", nginx, "no nginx")):
        assert (mark in ran) == (there == "false")
        assert (name in finished.stderr) == (there == "false")
