"""A file comes in pieces, stops, goes on, and lies nowhere in clear."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, func, select, update

from portal.core import disk_space
from portal.crypto.vault import VaultError
from portal.exposure.uploads import receiving
from portal.exposure.uploads.models import Upload, UploadChunk, UploadKey
from portal.exposure.uploads.opening import streamed
from portal.exposure.uploads.receiving import OffsetConflict, UploadGone, UploadRefused
from portal.incidents import service as incidents

PEOPLE = b"email,name\n" + b"".join(b"person%d@mail.example,Person %d\n" % (n, n) for n in range(60))


def content(desk, upload) -> bytes:
    """What the worker reads of an upload."""
    with streamed(desk.db, desk.parts.vault, desk.row(upload)).open() as source:
        return b"".join(iter(lambda: source.read(37), b""))


def stored(desk, table) -> int:
    with desk.db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_file_that_came_in_one_piece_is_read_as_it_was(desk):
    upload = desk.send(PEOPLE)
    assert (upload.state, upload.received, upload.chunks) == ("waiting", len(PEOPLE), 1)
    assert content(desk, upload) == PEOPLE


def test_a_stopped_upload_goes_on_where_it_stopped_with_another_key(desk, small_chunks):
    small_chunks(100)
    upload = desk.begin(len(PEOPLE))
    assert desk.piece(upload, PEOPLE, 0, arrives=730) == 730
    assert desk.row(upload).state == "receiving"
    assert desk.piece(upload, PEOPLE[730:], 730) == len(PEOPLE)
    assert desk.row(upload).state == "waiting"
    assert stored(desk, UploadKey) == 2
    assert content(desk, upload) == PEOPLE


def test_a_piece_that_begins_elsewhere_changes_nothing(desk, small_chunks):
    small_chunks(100)
    upload = desk.begin(len(PEOPLE))
    desk.piece(upload, PEOPLE[:300], 0)
    with pytest.raises(OffsetConflict) as conflict:
        desk.piece(upload, PEOPLE[400:], 400)
    assert conflict.value.received == 300
    assert desk.row(upload).received == 300


def test_of_two_browsers_that_go_on_at_once_one_is_told_where_it_is_now(desk, small_chunks):
    small_chunks(100)
    upload = desk.begin(len(PEOPLE))
    before = desk.row(upload)
    desk.piece(upload, PEOPLE[:300], 0)
    late = receiving.Receiver(desk.place, before)
    with pytest.raises(OffsetConflict) as conflict:
        late.feed(PEOPLE)
    assert conflict.value.received == 300
    desk.piece(upload, PEOPLE[300:], 300)
    assert content(desk, upload) == PEOPLE


def test_the_end_of_a_file_takes_no_more(desk):
    upload = desk.send(PEOPLE)
    with pytest.raises(OffsetConflict):
        desk.piece(upload, PEOPLE, 0)
    with pytest.raises(UploadRefused, match="too-large"):
        desk.piece(upload, b"more", len(PEOPLE))


def test_an_upload_of_no_incident_does_not_stop_the_worker(desk):
    upload = desk.send(PEOPLE)
    altered(desk, upload, send_to_no_incident)
    desk.work()
    assert desk.row(upload).state == "refused"


def test_a_discarded_upload_takes_no_more_and_cannot_be_read(desk, clock, small_chunks):
    small_chunks(100)
    upload = desk.begin(len(PEOPLE))
    going_on = receiving.Receiver(desk.place, desk.row(upload))
    going_on.feed(PEOPLE[:500])
    with desk.db.write() as session:
        receiving.discard(session, session.get_one(Upload, upload.id), clock.now())
    assert stored(desk, UploadKey) == 0
    with pytest.raises(UploadGone):
        going_on.feed(PEOPLE[500:])
    with pytest.raises(VaultError):
        content(desk, upload)


def altered(desk, upload, how):
    with desk.db.write() as session:
        how(session, upload.id)


def swap(session, upload_id):
    chunks = session.scalars(select(UploadChunk).order_by(UploadChunk.number)).all()
    chunks[1].content, chunks[2].content = chunks[2].content, chunks[1].content


def repeat(session, upload_id):
    chunks = session.scalars(select(UploadChunk).order_by(UploadChunk.number)).all()
    chunks[2].content = chunks[1].content


def drop(session, upload_id):
    session.execute(delete(UploadChunk).where(UploadChunk.number == 3))


def cut(session, upload_id):
    last = session.scalar(select(func.max(UploadChunk.number)))
    session.execute(delete(UploadChunk).where(UploadChunk.number == last))
    session.execute(update(Upload).values(chunks=last))


def close_the_gap(session, upload_id):
    session.execute(delete(UploadChunk).where(UploadChunk.number == 0))
    for number in range(1, 5):
        session.execute(update(UploadChunk).where(UploadChunk.number == number).values(number=number - 1))


def send_to_another_incident(session, upload_id):
    other = incidents.create(session, "other", "Another", ("Names",), datetime(2026, 11, 23, tzinfo=UTC))
    session.execute(update(Upload).values(incident_id=other.id))


def send_to_no_incident(session, upload_id):
    session.execute(update(Upload).values(incident_id=b"is no incident.."))


def use_as_exceptions(session, upload_id):
    session.execute(update(Upload).values(purpose="left-out"))


def move_the_key(session, upload_id):
    session.execute(update(UploadKey).values(first=1))


@pytest.mark.parametrize(
    "how",
    [
        swap,
        repeat,
        drop,
        cut,
        close_the_gap,
        send_to_another_incident,
        use_as_exceptions,
        move_the_key,
    ],
    ids=lambda how: how.__name__,
)
def test_who_can_write_to_the_database_cannot_change_what_was_sent(desk, small_chunks, how):
    small_chunks(100)
    upload = desk.send(PEOPLE)
    altered(desk, upload, how)
    with pytest.raises(VaultError):
        content(desk, upload)
    desk.work()
    assert desk.row(upload).state == "refused"
    assert desk.found(upload)["problem"]["kind"] == "altered"
    assert desk.lists.stored() == (0, 0)


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"PK\x03\x04 a workbook", "is-workbook"),
        (b"\xd0\xcf\x11\xe0 an old one", "is-old-workbook"),
        (b"%PDF-1.7", "is-no-list"),
        (b"\x89PNG\r\n\x1a\n", "is-no-list"),
        (b"SQLite format 3\0", "is-no-list"),
    ],
)
def test_a_file_that_lies_about_its_type_is_refused_at_its_first_bytes(desk, head, code):
    upload = desk.begin(len(head))
    with pytest.raises(UploadRefused, match=code):
        desk.piece(upload, head, 0)
    assert stored(desk, UploadChunk) == 0


@pytest.mark.parametrize(
    ("form", "size", "code"),
    [
        ("text", 0, "empty"),
        ("text", -1, "empty"),
        ("text", 2_147_483_649, "too-large"),
        ("sheet", 209_715_201, "too-large"),
    ],
)
def test_a_file_that_is_empty_or_too_large_is_refused_before_it_is_sent(desk, form, size, code):
    with pytest.raises(UploadRefused, match=code):
        desk.begin(size, form=form)


def test_more_than_was_said_is_refused(desk):
    upload = desk.begin(10)
    with pytest.raises(UploadRefused, match="too-large"):
        desk.piece(upload, PEOPLE, 0)


def test_only_five_files_of_an_incident_are_on_their_way_at_once(desk):
    for _ in range(5):
        desk.begin(100)
    with pytest.raises(UploadRefused, match="too-many"):
        desk.begin(100)


def test_another_file_cannot_go_on_with_an_upload(desk):
    upload = desk.begin(len(PEOPLE), name="people.csv 1764000000")
    incident = desk.lists.id_of("november")
    with desk.db.read() as session:
        assert receiving.resumed(session, incident, upload.id, "people.csv 1764000000").id == upload.id
        with pytest.raises(UploadRefused, match="other-file"):
            receiving.resumed(session, incident, upload.id, "people.csv 1764000001")
        with pytest.raises(UploadGone):
            receiving.resumed(session, b"another incident", upload.id, "people.csv 1764000000")


def test_a_full_disk_stops_an_upload_before_it_fills_up(desk, monkeypatch):
    if not desk.db.is_sqlite:
        return
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 60_000_000)
    with pytest.raises(UploadRefused, match="no-room"):
        desk.send(PEOPLE)


def test_pieces_of_a_few_bytes_are_not_stored(desk):
    upload = desk.begin(len(PEOPLE))
    assert desk.piece(upload, PEOPLE, 0, arrives=1000) == 0
    assert stored(desk, UploadChunk) == 0
