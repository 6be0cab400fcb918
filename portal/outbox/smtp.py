"""Hand a mail to the relay: Flask-Mail's connection with verified TLS, a time-out, and a word on every ending."""

import re
import smtplib
import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import NoReturn

from flask_mail import Connection

from portal.kit.servers import MailServer
from portal.outbox.compose import Composed

TIMEOUT_SECONDS = 30.0
# How long the relay's answer to a whole message is waited for. Who hangs up earlier sends a second copy of what a slow
# relay was just taking (RFC 5321, section 4.5.3.2.6, asks for ten minutes; a row's lease must outlast it).
ANSWER_SECONDS = 240.0
MAX_PER_CONNECTION = 500
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


class Policy(Delayed):
    """The relay refuses by its own rules (5.7.x, 554): that may be about us, or about this recipient."""


class Ambiguous(Refused):
    """The connection ended after the message had been handed over and before the answer (RFC 1047)."""


class Paused(Refused):
    """The relay refuses us, not the recipient: nobody's mail can leave until an operator mends it."""


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

    def configure_host(self) -> smtplib.SMTP:
        """Connect, verify the certificate where TLS is asked for, and sign in. Raises Unreachable or Paused."""
        server = self._server
        try:
            if server.tls == "tls":
                host: smtplib.SMTP = smtplib.SMTP_SSL(
                    server.host, server.port, timeout=self._timeout, context=self._context()
                )
            else:
                host = smtplib.SMTP(server.host, server.port, timeout=self._timeout)
        except ssl.SSLCertVerificationError as error:
            raise Paused("certificate") from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable("no-connection") from error
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

    def deliver(self, mail: Composed, still_ours: Callable[[], bool] = lambda: True) -> None:
        """Send one mail. Returns when the relay took it; raises Refused or one of its kinds.

        `still_ours` is asked last before the content goes: a slow relay may have taken so long that the row's lease
        ends, and then another worker sends it.
        """
        if self.host is None or self.num_emails >= MAX_PER_CONNECTION:
            self.close()
            self.host = self.configure_host()
            self.num_emails = 0
        host = self.host
        options = ["SMTPUTF8", "BODY=8BITMIME"] if mail.needs_utf8 else []
        if mail.needs_utf8 and not host.has_extn("smtputf8"):
            raise Refused("no-smtputf8")
        handed_over = False
        try:
            self._open_envelope(host, mail, options)
            if not still_ours():
                self._drop()
                raise Delayed("too-slow")
            handed_over = True
            host.send(_dotted(mail.content))
            self._expect_taken(host)
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self.close()
            raise (Ambiguous if handed_over else Delayed)("connection-lost") from error
        self.num_emails += 1

    def _open_envelope(self, host: smtplib.SMTP, mail: Composed, options: list[str]) -> None:
        """Say from whom, to whom, and that the message follows; in one go where the relay allows it (RFC 2920)."""
        if not host.has_extn("pipelining"):
            self._expect(host.mail(self._sender, options), Paused, Unreachable)
            self._expect(host.rcpt(mail.address), Refused, Delayed)
            self._expect_ready(host.docmd("DATA"))
            return
        extensions = "".join(f" {option}" for option in options)
        commands = f"MAIL FROM:<{self._sender}>{extensions}\r\nRCPT TO:<{mail.address}>\r\nDATA\r\n"
        host.send(commands.encode())
        sender, recipient, data = host.getreply(), host.getreply(), host.getreply()
        if data[0] == _READY and not (sender[0] in _DONE and recipient[0] in _DONE):
            # It waits for a message that has no recipient: an empty one ends it, and goes nowhere.
            host.send(b".\r\n")
            host.getreply()
        self._expect(sender, Paused, Unreachable)
        self._expect(recipient, Refused, Delayed)
        self._expect_ready(data)

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
        self._expect(reply, Refused, Delayed)

    def _expect(self, reply: tuple[int, bytes], permanent: type[Refused], transient: type[Delayed]) -> None:
        if reply[0] not in _DONE:
            self._raise(reply, permanent, transient)

    def _raise(self, reply: tuple[int, bytes], permanent: type[Refused], transient: type[Delayed]) -> NoReturn:
        code, words = reply
        if code not in _TRANSIENT and code not in _PERMANENT:
            self._drop()
            raise transient("odd-answer")
        if code == _UNAVAILABLE:
            self.close()
            raise Unreachable(f"smtp-{code}")
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
