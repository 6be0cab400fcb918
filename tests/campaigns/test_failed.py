"""Whom a notice did not reach: a file for letters and calls."""

import csv
import stat

import pytest
from sqlalchemy import text

from portal.audit.models import AuditEntry
from portal.worker import drain
from tests.campaigns.conftest import SLUG
from tests.campaigns.test_harm import spoil
from tests.traces import statements

LIST = (
    "ann@northwind.example,1,Ann,en\n"
    "ben@northwind.example,2,=HYPERLINK(1),en\n"
    "home@northwind.example,3,Cleo,en\n"
    "home@northwind.example,4,Dan,es\n"
    "+eve@northwind.example,@5,Eve,en\n"
)
HEAD = ["email", "name", "account_ref", "reason"]
HOME = [["home@northwind.example", name, ref, "smtp-550"] for name, ref in (("Cleo", "3"), ("Dan", "4"))]


@pytest.fixture
def refused(operator, smtp, worker_parts):
    """Send the notice to a list; the relay refuses all addresses that hold one of these words."""

    def send(*words, rows=LIST):
        operator.live(rows)
        count = operator.run("notify", SLUG, "--dry-run").output.split()[5]
        smtp.answer_recipient = lambda address: "550 no" if any(word in address for word in words) else "250"
        assert operator.run("notify", SLUG, "--confirm", count).exit_code == 0
        drain(worker_parts)

    return send


@pytest.fixture
def failed(operator, tmp_path):
    """Run the command; return what it printed, and the rows of the file."""

    def run(name="failed.csv"):
        done = operator.run("failed", SLUG, "--output", str(tmp_path / name))
        assert done.exit_code == 0, done.output
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            return done.output, sorted(csv.reader(file))

    return run


def test_everyone_of_a_refused_address_is_written_down_and_nobody_else(refused, failed, tmp_path, db):
    refused("home")
    said, rows = failed()
    assert rows == [HEAD, *HOME]
    assert "people 2, addresses 1." in said
    assert stat.S_IMODE((tmp_path / "failed.csv").stat().st_mode) == 0o600
    with db.read() as session:
        (entry,) = session.query(AuditEntry).where(AuditEntry.action == "campaigns.failed")
    assert (entry.subject, entry.details) == (SLUG, '{"addresses":1}')


def test_no_cell_is_a_formula(refused, failed):
    refused("ben", "eve")
    assert failed()[1] == [
        ["'+eve@northwind.example", "Eve", "'@5", "smtp-550"],
        ["ben@northwind.example", "'=HYPERLINK(1)", "2", "smtp-550"],
        HEAD,
    ]


def test_who_may_have_got_it_is_called_uncertain_and_who_got_it_later_is_gone(refused, failed, db):
    refused("ann", "home")
    with db.write() as session:
        ids = session.scalars(text("SELECT id FROM outbox_mails WHERE state = 'failed' ORDER BY id")).all()
        change = text("UPDATE outbox_mails SET state = 'uncertain', ambiguous = 3 WHERE id = :id")
        session.execute(change, {"id": ids[0]})
    reasons = {row[0]: row[3] for row in failed()[1][:-1] + failed("again.csv")[1] if row != HEAD}
    assert sorted(reasons.values()) == ["smtp-550", "uncertain"]
    with db.write() as session:
        session.execute(text("UPDATE outbox_mails SET state = 'sent'"))
    assert failed("later.csv")[1] == [HEAD]


def test_who_is_on_an_earlier_list_alone_is_found_there(refused, failed):
    refused("home")
    refused("ann", rows="ann@northwind.example,1,Ann,en\nzoe@northwind.example,9,Zoe,en\n")
    # Ann got the first notice, so nothing was sent to her again.
    assert failed()[1] == [HEAD, *HOME]


def test_a_tampered_row_is_left_out_and_nobody_is_looked_up(refused, failed, db):
    refused("northwind")
    spoil(db, 0)
    with statements(db) as seen:
        rows = failed()[1]
    assert len(rows) == len(LIST.splitlines())
    assert not [one for one in seen if "unique_key =" in one or "fold_index =" in one]


def test_a_file_that_exists_is_left_alone(operator, refused, tmp_path):
    refused("home")
    (tmp_path / "mine.csv").write_text("mine")
    done = operator.run("failed", SLUG, "--output", str(tmp_path / "mine.csv"))
    assert done.exit_code == 1
    assert "mine.csv exists. Choose another file with --output." in done.output
    assert (tmp_path / "mine.csv").read_text() == "mine"
    gone = operator.run("failed", SLUG, "--output", str(tmp_path / "no" / "where.csv"))
    assert "cannot be written (No such file or directory)" in gone.output


def test_bounces_are_not_known(operator, refused):
    refused("home")
    shown = operator.run()
    assert "  failed 1\n" in shown.output
    assert "  bounced not known\n" in shown.output
