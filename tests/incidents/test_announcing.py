"""Updates for subscribers: announced once, where the author says so, in the author's words only."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from portal.cli import main
from portal.incidents import announcing, service, writing
from portal.incidents.writing import Notify
from portal.runtime.context import Context
from tests.incidents.test_service import NOW, SLUG, UPDATE

NEWS = replace(UPDATE, notify=Notify.YES)


@pytest.fixture
def tell(db, worker_vault):
    """Add an update, or edit one, as the command does."""

    def told(words=NEWS, number=None):
        with db.write() as session:
            edited = None if number is None else writing.edit_update(session, SLUG, number, words, NOW)
            row = edited.update if edited else writing.add_update(session, SLUG, words, NOW)
            if row.notify and row.announced_at is None:
                announcing.sign(session, worker_vault, row)
            return edited

    return told


@pytest.fixture
def waiting(db, worker_vault):
    def read():
        with db.read() as session:
            return announcing.waiting(session, worker_vault)

    return read


@pytest.fixture
def publish(db, worker_vault):
    """Publish, as the command does."""

    def published():
        with db.write() as session:
            announcing.publish(session, worker_vault, SLUG, NOW)

    return published


def mark(db, update_id):
    with db.write() as session:
        return announcing.mark_announced(session, update_id, NOW)


def test_an_update_is_announced_once_and_only_where_its_author_says_so(db, incident, tell, waiting, publish):
    tell()
    tell(replace(UPDATE, title="A detail"))
    assert waiting() == []
    publish()
    (news,) = waiting()
    assert (news.number, news.path, news.phase_words) == (1, "/incidents/booking/updates/1/", "Contained")
    assert news.title("es") == ("en", "The way in is closed")
    with ThreadPoolExecutor(4) as pool:
        marked = list(pool.map(lambda _: mark(db, news.update_id), range(4)))
    assert sorted(marked) == [False, False, False, True]
    assert waiting() == []
    assert tell(replace(NEWS, body="New words."), 1).announced
    assert waiting() == []


def test_an_author_may_think_again_before_anyone_was_told(db, incident, tell, waiting, publish):
    publish()
    tell()
    tell(replace(NEWS, notify=Notify.NO), 1)
    assert waiting() == []
    tell(NEWS, 1)
    assert [news.number for news in waiting()] == [1]


@pytest.mark.parametrize(
    "forged",
    [
        "UPDATE incidents_wordings SET title = 'Claim your refund at evil.example'",
        "UPDATE incidents_wordings SET body = 'Claim your refund at evil.example'",
        "UPDATE incidents SET discreet = NOT discreet",
        "UPDATE incidents_updates SET phase = 'resolved'",
        "UPDATE incidents_updates SET number = 7",
        "UPDATE incidents SET title = 'Claim your refund at evil.example'",
        "UPDATE incidents SET slug = 'refund'",
        "UPDATE incidents_updates SET voucher = NULL",
    ],
)
def test_words_that_nobody_vouches_for_are_mailed_to_nobody(
    db, incident, tell, waiting, forged, caplog, publish
):
    publish()
    tell()
    assert len(waiting()) == 1
    with db.write() as session:
        session.execute(text(forged))
    assert waiting() == []
    assert "altered or inserted" in caplog.text


def test_an_update_that_was_put_in_is_mailed_to_nobody(db, incident, waiting, publish):
    publish()
    with db.write() as session:
        writing.add_update(session, SLUG, NEWS, NOW)
    assert waiting() == []


def test_the_incident_s_title_is_told_in_the_reader_s_language(db, incident, tell, waiting, publish):
    with db.write() as session:
        service.set_title(session, SLUG, "Robo de reservas", "es", NOW)
    publish()
    tell()
    (news,) = waiting()
    assert (news.incident_title("es"), news.incident_title("de")) == ("Robo de reservas", "Theft of bookings")


@pytest.fixture
def incidents_command(settings, db):
    """Run a command on a database that nobody with the worker's keys has opened yet."""

    def run(*arguments):
        context = Context(settings)
        context.db = db
        done = CliRunner().invoke(main, ["incidents", *map(str, arguments)], obj=context)
        assert done.exit_code == 0, done.output

    return run


def test_the_commands_vouch_for_what_they_change(db, incident, incidents_command, waiting, tmp_path, publish):
    publish()
    file = tmp_path / "news.md"
    file.write_text("---\nnotify: yes\n---\nWe closed it.\n")
    begun = time.monotonic()
    incidents_command(
        "update", SLUG, "--phase", "contained", "--title", "The way in is closed", file, "--confirm"
    )
    assert time.monotonic() - begun < 15, "it waited for itself"
    incidents_command("title", SLUG, "Robo de reservas", "--language", "es")
    incidents_command("discreet", SLUG, "on")
    file.write_text("We closed it for good.\n")
    incidents_command("update", SLUG, "--edit", "1", file, "--confirm")
    (news,) = waiting()
    assert news.incident_title("es") == "Robo de reservas"
    assert news.discreet
    assert news.bodies == {"en": "We closed it for good."}
