"""Read the company's answers. Their shape is closed: what the document does not name is a fault."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.identity.ports import MAX_ID, Entry, StoreFault, Verdict

MAX_ANSWER = 4 * 1024 * 1024  # bytes
MAX_ADDRESS = 320
MAX_NAME, MAX_LOCALE = 200, 35  # what is longer is cut: nobody is missed for a long name
MAX_REFERENCE, MAX_REFERENCES = 255, 100
# What a 4xx may say in `error`, and what it means to an operator.
ERRORS = {
    "malformed": "says the request is malformed: does it implement this version of the document?",
    "signature": "refused the signature: both sides need the same secret and the right time",
    "unknown-account": "knows no such account any more",
    "password-refused": "refused the password by its own rules",
    "unsupported": "does not support this: take it out of PORTAL_IDENTITY_HTTP_CAPABILITIES",
    "busy": "is busy",
}


class Interrupted(Exception):
    """The request was sent, at least in part, and no whole answer came."""


class DeadlineExceeded(Interrupted):
    """No whole answer came in time."""


@dataclass(frozen=True, repr=False)
class Answer:
    """A whole answer: its status, its content type in small letters, and its body, which may be cut."""

    status: int
    content_type: str
    body: bytes

    @property
    def too_long(self) -> bool:
        """Whether the body is longer than any answer may be; the rest was not read."""
        return len(self.body) > MAX_ANSWER


def is_text(value: str) -> bool:
    """Return whether a text is without lone surrogates, which no encoding has."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def parsed(body: bytes) -> dict[str, Any]:
    """Return a JSON object. Raises StoreFault."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise StoreFault("answered what is not JSON") from None
    if not isinstance(answer, dict):
        raise StoreFault("answered JSON that is no object")
    return answer


def error_code(answer: Mapping[str, Any]) -> str:
    """Return the known reason of a refusal, or an empty text."""
    code = answer.get("error")
    return code if isinstance(code, str) and code in ERRORS and len(answer) == 1 else ""


def entries(answer: Mapping[str, Any]) -> list[Entry]:
    """Return the accounts of an answer, all with ids of their own. Raises StoreFault."""
    accounts = _only(answer, "accounts")
    if not isinstance(accounts, list):
        raise StoreFault("answered `accounts` that is no list")
    found = [_entry(number, account) for number, account in enumerate(accounts, 1)]
    if len({entry.id for entry in found}) != len(found):
        raise StoreFault("answered with the same id twice")
    return found


def verdict(answer: Mapping[str, Any]) -> Verdict:
    """Return what the store says of a password. Raises StoreFault."""
    said = _only(answer, "verdict")
    verdicts = {"fits": Verdict.FITS, "wrong": Verdict.WRONG, "needs-factor": Verdict.NEEDS_FACTOR}
    if not isinstance(said, str) or said not in verdicts:
        raise StoreFault("answered a `verdict` that is none of fits, wrong, needs-factor")
    return verdicts[said]


def required(answer: Mapping[str, Any], asked: int) -> int:
    """Return how many of the asked accounts were open. Raises StoreFault."""
    count = _only(answer, "required")
    if type(count) is not int or not 0 <= count <= asked:
        raise StoreFault(f"answered a `required` that is no number from 0 to {asked}")
    return count


def empty(answer: Mapping[str, Any]) -> None:
    """Return if an answer says nothing. Raises StoreFault."""
    if answer:
        raise StoreFault("answered more than an empty object")


def _only(answer: Mapping[str, Any], key: str) -> object:
    if set(answer) != {key}:
        raise StoreFault(f"answered an object with other keys than `{key}` alone")
    return answer[key]


def _entry(number: int, account: object) -> Entry:
    where = f"account {number} of the answer"
    if not isinstance(account, dict):
        raise StoreFault(f"{where} is no object")
    if not {"id", "address"} <= set(account) <= {"id", "address", "name", "locale", "references"}:
        raise StoreFault(f"{where} has a key too many or too few")
    account_id = _text(account["id"], MAX_ID, f"the id of {where}")
    if not account_id.isprintable():
        raise StoreFault(f"the id of {where} has a control character")
    references = account.get("references", [])
    if not isinstance(references, list) or len(references) > MAX_REFERENCES:
        raise StoreFault(f"the references of {where} are no list of at most {MAX_REFERENCES}")
    return Entry(
        id=account_id,
        address=_text(account["address"], MAX_ADDRESS, f"the address of {where}"),
        name=_cut(account.get("name", ""), MAX_NAME, f"the name of {where}"),
        locale=_cut(account.get("locale", ""), MAX_LOCALE, f"the locale of {where}"),
        references=tuple(_text(one, MAX_REFERENCE, f"a reference of {where}") for one in references),
    )


def _text(value: object, most: int, what: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise StoreFault(f"{what} is no text of 1 to {most} characters")
    if not is_text(value):
        raise StoreFault(f"{what} has half a character (a lone surrogate)")
    return value


def _cut(value: object, most: int, what: str) -> str:
    if not isinstance(value, str):
        raise StoreFault(f"{what} is no text")
    return "".join(character for character in value if character.isprintable())[:most]
