"""One connection to the relay: verified TLS, timeouts, and one of a flat list of outcomes per mail."""

import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from time import monotonic

from portal.core.addresses import quoted
from portal.core.service_urls import MailServer
from portal.outbox.compose import Composed

TIMEOUT_SECONDS = 30.0
# The wait for the reply to a message's final dot. A client that hangs up earlier sends a second copy of what
# a slow relay was about to accept. RFC 5321, section 4.5.3.2.6, asks for ten minutes, but a row's lease must
# outlast the wait.
ANSWER_SECONDS = 240.0
MAX_PER_CONNECTION = 500
# Rejected recipients per connection: many relays slow down or hang up after too many (Postfix: from ten on).
MAX_REJECTED = 9
# Limits of one reply, against a relay that never ends it.
MAX_LINES = 100
MAX_LINE = 8192
_ACCEPTED = range(200, 300)
_READY = 354
_TRANSIENT = range(400, 500)
_PERMANENT = range(500, 600)
_UNAVAILABLE = 421
_POLICY_CODE = 554
_THROTTLED_CODE = 454
_ENHANCED = re.compile(rb"5\.\d+\.\d+")  # enhanced status code (RFC 3463)
_NO_MAILBOX = re.compile(rb"5\.(1\.([1236]|10)|2\.[12])\b")
# Replies to missing, wrong or too weak authentication (RFC 4954, section 6).
_AUTH_CODES = (530, 534, 535, 538)


class Outcome(Enum):
    """What became of one mail."""

    ACCEPTED = "the relay has it"
    REJECTED = "the relay rejects this recipient or message for good"
    REJECTED_BY_POLICY = "5.7.x or 554: because of the sender or because of this recipient"
    NO_MAILBOX = "the recipient's mailbox does not exist, is closed or is full"
    OVER_QUOTA = "5.4.5: the sender may send no more for now"
    THROTTLED = "421 or 454: too fast"
    DEFERRED = "4.7.x: too fast, or the relay takes no mail at the first try (greylisting)"
    DELAYED = "the relay cannot accept this mail now; a retry may succeed"
    UNREACHABLE = "the relay accepts no mail now, and said nothing about a recipient"
    SENDER_REJECTED = "the relay rejects the portal: no mail can leave until an operator fixes it"
    UNCONFIRMED = "the connection ended after the content was sent (RFC 1047): it may be delivered"
    LEASE_LOST = "the relay took so long that another worker may have the row; the content was not sent"
    UNSUPPORTED = "the relay lacks an extension that this address needs; it was not asked"


@dataclass(frozen=True)
class Result:
    """An outcome, and a short code for its cause, without any address; empty where the relay accepted."""

    outcome: Outcome
    reason: str = ""


class RelayError(Exception):
    """The relay does not accept the mail, or no connection to it; `result` says why."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        """Store the result."""
        self.result = Result(outcome, reason)
        super().__init__(reason)


class _NotStarted(RelayError):
    """Unreachable before any reply to this mail: a new connection may succeed."""


class _DeadlineSMTP(smtplib.SMTP):
    """SMTP whose socket timeout limits a whole reply, instead of starting over with every line or byte."""

    _read_from: socket.socket | None = None
    _unread = b""

    def getreply(self) -> tuple[int, bytes]:
        """Return code and text of the next reply. Raises SMTPServerDisconnected, also if it has no end."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected
        if self._read_from is not self.sock:  # nothing that was said before TLS counts
            self._read_from, self._unread = self.sock, b""
        timeout = self.sock.gettimeout() or TIMEOUT_SECONDS
        deadline = monotonic() + timeout
        lines: list[bytes] = []
        try:
            while len(lines) < MAX_LINES:
                line = self._read_line(self.sock, timeout, deadline)
                lines.append(line[4:].strip())
                if not line[:3].isdigit() or line[3:4] != b"-":
                    return int(line[:3]) if line[:3].isdigit() else -1, b"\n".join(lines)
        except OSError as error:
            self.close()
            raise smtplib.SMTPServerDisconnected from error
        self.close()
        raise smtplib.SMTPServerDisconnected

    def _read_line(self, sock: socket.socket, timeout: float, deadline: float) -> bytes:
        while b"\n" not in self._unread:
            left = deadline - monotonic()
            if left <= 0 or len(self._unread) > MAX_LINE:
                raise TimeoutError
            sock.settimeout(left)
            try:
                part = sock.recv(MAX_LINE)
            finally:
                sock.settimeout(timeout)
            if not part:
                raise ConnectionResetError
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line


class _DeadlineSMTPS(_DeadlineSMTP, smtplib.SMTP_SSL):
    """The same over implicit TLS."""


class Relay:
    """One connection to the relay, opened when first needed and reused."""

    def __init__(
        self,
        server: MailServer,
        sender: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        answer: float = ANSWER_SECONDS,
        context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        """Store the relay's address and the envelope sender. Times are in seconds.

        `timeout` limits a reply, `answer` the reply to a message. `context` returns the TLS settings, which
        verify the relay's certificate.
        """
        self._server = server
        self._sender = sender
        self._timeout = timeout
        self._answer = answer
        self._context = context
        self._host: smtplib.SMTP | None = None
        self._sent = 0
        self._rejected = 0

    @property
    def connected(self) -> bool:
        """Whether a connection is open."""
        return self._host is not None

    def connect(self) -> smtplib.SMTP:
        """Open a connection, verify the certificate if TLS is on, and authenticate. Raises RelayError."""
        server = self._server
        if not f"{server.user}{server.password}".isascii():
            # Checked here, since the library's own error would quote the password.
            raise RelayError(Outcome.SENDER_REJECTED, "no-ascii-password")
        host = self._open()
        try:
            if server.tls == "starttls":
                host.starttls(context=self._context())
            host.ehlo_or_helo_if_needed()
            if server.user is not None:
                host.login(server.user, server.password or "")
        except (OSError, smtplib.SMTPException) as error:
            host.close()
            raise _not_connected(error) from error
        self._host, self._sent, self._rejected = host, 0, 0
        return host

    def _open(self) -> smtplib.SMTP:
        server = self._server
        try:
            if server.tls == "tls":
                return _DeadlineSMTPS(
                    server.host, server.port, timeout=self._timeout, context=self._context()
                )
            return _DeadlineSMTP(server.host, server.port, timeout=self._timeout)
        except (OSError, smtplib.SMTPException) as error:
            raise _not_connected(error) from error

    def deliver(self, mail: Composed, lease_held: Callable[[], bool] = lambda: True) -> Result:
        """Send one mail; return what became of it.

        `lease_held` is called right before the content is sent: a slow relay may outlast the row's lease, and
        then another worker sends the mail.
        """
        try:
            if self._host is not None and self._sent < MAX_PER_CONNECTION and self._rejected < MAX_REJECTED:
                try:
                    self._send(self._host, mail, lease_held)
                except _NotStarted:  # relays close connections after some mails or minutes
                    self.close()
                else:
                    return Result(Outcome.ACCEPTED)
            self.close()
            self._send(self.connect(), mail, lease_held)
        except RelayError as error:
            return error.result
        return Result(Outcome.ACCEPTED)

    def _send(self, host: smtplib.SMTP, mail: Composed, lease_held: Callable[[], bool]) -> None:
        if mail.needs_utf8 and not host.has_extn("smtputf8"):
            raise RelayError(Outcome.UNSUPPORTED, "no-smtputf8")
        lost = Outcome.DELAYED
        try:
            self._open_envelope(host, mail)
            if not lease_held():
                self._drop()
                raise RelayError(Outcome.LEASE_LOST, "too-slow")
            lost = Outcome.UNCONFIRMED
            host.send(_dot_stuffed(mail.content))
            self._expect_accepted(host)
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self._drop()
            raise RelayError(lost, "connection-lost") from error
        self._sent += 1
        self._rejected = 0

    def _open_envelope(self, host: smtplib.SMTP, mail: Composed) -> None:
        """Send MAIL, RCPT and DATA; in one write if the relay supports pipelining (RFC 2920)."""
        pipelining = host.has_extn("pipelining")
        commands = [
            f"MAIL FROM:<{self._sender}>{' SMTPUTF8 BODY=8BITMIME' if mail.needs_utf8 else ''}\r\n",
            f"RCPT TO:<{quoted(mail.address)}>\r\n",
            "DATA\r\n",
        ]
        try:
            host.send(("".join(commands) if pipelining else commands[0]).encode())
            sender = host.getreply()
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self._drop()
            # The relay may have hung up at the sight of a non-ASCII address.
            outcome = Outcome.DELAYED if mail.needs_utf8 else Outcome.UNREACHABLE
            raise _NotStarted(outcome, "connection-lost") from error
        if sender[0] not in _ACCEPTED:
            if pipelining:
                self._drop()  # two replies are outstanding, and one may ask for the content
            # With a non-ASCII address even the reply to MAIL may be about the recipient.
            raise self._refused(sender, about_sender=not mail.needs_utf8)
        if not pipelining:
            host.send(commands[1].encode())
        recipient = host.getreply()
        if recipient[0] not in _ACCEPTED:
            if pipelining and recipient[0] != _UNAVAILABLE:
                self._end_without_recipient(host)
            raise self._refused(recipient)
        if not pipelining:
            host.send(commands[2].encode())
        ready = host.getreply()
        if ready[0] != _READY:
            raise self._refused(ready)

    def _end_without_recipient(self, host: smtplib.SMTP) -> None:
        """Read the reply to DATA; if the relay accepts content, end it with an empty message for nobody."""
        try:
            if host.getreply()[0] == _READY:
                host.send(b".\r\n")
                host.getreply()
        except (OSError, smtplib.SMTPServerDisconnected):
            self._drop()

    def _expect_accepted(self, host: smtplib.SMTP) -> None:
        """Wait for the reply to the message. Raises RelayError; unconfirmed, if it is no clear answer."""
        if host.sock is not None:
            host.sock.settimeout(self._answer)
        reply = host.getreply()
        if host.sock is not None:
            host.sock.settimeout(self._timeout)
        if reply[0] in _ACCEPTED:
            return
        if reply[0] not in _TRANSIENT and reply[0] not in _PERMANENT:
            self._drop()
            raise RelayError(Outcome.UNCONFIRMED, "odd-answer")
        raise self._refused(reply)

    def _refused(self, reply: tuple[int, bytes], *, about_sender: bool = False) -> RelayError:
        """Return the error of a reply that accepts nothing, with the connection ready for the next mail."""
        code, text = reply
        self._rejected += 1
        outcome = classify(code, text, about_sender=about_sender)
        if code not in _TRANSIENT and code not in _PERMANENT:
            self._drop()
        elif code == _UNAVAILABLE or code in _AUTH_CODES:
            self.close()
        elif self._host is not None:
            try:
                self._host.rset()
            except (OSError, smtplib.SMTPServerDisconnected):
                self.close()
        reason = f"smtp-{code}" if code in _TRANSIENT or code in _PERMANENT else "odd-answer"
        again = about_sender and outcome is Outcome.UNREACHABLE
        return (_NotStarted if again else RelayError)(outcome, reason)

    def _drop(self) -> None:
        """Close the connection without QUIT: the relay waits for content, and would take QUIT for it."""
        host, self._host = self._host, None
        if host is not None:
            host.close()

    def close(self) -> None:
        """Send QUIT and close the connection, if there is one."""
        host, self._host = self._host, None
        if host is not None:
            try:
                host.quit()
            except (OSError, smtplib.SMTPException):
                host.close()


def classify(code: int, text: bytes, *, about_sender: bool = False) -> Outcome:
    """Return the outcome of a reply that accepts nothing; `about_sender`: before a recipient was named."""
    # Asked for only at a recipient, it may be about that one: others must not wait for it.
    if code in _AUTH_CODES:
        return Outcome.SENDER_REJECTED if about_sender else Outcome.DELAYED
    if code not in _PERMANENT:
        return _transient(code, text, about_sender=about_sender)
    if text.startswith(b"5.4.5"):
        return Outcome.OVER_QUOTA
    if about_sender:
        return Outcome.SENDER_REJECTED
    if _NO_MAILBOX.match(text):
        return Outcome.NO_MAILBOX
    if text.startswith(b"5.7.") or (code == _POLICY_CODE and not _ENHANCED.match(text)):
        return Outcome.REJECTED_BY_POLICY
    return Outcome.REJECTED


def _transient(code: int, text: bytes, *, about_sender: bool) -> Outcome:
    if code == _THROTTLED_CODE or (code == _UNAVAILABLE and not about_sender):
        return Outcome.THROTTLED
    if code in _TRANSIENT and text.startswith(b"4.7."):
        return Outcome.DEFERRED
    return Outcome.UNREACHABLE if about_sender else Outcome.DELAYED


def _not_connected(error: Exception) -> RelayError:
    match error:
        case ssl.SSLCertVerificationError():
            return RelayError(Outcome.SENDER_REJECTED, "certificate")
        case smtplib.SMTPNotSupportedError():
            return RelayError(Outcome.SENDER_REJECTED, "no-tls-or-auth")
        case smtplib.SMTPAuthenticationError():
            permanent = error.smtp_code in _PERMANENT
            return RelayError(Outcome.SENDER_REJECTED if permanent else Outcome.UNREACHABLE, "authentication")
        case _:
            return RelayError(Outcome.UNREACHABLE, "no-connection")


def _dot_stuffed(content: bytes) -> bytes:
    """Return the message dot-stuffed and with its final dot (RFC 5321, section 4.5.2)."""
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
