"""Authors and who approves, in browsers that send the pages' forms."""

from collections.abc import Callable

import pytest

from portal.staff.roles import Role
from tests.colleagues import Colleague, Office
from tests.visitor import SAME_SITE, Visitor

SignIn = Callable[..., "Member"]


class Member(Visitor):
    """The browser of a member of staff; `send` fills in a page's form, `code` is what their app shows."""

    colleague: Colleague

    def send(self, page: str, /, *, to: str | None = None, **fields: object):
        answer = self.submit(page, to=to, **fields)
        assert answer.status_code in (200, 303, 409, 422), answer.text
        return answer

    def read(self, page: str) -> str:
        answer = self.get(page)
        assert answer.status_code == 200, answer.status
        return str(answer.text)

    def autosave(self, page: str, /, **fields: object):
        """Save as the page's script does."""
        return self.post(page, data=fields, headers=SAME_SITE | {"Accept": "application/json"})

    @property
    def code(self) -> str:
        return self.colleague.code()


@pytest.fixture
def sign_in(office: Office) -> SignIn:
    """Signs in a member of staff with a role, by their name; no time passes."""
    office.app.test_client_class = Member

    def begin(name: str, *roles: Role) -> Member:
        colleague = office.add(*(roles or (Role.AUTHOR,)), name=name)
        browser = office.seat(colleague)
        assert isinstance(browser, Member)
        browser.colleague = colleague
        return browser

    return begin


@pytest.fixture
def ana(sign_in: SignIn) -> Member:
    """An author."""
    return sign_in("Ana")


@pytest.fixture
def ben(sign_in: SignIn) -> Member:
    """Who approves."""
    return sign_in("Ben", Role.APPROVER)
