"""A draft that is older than what readers are promised now brings nothing back unsaid."""

from datetime import UTC, datetime

import pytest

from portal.incidents import service
from tests.incidents.conftest import SLUG
from tests.incidents.console.test_timeline import TEXT, TIMELINE
from tests.visitor import main_of


@pytest.mark.sqlite  # what a page shows is no matter of the database
def test_a_promise_that_was_taken_back_returns_with_an_older_draft_only_if_somebody_says_so(
    published, ana, office
):
    def begun():
        where = ana.send(TIMELINE, to=f"{TIMELINE}new/", phase="contained").location
        ana.send(where, **TEXT | {"next_by": "2026-11-23 18:00"})
        return where

    def promised():
        with office.db.read() as session:
            return service.by_slug(session, SLUG).more_by

    ana.send(f"{begun()}post/", how="alone", reason="Nobody is awake.")
    older = begun()
    ana.send(f"/incidents/{SLUG}/withdraw/update/1/", reason="It was wrong.", promise="back")
    assert promised() is None
    page = main_of(ana.read(f"{older}post/"))
    assert "You took back the time that this draft promises." in page
    assert "Promise it again" in page
    unsaid = ana.send(f"{older}post/", how="alone", reason="Nobody is awake.", promise="")
    assert unsaid.status_code == 422
    ana.send(f"{older}post/", how="alone", reason="Nobody is awake.", promise="keep")
    assert promised() is None
    again = begun()
    ana.send(f"{again}post/", how="alone", reason="Nobody is awake.", promise="end")
    assert promised() == datetime(2026, 11, 23, 18, tzinfo=UTC)
