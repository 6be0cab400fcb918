"""The database is gone for a while: the portal says so, and is itself again as soon as it is back."""

from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text

from portal.worker import drain
from tests.visitor import hidden


@pytest.fixture
def outage(db, database_url, tmp_path, request):
    """Take the database away, and give it back."""
    if db.is_sqlite:
        file, away = tmp_path / "portal.db", tmp_path / "away"

        def begin():
            db.dispose()
            for part in tmp_path.glob("portal.db*"):
                part.rename(away.with_name(part.name.replace("portal", "away")))
            file.mkdir()

        def end():
            file.rmdir()
            for part in tmp_path.glob("away.db*"):
                part.rename(part.with_name(part.name.replace("away", "portal")))
    else:
        server = request.getfixturevalue("postgres")
        name = db.engine.url.database

        def admin(*statements):
            engine = create_engine(server.url(), isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                for statement in statements:
                    connection.execute(text(statement))
            engine.dispose()

        def begin():
            admin(
                f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            )

        def end():
            admin(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    return begin, end


def test_a_write_answers_503_and_is_told_when_to_try_again(client, outage):
    begin, end = outage
    assert client.get("/readyz").status_code == 200
    form = hidden(client.get("/check/").text) | {"email": "sam@example.com"}
    begin()
    try:
        answer = client.post("/check/", data=form)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "30"
        assert "What you can do now" in answer.text
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get("/check/").status_code == 200
        assert client.get("/protect-yourself/").status_code == 200
    finally:
        end()
    assert client.post("/check/", data=form).status_code == 303
    assert client.get("/readyz").status_code == 200


def test_readiness_gives_no_figures(client):
    lines = client.get("/readyz").text.splitlines()
    assert lines[0] == "database: ok"
    assert {line.partition(": ")[0] for line in lines} >= {"database", "queue", "mail"}
    assert {line.partition(": ")[2] for line in lines} <= {"ok", "degraded"}


def test_a_worker_that_is_away_shows_as_a_degraded_queue_and_is_no_reason_to_turn_people_away(
    client, clock, worker_parts
):
    assert client.submit("/check/", email="sam@example.com").status_code == 303
    assert client.get("/readyz").text == "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"
    clock.advance(timedelta(minutes=2, seconds=-1))
    assert client.get("/readyz").text == "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"
    clock.advance(timedelta(seconds=1))
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.text == "database: ok\nworker: degraded\nqueue: degraded\nmail: ok\n"
    drain(worker_parts)
    assert "queue: ok" in client.get("/readyz").text
