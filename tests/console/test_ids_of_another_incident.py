"""An id of one incident opens and changes nothing under the short name of another, for page and worker."""

import re
from io import BytesIO

import pytest
from sqlalchemy import select

from portal.campaigns.tasks import service as tasks
from portal.checklist.proofs import service as proofs
from portal.core.db import Base
from portal.exposure.uploads import receiving
from portal.incidents import authoring, service, writing
from portal.incidents.drafts import entries, store
from portal.incidents.drafts.models import Unconfirmed
from portal.staff import members, sessions
from tests.campaigns.conftest import SLUG, STATEMENT, numbered, operator  # noqa: F401 - a fixture
from tests.campaigns.test_series import start
from tests.visitor import SAME_SITE, hidden

OTHER, KEY = "december", "0123456789abcdef"
UPDATE = "---\nphase: contained\ntitle: Closed\nlanguage: en\n---\nWe closed the gap.\n"
# Changed by any request, whatever it is about.
BESIDE = {"staff_sessions", "sealed_jobs", "worker_keys", "rate_buckets"}
# Every id that a path has beside its incident's short name.
IDS = {"file_id", "key", "number", "row_id", "task_id", "upload_id"}
# An author chooses the key of an entry: saving or deleting under another incident touches that one's alone.
OWN_KEY = {f"/incidents/{OTHER}/timeline/{KEY}/", f"/incidents/{OTHER}/timeline/{KEY}/discard/"}


@pytest.fixture
def ids(operator, office, worker_vault):  # noqa: F811 - the fixture
    """Everything of one incident that has an id; another is public, and has nothing of the kind."""
    now, vault = office.clock.now(), worker_vault
    operator.statement(STATEMENT)
    operator.live(numbered(3))
    start(operator)
    with office.db.write() as session:
        service.create(session, OTHER, "Another", ("Names",), now)
        service.publish(session, OTHER, now)
        incident = service.by_slug(session, SLUG)
        text = authoring.read_update(UPDATE.encode(), ("en", "es"), "UTC", now, phase=None, title=None).text
        update = writing.add_update(session, SLUG, text, now)
        alone = Unconfirmed(update_id=update.id, author="staff x", reason="night", at=now)
        session.add(alone)
        entry = entries.empty(incident, ("en", "es"), "UTC")
        for document, parts in (("statement:en", {"title": "A"}), (f"update:{KEY}", entry)):
            store.save(session, SLUG, document, parts, 0, "Ana", now)
        upload = receiving.begin(session, incident.id, "list", "text", 10, "staff x", now)
        task = tasks.begin(session, vault, "draft", incident.id, {}, now, notice=1)
    place, content = proofs.Place(office.db, vault.staff, office.clock), BytesIO(b"%PDF-1.7\nabc")
    file_id = proofs.receive(place, incident, "insurer", "a.pdf", content.read, b"\1" * 16)
    proofs.keep(office.db, vault, file_id.hex(), b"\1" * 16, SLUG, now)
    found = {"file_id": file_id, "row_id": alone.id, "task_id": task.id, "upload_id": upload.id}
    return {name: value.hex() for name, value in found.items()} | {"key": KEY, "number": "1"}


def everything(db):
    """All rows, but those that any request changes."""
    with db.read() as session:
        return {
            name: sorted(map(repr, session.execute(select(table))))
            for name, table in Base.metadata.tables.items()
            if name not in BESIDE
        }


def paths(app, ids, slug):
    """The paths of an incident's views that have an id, with what they take."""
    words = {"slug": slug, "item": "insurer", "language": "en", "what": "update", "reason": "0"} | ids
    for rule in app.url_map.iter_rules():
        if "<slug>" in rule.rule and IDS & rule.arguments:
            path = re.sub(r"<(?:[^>]*:)?(\w+)>", lambda found: words[found[1]], rule.rule)
            yield path, rule.methods - {"HEAD", "OPTIONS"}


def test_no_page_takes_an_id_of_another_incident(office, ids):
    browser = office.as_role("author", "approver", "privacy", "admin")
    form = hidden(browser.get("/").text) | {"reason": "Because.", "erase": "yes"}
    headers = SAME_SITE | {"X-CSRFToken": form["csrf_token"], "Upload-Offset": "0"}
    own = {
        browser.get(path).status_code for path, methods in paths(office.app, ids, SLUG) if "GET" in methods
    }
    assert own & {200, 303}, "the ids are right"
    before, answers = everything(office.db), {}
    for path, methods in paths(office.app, ids, OTHER):
        for method in methods:
            if path not in OWN_KEY or method == "GET":
                data = {"POST": form, "PUT": b"x"}.get(method)
                answers[method, path] = browser.open(
                    path, method=method, data=data, headers=headers
                ).status_code
    assert {at: status for at, status in answers.items() if status not in (404, 410)} == {}
    assert len(answers) > 30
    for path in OWN_KEY:
        browser.post(path, data=form, headers=headers)
    after = everything(office.db)
    drafts = [row for row in after["incidents_drafts"] if row not in before["incidents_drafts"]]
    assert set(before["incidents_drafts"]) <= set(after["incidents_drafts"])
    assert len(drafts) <= 1, "an entry of the other incident's own"
    assert after | {"incidents_drafts": []} == before | {"incidents_drafts": []}


# Every order that names an incident and something of it; a new one belongs here.
ORDERS = {
    "checklist-file-keep": {"slug": OTHER, "file": "file_id"},
    "checklist-file-open": {"slug": OTHER, "file": "file_id"},
    "checklist-file-remove": {"slug": OTHER, "file": "file_id"},
    "list-found": {"incident": OTHER, "upload": "upload_id"},
    "list-read": {
        "incident": OTHER,
        "upload": "upload_id",
        "mapped": "[]",
        "ignored": "[]",
        "meanings": "[]",
    },
    "list-store": {"incident": OTHER, "upload": "upload_id"},
    "notice-resume": {"incident": OTHER, "notice": "number"},
    "notice-test": {"incident": OTHER, "notice": "number", "language": "en"},
    "text-withdraw": {
        "slug": OTHER,
        "what": "update",
        "number": "number",
        "reason": "Because.",
        "reasons": "{}",
        "erase": "yes",
    },
    "update-alone": {"slug": OTHER, "draft": f"{KEY}:1", "accepted": "", "most": "9", "reason": "Because."},
    "update-confirm": {"slug": OTHER, "id": "row_id"},
}
# Orders of an incident alone, of a member, a request or a task, and those without any.
WITHOUT_ID = """
add add-passkey approve ask ask-new-passkey ask-passkey ask-step-up checklist-change
checklist-discovered checklist-done credentials end-sessions incident-change incident-create invitation join
left-out-add left-out-remove left-out-show mail-check mail-pause mail-resume mail-retry notice-draft
notice-unreached passkey publication-cancel recovery-codes remove-passkey reset-count send-back
setting sign-in signed-out signed-out-elsewhere step-up withdraw
""".split()


def test_no_order_takes_an_id_of_another_incident(office, ids):
    colleague = office.add("author", "approver", "privacy", "admin")
    with office.db.write() as session:
        member = members.verified(session, office.parts.vault, colleague.id)
        token = sessions.begin(session, office.parts.vault, member, "code", "Firefox", office.clock.now())
    before = everything(office.db)
    for name, fields in ORDERS.items():
        given = {field: ids.get(value, value) for field, value in fields.items()} | {"session": token}
        told = office.parts.sealed[f"staff.{name}"](b"", given, office.parts)
        assert told["outcome"] == "refused", name
    assert everything(office.db) == before


def test_every_order_is_one_of_these(office):
    kinds = {kind.removeprefix("staff.") for kind in office.parts.sealed if kind.startswith("staff.")}
    assert kinds == set(ORDERS) | set(WITHOUT_ID)
