"""A company's server: the shipped example, on loopback, over HTTP or TLS; and servers that misbehave."""

import datetime as dt
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug.security import generate_password_hash
from werkzeug.serving import make_server

EXAMPLE = Path(__file__).parents[2] / "examples/identity_store.py"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
EVERYTHING = (
    "verify", "set-password", "require-change", "end-sessions", "remembers-closed", "find-by-reference",
)  # fmt: skip
# Newer versions of Python refuse an authority whose certificate does not say what its key is for.
CERTIFIES = x509.KeyUsage(
    digital_signature=True, key_cert_sign=True, crl_sign=False, content_commitment=False,
    key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
    decipher_only=False,
)  # fmt: skip
PASSWORD = "correct horse battery"  # of both accounts of the example


@dataclass
class Company:
    """The example, as it runs: `module` holds its accounts."""

    url: str
    module: ModuleType


def example() -> ModuleType:
    """The example as a module of its own, with its accounts as they are at its start."""
    loader = SourceFileLoader("identity_store", str(EXAMPLE))
    module = ModuleType(loader.name)
    quick = partial(generate_password_hash, method="pbkdf2:sha256:1000")
    with patch.dict("os.environ", SECRET=SECRET), patch("werkzeug.security.generate_password_hash", quick):
        loader.exec_module(module)
    return module


@contextmanager
def running(module: ModuleType, certificate: tuple[str, str] | None = None, port: int = 0) -> Iterator[str]:
    """Serve the example, and yield its URL."""
    server = make_server("127.0.0.1", port, module.app, threaded=True, ssl_context=certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def answering(behave: Callable[[socket.socket, int], None]) -> Iterator[str]:
    """Serve one connection after the other with a function of the socket and its number; yield the URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        open_now = [listening]

        def serve() -> None:
            number = 0
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                number += 1
                open_now[1:] = [connection]
                with closing(connection):
                    try:
                        behave(connection, number)
                    except OSError:  # the client has closed its end
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            for each in open_now:
                with suppress(OSError):  # closed already
                    each.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def fronted(module: ModuleType) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Serve the example behind a server that carries requests there; yield its URL, and its moods.

    By endpoint, they say what becomes of the answers to the next requests, all of which are carried out:
    `500` replaces it, `late` holds it back until the client hangs up, `broken` loses it.
    """
    moods: dict[str, list[str]] = {}

    def carry(connection: socket.socket, _number: int) -> None:
        path, headers, body = read_request(connection)
        reply = urllib3.request("POST", behind + path, body=body, headers=headers)
        following = moods.get(path.rpartition("/")[2])
        mood = following.pop(0) if following else ""
        if mood == "500":
            connection.sendall(answer(500, b"<!doctype html><title>Oh no</title>", "text/html"))
        elif mood == "late":
            connection.recv(1)
        elif not mood:
            connection.sendall(answer(reply.status, reply.data, more=CLOSES))

    with running(module) as behind, answering(carry) as url:
        yield url, moods


def read_request(connection: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """The path, the headers in small letters and the body of one request. Raises OSError if none comes."""
    with connection.makefile("rb") as lines:
        if not (start := lines.readline()):
            raise ConnectionAbortedError
        path = start.split()[1].decode()
        headers = {}
        while (line := lines.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return path, headers, lines.read(int(headers["content-length"]))


CLOSES = "connection: close\r\n"  # without it the client may send its next request into the closed end


def answer(status: int, body: bytes, kind: str = "application/json", more: str = "") -> bytes:
    """The bytes of an answer after which the connection stays open."""
    head = f"HTTP/1.1 {status} .\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def write_certificate(folder: Path, host: str) -> tuple[str, str]:
    """A self-signed certificate for a host name or an address, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    try:
        shown: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        shown = x509.DNSName(host)
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([shown]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(CERTIFIES, critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{host}.pem", folder / f"{host}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(files[0]), str(files[1])
