"""Rows whose JSON somebody else wrote are refused and named on every page and order, and no fault."""

import pytest
from sqlalchemy import text, update

from portal.core.faults import RowUnreadable, parsed
from portal.staff.approvals.models import Approval
from tests.visitor import SAME_SITE, hidden


@pytest.fixture
def request_page(office):
    """Two admins, and what one of them asked for."""
    ann, ben = office.as_role("admin", "author"), office.as_role("admin", "author")
    return ann.submit("/staff/new/", email="eve@northwind.example", roles=["author"]).location, ben


@pytest.mark.parametrize("column", ["fields", "shown", "result"])
@pytest.mark.parametrize("written", ["{", "[]", "7", '"x"', "nothing"])
def test_a_request_that_is_no_json_is_named_and_refused(office, request_page, column, written, caplog):
    page, browser = request_page
    fields = hidden(browser.get(page).text)
    with office.db.write() as session:
        session.execute(update(Approval).values({column: written}))
        number = session.scalar(text("SELECT id FROM staff_approvals")).hex()
    answer = browser.get(page)
    assert answer.status_code == 422
    assert f"staff_approvals {number}" in answer.text
    assert f"staff_approvals {number} was altered" in caplog.text
    for to in ("/", "/approvals/", "/incidents/", "/staff/"):
        assert browser.get(to).status_code == 200, to
    decided = browser.post(f"{page}approve/", data=fields | {"code": "123456"}, headers=SAME_SITE)
    assert decided.status_code == 422


@pytest.mark.parametrize("written", ["{", "[]", "null", "NaN", "[" * 100_000])
def test_what_is_no_object_names_its_row(written):
    with pytest.raises(RowUnreadable, match=r"^notices 0a0b cannot be read$"):
        parsed(written, "notices", b"\x0a\x0b")
