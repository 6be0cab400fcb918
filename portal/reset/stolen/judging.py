"""Judge a new password by the rules, and by the operator's own lists."""

from dataclasses import dataclass

from portal.reset import passwords
from portal.reset.rejections import COMMON, EXPOSED, STOLEN, PasswordRefused, Rejection
from portal.runtime.parts import WebParts


@dataclass(frozen=True)
class Judged:
    """All reasons why a new password is refused, none if it may be used, and whether a list was away."""

    reasons: tuple[Rejection, ...]
    is_unchecked: bool = False


def judge(password: str, own_words: tuple[str, ...], parts: WebParts) -> Judged:
    """Judge a new password. Call it outside any transaction: it may ask a service."""
    found = passwords.check(password, own_words=own_words, organisation=parts.settings.site.organisation)
    try:
        judged = parts.blocklists.judge(passwords.normalise(password), ask=not found)
    except PasswordRefused:
        return Judged(found)
    if judged.exposed:
        found = (*found, EXPOSED)
    elif judged.stolen and COMMON not in found:  # the same, said once
        found = (*found, STOLEN)
    return Judged(found, judged.unchecked)
