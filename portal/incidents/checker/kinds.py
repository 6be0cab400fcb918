"""Compare the kinds of data that a statement names with the classes that its incident lists."""

import re
from collections.abc import Iterable, Iterator, Sequence

from portal.incidents.checker.findings import Finding, Weight
from portal.incidents.checker.phrases import words_of
from portal.incidents.checker.prose import Part, quoted

# What people need to act on, by the names of the words in `words/`: the classes that they stand for.
KINDS = {
    "passwords": ("Passwords", "Historical passwords"),
    "emails": ("Email addresses",),
    "names": ("Names",),
    "addresses": ("Physical addresses",),
    "phones": ("Phone numbers",),
    "births": ("Dates of birth", "Years of birth", "Ages"),
    "cards": ("Credit cards", "Partial credit card data", "Credit card CVV", "Payment methods"),
    "banks": ("Bank account numbers",),
    "health": ("Personal health data", "Health insurance information"),
    "documents": ("Government issued IDs", "Passport numbers", "Social security numbers"),
    "purchases": ("Purchases", "Purchasing habits", "Payment histories"),
}
# Their words are in every statement: “your name”, “email us”.
_COMMON = frozenset({"emails", "names", "addresses", "purchases"})
_SENTENCE = re.compile(r"[^.!?]{1,2000}")


def class_findings(
    parts: Sequence[Part], involved: Part | None, classes: Sequence[str], language: str
) -> Iterator[Finding]:
    """Yield what is listed and not named in the text, and what its part on the data names and is not listed.

    A sentence that says “no passwords” names none.
    """
    words = words_of(language)
    listed = {kind for kind, names in KINDS.items() if set(names) & set(classes)}
    text = "\n".join(part.text() for part in parts)
    for kind, pattern in words.kinds:
        if kind in listed and not pattern.search(text):
            name = next(one for one in KINDS[kind] if one in classes)
            reason = f"the incident lists {quoted(name)}, and the text does not name it"
            example = _command(one for one in classes if one != name)
            yield Finding("class-mismatch", Weight.ASK, None, reason, example)
        elif involved is not None and kind not in listed | _COMMON:
            found = _named(involved, pattern, words.negations)
            if found is not None:
                reason = f"the text names {quoted(found)}, and the incident does not list it"
                example = _command([*classes, KINDS[kind][0]])
                yield Finding("class-mismatch", Weight.ASK, None, reason, example)


def _command(classes: Iterable[str]) -> str:
    """Return the command that gives an incident these classes."""
    return f"portal incidents classes SLUG '{';'.join(classes) or 'CLASSES'}'"


def _named(part: Part, pattern: re.Pattern[str], negations: re.Pattern[str] | None) -> str | None:
    """Return the words that name a kind of data, None where none do or a sentence denies it."""
    for paragraph in part.paragraphs:
        for sentence in _SENTENCE.findall(paragraph.text):
            found = pattern.search(sentence)
            if found and not (negations and negations.search(sentence)):
                return found[0]
    return None
