"""Ctrl-C while a list is imported: nothing is left, and what was removed is said."""

import os
import re
import subprocess
import sys
import textwrap

import pytest
from sqlalchemy import select

from portal.exposure import importing, jobs
from portal.exposure.models import ExposureList
from portal.people_files.stopping import ImportStopped
from tests.exposure.conftest import HEADER, OWN_CLASSES, SLUG
from tests.exposure.test_import import ANN, numbered
from tests.processes import PORTAL, ROOT, command


@pytest.mark.parametrize("dry_run", [False, True], ids=["import", "dry run"])
def test_ctrl_c_leaves_nothing_and_says_what_was_removed(lists, environ, tmp_path, dry_run):
    lists.live(ANN)
    file = tmp_path / "big.csv"
    file.write_text(HEADER + numbered(60_000))
    stage, option = ("Checking", "--dry-run") if dry_run else ("Storing", "--replace")
    program = textwrap.dedent(f"""
        import os, signal, sys
        from portal.people_files.progress import ProgressBars
        def interrupt(self, stage, done, total):
            if stage == "{stage}" and done > 20_000:
                os.kill(os.getpid(), signal.SIGINT)
        ProgressBars.show = interrupt
        from portal.cli import main
        main(["exposure", "import", "{SLUG}", {str(file)!r}, {option!r}])
    """)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environ}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    if dry_run:
        assert said == "Error: Interrupted. Nothing was stored; the active list is untouched."
    else:
        removed = re.fullmatch(
            r"Error: Interrupted. Nothing was stored: the (\d+) people written so far were removed again; "
            "the active list is untouched.",
            said,
        )
        assert removed is not None, said
        assert int(removed[1]) >= 4_000
    assert "Traceback" not in done.stderr
    assert lists.stored() == (1, 1)


def test_a_file_whose_last_row_may_be_cut_is_not_activated(lists, environ, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text(HEADER + numbered(3).rstrip())
    done = subprocess.run(
        [PORTAL, "exposure", "import", SLUG, file, "--activate"],
        env={**os.environ, **environ}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "people.csv, line 4: the last line has no line break, so the file may be cut." in done.stderr
    assert lists.stored() == (0, 0)
    said = command(environ, "exposure", "import", SLUG, file)
    assert "Warning: the last line has no line break." in said
    assert lists.stored() == (1, 3)


def test_ctrl_c_twice_says_that_the_worker_removes_the_rest(lists, worker_parts, monkeypatch, tmp_path):
    def interrupt(stage, done, _total):
        if stage == "Removing" or (stage == "Storing" and done > 10_000):
            raise KeyboardInterrupt

    file = tmp_path / "big.csv"
    file.write_text(HEADER + numbered(15_000))
    source = importing.Source(lists.id_of(SLUG), OWN_CLASSES, file, lists.report)
    with pytest.raises(ImportStopped, match="Of the people stored so far 4000 were removed again, the rest"):
        importing.import_list(lists.db, lists.vault, lists.clock, source, interrupt)
    versions, people = lists.stored()
    assert (versions, people > 0) == (1, True)
    with lists.db.read() as session:
        assert session.scalars(select(ExposureList.data_key)).all() == [None]
    jobs.clear(worker_parts)
    assert lists.stored() == (0, 0)
