"""What the console says of the entries of the audit log: a sentence per action, the groups of actions."""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext

from portal.console.mail.words import reason_words
from portal.console.settings.words import title
from portal.console.settings.words import value as operator_value

GROUPS = {
    "incidents": lazy_gettext("Statements and updates"),
    "exposure": lazy_gettext("Lists of people affected"),
    "campaigns": lazy_gettext("Notices"),
    "reset": lazy_gettext("Required resets"),
    "outbox": lazy_gettext("Email"),
    "staff": lazy_gettext("Staff"),
    "settings": lazy_gettext("Settings"),
    "approvals": lazy_gettext("Approvals"),
    "checklist": lazy_gettext("Checklists"),
    "cases": lazy_gettext("Cases of lost inboxes"),
    "support": lazy_gettext("Look-ups of people"),
    "accounts": lazy_gettext("Accounts"),
    "subscriptions": lazy_gettext("Subscriptions"),
    "intake": lazy_gettext("Requests from forms"),
    "mydata": lazy_gettext("People’s own data"),
}
# By action; `subject` and every detail of an entry may be named.
SENTENCES = {
    "accounts.import": lazy_gettext("Imported accounts"),
    "accounts.hashes_encrypted": lazy_gettext("Encrypted the last password hash"),
    "approvals.ask": lazy_gettext("Asked for approval: %(what)s"),
    "approvals.approved": lazy_gettext("Approved: %(what)s"),
    "approvals.done": lazy_gettext("Done as approved: %(what)s"),
    "approvals.failed": lazy_gettext("Couldn’t do what was approved: %(what)s"),
    "approvals.sent-back": lazy_gettext("Sent back: %(what)s"),
    "approvals.erase": lazy_gettext("Destroyed what a request showed: %(what)s"),
    "approvals.withdrawn": lazy_gettext("Withdrew a request: %(what)s"),
    "cases.change": lazy_gettext("Changed an account’s address, as a case asked"),
    "cases.close": lazy_gettext("Closed a case"),
    "cases.confirm": lazy_gettext("Confirmed a case as the second person"),
    "cases.prove": lazy_gettext("Began a case: somebody proved who they are"),
    "cases.show": lazy_gettext("Looked at a case"),
    "cases.stop": lazy_gettext("A case was stopped"),
    "cases.unverified": lazy_gettext("A case ended: nobody confirmed the new address"),
    "cases.verify": lazy_gettext("Somebody confirmed the new address of a case"),
    "campaigns.draft": lazy_gettext("Drafted a notice for %(subject)s"),
    "campaigns.failed": lazy_gettext("Exported who a notice of %(subject)s didn’t reach"),
    "campaigns.file-taken": lazy_gettext("Downloaded the list of who a notice of %(subject)s didn’t reach"),
    "campaigns.freeze-again": lazy_gettext("Froze the words of a notice of %(subject)s again"),
    "campaigns.notify": lazy_gettext("Began a notice for %(subject)s"),
    "campaigns.pause": lazy_gettext("Paused a notice of %(subject)s"),
    "campaigns.resume": lazy_gettext("Resumed a notice of %(subject)s"),
    "campaigns.start": lazy_gettext("Started a notice for %(subject)s"),
    "campaigns.stop": lazy_gettext("Stopped a notice of %(subject)s"),
    "campaigns.subject": lazy_gettext("Changed the subject line of notices of %(subject)s"),
    "campaigns.test": lazy_gettext("Sent a test of a notice of %(subject)s"),
    "campaigns.written": lazy_gettext("Queued the emails of a notice of %(subject)s"),
    "checklist.change": lazy_gettext("Changed the checklist of %(subject)s"),
    "checklist.done": lazy_gettext("Marked as done on the checklist of %(subject)s"),
    "checklist.add-file": lazy_gettext("Added a file to the checklist of %(subject)s"),
    "checklist.open-file": lazy_gettext("Opened a file on the checklist of %(subject)s"),
    "checklist.remove-file": lazy_gettext("Deleted a file from the checklist of %(subject)s"),
    "checklist.reopen": lazy_gettext("Marked as not done on the checklist of %(subject)s"),
    "exposure.activate": lazy_gettext("Activated version %(version)s of the list of %(subject)s"),
    "exposure.except": lazy_gettext("Left people out of the list of %(subject)s"),
    "exposure.except-list": lazy_gettext("Read who is left out of the list of %(subject)s"),
    "exposure.except-remove": lazy_gettext("Put somebody back on the list of %(subject)s"),
    "exposure.import": lazy_gettext("Imported version %(version)s of the list of %(subject)s"),
    "exposure.purge": lazy_gettext("Destroyed version %(version)s of the list of %(subject)s"),
    "exposure.samples": lazy_gettext("Looked at masked rows of a file for %(subject)s"),
    "identity.check": lazy_gettext("Tried the user store: %(subject)s"),
    "incidents.alone": lazy_gettext("Posted an update of %(subject)s"),
    "incidents.classes": lazy_gettext("Changed the kinds of data of %(subject)s"),
    "incidents.cancel": lazy_gettext("Cancelled the scheduled publishing of %(subject)s"),
    "incidents.confirm": lazy_gettext("Confirmed an update of %(subject)s that somebody posted alone"),
    "incidents.create": lazy_gettext("Created the incident %(subject)s"),
    "incidents.discard": lazy_gettext("Discarded a draft of %(subject)s"),
    "incidents.discreet": lazy_gettext("Changed if emails about %(subject)s say what happened"),
    "incidents.edit-update": lazy_gettext("Changed an update of %(subject)s"),
    "incidents.erase": lazy_gettext("Erased a text of %(subject)s"),
    "incidents.discovered": lazy_gettext("Set when %(subject)s was found out"),
    "incidents.happened": lazy_gettext("Changed the day of %(subject)s"),
    "incidents.promise": lazy_gettext("Changed when more news of %(subject)s is due"),
    "incidents.publish": lazy_gettext("Published %(subject)s"),
    "incidents.schedule": lazy_gettext("Scheduled the publishing of %(subject)s"),
    "incidents.statement": lazy_gettext("Wrote a statement of %(subject)s"),
    "incidents.title": lazy_gettext("Changed the title of %(subject)s"),
    "incidents.update": lazy_gettext("Wrote an update of %(subject)s"),
    "incidents.withdraw": lazy_gettext("Withdrew something of %(subject)s"),
    "intake.discard": lazy_gettext("Discarded failed requests from forms"),
    "intake.retry": lazy_gettext("Tried failed requests from forms again"),
    "mydata.erase": lazy_gettext("An owner erased their account"),
    "mydata.purge": lazy_gettext("Removed what has expired"),
    "outbox.pause": lazy_gettext("Paused notices and updates: %(subject)s"),
    "outbox.resume": lazy_gettext("Sent notices and updates again: %(subject)s"),
    "outbox.retry": lazy_gettext("Queued failed emails again: %(subject)s"),
    "rehearse": lazy_gettext("Rehearsed the notice of %(subject)s on a copy"),
    "reset.require": lazy_gettext("Began a required reset: %(subject)s"),
    "reset.required": lazy_gettext("Finished a required reset: %(subject)s, %(newly)s passwords locked"),
    "settings.change": lazy_gettext("Changed a setting: %(subject)s. It was “%(before)s”"),
    "settings.first": lazy_gettext("Set a setting: %(subject)s"),
    "settings.reset": lazy_gettext("Put the operator’s value back: %(subject)s. It was “%(before)s”"),
    "staff.accept": lazy_gettext("Let in who is staff by the database as it was"),
    "staff.add": lazy_gettext("Added %(subject)s, to be invited"),
    "staff.add-passkey": lazy_gettext("%(subject)s added a passkey"),
    "staff.recovery-codes": lazy_gettext("%(subject)s made new recovery codes"),
    "staff.end-sessions": lazy_gettext("Signed %(subject)s out everywhere"),
    "staff.invite": lazy_gettext("Invited %(subject)s"),
    "staff.invite-passkey": lazy_gettext("Invited %(subject)s to add a passkey"),
    "staff.join": lazy_gettext("%(subject)s joined"),
    "staff.recover": lazy_gettext("Gave %(subject)s a new way in"),
    "staff.remove-passkey": lazy_gettext("%(subject)s removed a passkey"),
    "staff.roles": lazy_gettext("Changed the roles of %(subject)s"),
    "staff.removed": lazy_gettext("Removed %(subject)s"),
    "staff.sign-in": lazy_gettext("%(subject)s signed in"),
    "support.find": lazy_gettext("Looked a person up"),
    "subscriptions.announce": lazy_gettext("Emailed an update of %(subject)s"),
}


def named(action: str, details: Mapping[str, Any]) -> str:
    """Return the action whose sentence tells an entry: who lost all roles was removed."""
    if action == "staff.roles" and details.get("after") == "":
        return "staff.removed"
    return "settings.first" if action == "settings.change" and not details.get("before") else action


class _Values(dict[str, Any]):
    """The values of a sentence; one that an entry lacks is a question mark."""

    def __missing__(self, _name: str) -> str:
        return "?"


def sentence(action: str, subject: str, values: Mapping[str, Any]) -> str:
    """Return an entry in words; the action and its subject where there are none."""
    words = SENTENCES.get(action)
    if words is None:
        return f"{action} {subject}".strip()
    return str(words) % _Values({**values, "subject": _subject(action, subject) or "–"})


def _subject(action: str, subject: str) -> str:
    """Return in words what an entry is about, where the log has a code."""
    if action.startswith("settings."):
        return title(subject)
    if action == "outbox.retry":
        return str(gettext("All failed emails")) if subject == "all" else reason_words(subject)
    if action.startswith("reset.") and subject == "everyone":
        return str(gettext("Everyone with an account"))
    return operator_value("IDENTITY_STORE", subject) if action == "identity.check" else subject
