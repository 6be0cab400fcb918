"""Send mail to the relay over Flask-Mail's connection: verified TLS, timeouts, and an error per outcome."""

import io
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from time import monotonic
from types import SimpleNamespace
from typing import NoReturn

from flask_mail import Connection

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
_ENHANCED = re.compile(rb"5\.\d+\.\d+")  # enhanced status code (RFC 3463)
# Replies to missing, wrong or too weak authentication (RFC 4954, section 6).
_AUTH_CODES = (530, 534, 535, 538)


class Refused(Exception):
    """The relay rejects this recipient or message for good. `reason` is a short code without any address."""

    def __init__(self, reason: str) -> None:
        """Store the reason."""
        self.reason = reason
        super().__init__(reason)


class Delayed(Refused):
    """The relay cannot accept the mail now; a retry may succeed."""


class Unreachable(Delayed):
    """The relay accepts no mail now. It said nothing about a recipient, so no attempt is used up."""


class NotBegun(Unreachable):
    """Unreachable before any reply to this mail: a new connection may succeed."""


class TooSlow(Delayed):
    """The relay took so long that the lease of the row was lost; the content was not sent."""


class Unable(Refused):
    """The relay lacks an extension that this address needs; it was not asked."""


class Policy(Delayed):
    """The relay rejects by its policy (5.7.x, 554): because of the sender or because of this recipient."""


class Ambiguous(Refused):
    """The connection ended after the message was sent, before the reply (RFC 1047): it may be delivered."""


class Paused(Refused):
    """The relay rejects the portal, not the recipient: no mail can leave until an operator fixes it."""


class _DeadlineSMTP(smtplib.SMTP):
    """SMTP whose socket timeout limits a whole reply, instead of starting over with every line or byte."""

    def getreply(self) -> tuple[int, bytes]:
        """Return code and text of the next reply. Raises SMTPServerDisconnected, also if it has no end."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected
        timeout = self.sock.gettimeout()
        deadline = monotonic() + (timeout or TIMEOUT_SECONDS)
        lines: list[bytes] = []
        if self.file is None:
            self.file = self.sock.makefile("rb")
        try:
            while len(lines) < MAX_LINES:
                line = self._read_line(self.sock, self.file, deadline)
                lines.append(line[4:].strip())
                if not line[:3].isdigit() or line[3:4] != b"-":
                    self.sock.settimeout(timeout)
                    return int(line[:3]) if line[:3].isdigit() else -1, b"\n".join(lines)
        except OSError as error:
            self.close()
            raise smtplib.SMTPServerDisconnected from error
        self.close()
        raise smtplib.SMTPServerDisconnected

    def _read_line(self, sock: socket.socket, file: io.BufferedReader, deadline: float) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - monotonic()
            if left <= 0 or len(line) > MAX_LINE:
                raise TimeoutError
            sock.settimeout(left)
            buffered = file.peek(1)  # reads at most once
            if not buffered:
                raise ConnectionResetError
            line += file.read(buffered.find(b"\n") + 1 or len(buffered))
        return line


class _DeadlineSMTPS(_DeadlineSMTP, smtplib.SMTP_SSL):
    """The same over implicit TLS."""


class Relay(Connection):
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
        super().__init__(SimpleNamespace(suppress=False))  # type: ignore[arg-type]
        self._server = server
        self._sender = sender
        self._timeout = timeout
        self._answer = answer
        self._context = context
        self._rejected = 0

    def configure_host(self) -> smtplib.SMTP:
        """Connect, verify the certificate if TLS is on, and authenticate. Raises Unreachable or Paused."""
        server = self._server
        if not f"{server.user}{server.password}".isascii():
            # Checked here, since the library's own error would quote the password.
            raise Paused("no-ascii-password")
        host = self._connect()
        try:
            if server.tls == "starttls":
                host.starttls(context=self._context())
            host.ehlo_or_helo_if_needed()
            if server.user is not None:
                host.login(server.user, server.password or "")
        except ssl.SSLCertVerificationError as error:
            host.close()
            raise Paused("certificate") from error
        except smtplib.SMTPNotSupportedError as error:
            host.close()
            raise Paused("no-tls-or-auth") from error
        except smtplib.SMTPAuthenticationError as error:
            host.close()
            raise (Paused if error.smtp_code in _PERMANENT else Unreachable)("authentication") from error
        except (OSError, smtplib.SMTPException) as error:
            host.close()
            raise Unreachable("no-connection") from error
        return host

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        try:
            if server.tls == "tls":
                return _DeadlineSMTPS(
                    server.host, server.port, timeout=self._timeout, context=self._context()
                )
            return _DeadlineSMTP(server.host, server.port, timeout=self._timeout)
        except ssl.SSLCertVerificationError as error:
            raise Paused("certificate") from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable("no-connection") from error

    def deliver(self, mail: Composed, lease_held: Callable[[], bool] = lambda: True) -> None:
        """Send one mail. Return once the relay has accepted it; raise Refused or a subclass otherwise.

        `lease_held` is called right before the content is sent: a slow relay may outlast the row's lease, and
        then another worker sends the mail.
        """
        if self.host is not None and self.num_emails < MAX_PER_CONNECTION and self._rejected < MAX_REJECTED:
            try:
                self._send(self.host, mail, lease_held)
            except NotBegun:  # relays close connections after some mails or minutes
                self.close()
            else:
                return
        self.close()
        self.host = self.configure_host()
        self.num_emails = self._rejected = 0
        self._send(self.host, mail, lease_held)

    def _send(self, host: smtplib.SMTP, mail: Composed, lease_held: Callable[[], bool]) -> None:
        if mail.needs_utf8 and not host.has_extn("smtputf8"):
            raise Unable("no-smtputf8")
        lost: type[Refused] = Delayed
        try:
            self._open_envelope(host, mail)
            if not lease_held():
                self._drop()
                raise TooSlow("too-slow")
            lost = Ambiguous
            host.send(_dot_stuffed(mail.content))
            self._expect_accepted(host)
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self._drop()
            raise lost("connection-lost") from error
        self.num_emails += 1
        self._rejected = 0

    def _open_envelope(self, host: smtplib.SMTP, mail: Composed) -> None:
        """Send MAIL, RCPT and DATA; in one write if the relay supports pipelining (RFC 2920)."""
        pipelining = host.has_extn("pipelining")
        commands = [
            f"MAIL FROM:<{self._sender}>{' SMTPUTF8 BODY=8BITMIME' if mail.needs_utf8 else ''}\r\n",
            f"RCPT TO:<{mail.address}>\r\n",
            "DATA\r\n",
        ]
        try:
            host.send(("".join(commands) if pipelining else commands[0]).encode())
            sender = host.getreply()
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self._drop()
            raise NotBegun("connection-lost") from error
        if sender[0] not in _ACCEPTED:
            if pipelining:
                self._drop()  # two replies are outstanding, and one may ask for the content
            # With a non-ASCII address even the reply to MAIL may be about the recipient.
            permanent, transient = (Refused, Delayed) if mail.needs_utf8 else (Paused, NotBegun)
            self._raise(sender, permanent, transient)
        if not pipelining:
            host.send(commands[1].encode())
        recipient = host.getreply()
        if recipient[0] not in _ACCEPTED:
            if pipelining and recipient[0] != _UNAVAILABLE:
                self._end_without_recipient(host)
            self._raise(recipient, Refused, Delayed)
        if not pipelining:
            host.send(commands[2].encode())
        ready = host.getreply()
        if ready[0] != _READY:
            self._raise(ready, Refused, Delayed)

    def _end_without_recipient(self, host: smtplib.SMTP) -> None:
        """Read the reply to DATA; if the relay accepts content, end it with an empty message for nobody."""
        try:
            if host.getreply()[0] == _READY:
                host.send(b".\r\n")
                host.getreply()
        except (OSError, smtplib.SMTPServerDisconnected):
            self._drop()

    def _expect_accepted(self, host: smtplib.SMTP) -> None:
        """Wait for the reply to the message. Raises Ambiguous if it neither accepts nor rejects."""
        if host.sock is not None:
            host.sock.settimeout(self._answer)
        reply = host.getreply()
        if host.sock is not None:
            host.sock.settimeout(self._timeout)
        if reply[0] not in _ACCEPTED and reply[0] not in _TRANSIENT and reply[0] not in _PERMANENT:
            self._drop()
            raise Ambiguous("odd-answer")
        if reply[0] not in _ACCEPTED:
            self._raise(reply, Refused, Delayed)

    def _raise(
        self, reply: tuple[int, bytes], permanent: type[Refused], transient: type[Delayed]
    ) -> NoReturn:
        code, text = reply
        self._rejected += 1
        if code not in _TRANSIENT and code not in _PERMANENT:
            self._drop()
            raise transient("odd-answer")
        if code == _UNAVAILABLE:
            self.close()
            raise (transient if issubclass(transient, Unreachable) else Unreachable)(f"smtp-{code}")
        if self.host is not None:
            try:
                self.host.rset()
            except (OSError, smtplib.SMTPServerDisconnected):
                self.close()
        if code in _AUTH_CODES:
            self.close()
            raise Paused(f"smtp-{code}")
        if code in _TRANSIENT:
            raise transient(f"smtp-{code}")
        if permanent is Refused and (
            text.startswith(b"5.7.") or (code == _POLICY_CODE and not _ENHANCED.match(text))
        ):
            raise Policy(f"smtp-{code}")
        raise permanent(f"smtp-{code}")

    def _drop(self) -> None:
        """Close the connection without QUIT: the relay waits for content, and would take QUIT for it."""
        host, self.host = self.host, None
        if host is not None:
            host.close()

    def close(self) -> None:
        """Send QUIT and close the connection, if there is one."""
        host, self.host = self.host, None
        if host is not None:
            try:
                host.quit()
            except (OSError, smtplib.SMTPException):
                host.close()


def _dot_stuffed(content: bytes) -> bytes:
    """Return the message dot-stuffed and with its final dot (RFC 5321, section 4.5.2)."""
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
