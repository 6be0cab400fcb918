"""Which orders the worker takes only from who confirmed in the last minutes that it is them."""

from datetime import timedelta

import pytest

from portal.staff import members, sessions

# What orders need does not depend on the database.
pytestmark = pytest.mark.sqlite

# What mails, publishes, hands out, lets something go on, or changes who gets in.
CONFIRMED = """
add add-passkey ask ask-new-passkey checklist-file-open checklist-file-remove left-out-add left-out-remove
left-out-show mail-resume mail-retry notice-resume notice-test notice-unreached recovery-codes remove-passkey
setting text-withdraw update-alone update-confirm
""".split()
# What only reads or stops, what comes to nothing before a second person approves, and the proof itself.
AT_ONCE = """
approve ask-step-up checklist-change checklist-discovered checklist-done checklist-file-keep credentials
end-sessions incident-change incident-create list-found list-read list-store mail-check mail-pause
notice-draft publication-cancel reset-count send-back signed-out-elsewhere step-up withdraw
""".split()
# Jobs of a browser in which nobody is signed in yet, or any more.
NOBODYS = "sign-in passkey ask-passkey invitation join signed-out".split()


def test_who_confirmed_seven_minutes_ago_gives_only_orders_that_need_no_confirmation(office):
    colleague = office.add("author", "approver", "support", "privacy", "admin")
    vault, sealed = office.parts.vault, office.parts.sealed
    with office.db.write() as session:
        member = members.verified(session, vault, colleague.id)
        token = sessions.begin(session, vault, member, "code", "Firefox", office.clock.now())
    office.advance(timedelta(minutes=7))
    kinds, taken = {kind.removeprefix("staff.") for kind in sealed if kind.startswith("staff.")}, set()
    assert kinds == {*CONFIRMED, *AT_ONCE, *NOBODYS}
    for name in kinds - {*NOBODYS}:
        try:
            told = sealed[f"staff.{name}"](b"", {"session": token}, office.parts)
        except KeyError:  # it was about to be done, and misses its fields
            told = {}
        if told != {"outcome": "step-up"}:
            taken.add(name)
    assert taken == set(AT_ONCE)
