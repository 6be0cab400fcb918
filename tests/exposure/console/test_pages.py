"""Staff see what is in a file, decide about it, and ask for its activation."""

import ast
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.exposure.console.reasons import is_known
from portal.exposure.models import LeftOut
from portal.exposure.uploads.models import Upload
from tests.processes import ROOT
from tests.visitor import hidden

pytestmark = pytest.mark.sqlite

FAULTY = (
    b"E-Mail;Kundennummer;Vorname;Nachname;<b>Bemerkung</b>\n"
    b"ana@mail.example;C-1;Ana;Ruiz;=1+1\n"
    b"ben@mail.example;C-2;Ben;Okafor;**x**\n"
    b"not an address;C-3;Cem;Kaya;\n"
)
COLUMNS = {
    "column_1": "email",
    "column_2": "account_ref",
    "column_3": "name",
    "column_4": "name",
    "column_5": "-",
}


def test_the_way_of_a_semicolon_file_to_an_approved_list(sender, office):
    page = sender.read(FAULTY)
    shown = sender.browser.get(page).text
    assert "Your file needs a decision" in shown
    assert "a…@m….example" in shown
    assert "ana@" not in shown
    assert "&lt;b&gt;Bemerkung&lt;/b&gt;" in shown
    assert "<b>Bemerkung" not in shown
    assert '<option value="name" selected>' in shown  # first names are suggested
    missing = sender.press(page, "columns", column_1="email", column_3="?")
    assert missing.status_code == 422
    assert '<a href="#column-3">Vorname: Say what this column is, or leave it out.</a>' in missing.text
    assert '<select id="column-3" name="column-3" aria-invalid="true" aria-describedby="column-3-error">' in (
        missing.text
    )
    assert missing.text.count('aria-invalid="true"') == 1
    assert sender.press(page, "columns", **COLUMNS).status_code == 303
    assert "We’re reading your file" in sender.texts(page)
    sender.work()
    said = sender.texts(page)
    assert "Email address: not a single email address Rows: 1 Lines of the file: 4" in said
    lines = sender.browser.get(f"{page}rejected/0.csv")
    assert (lines.text, lines.mimetype) == ("line\n4\n", "text/csv")
    assert sender.press(page, "store").status_code == 303
    sender.work()
    said = sender.texts(page)
    assert said.index("This is version 1. Next, ask somebody to activate it.") < said.index("What’s in it")
    assert '<a class="button" href="/lists/november/#versions">' in sender.browser.get(page).text
    asked = sender.browser.post(
        "/lists/november/1/activate/", data=hidden(sender.browser.get("/lists/november/").text)
    )
    assert asked.status_code == 303
    approver = office.add("approver")
    second = office.sign_in(approver)
    request = second.get(asked.location).text
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]*)</dd>", request))
    assert facts["People"] == "2"
    assert "Rejected rows" not in facts
    assert request.index("1 row was rejected. Its people get no notice.") < request.index("<dt>Incident</dt>")
    assert facts["People by language"] == "Not said: 2"
    answer = second.post(f"{asked.location}approve/", data=hidden(request) | {"code": approver.code()})
    assert answer.status_code == 303
    assert "Approved and done" in second.get(asked.location).text
    assert "Active" in sender.texts("/lists/november/")
    with office.db.read() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    by = {entry.action: entry.details for entry in entries if entry.action.startswith("exposure.")}
    assert set(by) == {"exposure.samples", "exposure.import", "exposure.activate"}
    assert all('"by":"staff ' in details for details in by.values())


def test_a_row_that_names_somebody_again_is_told_by_its_line(sender):
    rows = "".join(f"p{number}@mail.example,{number}\n" for number in range(40))
    page = sender.read(f"email,account_ref\n{rows}p3@mail.example,3\nP3@mail.example,4\n".encode())
    assert "Rows that name somebody again 1 (lines: 42)" in sender.texts(page)
    again = "".join(f"p{number}@mail.example,{number}\n" for number in range(30, 40)) * 2
    page = sender.read(f"email,account_ref\n{rows}{again}".encode())
    assert "Rows that name somebody again 20 (first lines: 42, 43, 44, 45, 46)" in sender.texts(page)


def test_a_size_is_written_as_the_readers_language_writes_it(sender):
    small, large = b"email\nana@mail.example\n", b"email\n" + b"ana@mail.example\n" * 73
    assert "List, 23 bytes, " in sender.texts(sender.read(small))
    page = sender.read(large)
    assert "List, 1.2 kB, " in sender.texts(page)
    assert "Lista, 1,2 kB, " in re.sub(
        r"\s+", " ", sender.browser.get(page, headers={"Accept-Language": "es"}).text
    )


def test_looking_at_a_file_again_within_five_minutes_is_one_entry_in_the_log(sender, office):
    page = sender.read(b"email\nana@mail.example\n")

    def looks():
        with office.db.read() as session:
            return session.scalars(select(AuditEntry).where(AuditEntry.action == "exposure.samples")).all()

    for _ in range(3):
        sender.browser.get(page)
    assert len(looks()) == 1
    office.advance(timedelta(minutes=6))
    sender.browser.get(page)
    assert len(looks()) == 2
    other = office.as_role("approver")
    assert other.get(page).status_code == 200
    sender.browser.get(page)
    assert len(looks()) == 3


def test_languages_that_the_site_has_not_are_said_and_everyone_is_counted(sender):
    rows = "ana@mail.example,en\nben@mail.example,de\ncem@mail.example,de-AT\ndea@mail.example,es-MX\n"
    page = sender.read(f"email,locale\n{rows}eva@mail.example,\n".encode())
    said = sender.texts(page)
    assert "People by language" in said
    assert "German (de) 1" in said
    assert "Spanish (Mexico) (es-MX) 1" in said
    assert "Not said 1" in said
    assert "get their notice in English: German (de) and German (Austria) (de-AT)." in said
    assert "People by kind of data" in said
    kinds = sender.texts("/lists/november/kinds/")
    assert "This site has: en, es." in kinds
    assert "pt-BR" not in kinds


def test_people_whose_language_nobody_knows_are_counted_before_and_after_storing(sender, office):
    rows = "".join(f"p{at}@mail.example,{tag}\n" for at, tag in enumerate(("Elvish", "Spanisch", "en", "xx")))
    page = sender.read(f"email,locale\n{rows}".encode())
    warned = (
        "2 people have a language that we don’t know. They get the default language, English. "
        "The first ones are in these lines: 2, 5."
    )
    said = sender.texts(page)
    assert warned in said
    assert "Spanish (es) 1" in said
    assert "A language that we don’t know 2" in said
    assert "doesn’t have every language" not in said
    sender.press(page, "store")
    sender.work()
    listed = sender.texts("/lists/november/")
    assert "2 people have a language that we don’t know. They get the default language, English." in listed
    token = hidden(sender.browser.get("/lists/november/").text)
    asked = sender.browser.post("/lists/november/1/activate/", data=token)
    request = office.as_role("approver").get(asked.location).text
    assert "A language that we don’t know (they get English): 2" in request


def test_what_an_approver_saw_is_void_after_another_activation(sender, office, lists):
    lists.live("ana@mail.example,C-1,,,,\n")
    page = sender.read(b"email,account_ref\nana@mail.example,C-1\n")
    sender.press(page, "store")
    sender.work()
    token = hidden(sender.browser.get("/lists/november/").text)
    assert "Ask to activate" in sender.browser.get("/lists/november/").text
    asked = sender.browser.post("/lists/november/2/activate/", data=token)
    listed = sender.browser.get("/lists/november/").text
    assert f'<a href="{asked.location}">Waits for approval' in listed
    assert "Ask to activate" not in listed
    lists.take_in(b"email\nzoe@mail.example\n")
    lists.activate(3)
    sender.work()
    approver = office.add("approver")
    second = office.sign_in(approver)
    shown = second.get(asked.location).text
    assert "This changed after it was asked for" in shown
    assert "Waits for approval" not in sender.browser.get("/lists/november/").text


def test_a_list_is_purged_with_a_second_person(sender, office, lists):
    lists.take_in(b"email\nana@mail.example\n")
    token = hidden(sender.browser.get("/lists/november/").text)
    asked = sender.browser.post("/lists/november/1/purge/", data=token)
    listed = sender.browser.get("/lists/november/").text
    assert f'<a href="{asked.location}">Waits for approval' in listed
    assert "Ask to destroy" not in listed
    approver = office.add("approver")
    second = office.sign_in(approver)
    sent = hidden(second.get(asked.location).text) | {"code": approver.code()}
    assert second.post(f"{asked.location}approve/", data=sent).status_code == 303
    assert "Destroyed" in sender.texts("/lists/november/")


def test_two_columns_cannot_be_the_same_thing_and_one_must_be_the_address(sender):
    page = sender.read(FAULTY)
    twice = sender.press(page, "columns", **(COLUMNS | {"column_5": "account_ref"}))
    assert twice.status_code == 422
    said = (
        "&lt;b&gt;Bemerkung&lt;/b&gt;: Another column has this already. Only the name can come from several."
    )
    assert f'<a href="#column-5">{said}</a>' in twice.text
    assert re.findall(r'<select id="([^"]+)"[^>]+aria-invalid="true"', twice.text) == ["column-5"]
    none = sender.press(page, "columns", **(COLUMNS | {"column_1": "-"}))
    assert none.status_code == 422
    assert '<a href="#columns">Choose the column that has the email addresses.</a>' in none.text
    assert "<title>Error:" in re.sub(r"\s+", " ", none.text)


def test_of_a_very_wide_file_the_columns_that_are_not_shown_are_left_out(sender):
    heads = ",".join(["email", *(f"column of ours {n}" for n in range(99))])
    page = sender.read(f"{heads}\nana@mail.example{',x' * 99}\n".encode())
    shown = sender.browser.get(page).text
    assert "We show the first 60 columns" in shown
    decided = dict.fromkeys(re.findall(r'name="(column-[0-9]+)"', shown), "-") | {"column-1": "email"}
    assert len(decided) == 100
    sender.press(page, "columns", **decided)
    sender.work()
    assert "Store the list" in sender.texts(page)


@pytest.mark.parametrize("name", ["column-²", "column-0", "column-99999999999999999999", "column-"])
def test_a_made_up_column_is_no_column(sender, name):
    page = sender.read(FAULTY)
    answer = sender.press(page, "columns", **{name: "email"})
    assert answer.status_code == 303
    sender.work()
    assert "needs a decision" in sender.texts(page)


def test_made_up_numbers_find_nothing(sender):
    page = sender.read(FAULTY)
    for reason in (7, 40_000, 10**30):
        assert sender.browser.get(f"{page}rejected/{reason}.csv").status_code == 404
    many = {f"column-{number}": "-" for number in range(1, 600)} | {"column-1": "email"}
    assert sender.press(page, "columns", **many).status_code == 400


def test_an_encoding_is_chosen_and_a_made_up_one_is_not(sender):
    page = sender.read("email,name\nana@mail.example,Zoë\n".encode("cp1252"))
    assert "choose another encoding" in sender.texts(page)
    assert sender.press(page, "columns", encoding="idna").status_code == 400
    assert sender.press(page, "columns", encoding="cp1252").status_code == 303
    sender.work()
    assert "Store the list" in sender.texts(page)
    assert '<option value="cp1252" selected>' in sender.browser.get(page).text


def test_a_refused_file_says_why_in_words_that_fit_a_page(sender):
    page = sender.read(b"email,\nana@mail.example,something\n")
    said = sender.texts(page)
    assert "Line 2: column 2 has no name in the header, and holds something here" in said
    assert "--ignore" not in said


def test_a_word_that_nobody_knows_is_given_its_meaning(sender):
    page = sender.read(b"email,data_classes\nana@mail.example,Passwort\nben@mail.example,N1\n")
    said = sender.texts(page)
    assert "No row can be used. The reasons are below" in said
    assert "What it is First rows, masked" in said
    assert "“Passwort” isn’t a kind of data we know Rows: 1 Lines of the file: 2" in said
    shown = sender.browser.get(page).text
    assert '<optgroup label="Do you mean …"><option value="Passwords">Passwords</option>' in shown
    form = {"column_1": "email", "column_2": "data_classes", "word_1": "Passwort"}
    assert sender.press(page, "columns", **form, means_1="Anything").status_code == 400
    assert sender.press(page, "columns", **form, means_1="Passwords").status_code == 303
    sender.work()
    assert "Check what’s in your file" in sender.texts(page)
    assert '<option value="Passwords" selected>' in sender.browser.get(page).text  # a third reading keeps it


def test_before_the_upload_the_page_says_what_a_list_holds(sender):
    said = sender.texts("/lists/november/")
    assert "You need one with the email addresses" in said
    assert "Kinds of data that were taken ( data_classes )" in said
    assert "Passport numbers" in sender.texts("/lists/november/kinds/")
    in_spanish = sender.browser.get("/lists/november/kinds/", headers={"Accept-Language": "es"}).text
    assert "Números de pasaporte" in in_spanish
    assert '<td lang="en">Passport numbers</td>' in in_spanish
    page = sender.read((ROOT / "static/samples/list.csv").read_bytes())
    assert "Check what’s in your file" in sender.texts(page)


def test_every_reason_of_the_reader_has_words_in_each_language():
    reasons = set(reasons_in_sources())
    assert len(reasons) > 35
    assert {reason for reason in reasons if not is_known(reason)} == {
        # Only of the command line.
        "a workbook cannot be read from a pipe. Save it as a file",
        (
            "the last line has no line break, so the file may be cut. If it is complete, end it with one; "
            "or import it without --activate"
        ),
        "the line contains a NUL byte; 1",  # one of two causes
    }
    for cause in (
        "probably UTF-16 without its mark. If so, add --encoding utf-16-le",
        "the file is damaged or in another encoding",
    ):
        assert is_known(f"the line contains a NUL byte; {cause}")


def reasons_in_sources():
    """The texts with which files are refused and rows mended; a value of one is written as 1."""
    for file in (ROOT / "portal/people_files").rglob("*.py"):
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "FileRefused":
                found = [text_of(each) for each in node.args]
            elif isinstance(node, ast.Assign) and file.parent.name == "mending":
                found = [text_of(node.value)]
            else:
                continue
            yield from (text for text in found if " " in text)


def text_of(node):
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_classes_beyond_the_incident_are_added_with_a_tick(sender):
    page = sender.read(b"email,data_classes\nana@mail.example,Passwords\n")
    assert "doesn’t list these kinds of data yet: Passwords" in sender.texts(page)
    sender.press(page, "store", widen="yes")
    sender.work()
    assert "This is version 1" in sender.texts(page)
    assert "not on the public page yet" in sender.texts("/lists/november/")
    token = hidden(sender.browser.get("/lists/november/").text)
    asked = sender.browser.post("/lists/november/1/activate/", data=token)
    assert "doesn’t say that these were taken: Passwords" in sender.texts(asked.location)


def test_progress_is_a_few_words_of_one_row(sender):
    page = sender.send(b"email\nana@mail.example\n")
    told = sender.browser.get(f"{page}progress").get_json()
    assert told == {"state": "waiting", "words": "Starting", "percent": 0}


def test_a_deleted_file_is_gone_from_the_list(sender):
    page = sender.read(b"email\nana@mail.example\n")
    assert sender.press(page, "delete").status_code == 303
    with sender.office.db.read() as session:
        assert list(session.scalars(select(Upload.state))) == ["discarded"]
    assert "uploads/" not in sender.browser.get("/lists/november/").text.split('<h2 id="new">')[0]


def test_somebody_is_left_out_and_notified_again(sender, lists):
    lists.live("ana@mail.example,C-1,,,,\n")
    where = "/lists/november/left-out/"

    def press(**fields):
        sent = hidden(sender.browser.get(where).text) | {"email": "ana@mail.example", "ref": "C-1"}
        sent |= {"reason": "died"}
        return sender.browser.post(where, data=sent | fields)

    assert press().status_code == 303
    said = sender.texts(where)
    assert "1 person is left out. On the active list: 1. Addresses that get no notice: 1." in said
    assert "ana@mail" not in said
    assert press(do="remove").status_code == 303
    assert "Nobody is left out." in sender.texts(where)
    assert "Nobody with exactly this address" in press(do="remove").text
    press(ref="C-2")
    press(email="ben@mail.example")
    with sender.office.db.read() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
        read = [json.loads(entry.details) for entry in entries if entry.action.startswith("exposure.except")]
        logged = [details["person"] for details in read if "person" in details]
        kept = {row.hex() for row in session.scalars(select(LeftOut.person_index))}
    added, removed, with_another_reference, somebody_else = logged
    assert added == removed == with_another_reference != somebody_else
    assert len(kept) == 2
    assert not kept & set(logged)


def test_leaving_people_out_needs_a_fresh_confirmation(sender, office):
    office.clock.at += office.clock.at.resolution * 6 * 60 * 1_000_000
    assert sender.browser.get("/lists/november/left-out/").location.startswith("/confirm/")


def test_an_approver_reads_and_decides_nothing(sender, office):
    page = sender.read(FAULTY)
    other = office.as_role("approver")
    shown = other.get(page)
    assert shown.status_code == 200
    assert "<select" not in shown.text
    assert other.get("/lists/").status_code == 200
