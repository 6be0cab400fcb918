"""The shipped nginx, on free ports of this machine and in a folder of the test's own."""

import datetime as dt
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.processes import free_port

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy/nginx/portal.conf"
UNPACKED = Path(sys.prefix) / "nginx/usr/sbin/nginx"
SHIPPED_CONSOLE = ROOT / "deploy/nginx/console.conf"
HOST = "incident.example.com"
CONSOLE_HOST = "console.internal.example.com"
# nginx's own folders, which Debian's package makes.
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass
class Nginx:
    """nginx in `folder`, in front of a portal at `upstream`."""

    folder: Path
    upstream: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)
    https: int = field(default_factory=free_port)
    console_upstream: int = field(default_factory=free_port)
    console_https: int = field(default_factory=free_port)

    def get(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        body: str | None = None,
    ) -> HTTPResponse:
        """Ask over TLS; the answer is read, as `answer.text`."""
        connection = HTTPSConnection("127.0.0.1", self.https, timeout=10, context=unverified())
        return _asked(connection, method, path, body, {"Host": HOST, **(headers or {})})

    def post(self, path: str, body: str) -> HTTPResponse:
        return self.get(path, method="POST", body=body)

    def console(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        body: str | None = None,
    ) -> HTTPResponse:
        """Ask the console as `get` asks the portal."""
        connection = HTTPSConnection("127.0.0.1", self.console_https, timeout=10, context=unverified())
        return _asked(connection, method, path, body, {"Host": CONSOLE_HOST, **(headers or {})})

    def get_http(self, path: str) -> HTTPResponse:
        return _asked(HTTPConnection("127.0.0.1", self.http, timeout=10), "GET", path, None, {"Host": HOST})

    def everything_kept(self) -> bytes:
        """All that its logs and its cache hold."""
        return b"".join(
            path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".pem"
        )

    def temporary_files(self) -> set[str]:
        """Those that its processes have open: it takes their names away as soon as they are made."""
        opened = set()
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with suppress(OSError):  # it was closed meanwhile
                opened.add(str(link.readlink()))
        return {
            path for path in opened if path.startswith(tuple(f"{self.folder}/{name}" for name in TEMPORARY))
        }

    def add_console(self) -> None:
        """Install the shipped site of the console."""
        (self.folder / "portal.d").mkdir()
        text = _replaced(
            SHIPPED_CONSOLE.read_text(),
            ("listen 10.8.0.1:443", f"listen 127.0.0.1:{self.console_https}"),
            ("allow 10.8.0.0/24", "allow 127.0.0.0/8"),
            ("server 127.0.0.1:8001", f"server 127.0.0.1:{self.console_upstream}"),
            ("/etc/nginx/portal/console-certificate.pem", f"{self.folder}/certificate.pem"),
            ("/etc/nginx/portal/console-key.pem", f"{self.folder}/key.pem"),
            ("/var/log/nginx/console.log", f"{self.folder}/console.log"),
            ("root /srv/portal/app/deploy/nginx", f"root {SHIPPED.parent}"),
        )
        (self.folder / "portal.d/console.conf").write_text(text)

    def configuration(self) -> str:
        """The shipped file, with what belongs to the machine replaced."""
        text = _replaced(
            SHIPPED.read_text(),
            ("listen 80 default_server", f"listen 127.0.0.1:{self.http} default_server"),
            ("        listen [::]:80 default_server;\n", ""),
            ("listen 443 ssl", f"listen 127.0.0.1:{self.https} ssl"),
            ("        listen [::]:443 ssl http2 default_server;\n", ""),
            ("server 127.0.0.1:8000", f"server 127.0.0.1:{self.upstream}"),
            ("/run/nginx.pid", f"{self.folder}/nginx.pid"),
            ("/var/cache/nginx/portal", f"{self.folder}/cache"),
            ("/etc/nginx/portal/", f"{self.folder}/"),
            ("/var/log/nginx/access.log", f"{self.folder}/access.log"),
            ("root /var/www/acme", f"root {self.folder}/acme"),
            ("root /srv/portal/app/deploy/nginx", f"root {SHIPPED.parent}"),
            ("/etc/nginx/portal.d/", f"{self.folder}/portal.d/"),
        )
        own = "".join(f"    {name}_temp_path {self.folder}/{name};\n" for name in TEMPORARY)
        return text.replace("http {\n", f"http {{\n{own}", 1)


def _replaced(text: str, *pairs: tuple[str, str]) -> str:
    for shipped, here in pairs:
        assert shipped in text
        text = text.replace(shipped, here)
    return text


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _asked(
    connection: HTTPConnection, method: str, path: str, body: str | None, headers: dict[str, str]
) -> HTTPResponse:
    if body is not None:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode(errors="replace")  # type: ignore[attr-defined]
    finally:
        connection.close()
    return answer


def program() -> str:
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or str(UNPACKED)


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def checked(nginx: Nginx) -> list[str]:
    """Write the configuration and let nginx check it; return the command that runs it."""
    file = nginx.folder / "nginx.conf"
    file.write_text(nginx.configuration())
    command = [program(), "-e", "stderr", "-c", str(file)]
    finished = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return command


@contextmanager
def running(nginx: Nginx) -> Iterator[Nginx]:
    command = checked(nginx)
    with subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", nginx.https), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < end
                    time.sleep(0.05)
            yield nginx
        finally:
            process.terminate()


@contextmanager
def _own_folder() -> Iterator[Path]:
    # Outside pytest's own folder, which only root may enter: nginx's workers are another user.
    folder = Path(tempfile.mkdtemp(prefix="portal-nginx-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "acme/.well-known/acme-challenge").mkdir(parents=True)
    _certificate(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def nginx() -> Iterator[Nginx]:
    with _own_folder() as folder, running(Nginx(folder)) as server:
        yield server


@pytest.fixture
def nginx_of_both() -> Iterator[Nginx]:
    """nginx in front of a portal and of its console."""
    with _own_folder() as folder:
        both = Nginx(folder)
        both.add_console()
        with running(both):
            yield both
