"""What a case tells by its form, its answers and its row without a code and the worker's keys: nothing."""

import re
from datetime import timedelta
from itertools import pairwise

import pytest

from portal.cases import sealed
from portal.cases.models import Case
from portal.crypto.vault import VaultError
from tests import traces
from tests.cases.conftest import PHONE, WRONG, OpenCase
from tests.reset.journey import ANA, STRANGER
from tests.visitor import Visitor, hidden

HTML = "<script>alert(1)</script>"


def opening(app, db, contact: str):
    """What a fresh visitor's case leaves in the database, and what they see."""
    visitor = app.test_client()
    before = traces.lengths(db)
    answer = visitor.submit("/cases/new/", contact=contact)
    body = re.sub(rb'(name="(csrf_token|number|code)"[^>]*value=")[^"]*', rb"\1", answer.data)
    body = re.sub(rb"(<code[^>]*>)[^<]*</code>", rb"\1</code>", body)
    return answer.status_code, len(answer.data), body, traces.change(before, traces.lengths(db))


def test_opening_is_the_same_whoever_asks(app, db, people):
    people.add(ANA)
    opening(app, db, "x")  # the network's first request adds its bucket
    known, unknown = (
        opening(app, db, f"write to {ANA}"),
        opening(app, db, f"write to {STRANGER} " + "ñ" * 100),
    )
    assert known == unknown
    status, _length, _body, changed = known
    assert status == 200
    assert sum(changed["cases"][0].values()) == 1


def test_a_wrong_number_and_a_wrong_code_get_the_same_answer(app, db, open_case, time, portal, as_staff):
    case, deleted = open_case(), open_case()
    with db.write() as session:
        session.delete(session.get(Case, deleted.number))

    def answer(number: str, code: str):
        visitor: Visitor = app.test_client()
        before = traces.lengths(db)
        with traces.statements(db) as ran:
            shown = visitor.submit("/cases/", number=number, code=code)
        assert WRONG in shown.text.replace("&#39;", "’")
        status, headers, body = traces.response(shown)
        typed = re.sub(rb'value="[^"]*"', b"", body)
        return status, headers, typed, ran, traces.change(before, traces.lengths(db))

    with_case = answer(case.number, "a" * 20)
    answers = [answer("1000000000", case.code), answer(deleted.number, deleted.code)]
    assert answers == [with_case, with_case]
    assert with_case[0] == 400


@pytest.mark.parametrize(
    ("number", "code"), [("", ""), ("1" * 50, "b" * 50), ("x" * 10_000, "\x1b[2J\0"), ("１２３", "٣")]
)
def test_whatever_is_typed_opens_nothing(client, open_case, number, code):
    open_case()
    assert client.submit("/cases/", number=number, code=code).status_code == 400


def test_number_and_code_may_be_typed_as_people_do(client, open_case, shown):
    case = open_case()
    typed = OpenCase(f" {case.number[:3]}-{case.number[3:6]} {case.number[6:]}", " ".join(case.code.upper()))
    assert "We have your case" in shown(typed)


def test_the_file_holds_both_and_no_address_of_the_portal_does(client, open_case):
    page = client.submit("/cases/new/", contact=PHONE)
    sent = hidden(page.text)
    saved = client.post("/cases/new/text/", data=sent)
    assert saved.headers["Content-Disposition"] == 'attachment; filename="case.txt"'
    plain = saved.text.replace(" ", "").replace("-", "").lower()
    assert sent["number"] in plain
    assert sent["code"] in plain
    assert sent["code"] not in str(client.get("/cases/").headers)
    forged = client.post("/cases/new/text/", data=sent | {"number": "<b>"})
    assert (forged.status_code, forged.location) == (303, "/cases/")


def test_a_stolen_database_with_the_web_keys_shows_neither_contact_nor_state_nor_account(
    confirmed, proved, open_case, people, press, time, db, web_vault, worker_vault, clock
):
    cases = [open_case(), proved(), confirmed()]
    press("stop", ANA)
    time.passes(2)
    cases.append(confirmed("--remove-factors"))
    time.passes(2)
    account_id = people.account(ANA).id
    with db.read() as session:
        rows = [session.get_one(Case, case.number) for case in cases]
    shapes = {
        (len(row.public), len(row.view), len(row.contact), len(row.record or b""), row.closed_on)
        for row in rows
    }
    assert len(shapes) == 1, "a row's form is the same whatever became of the case"
    assert {row.look_at - clock.now() < timedelta(hours=2) for row in rows} == {True}
    for row in rows:
        held = row.view + row.contact + (row.record or b"")
        assert account_id not in held
        assert account_id.hex().encode() not in held
        assert not re.search(rb"600 123|passport|northwind|other\.example", held)
    everything = repr(traces.contents(db)["cases"]) + repr(traces.contents(db)["audit_entries"])
    assert not re.search(r"600 123|passport|northwind\.example|other\.example", everything)
    assert not [case.number for case in cases if case.number in repr(traces.contents(db)["audit_entries"])]
    for name, value in vars(web_vault).items():
        if hasattr(value, "public_bytes"):
            assert name == "_public", "no private key is among the web keys"
    with pytest.raises(VaultError):
        sealed.decrypt(worker_vault, cases[0].number, rows[1].record)
    with pytest.raises(VaultError):
        sealed.open_view(cases[0].code, cases[1].number, rows[1].view)


def test_numbers_and_codes_are_random(open_case):
    made = [open_case() for _ in range(12)]
    numbers = sorted(int(case.number) for case in made)
    assert len({case.code for case in made}) == 12
    assert min(b - a for a, b in pairwise(numbers)) > 1
    assert {(len(case.number), len(case.code)) for case in made} == {(10, 20)}


def test_tries_are_counted_for_each_number_and_each_network(client, browser, open_case):
    case = open_case()
    for number in range(30):
        other = browser(f"198.51.100.{number}")
        assert other.submit("/cases/", number=case.number, code="a").status_code == 400
    page = client.get("/cases/")
    refused = client.post("/cases/", data=hidden(page.text) | {"number": case.number, "code": case.code})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    for number in range(31):  # of a number that nobody has: the same
        other = browser(f"198.51.100.{number}")
        last = other.submit("/cases/", number="1234567890", code="a").status_code
    assert last == 429


@pytest.fixture
def browser(app):
    def at(ip: str) -> Visitor:
        visitor: Visitor = app.test_client()
        visitor.environ_base["REMOTE_ADDR"] = ip
        return visitor

    return at


def test_a_network_opens_no_more_cases_than_its_limit(portal_with):
    visitor = portal_with(limits={"cases_ip": "2 per hour"}).test_client()
    states = [visitor.submit("/cases/new/", contact="x").status_code for _ in range(2)]
    page = visitor.get("/cases/new/")
    states.append(visitor.post("/cases/new/", data=hidden(page.text) | {"contact": "x"}).status_code)
    assert states == [200, 200, 429]


class TestWhatIsTyped:
    @pytest.mark.parametrize("contact", ["", " \n\t", "\x1b\x07", "x" * 201, "x" * 10_000])
    def test_nothing_or_too_much_is_refused(self, client, db, contact):
        assert client.submit("/cases/new/", contact=contact).status_code == 400
        assert traces.contents(db)["cases"] == []

    @pytest.mark.parametrize(
        ("contact", "kept"),
        [
            (HTML, HTML),
            ("call\n\n+34\x1b[2J\x1b]0;root\x07\u202e me", "call +34 [2J ]0;root me"),
            ("🦉" * 200, "🦉" * 200),
            ('"\\' * 100, '"\\' * 100),
        ],
    )
    def test_reaches_staff_as_plain_words(self, open_case, portal, as_staff, contact, kept):
        case = open_case(contact)
        said = portal("cases", "show", case.number, "--reason", "ticket 1").stdout
        assert f"Reach them at: {kept}  (" in said
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", said)

    def test_a_forged_contact_moves_no_cursor_either(self, open_case, portal, as_staff, db, web_vault):
        case = open_case()
        forged = sealed.Contact("\x1b[2J\u202eroot", "\x1b[2J", "2026-11-23T09:00:00+00:00")
        with db.write() as session:
            row = session.get_one(Case, case.number)
            row.contact = sealed.seal_contact(web_vault, case.number, forged)
        said = portal("cases", "show", case.number, "--reason", "ticket 1").stdout
        said += portal("cases", "list").stdout
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", said)

    def test_a_reason_is_shown_as_words_alone(self, open_case, portal, as_staff, shown, client):
        case = open_case()
        portal("cases", "close", case.number, "--reason", HTML)
        page = client.submit("/cases/", number=case.number, code=case.code).text
        assert HTML not in page
        assert "&lt;script&gt;" in page
