"""Ask the portal through its public address, as a visitor would, whether it answers and whom it counts."""

import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import ip_address
from urllib.parse import urlsplit

from portal.core.settings import Settings
from portal.crypto.vault import WebVault
from portal.runtime.doctor import clocks, question
from portal.runtime.doctor.findings import NOTE, OK, WRONG, Finding, judged
from portal.runtime.doctor.names import Names, NotAnswered
from portal.runtime.doctor.question import Proxies

SECONDS = 5.0
BODY = 100
CONSOLE = "console's address"
_BEHIND = (502, 503, 504)
_OK, _BAD_REQUEST = 200, 400
_REDIRECTS = range(300, 400)


class _Unreachable(Exception):
    """The portal does not answer there; the message says why."""


def check(settings: Settings, vault: WebVault | None, names: Names | None) -> Iterator[Finding]:
    """Yield the findings about the portal as visitors reach it; `names` is another name server, if any."""
    if vault is None:
        unread = "this user has no key for it" if settings.keys.not_worker else "fix the keys first"
        yield Finding("front", NOTE, f"not checked; {unread}")
        yield judged("proxies", unseen_proxies(settings))
        return
    asked = question.ask(vault)
    try:
        answer = _answer(settings, asked, names)
    except NotAnswered as error:
        yield Finding("front", NOTE, f"not checked: no name server answers ({error})")
        yield judged("proxies", unseen_proxies(settings))
        return
    except _Unreachable as error:
        yield Finding("front", WRONG, f"{settings.base_url} {error}")
        yield judged("proxies", unseen_proxies(settings))
        return
    seen = question.proxies_in(vault, asked, answer.headers.get(question.HEADER, ""))
    yield judged("front", _who_answers(settings, answer, seen))
    yield judged("proxies", unseen_proxies(settings)) if seen is None else _proxies(settings, seen)
    yield from _date(answer)


def check_console(settings: Settings, names: Names) -> Iterator[Finding]:
    """Yield a note where the console's name leads to an address of the internet; nothing without one."""
    host = urlsplit(settings.console.url).hostname
    if not host:
        return
    try:
        addresses = [host] if _is_address(host) else names.addresses(host)
    except NotAnswered as error:
        yield Finding(CONSOLE, NOTE, f"not checked: no name server answers ({error})")
        return
    public = [one for one in addresses if ip_address(one).is_global]
    if public:
        yield Finding(
            CONSOLE,
            NOTE,
            f"{host} is {public[0]}, an address of the internet: the console is for your own network or VPN. "
            "Give it an address there, and let nginx listen at that one (deploy/nginx/console.conf)",
        )
    elif not addresses and not host.endswith("localhost"):
        yield Finding(CONSOLE, NOTE, f"{host} has no address here; staff reach it by this name")
    else:
        yield Finding(CONSOLE, OK)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def unseen_proxies(settings: Settings) -> str | None:
    """Return what is wrong where a proxy is in front, as TLS needs one, and none is configured."""
    if settings.trusted_proxies or not settings.https:
        return None
    return (
        "PORTAL_TRUSTED_PROXIES is 0, but a proxy must terminate TLS for PORTAL_BASE_URL: all visitors count "
        "as one and share its limits; set it to the number of proxies that add to X-Forwarded-For"
    )


def _answer(settings: Settings, asked: str, names: Names | None) -> HTTPResponse:
    parts = urlsplit(settings.base_url)
    host = parts.hostname or ""
    port = parts.port or (443 if settings.https else 80)
    connection = HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.sock = _connected(host, port, names)
        if settings.https:
            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        headers = {
            "Host": settings.host,
            question.HEADER: asked,
            "X-Forwarded-For": question.FORGED,
            "User-Agent": "portal-doctor",
        }
        connection.request("GET", "/healthz", headers=headers)
        answer = connection.getresponse()
        answer.read(BODY)
    except (OSError, HTTPException) as error:
        raise _Unreachable(_why(error, host, port)) from error
    finally:
        connection.close()
    return answer


def _connected(host: str, port: int, names: Names | None) -> socket.socket:
    """Return a connection to the first address that takes one. Raises OSError, NotAnswered."""
    if names is None:
        return socket.create_connection((host, port), timeout=SECONDS)
    addresses = names.addresses(host)
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), timeout=SECONDS / len(addresses))
        except OSError:
            continue
    return socket.create_connection((addresses[-1], port), timeout=SECONDS)


def _why(error: Exception, host: str, port: int) -> str:
    match error:
        case socket.gaierror():
            return f"cannot be reached: {host} does not resolve ({error.strerror}); add its DNS record"
        case ssl.SSLCertVerificationError():
            return (
                f"has a certificate that browsers refuse ({error.verify_message}); renew it or name {host} "
                "in it: certbot certificates"
            )
        case ssl.SSLError():
            return (
                f"does not speak TLS on port {port} ({error.reason or 'SSLError'}); see nginx's listen lines"
            )
        case ConnectionRefusedError():
            return (
                f"cannot be reached: nothing listens on port {port} (Connection refused); "
                "systemctl status nginx"
            )
        case TimeoutError():
            return (
                f"does not answer within {SECONDS:g} seconds on port {port}; see the firewall, and "
                "systemctl status nginx"
            )
        case OSError():
            return f"cannot be reached ({error.strerror or type(error).__name__}); systemctl status nginx"
        case _:
            return f"does not answer in HTTP ({type(error).__name__}); see what listens on port {port}"


def _who_answers(settings: Settings, answer: HTTPResponse, seen: Proxies | None) -> str | None:
    if seen is not None:
        return None
    where, status = settings.base_url, answer.status
    if status in _BEHIND:
        return (
            f"{where} answers {status}: the proxy runs, and the portal behind it does not; "
            "systemctl status portal-web, and compare PORTAL_LISTEN with nginx's upstream"
        )
    if status in _REDIRECTS:
        target = urlsplit(answer.headers.get("Location", "")).netloc or "another path"
        return f"{where} redirects to {target} ({status}); let the proxy pass /healthz to the portal"
    if status == _BAD_REQUEST:
        return (
            f"{where} answers 400: the portal gets another host than {settings.host}; nginx needs "
            "proxy_set_header Host $host"
        )
    if status == _OK:
        return (
            f"what answers at {where} is not this portal, or runs with other keys or an earlier version; see "
            "where its DNS record and the proxy lead, and restart portal-web"
        )
    return f"{where} answers {status} at /healthz, which this portal never does; see where the proxy leads"


def _proxies(settings: Settings, seen: Proxies) -> Finding:
    if seen.trusted != settings.trusted_proxies:
        return judged(
            "proxies",
            f"the web server runs with PORTAL_TRUSTED_PROXIES={seen.trusted}, and the settings say "
            f"{settings.trusted_proxies}; systemctl restart portal-web",
        )
    if seen.added == seen.trusted and (seen.added or not settings.https):
        return judged("proxies", None)
    if seen.added == 0:
        return judged(
            "proxies",
            "no proxy in front adds X-Forwarded-For, so all visitors count as one and share its limits; "
            "nginx needs proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for",
        )
    if seen.added > seen.trusted:
        return judged(
            "proxies",
            f"PORTAL_TRUSTED_PROXIES is {seen.trusted}, but {seen.added} add to X-Forwarded-For: all "
            f"visitors count as one and share its limits; set it to {seen.added}",
        )
    return Finding(
        "proxies",
        NOTE,
        f"on the way from this machine {seen.added} of the {seen.trusted} in PORTAL_TRUSTED_PROXIES add to "
        f"X-Forwarded-For. If visitors pass no more than that, set it to {seen.added}; else they forge it",
    )


def _date(answer: HTTPResponse) -> Iterator[Finding]:
    try:
        there = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError):
        return
    if fault := clocks.difference(time.time() - there, "what answers at PORTAL_BASE_URL"):
        yield judged("clock", fault)
