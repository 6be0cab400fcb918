"""The reasons why a new password is refused, as texts to translate."""

from dataclasses import dataclass

from portal.core.i18n import mark


@dataclass(frozen=True)
class Rejection:
    """A reason to refuse a password: a stable code, and texts to translate."""

    code: str
    reason: str
    guidance: str


_UNRELATED_WORDS = mark("Use one of our suggestions, or put together four or five unrelated words.")

TOO_SHORT = Rejection(
    "too-short",
    mark("This password is shorter than 15 characters."),
    mark("Add another word or two. Length helps more than special characters."),
)
TOO_LONG = Rejection(
    "too-long",
    mark("This password is longer than 256 characters."),
    mark("Use 256 characters or fewer. If a password manager made it, choose a shorter length there."),
)
UNUSABLE_CHARACTER = Rejection(
    "unusable-character",
    mark("This password has an invisible character in it."),
    mark("Type the password instead of pasting it, or let your password manager make a new one."),
)
COMMON = Rejection(
    "common",
    mark("This password, or one very like it, is on lists of common passwords. Attackers try those first."),
    _UNRELATED_WORDS,
)
FEW_WORDS = Rejection(
    "few-words",
    mark("This password is a few common words. Attackers try those together."),
    mark("Add one or two unrelated words, or use one of our suggestions."),
)
REPEATED = Rejection(
    "repeated",
    mark("This password repeats one short piece. That makes it longer, but not harder to guess."),
    _UNRELATED_WORDS,
)
SEQUENCE = Rejection(
    "sequence",
    mark("This password follows the alphabet, a row of numbers or a row of keys. Attackers try that first."),
    _UNRELATED_WORDS,
)
OWN_WORDS = Rejection(
    "own-words",
    mark("This password uses your own details, like your name or email address. Other people know them too."),
    _UNRELATED_WORDS,
)
ORGANISATION = Rejection(
    "organisation",
    mark("This password uses our name. Attackers try that first."),
    _UNRELATED_WORDS,
)
OLD_PASSWORD = Rejection(
    "old-password",
    mark("This is your current password."),
    mark("Choose one you’ve never used, here or anywhere else."),
)
CLOSED_PASSWORD = Rejection(
    "closed-password",
    mark("We locked this password because someone else may have it."),
    mark("Choose one you’ve never used, here or anywhere else."),
)
STOLEN = Rejection(
    "stolen",
    mark("This password is on a list of stolen passwords. Attackers try those first."),
    mark("Choose one you’ve never used, here or anywhere else."),
)
EXPOSED = Rejection(
    "exposed",
    mark("This password was stolen from us. Attackers try it first."),
    mark("Choose one you’ve never used, here or anywhere else."),
)
STORES_RULES = Rejection(
    "stores-rules",
    mark("Our sign-in system doesn’t accept this password."),
    mark("Choose another one. Try a shorter one, or add a capital letter, a digit and a special character."),
)


class PasswordRefused(ValueError):
    """The password is refused; `rejection` says why. The message never holds the password."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.code)
        self.rejection = rejection


class PasswordTooLong(PasswordRefused):
    """The password is longer than allowed; nothing else was checked."""

    def __init__(self) -> None:
        super().__init__(TOO_LONG)
