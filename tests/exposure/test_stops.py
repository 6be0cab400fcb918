"""A wrong list does not go live: other classes, a cut export, another incident's file."""

import json

import pytest
from sqlalchemy import select, update

from portal.audit.models import AuditEntry
from portal.exposure import activating, service
from portal.exposure.importing import comparing
from portal.exposure.models import ExposedPerson
from portal.incidents import service as incidents
from tests.commands import context, portal
from tests.exposure.conftest import HEADER, SLUG
from tests.exposure.test_import import numbered

__all__ = ["context", "portal"]
UNLISTED = (
    "ann@northwind.example,7,Ann,en,,Names;Passwords\nbob@northwind.example,8,Bob,en,,Passwords;Photos\n"
)


@pytest.fixture
def file(tmp_path):
    """Write a list's file; returns its path."""

    def write(rows):
        path = tmp_path / "people.csv"
        path.write_text(HEADER + rows, encoding="utf-8")
        return path

    return write


def entries(lists, action):
    with lists.db.read() as session:
        found = session.scalars(select(AuditEntry.details).where(AuditEntry.action == action))
        return [json.loads(details) for details in found]


class TestClasses:
    @pytest.mark.parametrize("options", [[], ["--dry-run"], ["--activate"]])
    def test_those_that_the_incident_does_not_list_stop_the_file_before_anything_is_stored(
        self, lists, portal, file, options
    ):
        told = portal("exposure", "import", SLUG, file(UNLISTED + numbered(5)), *options, status=2).output
        assert "does not list these data classes: Passwords (2 people), Photos (1 person)." in told
        assert "with --widen" in told
        assert "Nothing was stored" in told
        assert lists.stored() == (0, 0)
        assert entries(lists, "exposure.import") == []

    def test_a_person_named_twice_counts_once(self, lists, portal, file):
        told = portal("exposure", "import", SLUG, file(UNLISTED + UNLISTED), status=2).output
        assert "Passwords (2 people), Photos (1 person)" in told

    def test_with_widen_they_are_staged_and_the_version_waits_for_the_publish(self, lists, portal, file):
        told = portal("exposure", "import", SLUG, file(UNLISTED), "--widen").output
        assert f"Staged: Passwords, Photos. First publish them: portal incidents publish {SLUG}. Then" in told
        with lists.db.read() as session:
            incident = incidents.by_slug(session, SLUG)
        assert incident.class_names == ("Email addresses", "Names")
        assert incident.next_class_names == ("Email addresses", "Names", "Passwords", "Photos")
        told = portal("exposure", "activate", SLUG, 1, status=1).output
        assert "page does not say that these data were taken: Passwords, Photos." in told
        assert f"First publish them: portal incidents publish {SLUG}" in told
        with lists.db.write() as session:
            incidents.publish(session, SLUG, lists.clock.now())
        assert "Version 1 is active" in portal("exposure", "activate", SLUG, 1).output
        assert [entry.get("widen") for entry in entries(lists, "exposure.import")] == ["Passwords;Photos"]

    def test_to_activate_at_once_is_refused_but_the_version_is_kept(self, lists, portal, file):
        told = portal("exposure", "import", SLUG, file(UNLISTED), "--widen", "--activate", status=1).output
        assert "Stored as version 1." in told
        assert "Not activated" in told
        assert lists.stored() == (1, 2)

    def test_what_was_staged_and_discarded_must_be_staged_again(self, lists, portal, file):
        portal("exposure", "import", SLUG, file(UNLISTED), "--widen")
        with lists.db.write() as session:
            incident = incidents.by_slug(session, SLUG)
            incidents.stage_classes(session, incident, incident.class_names, lists.clock.now())
            incidents.publish(session, SLUG, lists.clock.now())
        told = portal("exposure", "activate", SLUG, 1, status=1).output
        assert f"First add them: portal incidents classes {SLUG}" in told

    def test_the_second_file_with_staged_classes_needs_nothing_but_the_publish(self, lists, portal, file):
        portal("exposure", "import", SLUG, file(UNLISTED), "--widen")
        portal("exposure", "import", SLUG, file(UNLISTED))
        assert "page does not say" in portal("exposure", "activate", SLUG, 2, status=1).output

    def test_rows_without_classes_do_not_get_those_of_others(self, lists, portal, file):
        portal("exposure", "import", SLUG, file(UNLISTED + numbered(3)), "--widen")
        with lists.db.read() as session:
            (version,) = service.versions(session, lists.id_of(SLUG))
        assert json.loads(version.class_counts)["Passwords"] == 2

    def test_a_draft_is_widened_at_once(self, lists, portal, file):
        lists.incident("draft", publish=False)
        told = portal("exposure", "import", "draft", file(UNLISTED), "--widen", "--activate").output
        assert "Version 1 is active" in told

    def test_an_older_version_comes_back_only_while_its_classes_are_listed(self, lists, portal, file):
        lists.live(UNLISTED)
        with lists.db.write() as session:
            incident = incidents.by_slug(session, SLUG)
            incidents.stage_classes(session, incident, ("Names", "Email addresses"), lists.clock.now())
            incidents.publish(session, SLUG, lists.clock.now())
        lists.live(UNLISTED.replace(";Passwords", "").replace("Passwords;Photos", "Names"))
        assert "Passwords, Photos" in portal("exposure", "activate", SLUG, 1, status=1).output


class TestPeople:
    @pytest.mark.parametrize("options", [["--activate"], ["--activate", "--dry-run"]])
    def test_a_cut_export_does_not_go_live_by_mistake(self, lists, portal, file, options):
        lists.live(numbered(100))
        told = portal("exposure", "import", SLUG, file(numbered(70)), *options, status=2).output
        assert "Compared with version 1: new 0, gone 30, changed 0." in told
        assert "30 of the 100 people of version 1 are not on it: more than a tenth." in told
        assert "--replace" in told
        assert lists.stored() == (1, 100)

    def test_it_is_stored_when_it_need_not_go_live_and_stopped_then(self, lists, portal, file):
        lists.live(numbered(100))
        assert "gone 30" in portal("exposure", "import", SLUG, file(numbered(70))).output
        told = portal("exposure", "activate", SLUG, 2, status=2).output
        assert "Compared with version 1: new 0, gone 30, changed 0." in told
        assert f"portal exposure activate {SLUG} 2 --replace" in told
        assert "Version 2 is active" in portal("exposure", "activate", SLUG, 2, "--replace").output
        (_, entry) = entries(lists, "exposure.activate")
        assert (entry["replace"], entry["gone"], entry["former"]) == (True, 30, 1)

    def test_a_tenth_is_not_too_many(self, lists, portal, file):
        lists.live(numbered(100))
        told = portal("exposure", "import", SLUG, file(numbered(90)), "--activate").output
        assert "new 0, gone 10, changed 0." in told
        assert "Version 2 is active" in told

    def test_another_incidents_file_is_told_by_its_people(self, lists, portal, file):
        lists.live(numbered(20))
        told = portal(
            "exposure", "import", SLUG, file(numbered(20, first=500)), "--activate", status=2
        ).output
        assert "new 20, gone 20, changed 0." in told
        assert "another incident's" in told

    def test_all_that_must_be_decided_is_told_at_once(self, lists, portal, file):
        lists.live(numbered(20))
        told = portal("exposure", "import", SLUG, file(UNLISTED), "--activate", status=2).output
        assert "--widen" in told
        assert "--replace" in told

    def test_what_changed_is_told_from_who_is_new(self, lists, portal, file):
        lists.live(
            "ann@northwind.example,,Ann,en,,Names\n"
            "bob@northwind.example,8,Bob,en,,Names\n"
            "cid@northwind.example,9,Cid,en,,Names\n"
            "dan@northwind.example,10,Dan,en,,Names\n"
        )
        told = portal(
            "exposure", "import", SLUG, file(
                "Ann@northwind.example,7,Ann,en,,Names\n"  # now with a reference, in another case
                "bob@northwind.example,8,Bob,en,,Names;Email addresses\n"
                "cid@northwind.example,9,Cid,en,,Names\n"
                "dan@northwind.example,10,Daniel,en,,Names\n"
                "eve@northwind.example,11,Eve,en,,Names\n"
            ),
            "--dry-run",
        ).output  # fmt: skip
        assert "Compared with version 1: new 1, gone 0, changed 3." in told

    def test_a_family_at_one_address_loses_one(self, lists, portal, file):
        family = "".join(f"home@northwind.example,{n},P{n},en,,Names\n" for n in range(20))
        lists.live(family)
        told = portal("exposure", "import", SLUG, file(family[family.index("\n") + 1 :]), "--dry-run").output
        assert "new 0, gone 1, changed 0." in told

    def test_an_older_smaller_version_comes_back_when_it_is_meant(self, lists, portal):
        lists.live(numbered(3))
        lists.live(numbered(30))
        assert "27 of the 30 people" in portal("exposure", "activate", SLUG, 1, status=2).output
        portal("exposure", "activate", SLUG, 1, "--replace")
        assert "Version 1 is active" in portal("exposure", "activate", SLUG, 1).output, "it is active already"

    def test_rows_that_were_spoilt_count_as_changed_and_stop_nothing(self, lists, portal, file):
        lists.live(numbered(5))
        with lists.db.write() as session:
            session.execute(update(ExposedPerson).values(blob=b"spoilt"))
        told = portal("exposure", "import", SLUG, file(numbered(5)), "--activate").output
        assert "new 0, gone 0, changed 5." in told


def test_a_version_is_compared_with_what_is_active_when_it_becomes_so(lists):
    lists.live(numbered(5))
    second, third = lists.take_in(HEADER + numbered(5)), lists.take_in(HEADER + numbered(6))
    with lists.db.read() as session:
        versions = {one.number: one for one in service.versions(session, lists.id_of(SLUG))}
    compared = comparing.compare_versions(lists.db, lists.vault, versions[3], versions[1])
    lists.activate(second.number)
    for comparison in (compared, None):
        with lists.db.write() as session, pytest.raises(activating.ListNotCompared):
            activating.activate(
                session,
                lists.vault,
                lists.id_of(SLUG),
                third.number,
                lists.clock.now(),
                comparison=comparison,
            )


def test_a_script_reads_the_versions_and_what_was_activated(lists, portal):
    lists.live(numbered(20))
    lists.take_in(HEADER + UNLISTED + numbered(20))
    told = json.loads(portal("exposure", "activate", SLUG, 1, "--json").stdout)
    assert told == {"version": 1, "people": 20, "addresses": 20, "compared": None}
    second, first = json.loads(portal("exposure", "list", SLUG, "--json").stdout)
    assert (second["version"], second["state"], second["people"]) == (2, "stored", 22)
    assert second["classes_not_public"] == ["Passwords", "Photos"]
    assert (first["version"], first["state"], first["classes_not_public"]) == (1, "active", [])
    assert "Passwords: 2  (not public" in portal("exposure", "list", SLUG).output
    with lists.db.write() as session:
        incidents.publish(session, SLUG, lists.clock.now())
    told = json.loads(portal("exposure", "activate", SLUG, 2, "--json").stdout)
    assert told["compared"] == {"version": 1, "new": 2, "gone": 0, "changed": 0}
