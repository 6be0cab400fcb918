"""Judge a new password by the rules, and by the operator's own lists."""

from portal.reset import passwords
from portal.reset.rejections import COMMON, EXPOSED, STOLEN, PasswordRefused, Rejection
from portal.runtime.parts import WebParts


def reasons(password: str, own_words: tuple[str, ...], parts: WebParts) -> tuple[Rejection, ...]:
    """Return all reasons why a new password is refused, none if it may be used."""
    found = passwords.check(password, own_words=own_words, organisation=parts.settings.site.organisation)
    try:
        judged = parts.blocklists.judge(passwords.normalise(password), ask=not found)
    except PasswordRefused:
        return found
    if judged.exposed:
        return (*found, EXPOSED)
    return (*found, STOLEN) if judged.stolen and COMMON not in found else found  # the same, said once
