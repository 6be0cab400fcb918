"""`portal audit verify` checks every approval later: the row, what it covers, the signature, and the log."""

import json
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from portal.cli import main
from portal.crypto.webauthn import RelyingParty
from portal.runtime.context import Context
from portal.staff import members
from portal.staff.approvals import checking, service
from portal.staff.approvals.models import Approval
from portal.staff.models import StaffMember
from portal.staff.sign_in import credentials
from tests.accounts.passkeys.authenticator import Authenticator
from tests.colleagues import press
from tests.visitor import SAME_SITE, hidden

PARTY = RelyingParty("localhost", "http://localhost:8001", "Northwind Travel")


@pytest.fixture
def key(office):
    """A second admin's passkey, with which `approve` approves; and a first admin who asks."""
    asker, second = office.add("admin", name="Ann"), office.add("admin", name="Ben")
    passkey = Authenticator(origin="http://localhost:8001")
    made = PARTY.register(passkey.create(PARTY.creation(b"c" * 32, second.id, "Ben", ())), b"c" * 32)
    with office.db.write() as session:
        credentials.add_passkey(session, office.parts.vault, second.id, "Ben's", made, office.clock.now())
    return office.sign_in(asker), office.sign_in(second), passkey


def id_of(page):
    return bytes.fromhex(urlsplit(page).path.split("/")[-2])


def answer_over(office, passkey, page):
    """What a passkey answers that is asked to sign exactly the request of this page."""
    with office.db.read() as session:
        challenge = service.challenge_of(session.get(Approval, id_of(page)))
    return passkey.get(PARTY.request(challenge, {passkey.credential_id: ()}))


@pytest.fixture
def approve(office, key):
    """Ask for somebody to be invited, and approve that with the passkey; return the row's id."""
    asker, second, passkey = key

    def run(address):
        page = asker.submit("/staff/new/", email=address, roles=["author"]).location
        sent = press(second, page, f"{page}approve/", passkey=answer_over(office, passkey, page))
        assert sent.status_code == 303, sent.text
        return id_of(page)

    return run


def test_a_passkeys_answer_over_one_request_approves_no_other(office, key):
    asker, second, passkey = key
    one, other = (
        asker.submit("/staff/new/", email=address, roles=["author"]).location
        for address in ("eve@northwind.example", "kim@northwind.example")
    )
    before, answer = stored(office, id_of(other)), answer_over(office, passkey, one)
    sent = press(second, other, f"{other}approve/", passkey=answer)
    assert (sent.status_code, before["state"]) == (422, "open")
    assert "We couldn’t confirm that it’s you" in sent.text
    assert stored(office, id_of(other)) == before
    assert press(second, one, f"{one}approve/", passkey=answer).status_code == 303
    assert stored(office, id_of(one))["state"] == "done"


@pytest.fixture
def verify(office):
    """Run `portal audit verify` with the worker's keys; return its status and what it says."""

    def run(*words, command="verify"):
        context = Context(
            office.parts.settings,
            office.clock,
            approvals=lambda: checking.check,
            names=lambda: members.names,
        )
        context.db = context.database = office.db
        result = CliRunner().invoke(main, ["audit", command, *words], obj=context)
        return result.exit_code, result.output

    return run


def change(office, row_id, *, signed=False, **values):
    """Change a row, as who can write to the database; with the worker's keys too, if `signed`."""
    with office.db.write() as session:
        session.execute(update(Approval).where(Approval.id == row_id).values(values))
        if signed:
            row = session.get(Approval, row_id)
            row.row_mac = service._mac(office.parts.vault, row)


def stored(office, row_id):
    with office.db.read() as session:
        row = session.execute(select(Approval.__table__).where(Approval.id == row_id)).mappings().one()
        return dict(row)


def test_what_was_approved_with_a_passkey_or_a_code_is_intact(office, approve, key, verify):
    asker, _second, _passkey = key
    approve("eve@northwind.example")
    cid = office.add("approver", name="Cid")
    page = asker.submit("/staff/new/", email="kim@northwind.example", roles=["author"]).location
    browser = office.sign_in(cid)
    fields = hidden(browser.get(page).text) | {"code": cid.code()}
    assert browser.post(f"{page}approve/", data=fields, headers=SAME_SITE).status_code == 303
    asker.submit("/staff/new/", email="joe@northwind.example", roles=["author"])
    status, said = verify()
    assert status == 0, said
    assert "3 requests are intact too: 1 approved with a passkey, 1 with a code, 0 without a second" in said
    told = json.loads(verify("--json")[1])
    assert told["approvals"] == {"requests": 3, "signed": 1, "codes": 1, "alone": 0, "destroyed": 0}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "open"),
        ("shown", "{}"),
        ("fields", "{}"),
        ("reason", "!"),
        ("proof", "{}"),
        ("result", '{"a":1}'),
    ],
)
def test_a_row_that_was_altered_is_named(office, approve, verify, column, value):
    row_id = approve("eve@northwind.example")
    change(office, row_id, **{column: value})
    status, said = verify()
    assert status == 1
    assert f"request {row_id.hex()} (staff.invite) was inserted or altered without the worker's keys" in said
    assert "The audit log is intact, but not what staff approved" in said
    assert said.count("request ") == 1


def test_even_with_the_workers_keys_nobody_makes_a_passkeys_signature(office, approve, verify):
    one, other = approve("eve@northwind.example"), approve("kim@northwind.example")
    change(office, other, signed=True, proof=stored(office, one)["proof"])
    assert (
        f"request {other.hex()} (staff.invite) has a passkey's signature over something else" in verify()[1]
    )
    proof = json.loads(stored(office, one)["proof"])
    answer = json.loads(proof["answer"])
    answer["response"]["signature"] = answer["response"]["signature"][::-1]
    change(office, one, signed=True, proof=json.dumps(proof | {"answer": json.dumps(answer)}))
    said = verify()[1]
    assert f"request {one.hex()} (staff.invite) has no signature that its passkey made" in said
    change(office, one, signed=True, proof="")
    assert f"request {one.hex()} (staff.invite) was approved without a proof" in verify()[1]
    change(office, one, signed=True, shown='{"member":"another"}')
    assert "shows something else than what its hash was made of" in verify()[1]


def test_a_request_whose_text_was_erased_is_counted_and_only_where_the_log_says_so(office, approve, verify):
    one, other = approve("eve@northwind.example"), approve("kim@northwind.example")
    with office.db.write() as session:
        row = service.verified(session, office.parts.vault, one)
        service.destroy(session, office.parts.vault, row, {}, None, office.clock.now())
    status, said = verify()
    assert status == 0, said
    assert "1 of them shows less than was approved: the text was destroyed since, as the log says." in said
    change(office, other, signed=True, shown='{"destroyed":true}')
    status, said = verify()
    assert status == 1
    assert f"request {other.hex()} (staff.invite) shows less than it did, but the log has no text" in said
    assert one.hex() not in said


def test_an_approval_of_ones_own_is_named(office, approve, verify):
    row_id = approve("eve@northwind.example")
    change(office, row_id, signed=True, asked_by=stored(office, row_id)["decided_by"])
    assert "was approved by the person who asked for it" in verify()[1]


def test_a_row_of_an_earlier_time_or_one_that_is_gone_is_named(office, key, approve, verify):
    asker, _second, _passkey = key
    page = asker.submit("/staff/new/", email="joe@northwind.example", roles=["author"]).location
    row_id = id_of(page)
    before = stored(office, row_id)
    assert press(asker, page, f"{page}withdraw/").status_code == 303
    change(office, row_id, **before)
    assert (
        f"request {row_id.hex()} (staff.invite) is open, but the log has it as withdrawn: an earlier row"
        in verify()[1]
    )
    with office.db.write() as session:
        session.execute(delete(Approval))
    assert f"request {row_id.hex()} was removed: the log has it as withdrawn" in verify()[1]


def test_the_list_names_the_member_who_acted(office, approve, verify):
    approve("eve@northwind.example")
    said = verify(command="list")[1]
    line = next(each for each in said.splitlines() if "approvals.approved" in each)
    assert "by Ben (staff)" in line
    assert "asked_by Ann (staff)" in line


def test_a_removed_member_who_is_put_back_is_found(office, key, verify):
    asker, second, passkey = key
    eve = office.add("admin", name="Eve")
    with office.db.read() as session:
        before = dict(
            session.execute(select(StaffMember.__table__).where(StaffMember.id == eve.id)).one()._mapping
        )
    page = asker.submit(f"/staff/{eve.id.hex()}/", remove="y").location
    answer = answer_over(office, passkey, page)
    assert press(second, page, f"{page}approve/", passkey=answer).status_code == 303
    assert verify()[0] == 0
    with office.db.write() as session:
        session.execute(update(StaffMember).where(StaffMember.id == eve.id).values(before))
    status, said = verify()
    assert status != 0
    assert f"member {eve.id.hex()} has other roles than the log gave them" in said
