"""Hand a mail to the relay: Flask-Mail's connection with verified TLS, a time-out, and a word on every ending."""

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
# How long the relay's answer to a whole message is waited for. Who hangs up earlier sends a second copy of
# what a slow relay was just taking (RFC 5321, section 4.5.3.2.6, asks for ten minutes; a row's lease must
# outlast it).
ANSWER_SECONDS = 240.0
MAX_PER_CONNECTION = 500
# Many relays hang up on who names too many recipients that they refuse, or answer slowly (Postfix: from ten
# on).
MAX_REFUSED = 9
# What one reply may hold; a relay that goes on for longer is not waited for.
MAX_LINES = 100
MAX_LINE = 8192
_DONE = range(200, 300)
_READY = 354
_TRANSIENT = range(400, 500)
_PERMANENT = range(500, 600)
_UNAVAILABLE = 421
_POLICY_CODE = 554
_ENHANCED = re.compile(rb"5\.\d+\.\d+")  # what it means in detail (RFC 3463)
# What a relay says where we have to sign in and did not, or not well enough (RFC 4954, section 6).
_SIGN_IN = (530, 534, 535, 538)


class Refused(Exception):
    """The relay refuses this recipient or this message for good. `reason` is a short code without any address."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        self.reason = reason
        super().__init__(reason)


class Delayed(Refused):
    """The relay cannot take it now; another try may succeed."""


class Unreachable(Delayed):
    """The relay takes no mail of ours now: nothing was said about a recipient, and none of their tries is used up."""


class NotBegun(Unreachable):
    """The same, before it said anything about us either: over a new connection it may take the mail."""


class TooSlow(Delayed):
    """The relay took so long that the mail is no longer ours to send."""


class Unable(Refused):
    """The relay lacks what this address needs; it was not asked, and said nothing."""


class Policy(Delayed):
    """The relay refuses by its own rules (5.7.x, 554): that may be about us, or about this recipient."""


class Ambiguous(Refused):
    """The connection ended after the message had been handed over and before the answer (RFC 1047)."""


class Paused(Refused):
    """The relay refuses us, not the recipient: nobody's mail can leave until an operator mends it."""


class _Patience(smtplib.SMTP):
    """Waits for a whole reply as long as the socket's time-out says, not for each of its lines or bytes anew."""

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply's code and words. Raises SMTPServerDisconnected, also where it has no end."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected
        patience = self.sock.gettimeout()
        end = monotonic() + (patience or TIMEOUT_SECONDS)
        words: list[bytes] = []
        if self.file is None:
            self.file = self.sock.makefile("rb")
        try:
            while len(words) < MAX_LINES:
                line = self._line(self.sock, self.file, end)
                words.append(line[4:].strip())
                if not line[:3].isdigit() or line[3:4] != b"-":
                    self.sock.settimeout(patience)
                    return int(line[:3]) if line[:3].isdigit() else -1, b"\n".join(words)
        except OSError as error:
            self.close()
            raise smtplib.SMTPServerDisconnected from error
        self.close()
        raise smtplib.SMTPServerDisconnected

    def _line(self, sock: socket.socket, file: io.BufferedReader, end: float) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            left = end - monotonic()
            if left <= 0 or len(line) > MAX_LINE:
                raise TimeoutError
            sock.settimeout(left)
            waiting = file.peek(1)  # reads once at most
            if not waiting:
                raise ConnectionResetError
            line += file.read(waiting.find(b"\n") + 1 or len(waiting))
        return line


class _TlsPatience(_Patience, smtplib.SMTP_SSL):
    """The same over TLS from the start."""


class Relay(Connection):
    """One connection to the relay, opened when first needed and kept."""

    def __init__(
        self,
        server: MailServer,
        sender: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        answer: float = ANSWER_SECONDS,
        context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        """Take where to connect to; `context` makes the TLS settings, which verify the relay's certificate."""
        super().__init__(SimpleNamespace(suppress=False))  # type: ignore[arg-type]
        self._server = server
        self._sender = sender
        self._timeout = timeout
        self._answer = answer
        self._context = context
        self._refused = 0

    def configure_host(self) -> smtplib.SMTP:
        """Connect, verify the certificate where TLS is asked for, and sign in. Raises Unreachable or Paused."""
        server = self._server
        if not f"{server.user}{server.password}".isascii():
            # Asked here, since the library's own complaint would hold the password.
            raise Paused("no-ascii-password")
        host = self._connected()
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

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        try:
            if server.tls == "tls":
                return _TlsPatience(server.host, server.port, timeout=self._timeout, context=self._context())
            return _Patience(server.host, server.port, timeout=self._timeout)
        except ssl.SSLCertVerificationError as error:
            raise Paused("certificate") from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable("no-connection") from error

    def deliver(self, mail: Composed, still_ours: Callable[[], bool] = lambda: True) -> None:
        """Send one mail. Returns when the relay took it; raises Refused or one of its kinds.

        `still_ours` is asked last before the content goes: a slow relay may have taken so long that the row's
        lease ends, and then another worker sends it.
        """
        if self.host is not None and self.num_emails < MAX_PER_CONNECTION and self._refused < MAX_REFUSED:
            try:
                self._hand_over(self.host, mail, still_ours)
            except NotBegun:  # relays end connections after so many mails, or minutes
                self.close()
            else:
                return
        self.close()
        self.host = self.configure_host()
        self.num_emails = self._refused = 0
        self._hand_over(self.host, mail, still_ours)

    def _hand_over(self, host: smtplib.SMTP, mail: Composed, still_ours: Callable[[], bool]) -> None:
        if mail.needs_utf8 and not host.has_extn("smtputf8"):
            raise Unable("no-smtputf8")
        lost: type[Refused] = Delayed
        try:
            self._open_envelope(host, mail)
            if not still_ours():
                self._drop()
                raise TooSlow("too-slow")
            lost = Ambiguous
            host.send(_dotted(mail.content))
            self._expect_taken(host)
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self._drop()
            raise lost("connection-lost") from error
        self.num_emails += 1
        self._refused = 0

    def _open_envelope(self, host: smtplib.SMTP, mail: Composed) -> None:
        """Say from whom, to whom, and that the message follows; in one go where the relay allows it (RFC 2920)."""
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
        if sender[0] not in _DONE:
            if pipelining:
                self._drop()  # two replies are still to come, and one may ask for the message
            # With an address beyond ASCII even this may be about the recipient.
            permanent, transient = (Refused, Delayed) if mail.needs_utf8 else (Paused, NotBegun)
            self._raise(sender, permanent, transient)
        if not pipelining:
            host.send(commands[1].encode())
        recipient = host.getreply()
        if recipient[0] not in _DONE:
            if pipelining and recipient[0] != _UNAVAILABLE:
                self._end_without_recipient(host)
            self._raise(recipient, Refused, Delayed)
        if not pipelining:
            host.send(commands[2].encode())
        self._expect_ready(host.getreply())

    def _end_without_recipient(self, host: smtplib.SMTP) -> None:
        """Hear what it said to DATA; where it waits for a message, an empty one ends it, and goes nowhere."""
        try:
            if host.getreply()[0] == _READY:
                host.send(b".\r\n")
                host.getreply()
        except (OSError, smtplib.SMTPServerDisconnected):
            self._drop()

    def _expect_ready(self, reply: tuple[int, bytes]) -> None:
        if reply[0] != _READY:
            self._raise(reply, Refused, Delayed)

    def _expect_taken(self, host: smtplib.SMTP) -> None:
        """Wait for the answer to the message; anything but a plain yes or no leaves open whether it was taken."""
        if host.sock is not None:
            host.sock.settimeout(self._answer)
        reply = host.getreply()
        if host.sock is not None:
            host.sock.settimeout(self._timeout)
        if reply[0] not in _DONE and reply[0] not in _TRANSIENT and reply[0] not in _PERMANENT:
            self._drop()
            raise Ambiguous("odd-answer")
        if reply[0] not in _DONE:
            self._raise(reply, Refused, Delayed)

    def _raise(
        self, reply: tuple[int, bytes], permanent: type[Refused], transient: type[Delayed]
    ) -> NoReturn:
        code, words = reply
        self._refused += 1
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
        if code in _SIGN_IN:
            self.close()
            raise Paused(f"smtp-{code}")
        if code in _TRANSIENT:
            raise transient(f"smtp-{code}")
        if permanent is Refused and (
            words.startswith(b"5.7.") or (code == _POLICY_CODE and not _ENHANCED.match(words))
        ):
            raise Policy(f"smtp-{code}")
        raise permanent(f"smtp-{code}")

    def _drop(self) -> None:
        """End the connection without a word: the relay waits for content, and would take a goodbye for it."""
        host, self.host = self.host, None
        if host is not None:
            host.close()

    def close(self) -> None:
        """Say goodbye, where there is still somebody to say it to."""
        host, self.host = self.host, None
        if host is not None:
            try:
                host.quit()
            except (OSError, smtplib.SMTPException):
                host.close()


def _dotted(content: bytes) -> bytes:
    """Return the message with its dots doubled and its end marked (RFC 5321, section 4.5.2)."""
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
