"""What monitors read from the worker: figures without people, and silence when the worker is gone."""

import re
import signal
import socket
import time
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, select

from portal.campaigns.emails import Notice
from portal.core.db import Database
from portal.monitoring.metrics import Metrics
from portal.monitoring.server import serving
from portal.runtime.heartbeat import Heartbeat
from tests.outgoing import enqueue
from tests.processes import free_port, started

__all__ = ["enqueue"]
ALERTS = Path(__file__).parents[2] / "deploy/prometheus/portal-alerts.yml"


@pytest.fixture
def metrics(db, clock):
    return Metrics(db, clock)


def read(text):
    """Every sample by its name and labels."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_they_tell_what_waits_and_whether_anybody_works_on_it(metrics, well, client, enqueue, clock):
    client.submit("/check/", email="sam@example.com")
    enqueue("ann@northwind.example", mail=Notice())
    clock.advance(timedelta(minutes=3))
    told = read(metrics.text())
    assert told["portal_info", "0.1.0"] == 1
    assert told["portal_database_writable",] == 1
    assert told["portal_intake_requests", "waiting"] == 1
    assert told["portal_intake_oldest_due_timestamp_seconds",] == clock.now().timestamp() - 180
    assert told["portal_outbox_waiting", "notices"] == 1
    assert told["portal_outbox_paused",] == 0
    assert told["portal_degraded", "queue"] == 1
    assert told["portal_degraded", "mail"] == 0


def test_no_address_and_no_name_is_in_them(metrics, well, enqueue):
    enqueue("ann@northwind.example", mail=Notice())
    said = metrics.text().decode()
    assert "portal_outbox_waiting" in said
    for secret in ("@", "ann", "Ben", "C-7", "northwind.example"):
        assert secret not in said


def test_the_database_is_asked_once_in_five_seconds_however_often_they_are(db, clock):
    now = [100.0]
    metrics, asked = Metrics(db, clock, lambda: now[0]), []
    event.listen(db.engine, "before_cursor_execute", lambda *each: asked.append(each[2]))
    first = metrics.text()
    count = len(asked)
    assert count > 0
    now[0] += 4.9
    assert metrics.text() == first
    assert len(asked) == count
    now[0] += 0.2
    metrics.text()
    assert len(asked) > count


def test_without_a_database_they_still_say_so(clock, tmp_path):
    gone = Database(f"sqlite:///{tmp_path}")
    told = read(Metrics(gone, clock).text())
    gone.dispose()
    assert told["portal_database_writable",] == 0
    assert not any(name.startswith("portal_outbox") for name, *_labels in told)


@contextmanager
def asking(port):
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def status(port, method="GET", path="/metrics"):
    with asking(port) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        return answer.status


@pytest.mark.sqlite
class TestServer:
    def test_answers_one_path_and_one_method(self, metrics):
        port = free_port()
        with serving(f"127.0.0.1:{port}", metrics):
            assert status(port) == 200
            assert status(port, path="/") == 404
            assert status(port, path="/metrics/../etc") == 404
            assert status(port, "POST") == 501
        with pytest.raises(ConnectionRefusedError):
            status(port)

    def test_drops_a_client_that_drips(self, metrics):
        port = free_port()
        with (
            serving(f"127.0.0.1:{port}", metrics, seconds=0.3),
            socket.create_connection(("127.0.0.1", port)) as slow,
        ):
            slow.sendall(b"GET /metrics HTTP/1.0\r\nA: ")
            assert status(port) == 200  # waits for the slow one to be cut
            slow.settimeout(5)
            assert slow.recv(100) == b""

    def test_leaves_the_worker_alone_where_it_cannot_listen(self, metrics, caplog):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with serving("127.0.0.1:{1}".format(*taken.getsockname()), metrics):
                (said,) = caplog.messages
        assert "PORTAL_METRICS_LISTEN: cannot listen on 127.0.0.1:" in said
        assert said.endswith("(Address already in use)")

    def test_is_off_unless_asked_for(self, metrics, monkeypatch):
        monkeypatch.setattr("portal.monitoring.server._Server", None)
        with serving("", metrics):
            pass


def until(answers):
    end = time.monotonic() + 30
    while True:
        try:
            if answers():
                return
        except OSError:
            pass
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def browser(portal_with):
    """A browser whose portal has the clock of the worker's process."""
    from portal.app import create_app
    from portal.core.clock import SystemClock

    parts = portal_with().extensions["portal"]
    return create_app(parts.settings, db=parts.db, clock=SystemClock(), web_keys=parts.keys).test_client()


@pytest.mark.sqlite
def test_a_worker_that_is_killed_is_missed_by_every_monitor(environ, db, run, browser, tmp_path):
    """Once all of them were green while nothing worked."""
    port = free_port()
    listening = environ | {"PORTAL_METRICS_LISTEN": f"127.0.0.1:{port}"}
    with started(listening, tmp_path / "log", "worker") as worker:
        until(lambda: status(port) == 200 and "worker: ok" in browser.get("/readyz").text)
        assert "ok    worker\n" in run("doctor").output
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
    with pytest.raises(ConnectionRefusedError):
        status(port)
    with db.write() as session:
        for row in session.scalars(select(Heartbeat)):
            row.seen_at -= timedelta(seconds=91)
    assert "WRONG worker: no worker has been seen since 20" in run("doctor").output
    assert "worker has been seen since" in " ".join(run("status").output.split())
    assert "worker: degraded" in browser.get("/readyz").text


@pytest.mark.sqlite  # which alone has a disk of its own
def test_the_shipped_alerts_ask_for_metrics_that_there_are(metrics):
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    assert len(group["rules"]) >= 8
    known = {name for name, *_labels in read(metrics.text())} | {
        "portal_intake_oldest_due_timestamp_seconds",
    }
    for rule in group["rules"]:
        assert set(rule) - {"for"} == {"alert", "expr", "annotations"}
        assert set(rule["annotations"]) == {"summary", "do"}
        asked = set(re.findall(r"portal_\w+", rule["expr"]))
        assert asked <= known, rule["alert"]
        assert asked or "up{" in rule["expr"]
