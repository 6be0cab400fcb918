"""The guide's section on the store `http`, to the letter: the example starts, and the portal reaches it."""

import re
import subprocess
import sys
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from tests.identity.company import EXAMPLE, SECRET, example
from tests.processes import ROOT, free_port

pytestmark = pytest.mark.sqlite  # the portal's own database plays no part
SECTION = (ROOT / "docs/guide/stores.md").read_text().partition("\n## http\n")[2].partition("\n## ")[0]


@contextmanager
def started(port, environ):
    """The example as its own process, from when it says that it runs."""
    command = [sys.executable, str(EXAMPLE), str(port)]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any("Running on" in line for line in process.stderr or ())
            yield
        finally:
            process.terminate()


def test_the_example_starts_as_the_guide_says_and_the_portal_tries_it(run, tmp_path):
    assert "examples/identity_store.py 8090\n" in SECTION
    (tmp_path / "identity-secret").write_text(f"{SECRET}\n")
    port = free_port()
    given = dict(re.findall(r"^(PORTAL_\w+)=(.*)$", SECTION, re.MULTILINE))
    assert len(given) == 4
    for name, value in given.items():
        given[name] = value.replace(":8090", f":{port}").replace("/srv/portal/", f"{tmp_path}/")
    assert "\nportal identity check --account ann@example.com --password-file - --yes\n" in SECTION
    (tmp_path / "password").write_text("correct horse battery\n")
    trial = ("--account", "ann@example.com", "--password-file", str(tmp_path / "password"), "--yes")
    with started(port, {"SECRET": SECRET}):
        checked = run("identity", "check", *trial, **given)
    assert checked.exit_code == 0, checked.output
    assert checked.output.splitlines()[:2] == ["Store: http", "  can verify passwords"]
    tried = re.findall(r"^  (\w.*): works$", checked.output, re.MULTILINE)
    assert tried == [
        "find people by their customer number", "verify passwords", "set new passwords", "lock old passwords",
        "refuse a locked password as the new one", "end sessions in your product", "the password is back",
    ]  # fmt: skip
    assert "Accounts: 2\n" in checked.output


def test_an_unknown_account_costs_the_example_one_hash_like_any_other():
    module = example()
    with patch.object(module, "check_password_hash", wraps=module.check_password_hash) as check:
        for account in ("1001", "9999", None):
            module.verify(account, "a guess", "current")
            module.verify(account, "a guess", "closed")
    costs = {call.args[0].partition("$")[0] for call in check.call_args_list}
    assert (check.call_count, len(costs)) == (6, 1)
