"""Who is not signed in holds no thread of the console with a form that trickles in."""

from io import BytesIO

import pytest

from tests.visitor import SAME_SITE

FORM = "application/x-www-form-urlencoded"


class Counted(BytesIO):
    """A body that counts how often it is read."""

    reads = 0

    def read(self, size=-1):
        self.reads += 1
        return super().read(size)

    def readinto(self, buffer):
        self.reads += 1
        return super().readinto(buffer)


def post(browser, path):
    body = Counted(b"note=x")
    answer = browser.post(path, input_stream=body, content_type=FORM, headers=SAME_SITE)
    return body, answer


@pytest.mark.parametrize(
    "path",
    [
        "/checklist/november/lawyer/",  # what nginx passes on as it comes
        "/checklist/november/lawyer/files/",
        "/lists/november/left-out/",
        "/notices/november/1/stop/",
        "/confirm/",
    ],
)
def test_a_strangers_form_is_not_read(office, path):
    body, answer = post(office.browser(), path)
    assert (answer.status_code, answer.location) == (303, "/sign-in/")
    assert body.reads == 0


def test_a_form_of_staff_is_read_and_needs_its_token(office):
    body, answer = post(office.as_role("author"), "/checklist/november/lawyer/")
    assert answer.status_code == 400
    assert body.reads
