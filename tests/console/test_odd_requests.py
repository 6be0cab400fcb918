"""Requests that no browser's user makes get an ordinary answer, and none says that the database failed."""

from datetime import timedelta

import pytest

from tests.visitor import SAME_SITE, hidden

BIG = "9" * 25


@pytest.mark.parametrize(
    "path",
    [
        f"/notices/november/{BIG}/",
        f"/notices/november/{BIG}/unreached/",
        f"/notices/november/{BIG}/text/en/",
        f"/incidents/november/statement/en/conflict/{BIG}/",
        f"/incidents/november/timeline/0123456789abcdef/conflict/{BIG}/",
        f"/incidents/november/withdraw/version/{BIG}/",
    ],
)
def test_a_number_that_no_database_takes_is_no_page(office, path):
    assert office.as_role("author", "privacy").get(path).status_code == 404


def test_a_broken_referer_leads_to_the_confirmation(office):
    browser = office.as_role("admin")
    token = hidden(browser.get("/mail/").text)
    office.advance(timedelta(minutes=6))
    answer = browser.open(
        "/mail/retry/", method="HEAD", data=token, headers=SAME_SITE | {"Referer": "http://["}
    )
    assert (answer.status_code, answer.location) == (303, "/confirm/?next=/")
