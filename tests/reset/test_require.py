"""New passwords are required of many: counted, once each, and resumed after a kill."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from click.testing import Result

from portal.audit import service as audit
from portal.audit.models import AuditEntry
from portal.exposure.models import ExposedPerson
from portal.identity.builtin.models import AccountRow
from portal.identity.models import AccountState
from portal.reset.models import Requirement
from portal.reset.require.cohorts import Everyone, Tools
from portal.reset.require.jobs import Tally
from portal.reset.require.run import require
from portal.worker import drain
from tests.reset.journey import NEW, OLD, link_in
from tests.traces import contents

SLUG = "november"
HEADER = "email,account_ref,locale,data_classes\n"
LIST = HEADER + (
    "ana@northwind.example,,,Passwords;Email addresses\n"
    "ben@northwind.example,C-2,,Passwords\n"
    "old.address.of.cleo@elsewhere.example,C-3,,Passwords\n"
    "DORA@northwind.example,,,Passwords\n"
    "eva@northwind.example,,es,Passwords\n"
    "no.account@elsewhere.example,C-99,,Passwords\n"
    "finn@northwind.example,,,Email addresses;Password hints\n"
    "ben@northwind.example,C-2,,Names\n"
)
COUNTS = {
    "people": 6,
    "tampered, skipped": 0,
    "accounts found": 5,
    "newly required": 5,
    "already required": 0,
    "renewed since": 0,
    "mails": 5,
}
CHANGED = re.compile(r"^(" + "|".join(COUNTS) + r") +(\d+)$", re.MULTILINE)


@pytest.fixture
def people_and_list(portal, tmp_path: Path, people) -> None:
    """An incident with an active list, and the accounts of some of its people."""
    for name, ref in (
        ("ana", ""),
        ("ben", "C-2"),
        ("cleo", "C-3"),
        ("dora", ""),
        ("eva", ""),
        ("finn", "C-6"),
    ):
        people.add(f"{name}@northwind.example", ref=ref)
    portal("incidents", "create", SLUG, "--title", "The incident", "--classes", "Email addresses")
    take_in(portal, tmp_path, LIST)


def take_in(portal, folder: Path, text: str) -> None:
    file = folder / "list.csv"
    file.write_text(text)
    portal("exposure", "import", SLUG, file, "--activate", "--widen", "--replace")


def counted(result: Result) -> dict[str, int]:
    return {label: int(count) for label, count in CHANGED.findall(result.output)}


def test_only_exposed_passwords_are_required_and_their_owners_mailed(
    portal, people_and_list, people, worker_parts, smtp
):
    assert counted(portal("reset", "require", SLUG)) == COUNTS
    drain(worker_parts)
    assert sorted(mail.recipients[0].split("@")[0] for mail in smtp.messages) == [
        "ana",
        "ben",
        "cleo",
        "dora",
        "eva",
    ]
    assert {mail.message["Subject"] for mail in smtp.messages} >= {"Please choose a new password"}
    for mail in smtp.messages:
        for part in (mail.text, mail.html):
            assert re.search(r"(about it|haciendo):(<br><a [^>]*>|\s+)http://localhost:8000/(?!\w)", part)
            assert "The incident" not in part
    for name in ("ana", "ben", "cleo", "dora", "eva"):
        assert not people.signs_in_with(f"{name}@northwind.example", OLD)
    assert people.signs_in_with("finn@northwind.example", OLD)


def test_a_dry_run_counts_the_same_and_changes_nothing(portal, people_and_list, db):
    before = contents(db)
    assert counted(portal("reset", "require", SLUG, "--dry-run")) == COUNTS
    assert contents(db) == before
    assert counted(portal("reset", "require", SLUG)) == COUNTS
    again = COUNTS | {"newly required": 0, "already required": 5, "mails": 0}
    assert counted(portal("reset", "require", SLUG, "--dry-run")) == again
    assert counted(portal("reset", "require", SLUG)) == again


def test_nobody_is_mailed_twice(portal, people_and_list, worker_parts, smtp):
    for _ in range(3):
        portal("reset", "require", SLUG)
    drain(worker_parts)
    assert len(smtp.messages) == 5


def test_the_mail_says_why_and_its_link_works(portal, people_and_list, client, worker_parts, smtp, people):
    portal("reset", "require", SLUG)
    drain(worker_parts)
    (mail,) = smtp.to("ana@northwind.example")
    assert "Your password was taken in the breach." in mail.text
    page = client.get(link_in(mail), follow_redirects=True).text
    assert "Your old password was taken in the breach" in page
    client.submit("/reset/choose/", password=NEW)
    assert people.signs_in_with("ana@northwind.example", NEW)


def test_the_mail_is_in_the_accounts_language_else_in_the_lists(portal, people_and_list, worker_parts, smtp):
    portal("reset", "require", SLUG)
    drain(worker_parts)
    assert smtp.to("eva@northwind.example")[0].message["Content-Language"] == "es"
    assert smtp.to("ana@northwind.example")[0].message["Content-Language"] == "en"


def test_who_chose_anew_since_is_left_in_peace(
    portal, people_and_list, client, clock, worker_parts, smtp, tmp_path, people
):
    portal("reset", "require", SLUG)
    drain(worker_parts)
    clock.advance(timedelta(hours=1))
    client.get(link_in(smtp.to("ana@northwind.example")[0]))
    client.submit("/reset/choose/", password=NEW)
    people.add("gus@northwind.example")
    take_in(portal, tmp_path, LIST + "gus@northwind.example,,,Passwords\n")
    expected = {
        "people": 7,
        "tampered, skipped": 0,
        "accounts found": 6,
        "newly required": 1,
        "already required": 4,
        "renewed since": 1,
        "mails": 1,
    }
    assert counted(portal("reset", "require", SLUG, "--dry-run")) == expected
    assert counted(portal("reset", "require", SLUG)) == expected
    assert people.signs_in_with("ana@northwind.example", NEW)


def test_a_password_changed_with_the_exposed_one_as_proof_spares_nobody(
    portal, people_and_list, client, clock, worker_parts, smtp, tmp_path, people
):
    """Whoever has the exposed password can change it: only the mailbox proves that it was the owner."""
    gus = "gus@northwind.example"
    people.add(gus)
    portal("reset", "require", SLUG)  # the list forgot Gus
    clock.advance(timedelta(days=1))
    client.submit("/sign-in/", email=gus, password=OLD)
    client.submit("/account/password/", current_password=OLD, password=NEW)
    assert people.signs_in_with(gus, NEW)
    clock.advance(timedelta(days=1))
    take_in(portal, tmp_path, LIST + f"{gus},,,Passwords\n")
    expected = COUNTS | {
        "people": 7,
        "accounts found": 6,
        "newly required": 1,
        "already required": 5,
        "mails": 1,
    }
    assert counted(portal("reset", "require", SLUG, "--dry-run")) == expected
    assert counted(portal("reset", "require", SLUG)) == expected
    assert people.account(gus).must_reset
    assert client.get("/account/").status_code == 303
    drain(worker_parts)
    assert "Please choose a new password" in {mail.message["Subject"] for mail in smtp.to(gus)}


def test_who_chose_by_mail_before_the_list_named_them_is_left_in_peace_whatever_they_changed_afterwards(
    portal, people_and_list, client, clock, ask, tmp_path, people
):
    gus, another = "gus@northwind.example", "lantern-cobble-thirty-owls"
    people.add(gus)
    portal("reset", "require", SLUG)
    clock.advance(timedelta(hours=1))
    client.get(link_in(ask(gus)))
    client.submit("/reset/choose/", password=NEW)
    clock.advance(timedelta(hours=1))
    client.submit("/sign-in/", email=gus, password=NEW)
    client.submit("/account/password/", current_password=NEW, password=another)
    take_in(portal, tmp_path, LIST + f"{gus},,,Passwords\n")
    assert counted(portal("reset", "require", SLUG))["renewed since"] == 1
    assert people.signs_in_with(gus, another)


def test_what_was_chosen_by_mail_before_the_first_requirement_counts_for_nothing(
    portal, people_and_list, client, clock, ask, people
):
    client.get(link_in(ask("ana@northwind.example")))
    client.submit("/reset/choose/", password=NEW)
    clock.advance(timedelta(hours=1))
    assert counted(portal("reset", "require", SLUG)) == COUNTS
    assert people.account("ana@northwind.example").must_reset


def test_everyone_means_every_account(portal, people_and_list, people, worker_parts, smtp, client):
    expected = COUNTS | {"people": 6, "accounts found": 6, "newly required": 6, "mails": 6}
    assert counted(portal("reset", "require", "--everyone", "--dry-run")) == expected
    assert counted(portal("reset", "require", "--everyone")) == expected
    drain(worker_parts)
    (mail,) = smtp.to("finn@northwind.example")
    assert "we locked everyone’s old password" in mail.text
    assert "was taken" not in mail.text
    assert "was exposed" not in client.get(link_in(mail), follow_redirects=True).text


def test_sessions_end_at_once(portal, people_and_list, client, db):
    client.submit("/sign-in/", email="ana@northwind.example", password=OLD)
    portal("reset", "require", SLUG)
    assert contents(db)["account_sessions"] == []
    assert client.get("/account/").status_code == 303


def test_people_who_share_an_account_get_one_mail(portal, people_and_list, tmp_path, worker_parts, smtp):
    take_in(
        portal, tmp_path, HEADER + "ana@northwind.example,C-2,,Passwords\nben@northwind.example,,,Passwords\n"
    )
    expected = COUNTS | {"people": 2, "accounts found": 2, "newly required": 2, "mails": 2}
    assert counted(portal("reset", "require", SLUG)) == expected
    drain(worker_parts)
    assert len(smtp.messages) == 2


def test_two_commands_at_once_share_the_work(
    portal, people_and_list, people, settings, clock, db, worker_parts, smtp
):
    for number in range(150):
        people.add(f"person{number}@northwind.example")
    tools = Tools(db, people.vault, clock)
    together = Barrier(2, timeout=30)

    def run(_number: int) -> Tally:
        together.wait()
        return require(tools, Everyone(), lambda _count: None)

    with ThreadPoolExecutor(2) as pool:
        tallies = list(pool.map(run, range(2)))
    assert tallies == [Tally(people=156, accounts=156, newly=156, mails=156)] * 2
    with db.read() as session:
        assert session.query(Requirement).count() == 1
    drain(worker_parts)
    assert len(smtp.messages) == 156


def test_a_profile_that_was_tampered_with_keeps_nobody_else_from_the_mail(
    portal, people_and_list, db, people, worker_parts, smtp
):
    with db.write() as session:
        row = session.get_one(AccountRow, people.account("ana@northwind.example").id)
        row.profile = session.get_one(AccountRow, people.account("ben@northwind.example").id).profile
    done = portal("reset", "require", SLUG)
    fewer = {"tampered, skipped": 1, "accounts found": 4, "newly required": 4, "mails": 4}
    assert counted(done) == COUNTS | fewer
    assert "Restore them with: portal accounts import FILE" in done.output
    drain(worker_parts)
    assert len(smtp.messages) == 4


def test_accounts_that_somebody_put_in_do_not_show_who_is_on_the_list(
    portal, people_and_list, db, people, web_vault
):
    """Whoever stole the web server can compute the index of any address, and write the table."""
    guesses = ("no.account@elsewhere.example", "stranger@elsewhere.example")
    people.add("mallory@elsewhere.example")
    with db.write() as session:
        mallory = people.account("mallory@elsewhere.example").id
        for number, address in enumerate(guesses):
            for table in (AccountRow, AccountState):
                own = session.get_one(table, mallory)
                columns = {column.name: getattr(own, column.name) for column in table.__table__.columns}
                columns |= {"id": bytes([number]) * 16}
                if table is AccountRow:
                    columns |= {"address_index": web_vault.account_index(address)}
                session.add(table(**columns))
    portal("reset", "require", SLUG)
    assert [people.account(address).must_reset for address in guesses] == [False, False]


def test_a_row_of_the_list_that_was_tampered_with_keeps_nobody_else_from_it(
    portal, people_and_list, db, caplog
):
    with db.write() as session:
        first, second = session.query(ExposedPerson).limit(2)
        first.blob = second.blob
    left = counted(portal("reset", "require", SLUG))
    assert 4 <= left["newly required"] <= 5
    assert "tampered rows, skipped: 1; import the list again" in caplog.text
    assert "northwind" not in caplog.text


@pytest.mark.parametrize(
    ("arguments", "status"), [((), 2), ((SLUG, "--everyone"), 2), (("no-such-incident",), 1)]
)
def test_what_is_not_clear_is_refused(portal, arguments, status, db):
    portal("reset", "require", "--everyone", "--dry-run")  # the first to open the vault leaves its canary
    before = contents(db)
    portal("reset", "require", *arguments, status=status)
    assert contents(db) == before


def test_without_an_active_list_nobody_is_touched(portal, people):
    people.add("ana@northwind.example")
    portal("incidents", "create", SLUG, "--title", "The incident", "--classes", "Passwords")
    assert "No list of november is active" in portal("reset", "require", SLUG, status=1).output
    assert people.signs_in_with("ana@northwind.example", OLD)


def test_the_log_has_the_counts_and_no_name(portal, people_and_list, db):
    portal("reset", "require", SLUG)
    with db.read() as session:
        audit.verify(session)
        entries = [entry for entry in session.query(AuditEntry) if entry.action.startswith("reset.")]
    assert [entry.action for entry in entries] == ["reset.require", "reset.required"]
    assert '"newly":5' in entries[1].details
    assert all("@" not in entry.details and "C-2" not in entry.details for entry in entries)
