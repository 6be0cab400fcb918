"""Say what the checker found as a page says it: the field is named by its label, and there is no file.

The command line says the same of a file. An entry is a sentence of the checker, with its values as
`%(name)s`, and what a page says instead. A finding that has no entry is said as it is.
"""

import re
from functools import cache

from flask_babel import gettext

from portal.core.i18n import mark as N_
from portal.incidents.checker.findings import Finding, Weight
from portal.incidents.times import TimeInvalid
from portal.staff.approvals.showing import data_kind
from portal.web import frame

_LISTED = "the incident lists %(name)s, and the text does not name it"
SAID = {
    "is required": N_("Please fill this in."),
    "is missing": N_("Please fill this in."),
    "has no value": N_("Please fill this in."),
    "the text is missing": N_("Please fill this in."),
    "the apology is missing; write it before the first ## heading": N_("The apology is missing."),
    "the section %(name)s is missing": N_("This section is empty: %(name)s."),
    "%(reason)s: a part before this one does not end: %(why)s": N_(
        "An earlier text has a line with ``` that opens a block. Close it with another ```."
    ),
    "unknown heading %(name)s; the ## headings are: %(names)s": N_(
        "%(name)s is no usual heading. These are: %(names)s."
    ),
    "a line with %(marks)s was taken as the heading of a section; write it with ##": N_(
        "A line with %(marks)s was read as a heading. Headings have fields of their own."
    ),
    "is longer than %(number)s characters": N_("This is longer than %(number)s characters."),
    "contains a character that cannot be displayed": N_("This has a character that can’t be shown."),
    "too many marks, like brackets and stars, up to here: pages show the whole text as it is": N_(
        "There are too many marks up to here, like brackets and stars."
    ),
    "contains a control character; delete it": N_("This has a character that can’t be shown."),
    "is in the future; it is now %(now)s": N_("This time is in the future. It’s now %(now)s."),
    "lies more than 30 years back": N_("This is more than 30 years ago."),
    "must be one of %(names)s": N_("Choose one of these."),
    "must be a time or a date like one of these": N_("Enter a time or a day like one of these."),
    "%(at)s does not exist in %(zone)s: the clocks went forward. The nearest are": N_(
        "%(at)s doesn’t exist in %(zone)s: the clocks went forward. The nearest are:"
    ),
    "%(at)s came twice in %(zone)s: the clocks went back. Before that, or after, it is": N_(
        "%(at)s came twice in %(zone)s: the clocks went back. Before that, or after, it’s:"
    ),
    "next update by: this time has passed. Name a new one, or leave it empty": N_(
        "This time has passed. Enter a later one, or leave it empty."
    ),
    "next update by: this is more than a year away": N_("This is more than a year away."),
    "version %(number)s corrects an earlier one; say what was wrong, and why": N_(
        "Readers have an earlier text. Say what was wrong in it, and why."
    ),
    "a correction says what was wrong, in %(number)s characters or more": N_(
        "Say what was wrong, in %(number)s characters or more."
    ),
    _LISTED: N_("The incident lists %(name)s, but the text doesn’t name it."),
    "the text names %(name)s, and the incident does not list it": N_(
        "The text names %(name)s, but the incident doesn’t list it."
    ),
    "the apology does not say sorry": N_("The apology doesn’t say sorry."),
    "%(words)s is no apology: it does not say what we did wrong": N_(
        "%(words)s is no apology: it doesn’t say what you did wrong."
    ),
    "%(words)s hedges": N_("%(words)s sounds evasive."),
    "%(words)s: passwords are not changed on this site": N_(
        "%(words)s: passwords can’t be changed on this site."
    ),
    "%(words)s looks like a placeholder; put in the real words, or accept it": N_(
        "%(words)s looks like a placeholder. Put in the real words, or accept it."
    ),
    "a placeholder: %(words)s; put in the real words": N_(
        "%(words)s is a placeholder. Put in the real words."
    ),
    "a comment: feeds publish it; take it out of the file": N_("This is a comment. Take it out."),
    "an internal comment would be published: %(words)s; take it out of the file": N_(
        "A comment would become public: %(words)s. Take it out."
    ),
    "the image %(words)s is not shown: pages have no pictures; say it in words": N_(
        "The picture %(words)s can’t be shown. Say it in words."
    ),
    "HTML is shown to readers as it is: %(words)s; use Markdown instead": N_(
        "Readers would see this HTML as it is: %(words)s."
    ),
    "%(words)s looks like the number of an internal ticket; take it out, or accept it": N_(
        "%(words)s looks like a number from inside your company. Take it out, or accept it."
    ),
    "not a link that we allow: %(words)s; readers see it as it is": N_(
        "This link isn’t allowed, so readers would see it as it is: %(words)s."
    ),
    "the link %(words)s has no valid address": N_("The link %(words)s has no valid address."),
    "the link %(words)s leads to a page that only names your own: link to that": N_(
        "The link %(words)s leads to a page that only names your own. Link to that."
    ),
    "%(words)s is an address that exists only in examples": N_(
        "%(words)s is an address that exists only in examples."
    ),
    "hard to read: %(words)s. Write shorter sentences, and words that people use": N_(
        "This is hard to read. Write shorter sentences, with everyday words."
    ),
    "a sentence of %(number)s words; at most %(most)s are easy to read: %(words)s": N_(
        "This sentence has %(number)s words. Up to %(most)s are easy to read: %(words)s"
    ),
    "no contact: neither the statement nor the site names an email address or a phone number": N_(
        "Readers can’t reach you: name an email address or a phone number."
    ),
    "%(number)s more of these (%(code)s)": N_("There are %(number)s more of these."),
    "the link %(words)s leads to another site, %(site)s; say so": N_(
        "The link %(words)s leads to another site, %(site)s. Write its whole address."
    ),
    "the link %(words)s to %(href)s leads nowhere: %(why)s": N_(
        "The link %(words)s to %(href)s leads nowhere: %(why)s."
    ),
    "this section appears twice; put both texts under one heading": N_(
        "This heading appears twice. Put both texts under one."
    ),
    "this section is empty; write its text, or take the heading out": N_("This section is empty."),
    "this heading is longer than %(number)s characters": N_(
        "This heading is longer than %(number)s characters."
    ),
    "a holding statement also says: %(name)s": N_("A holding statement also says: %(name)s."),
    "%(words)s: struck-out text is not supported: readers see the words and the ~~": N_(
        "%(words)s: we can’t strike words out. Readers see the ~~ as they are."
    ),
    "%(words)s: footnotes are not supported: readers see the mark as it is": N_(
        "%(words)s: pages have no footnotes. Readers see this as it is."
    ),
    "%(words)s: lists of tasks are not supported: readers see the box as it is": N_(
        "%(words)s: pages have no boxes to tick. Readers see this as it is."
    ),
}
# What stands within another sentence.
WHY = {
    "it has no address": N_("it has no address"),
    "it has no host": N_("it names no site"),
    "the page has no such place": N_("the page has no such place"),
    "it lacks the / at its end": N_("it lacks the / at its end"),
    "this site has no such page": N_("this site has no such page"),
    "there is no incident %(name)s": N_("there’s no incident %(name)s"),
    "there is no version %(number)s": N_("there’s no version %(number)s"),
    "there is no update %(number)s": N_("there’s no update %(number)s"),
}
EXAMPLES = {
    "Make two sentences of it.": N_("Make two sentences of it."),
    "An empty line begins a new paragraph.": N_("An empty line begins a new paragraph."),
    "[the words of the link](https://www.example.com/)": N_(
        "[the words of the link](https://www.example.com/)"
    ),
    "note: The stolen file also holds dates of birth. We had missed them.": N_(
        "The stolen file also holds dates of birth. We had missed them."
    ),
}
_KIND = re.compile(r"[^“”]+")
_VALUE = re.compile(r"%\\\((\w+)\\\)s")
# What a file has before the reason: `signed_by: `, and `The apology: `.
_KEY = re.compile(r"(?:[a-z_]{2,20}|The [a-z ]{2,40}): ")


def reason(finding: Finding) -> tuple[str, str]:
    """Return what a page says of a finding, and its language: empty for the reader's own."""
    for text in (finding.reason, _KEY.sub("", finding.reason, count=1)):
        for words, pattern in _patterns():
            if match := pattern.fullmatch(text):
                return str(gettext(words, **_values(match))), ""
    return finding.reason, "en"


def of_time(error: TimeInvalid, *, examples: bool = True) -> str:
    """Return why what was typed is no time; with `examples`, how to write it."""
    said = reason(Finding(error.code, Weight.STOP, None, error.reason))[0]
    return f"{said} {', '.join(error.examples)}" if examples and error.examples else said


def _values(match: re.Match[str]) -> dict[str, str]:
    values = match.groupdict()
    if match.re is _listed_pattern():
        values["name"] = _KIND.sub(lambda name: data_kind(name[0], frame.language()), values["name"])
    why = values.get("why", "")
    for words, pattern in _patterns_of(tuple(WHY.items())):
        if within := pattern.fullmatch(why):
            values["why"] = str(gettext(words, **within.groupdict()))
    return values


def example(finding: Finding) -> str:
    """Return how to write it in a field: without the key that a file has; nothing where it is a command."""
    if finding.example in EXAMPLES:
        return str(gettext(EXAMPLES[finding.example]))
    lines = finding.example.split("\n")
    if lines[0].startswith(("portal ", "PORTAL_", "---", "## ")):
        return ""
    return "\n".join(_KEY.sub("", line, count=1) for line in lines)


@cache
def _listed_pattern() -> re.Pattern[str]:
    return dict(_patterns())[SAID[_LISTED]]


def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return _patterns_of(tuple(SAID.items()))


@cache
def _patterns_of(said: tuple[tuple[str, str], ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (words, re.compile(_VALUE.sub(r"(?P<\1>.+?)", re.escape(text)), re.DOTALL)) for text, words in said
    )
