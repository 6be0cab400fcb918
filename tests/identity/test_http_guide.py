"""The guide's section on the store `http`, to the letter: the example starts, and the portal reaches it."""

import re
import subprocess
import sys
from contextlib import contextmanager
from unittest.mock import patch

from portal.core.settings import Settings
from portal.identity import registry
from portal.identity.ports import Verdict
from tests.identity.company import EXAMPLE, SECRET, example
from tests.processes import ROOT, free_port

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


def test_the_example_starts_as_the_guide_says_and_the_portal_reaches_it(tmp_path):
    assert "examples/identity_store.py 8090\n" in SECTION
    (tmp_path / "identity-secret").write_text(f"{SECRET}\n")
    port = free_port()
    given = dict(re.findall(r"^(PORTAL_\w+)=(.*)$", SECTION, re.MULTILINE))
    assert len(given) == 4
    for name, value in given.items():
        given[name] = value.replace(":8090", f":{port}").replace("/srv/portal/", f"{tmp_path}/")
    settings = Settings.from_env({"PORTAL_ENVIRONMENT": "test"} | given)
    assert settings.identity.http.secrets == (SECRET,)
    store = registry.build(settings)
    with started(port, {"SECRET": SECRET}):
        (ann,) = store.find(["ann@example.com"])
        assert store.verify(ann.id, "correct horse battery") is Verdict.FITS
        store.set_password(ann.id, "copper kettles sing")
        assert store.verify(ann.id, "copper kettles sing") is Verdict.FITS


def test_an_unknown_account_costs_the_example_one_hash_like_any_other():
    module = example()
    with patch.object(module, "check_password_hash", wraps=module.check_password_hash) as check:
        for account in ("1001", "9999", None):
            module.verify(account, "a guess", "current")
            module.verify(account, "a guess", "closed")
    costs = {call.args[0].partition("$")[0] for call in check.call_args_list}
    assert (check.call_count, len(costs)) == (6, 1)
