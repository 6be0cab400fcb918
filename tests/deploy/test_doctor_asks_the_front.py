"""The doctor asks the portal through the shipped nginx, as a visitor would."""

from contextlib import contextmanager
from threading import Thread

import pytest
from werkzeug.serving import make_server

from portal.crypto import keys
from portal.runtime.doctor import question
from portal.runtime.storage_check import write_row
from tests.configured import configured
from tests.deploy.conftest import HOST
from tests.processes import free_port

pytestmark = [pytest.mark.sqlite, pytest.mark.deploy]


@contextmanager
def answering(app, port):
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def ask(doctor, production_environ, names, nginx, db, monkeypatch):
    """What the doctor says about the front and the proxies, of a portal that has served before."""
    names.records[HOST, "A"] = ["127.0.0.1"]
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.folder / "certificate.pem"))
    write_row(db, "web")

    def run(url=f"https://{HOST}:{nginx.https}", **changed):
        said = doctor(**production_environ | {"PORTAL_BASE_URL": url} | changed).output
        return {
            name: text
            for state, name, text in (_parts(line) for line in said.splitlines())
            if name in {"front", "proxies", "clock"} and (state != "ok" or text == "")
        }

    return run


def _parts(line):
    name, _, text = line[6:].partition(": ")
    return line[:5].strip(), name, text


@pytest.fixture
def served(portal_with, nginx):
    """Serve the portal behind nginx, with other settings or keys than the doctor has."""

    def serve(web_keys=None, **changed):
        site = {"base_url": f"https://{HOST}:{nginx.https}", "trusted_proxies": 1}
        app = portal_with(**site | changed)
        if web_keys is not None:
            from portal.app import create_app

            parts = app.extensions["portal"]
            app = create_app(configured(parts.settings), db=parts.db, clock=parts.clock, web_keys=web_keys)
        return answering(app, nginx.upstream)

    return serve


def test_and_finds_it_well_and_whose_proxies_are_counted_right(ask, served):
    with served():
        assert ask() == {"front": "", "proxies": "", "clock": ""}


def test_and_finds_every_visitor_counted_as_one_or_free_to_forge(ask, served):
    with served(trusted_proxies=0):
        assert ask(PORTAL_TRUSTED_PROXIES="0")["proxies"] == (
            "PORTAL_TRUSTED_PROXIES is 0, but 1 add to X-Forwarded-For: all visitors count as one and share "
            "its limits; set it to 1"
        )
        assert ask()["proxies"] == (
            "the web server runs with PORTAL_TRUSTED_PROXIES=0, and the settings say 1; "
            "systemctl restart portal-web"
        )
    with served(trusted_proxies=2):
        assert ask(PORTAL_TRUSTED_PROXIES="2")["proxies"].endswith("set it to 1; else they forge it")


def test_and_says_what_is_down_or_in_the_way(ask, served, nginx):
    assert (
        " answers 502: the proxy runs, and the portal behind it does not; systemctl status portal-web"
        in (ask()["front"])
    )
    port = free_port()
    assert ask(f"https://{HOST}:{port}")["front"] == (
        f"https://{HOST}:{port} cannot be reached: nothing listens on port {port} (Connection refused); "
        "systemctl status nginx"
    )
    assert (
        "incident.northwind.example in it: certbot certificates"
        in (ask(f"https://incident.northwind.example:{nginx.https}")["front"])
    )
    assert "gone.example does not resolve" in ask("https://gone.example")["front"]
    assert "does not speak TLS on port" in ask(f"https://{HOST}:{nginx.http}")["front"]
    with served(web_keys=keys.generate()[0]):
        assert "is not this portal, or runs with other keys" in ask()["front"]
    with served(base_url="https://another.example"):
        assert "answers 400: the portal gets another host than" in ask()["front"]


def test_and_nobody_else_is_answered(client, web_vault):
    assert "Portal-Doctor" not in client.get("/healthz").headers
    asked = question.ask(web_vault)
    for forged in ("", "a", asked[:-1] + ("0" if asked[-1] != "0" else "1"), "é" * 65):
        assert "Portal-Doctor" not in client.get("/healthz", headers={"Portal-Doctor": forged}).headers
    answer = client.get("/healthz", headers={"Portal-Doctor": asked, "X-Forwarded-For": "1.1.1.1, 2.2.2.2"})
    assert answer.text == "alive\n"
    told = answer.headers["Portal-Doctor"]
    assert question.proxies_in(web_vault, asked, told) == question.Proxies(added=2, trusted=0)
    assert question.proxies_in(web_vault, question.ask(web_vault), told) is None
    assert question.proxies_in(web_vault, asked, told.replace("2.0.", "1.0.")) is None
