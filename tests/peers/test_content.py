"""A mail arrives byte for byte: in SMTP a line of one dot ends a message, so dots in front travel doubled."""

import pytest

from portal.outbox.compose import Composed
from portal.outbox.service import unseal
from portal.reset.emails import PasswordChanged

# What a relay says, and what follows. How it is written is tried on both databases in the other files.
pytestmark = pytest.mark.sqlite


def composed(content: bytes) -> Composed:
    return Composed("sam@example.com", content, "Dots", "s…@e….com", "CODE", needs_utf8=False)


@pytest.mark.parametrize(
    "content",
    [
        b".the first line of all begins with a dot\r\n",
        b".\r\n",
        b"Subject: Dots\r\n\r\n.\r\n",
        b"before\r\n.\r\nafter\r\n",
        b".\r\n.\r\n.\r\n",
        b"..\r\n...\r\n....four\r\n",
        b" .\r\na.\r\n.b\r\n. c\r\nd . e\r\n",
        b"\r\n\r\n.\r\n\r\n",
        b"before\r\n.\r\nQUIT\r\nMAIL FROM:<eve@example.com>\r\n",
    ],
)
def test_lines_that_begin_with_a_dot_arrive_as_they_were_written(deliverer, smtp, content):
    relay = deliverer().relay
    relay.deliver(composed(content))
    relay.deliver(composed(b"The next mail\r\n"))
    assert [mail.content for mail in smtp.messages] == [content, b"The next mail\r\n"]


def test_a_mail_with_a_line_of_one_dot_arrives_whole(deliverer, enqueue, row, smtp, worker_vault):
    waiting = enqueue(mail=PasswordChanged(changed_at="\n.\n.net"))
    hands = deliverer()
    stored = row(waiting)
    content = unseal(worker_vault, stored.id, stored.payload)
    written = hands.delivery.composer.compose(stored.id, stored.created_at, content).content
    assert b"\r\n." not in written  # doubling them would add to its size on the wire
    hands.run()
    (mail,) = smtp.messages
    assert mail.content == written
    assert "\n.\n" in mail.text
