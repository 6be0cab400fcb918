"""People who are left out on request get no notice; everybody else does, and the counts say who did not."""

import json

import pytest
from sqlalchemy import text

from portal.campaigns import jobs, service
from portal.exposure import left_out
from portal.incidents import service as incidents
from portal.worker import drain
from tests.commands import context, portal

__all__ = ["context", "portal"]
SLUG = "november"
PEOPLE = (
    "ann@northwind.example,1,Ann,en\n"
    "bob@northwind.example,2,Bob,en\n"
    "home@northwind.example,3,Cid,en\n"
    "home@northwind.example,4,Dan,es\n"
    "eve@northwind.example,,Eve,en\n"
)


@pytest.fixture
def told(operator):
    operator.live(PEOPLE)
    return operator


@pytest.fixture
def leave_out(portal, tmp_path):
    def stored(*rows, status=0, options=()):
        file = tmp_path / "except.csv"
        file.write_text("email,account_ref\n" + "".join(f"{row}\n" for row in rows), encoding="utf-8")
        return portal("exposure", "except", "add", SLUG, file, *options, status=status).output

    return stored


def to(smtp):
    return sorted(mail.recipients[0] for mail in smtp.messages)


def change(db, statement, **values):
    with db.write() as session:
        session.execute(text(statement), values)


def test_who_is_left_out_gets_no_notice_and_is_counted(told, portal, leave_out, worker_parts, smtp):
    said = leave_out("ann@northwind.example,1", "eve@northwind.example,")
    assert "Left out on request: 2 people, 2 of them new." in said
    assert "on the list: 2; addresses that get no notice: 2." in said
    said = told.run("notify", SLUG, "--dry-run").stdout
    assert "would go to 2 addresses" in said
    assert "left out on request: addresses 2." in said
    assert "--confirm 2 " in said
    assert told.run("notify", SLUG, "--confirm", "4").exit_code == 1
    said = told.run("notify", SLUG, "--confirm", "2").stdout
    assert "  addresses 4\n" in said
    assert "  left out on request 2\n" in said
    assert "The counts add up." in said
    drain(worker_parts)
    assert to(smtp) == ["bob@northwind.example", "home@northwind.example"]


def test_another_person_at_the_same_address_is_notified_in_their_language(
    told, leave_out, worker_parts, smtp
):
    said = leave_out("home@northwind.example,3")
    assert "on the list: 1; addresses that get no notice: 0." in said
    told.run("notify", SLUG, "--confirm", "4")
    drain(worker_parts)
    (mail,) = [mail for mail in smtp.messages if mail.recipients[0] == "home@northwind.example"]
    assert 'lang="es"' in mail.html
    assert told.ledger().left_out == 0


def test_a_whole_family_at_one_address_is_one_address(told, leave_out, worker_parts, smtp):
    assert "no notice: 1." in leave_out("home@northwind.example,3", "home@northwind.example,4")
    told.run("notify", SLUG, "--confirm", "3")
    drain(worker_parts)
    assert "home@northwind.example" not in to(smtp)
    assert (told.ledger().left_out, told.ledger().waiting) == (1, 0)
    assert told.ledger().adds_up


@pytest.mark.parametrize(
    "row", ["ann@northwind.example,", "ann@northwind.example,2", "ANN@northwind.example,1"]
)
def test_a_person_is_the_exact_address_with_its_reference(told, leave_out, worker_parts, smtp, row):
    said = leave_out(row)
    assert "The others are not on it as they are written: check the address and the account_ref." in said
    told.run("notify", SLUG, "--confirm", "4")
    drain(worker_parts)
    assert "ann@northwind.example" in to(smtp)


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE exposure_left_out SET row_mac = :mac",
        "UPDATE exposure_left_out SET person_index = :index",
        "UPDATE exposure_left_out SET person = :mac",
        "UPDATE exposure_left_out SET incident_id = :index",
    ],
)
def test_a_forged_row_silences_nobody(told, leave_out, worker_parts, worker_vault, smtp, spoil):
    """Whoever can write the table, but lacks the worker's keys, moves a row to another person."""
    leave_out("ann@northwind.example,1")
    index = left_out.index_of(worker_vault, ("bob@northwind.example", "2"))
    values = {"mac": b"m" * 32, "index": index}
    change(told.db, spoil, **{name: value for name, value in values.items() if f":{name}" in spoil})
    told.run("notify", SLUG, "--confirm", "4")
    drain(worker_parts)
    assert len(smtp.messages) == 4
    leave_out("ann@northwind.example,1")  # in place of the forged row


def test_it_stops_those_whose_mail_is_not_yet_queued(told, leave_out, worker_parts, smtp, worker_vault):
    with told.db.write() as session:
        incident_id = incidents.by_slug(session, SLUG).id
        campaign = service.start(session, worker_vault, incident_id, SLUG, 4, told.clock.now())
        service.advance(session, worker_vault, {}, campaign.id, told.clock.now(), limit=1)
    leave_out(
        "ann@northwind.example,1", "bob@northwind.example,2", "eve@northwind.example,",
        "home@northwind.example,3", "home@northwind.example,4",
    )  # fmt: skip
    jobs.resume(worker_parts)
    drain(worker_parts)
    assert len(smtp.messages) == 1
    assert (told.ledger().left_out, told.ledger().waiting) == (3, 0)


def test_the_answer_is_the_same(told, leave_out, client, worker_parts, smtp):
    leave_out("ann@northwind.example,1")
    client.submit("/check/", email="ann@northwind.example")
    drain(worker_parts)
    (mail,) = smtp.messages
    assert mail.recipients == ("ann@northwind.example",)


def test_who_is_left_out_is_not_among_those_to_call(told, leave_out, portal, smtp, worker_parts, tmp_path):
    leave_out("home@northwind.example,3")
    smtp.answer_recipient = lambda _address: "550 no"
    told.run("notify", SLUG, "--confirm", "4")
    drain(worker_parts)
    output = tmp_path / "failed.csv"
    told.run("failed", SLUG, "--output", str(output))
    listed = output.read_text()
    assert "Dan" in listed
    assert "Cid" not in listed


def test_they_are_listed_masked_and_taken_back(told, portal, leave_out):
    leave_out("ann@northwind.example,K-17", "eve@northwind.example,")
    said = portal("exposure", "except", "list", SLUG).output
    assert "a…@n….example  account_ref K…7\n" in said
    assert "e…@n….example  no account_ref\n" in said
    assert "All in all 2 people; on the list: 1; addresses that get no notice: 1." in said
    assert json.loads(portal("exposure", "except", "list", SLUG, "--json").stdout) == {
        "people": 2,
        "people_on_active_list": 1,
        "addresses_without_notice": 1,
    }
    told_off = portal("exposure", "except", "remove", SLUG, "ann@northwind.example", status=1).output
    assert "Nobody with exactly this address and --ref is left out." in told_off
    portal("exposure", "except", "remove", SLUG, "ann@northwind.example", "--ref", "K-17")
    assert "All in all 1 person" in portal("exposure", "except", "list", SLUG).output


def test_a_row_that_cannot_be_read_stops_the_file(told, leave_out, portal):
    assert "could not be read, and would be notified" in leave_out(
        "ann@northwind.example,1", "nobody,2", status=1
    )
    assert "All in all 0 people" in portal("exposure", "except", "list", SLUG).output


def test_the_list_itself_is_no_file_of_people_to_leave_out(told, leave_out, portal, tmp_path):
    rows = [f"p{number}@northwind.example,{number}" for number in range(40)]
    said = leave_out(*rows, status=2)
    assert "40 people would be left out of notices, more than a tenth of the 5 on the list." in said
    file = tmp_path / "people.csv"
    file.write_text("email,account_ref\n" + "\n".join(rows) + "\n")
    said = portal("exposure", "import", SLUG, file, "--except", file, status=2).output
    assert "40 people would be left out of notices, more than a tenth of the 40" in said
    assert "1 versions" not in said
    assert "Left out on request: 40 people" in leave_out(*rows, options=["--accept-left-out"])


def test_an_import_brings_them_along(told, portal, tmp_path):
    people, exceptions = tmp_path / "people.csv", tmp_path / "except.csv"
    people.write_text("email,account_ref\n" + "".join(f"p{n}@northwind.example,{n}\n" for n in range(5)))
    exceptions.write_text("email,account_ref\np1@northwind.example,1\n")
    words = ("exposure", "import", SLUG, people, "--except", exceptions)
    assert "To leave out of notices: 1 person." in portal(*words, "--dry-run").output
    assert "All in all 0 people" in portal("exposure", "except", "list", SLUG).output
    said = portal(*words).output
    assert "All in all 1 person; on the list: 1; addresses that get no notice: 1." in said
