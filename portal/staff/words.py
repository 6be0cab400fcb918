"""What the console says of roles, and of orders that were refused."""

from typing import Any

from flask_babel import gettext, lazy_gettext

from portal.staff import sending
from portal.staff.roles import Role

ROLES = {
    Role.AUTHOR: lazy_gettext("Author: writes, and asks for approval"),
    Role.APPROVER: lazy_gettext("Approver: checks what others ask for"),
    Role.SUPPORT: lazy_gettext("Support: helps people who call"),
    Role.PRIVACY: lazy_gettext("Privacy: lists, exports and the log"),
    Role.ADMIN: lazy_gettext("Admin: staff, settings and email"),
}
SHORT_ROLES = {
    Role.AUTHOR: lazy_gettext("Author"),
    Role.APPROVER: lazy_gettext("Approver"),
    Role.SUPPORT: lazy_gettext("Support"),
    Role.PRIVACY: lazy_gettext("Privacy"),
    Role.ADMIN: lazy_gettext("Admin"),
}
REFUSALS = {
    "proof": lazy_gettext("We couldn’t confirm that it’s you. Try again with a new code, or your passkey."),
    "too-many": lazy_gettext("Too many wrong codes. Use your passkey, or wait 15 minutes."),
    "own": lazy_gettext("You asked for this, so somebody else must approve it."),
    "oneself": lazy_gettext("This is about you, so somebody else must approve it."),
    "asker": lazy_gettext("The person who asked for this may not ask for it any more. Ask for it yourself."),
    "row": lazy_gettext(
        "Somebody altered a row of the database, so we did nothing. Tell your IT team: %(place)s."
    ),
    "many-today": lazy_gettext("You stored more today than we take from one person. Go on tomorrow."),
    "too-long": lazy_gettext("That’s too long. Make it shorter."),
    "edited": lazy_gettext("This changed after it was asked for. Ask for approval again."),
    "decided": lazy_gettext("Somebody has already decided this."),
    "role": lazy_gettext("Your role doesn’t allow this."),
    "no-approval": lazy_gettext("This request doesn’t exist."),
    "code": lazy_gettext("That code is wrong. Wait until your app shows a new one, then type that."),
    "first-passkey": lazy_gettext("Your first passkey needs a new invitation. Ask an admin."),
    "no-passkey": lazy_gettext("This passkey is gone already."),
    "old-passkey": lazy_gettext("Confirm with a passkey that you have: a code isn’t enough here."),
    "last-way-in": lazy_gettext("This is your only way to sign in. Add another one first."),
    "too-large": lazy_gettext("This device makes passkeys that are too large for us. Use another device."),
    "address-taken": lazy_gettext("Somebody with this address is on the list already."),
    "last-admin": lazy_gettext("There must be two admins. Make somebody else an admin first."),
    "plain-text": lazy_gettext("Use plain text, without invisible characters."),
    "name": lazy_gettext("Type your name in one line, without invisible characters."),
    "no-member": lazy_gettext("This person isn’t on the list any more."),
    "reset-run": lazy_gettext("This count is no longer valid. Count again."),
    "reset-list": lazy_gettext("The active list changed, or there is none. Count again."),
    "reset-store": lazy_gettext("Your user store can’t lock passwords. Use your own tool for that."),
    "checklist-item": lazy_gettext("That’s not something for this checklist. Look at what you typed."),
    "checklist-outdated": lazy_gettext("Somebody else changed this meanwhile. Compare the two."),
    "left-out-reason": lazy_gettext("Say why this person is left out."),
    "left-out-changed": lazy_gettext(
        "Other people are left out now than when this was drafted. Edit the draft and save it."
    ),
    "notice-task": lazy_gettext("Somebody changed this in the database. Tell an admin."),
    "nobody-missed": lazy_gettext("There’s nobody to list: this notice missed nobody so far."),
    "file-gone": lazy_gettext("The list was downloaded already, or its hour is over. Ask for a new one."),
    "file-not-yours": lazy_gettext("Only the person who asked for the list can download it."),
    "fault": lazy_gettext("It didn’t work. The server’s log says why."),
    "list-unknown": lazy_gettext("This version doesn’t exist."),
    "list-destroyed": lazy_gettext("This version was destroyed."),
    "list-active": lazy_gettext("This version is the active one."),
    "list-not-compared": lazy_gettext("We’re still comparing it with the active list. Try again soon."),
    "list-notifying": lazy_gettext("A notice to this version is on its way. Stop it first, or wait."),
    "list-classes": lazy_gettext(
        "The public page doesn’t say that these were taken: %(classes)s. Publish that first."
    ),
    "upload-busy": lazy_gettext("This file is being read, or is over. Open it again."),
    "upload-gone": lazy_gettext("This file is gone. Send it again."),
    "upload-columns": lazy_gettext("Say what each column is, or leave it out."),
    "not-left-out": lazy_gettext("Nobody with exactly this address and number is left out."),
    "no-address": lazy_gettext("This isn’t an email address."),
}


def refusal(reason: str, values: dict[str, Any] | None = None) -> str:
    """Return what to tell a person of an order that was refused; a reason without words is shown as it is."""
    words = REFUSALS.get(reason) or sending.parts().refusals.get(reason)
    if words is None:
        return str(gettext("It was refused: %(reason)s", reason=reason))
    text: str = str(words)
    return text % values if values else text
