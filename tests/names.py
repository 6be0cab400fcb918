"""A name server on this machine, with the records that a test gives it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

# A domain whose mail every receiver takes.
WELL = {
    ("northwind.example", "TXT"): ['"v=spf1 include:relay.example -all"'],
    ("relay.example", "TXT"): ['"v=spf1 ip4:192.0.2.10 -all"'],
    ("_dmarc.northwind.example", "TXT"): ['"v=DMARC1; p=quarantine"'],
    ("relay1._domainkey.northwind.example", "TXT"): ['"v=DKIM1; k=rsa; " "p=MIGfMA0GCSq"'],
    ("incident.northwind.example", "A"): ["127.0.0.1"],
}


@dataclass
class NameServer:
    """Answers with `records`, by name and kind; whatever has none does not exist. Mute, it says nothing."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=lambda: dict(WELL))
    mute: bool = False
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def answer(self, question: dns.message.Message) -> bytes:
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.AA
        (asked,) = question.question
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), asked.rdtype.name
        self.asked.append(name)
        if (name, kind) in self.records:
            rows = self.records[name, kind]
            answer.answer.append(dns.rrset.from_text_list(asked.name, 60, "IN", kind, rows))
        elif not any(known == name for known, _kind in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()


@contextmanager
def serving_names() -> Iterator[NameServer]:
    server = NameServer()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        server.address = "127.0.0.1:{1}".format(*listener.getsockname())

        def serve() -> None:
            while (packet := listener.recvfrom(4096))[0]:  # an empty packet ends it
                if not server.mute:
                    listener.sendto(server.answer(dns.message.from_wire(packet[0])), packet[1])

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", listener.getsockname())
        thread.join(10)
