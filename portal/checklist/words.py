"""What the console says of each item of a checklist."""

from flask_babel import lazy_gettext

TITLES = {
    "it": lazy_gettext("Call your IT people"),
    "insurer": lazy_gettext("Tell your insurer"),
    "authorities": lazy_gettext("Tell the authorities"),
    "statement": lazy_gettext("Publish an apology with answers"),
    "customers": lazy_gettext("Tell your customers"),
    "safeguards": lazy_gettext("Put safeguards in place"),
    "lessons": lazy_gettext("Write down what you learned"),
}
# What was done here, and how the proof says it.
KNOWN = {
    "statement": lazy_gettext("The statement is public"),
    "update": lazy_gettext("Reported in update %(number)s"),
    "list": lazy_gettext("Version %(number)s of the list is active"),
    "notice": lazy_gettext("Notice %(number)s has started"),
    "reset": lazy_gettext("Passwords were locked until people choose new ones"),
}
HINTS = {
    "it": lazy_gettext("Stop what’s still open, keep the logs, and find out what was taken."),
    "insurer": lazy_gettext("Ask what they pay for, and who they send."),
    "authorities": lazy_gettext("72 hours is a usual time. Ask your lawyer which rules are yours."),
    "statement": lazy_gettext("Say what happened, what was taken, what you do, and what people can do."),
    "customers": lazy_gettext("Send a notice to everyone on the list, the worst affected first."),
    "safeguards": lazy_gettext("Close the gap the thief used, and ask for new passwords."),
    "lessons": lazy_gettext("What went wrong, what went well, and what you change."),
}
