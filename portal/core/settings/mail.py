"""The relay and the sender."""

from dataclasses import dataclass, field, replace

from portal.core.environment import Environment
from portal.core.service_urls import MailServer
from portal.core.settings.keys import KeyFiles, SendsMail


@dataclass(frozen=True)
class Mail:
    """The relay and the sender; `fault` says what is wrong with the relay where that may not matter.

    `dkim_selector` is only looked at: it is the relay that signs.
    `test_recipients` are those whom a notice may be sent to as a test.
    """

    server: MailServer = field(default=MailServer("localhost", 25, tls="none"), repr=False)
    sender: str = "portal@localhost"
    dkim_selector: str = ""
    connections: int = 4
    rate: str = ""
    test_recipients: tuple[str, ...] = ()
    fault: str | None = None

    @classmethod
    def read(cls, environment: Environment, sends_mail: SendsMail, keys: KeyFiles) -> "Mail":
        """Read this group; faults are collected, but where the key files may be what is wrong."""
        sender = environment.address("MAIL_SENDER", cls.sender, needed=True)
        connections = environment.count("MAIL_CONNECTIONS", cls.connections, 50, least=1)
        rate = environment.rate("MAIL_RATE", cls.rate)
        contact = environment.text("CONTACT_EMAIL", "")
        letters = r"[A-Za-z0-9._-]{0,63}\Z"
        selector = environment.matching("DKIM_SELECTOR", letters, "", "a selector, like relay1")
        tested = environment.addresses("TEST_RECIPIENTS") or ((contact,) if contact else ())
        read = cls(
            sender=sender,
            dkim_selector=selector,
            connections=connections,
            rate=rate,
            test_recipients=tested,
        )
        if sends_mail is SendsMail.YES:
            return replace(read, server=environment.mail_server("MAIL_URL", cls.server))
        if sends_mail is SendsMail.NO or keys.not_worker:
            return read
        with environment.faults_apart() as faults:
            server = environment.mail_server("MAIL_URL", cls.server)
        return replace(read, server=server, fault="; ".join(faults) or None)
