"""An update that was posted alone is public: nobody asks for it again."""

import pytest

from tests.incidents.console.test_timeline import TEXT, TIMELINE
from tests.visitor import main_of


@pytest.mark.sqlite  # what a page shows is no matter of the database
def test_a_request_ends_when_its_update_is_posted_alone_and_nobody_asks_again(published, ana):
    def begun():
        where = ana.send(TIMELINE, to=f"{TIMELINE}new/", phase="contained").location
        ana.send(where, **TEXT | {"next_by": ""})
        return where

    where, other = begun(), begun()
    asked = ana.send(f"{where}post/", how="two").location
    others = ana.send(f"{other}post/", how="two").location
    ana.send(f"{where}post/", how="alone", reason="Nobody answers at 2 a.m.")
    assert "An edit cancelled your request" not in ana.read("/")
    assert "Withdrawn, Ana, " in main_of(ana.read(asked))
    assert "Withdrawn" not in main_of(ana.read(others))
