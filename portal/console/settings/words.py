"""What the console says of settings: their names and hints, and why something cannot be saved."""

import re

from flask_babel import format_decimal, gettext, lazy_gettext, ngettext

from portal.console.settings.reading import PREFIX
from portal.site.saved.pictures import MOST_BYTES, MOST_PIXELS
from portal.web import languages

TITLES = {
    "organisation": lazy_gettext("Organisation’s name"),
    "contact_email": lazy_gettext("Contact email"),
    "contact_phone": lazy_gettext("Contact phone"),
    "contact_hours": lazy_gettext("When somebody answers"),
    "exit_url": lazy_gettext("Where “Exit this page” leads"),
    "brand_colour": lazy_gettext("Brand colour"),
    "languages": lazy_gettext("Languages"),
    "timezone": lazy_gettext("Time zone"),
    "logo": lazy_gettext("Logo"),
    "logo_dark": lazy_gettext("Logo for dark screens"),
}
HINTS = {
    "organisation": lazy_gettext("Every page and email shows it. Emails come from this name."),
    "contact_email": lazy_gettext("Pages and emails show it, and answers to emails go there."),
    "contact_phone": lazy_gettext("For people who’ve lost their inbox. Leave it empty for none."),
    "contact_hours": lazy_gettext("Like: Mon–Fri 9–17, London time. Write it in the first language."),
    "exit_url": lazy_gettext("Like https://www.example.com/. Leave it empty, and there’s no such button."),
    "brand_colour": lazy_gettext("Like #1d5b8f. Where it’d be hard to read, we make it darker or lighter."),
    "languages": lazy_gettext("The first one is for people whose own language we don’t know."),
    "timezone": lazy_gettext("Like Europe/Madrid. Times on pages and in emails are in it."),
    "logo": lazy_gettext("A PNG, JPEG or WebP file. It’s shown instead of the name."),
    "logo_dark": lazy_gettext("Shown instead of the other logo where somebody has a dark screen."),
}
# What operators set, by the name of the variable without its prefix.
OPERATORS = {
    "ENVIRONMENT": lazy_gettext("Kind of installation"),
    "LISTEN": lazy_gettext("Where the public site’s server listens"),
    "METRICS_LISTEN": lazy_gettext("Where your monitoring gets its figures"),
    "TRUSTED_PROXIES": lazy_gettext("Servers in front of the portal"),
    "CONSOLE_URL": lazy_gettext("Address of this console"),
    "CONSOLE_LISTEN": lazy_gettext("Where this console’s server listens"),
    "APPROVALS": lazy_gettext("How many people approve what goes out"),
    "CLI_APPROVAL": lazy_gettext("Commands that publish or email"),
    "MAIL_SENDER": lazy_gettext("Sender of all emails"),
    "DKIM_SELECTOR": lazy_gettext("Signature of emails (DKIM)"),
    "MAIL_CONNECTIONS": lazy_gettext("Connections to the email server"),
    "MAIL_RATE": lazy_gettext("How fast emails leave, at most"),
    "RATE_INTAKE_IP": lazy_gettext("Any public form, from one network"),
    "RATE_CHECK_IP": lazy_gettext("“Am I affected?”, from one network"),
    "RATE_RESET_IP": lazy_gettext("Asking for a new password, from one network"),
    "RATE_SUBSCRIBE_IP": lazy_gettext("Asking for updates, from one network"),
    "RATE_IS_IT_REAL_IP": lazy_gettext("“Is it real?”, from one network"),
    "RATE_CASES_IP": lazy_gettext("Cases, from one network"),
    "RATE_INTAKE_GLOBAL": lazy_gettext("How fast requests are answered, at most"),
    "RATE_SIGN_IN_IP": lazy_gettext("Signing in, from one network"),
    "IDENTITY_STORE": lazy_gettext("Where your customers’ accounts are"),
    "RETENTION_ACCOUNT_EVENTS": lazy_gettext("What changed in an account"),
    "RETENTION_CASES": lazy_gettext("Closed cases"),
    "RETENTION_WAITING_REQUESTS": lazy_gettext("Requests that are waiting or failed"),
    "RETENTION_UNSENT_MAILS": lazy_gettext("Emails that couldn’t be sent"),
    "RETENTION_SENT_MAILS": lazy_gettext("Records of sent emails"),
}
# What an operator writes for these, in words; a store of another package has none.
VALUES = {
    "ENVIRONMENT": {
        "production": lazy_gettext("In use: real people see it"),
        "demo": lazy_gettext("Demonstration with invented people"),
        "test": lazy_gettext("Test"),
    },
    "APPROVALS": {
        "two": lazy_gettext("Two: a second person approves"),
        "one": lazy_gettext("One: nobody else approves"),
    },
    "CLI_APPROVAL": {
        "audited": lazy_gettext("Allowed. The audit log marks them."),
        "required": lazy_gettext("Refused. Only this console does it."),
    },
    "IDENTITY_STORE": {
        "builtin": lazy_gettext("In this portal"),
        "sql": lazy_gettext("In your own database"),
        "http": lazy_gettext("In your own system, which this portal asks"),
        "link": lazy_gettext("In your own system. This portal only links to its pages."),
    },
}
# What it means that these are not set.
UNSET = {
    "METRICS_LISTEN": lazy_gettext("nowhere"),
    "MAIL_RATE": lazy_gettext("no limit"),
    "RATE_INTAKE_GLOBAL": lazy_gettext("no limit"),
    "RETENTION_SENT_MAILS": lazy_gettext("never deleted"),
}
FAULTS = {
    "organisation": lazy_gettext("Enter a name, on one line."),
    "contact_email": lazy_gettext("Enter an email address, like help@example.com."),
    "contact_phone": lazy_gettext("Enter a phone number with at most 60 characters."),
    "contact_hours": lazy_gettext("Enter one line with at most 120 characters."),
    "exit_url": lazy_gettext("Enter an address that starts with https://, like https://www.example.com/."),
    "brand_colour": lazy_gettext("Type a colour like #1d5b8f."),
    "languages": lazy_gettext("Choose at least one language."),
    "timezone": lazy_gettext("Enter a time zone like Europe/Madrid."),
    "logo": lazy_gettext("Choose your logo’s file."),
    "logo_dark": lazy_gettext("Save a logo for light screens first."),
}
LEGAL = {
    "privacy": lazy_gettext("Privacy"),
    "imprint": lazy_gettext("Legal notice"),
    "accessibility": lazy_gettext("Accessibility"),
}
LEGAL_FAULT = lazy_gettext("Write a text of at most 100 KB, without invisible characters.")
OVERLOADED = lazy_gettext("This text has too many marks, like brackets and stars. See line %(line)s.")
PICTURES = {
    "empty": lazy_gettext("Choose your logo’s file."),
    "svg": lazy_gettext(
        "SVG files can hold programs, so we don’t take them here. Save your logo as PNG or WebP."
    ),
    "type": lazy_gettext("This is no PNG, JPEG or WebP file, whatever its name says. Save your logo as PNG."),
    "broken": lazy_gettext("This file is damaged or not complete. Save your logo again."),
    "bytes": lazy_gettext("This file is too large. Save your logo with at most %(number)s KB."),
    "pixels": lazy_gettext("Your logo must be 16 to %(number)s pixels wide and high."),
    "moving": lazy_gettext("Your logo must not move. Save it as a single picture."),
}
OUTDATED = lazy_gettext(
    "Somebody else changed this meanwhile. Look at what’s there now. Press Save again to use yours instead."
)
RATES = {
    "second": lazy_gettext("%(number)s a second"),
    "minute": lazy_gettext("%(number)s a minute"),
    "hour": lazy_gettext("%(number)s an hour"),
    "day": lazy_gettext("%(number)s a day"),
}
_RATE = re.compile(r"(\d+) (?:per|/) ?(second|minute|hour|day)s?")
_DAYS = re.compile(r"(\d+) d")
SAME_PLACE = lazy_gettext("Give each language a place of its own.")


def title(name: str) -> str:
    """Return a setting's name in words."""
    if name in TITLES:
        return str(TITLES[name])
    page, _dot, tag = name.partition(".")
    if page not in LEGAL:
        return name
    return f"{LEGAL[page]}, {languages.name_here(tag)}"


def operator_title(variable: str) -> str:
    """Return in words what an operator sets by a variable, or its name where there are none."""
    return str(OPERATORS.get(variable.removeprefix(PREFIX), variable))


def is_word(variable: str) -> bool:
    """Return whether an operator writes one of a few words there: pages show it beside what it means."""
    return variable.removeprefix(PREFIX) in VALUES


def picture_fault(reason: str) -> str:
    """Return why a file cannot be the logo."""
    number = MOST_BYTES // 1024 if reason == "bytes" else MOST_PIXELS
    return str(PICTURES[reason]) % {"number": number}


def value(variable: str, text: str) -> str:
    """Return an operator's value in the reader's language; what has no words as it is."""
    name = variable.removeprefix(PREFIX)
    if not text:
        return str(UNSET.get(name, gettext("not set")))
    if text in VALUES.get(name, ()):
        return str(VALUES[name][text])
    if found := _RATE.fullmatch(text):
        return str(RATES[found[2]]) % {"number": format_decimal(int(found[1]))}
    if found := _DAYS.fullmatch(text):
        return str(ngettext("%(num)s day", "%(num)s days", int(found[1])))
    return text
