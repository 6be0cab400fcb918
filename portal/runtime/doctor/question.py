"""How `portal doctor` finds out, through the public address, that it is this portal that answers there.

It asks `/healthz` with a header that holds a MAC under a key that both processes have; so nobody else is
answered, and nobody else can answer. Beside the proof, the answer says what the proxies in front wrote.
"""

from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_hex

from portal.crypto.vault import WebVault

HEADER = "Portal-Doctor"
# An address that nobody has (RFC 5737): what a visitor might forge in front of what the proxies add.
FORGED = "192.0.2.1"
_ASK, _ANSWER = "ask", "answer"


@dataclass(frozen=True)
class Proxies:
    """How many addresses the proxies added to X-Forwarded-For, and how many the web server expects."""

    added: int
    trusted: int


def ask(vault: WebVault) -> str:
    """Return a new question, the value of HEADER."""
    nonce = token_hex(16)
    return f"{nonce}.{vault.doctor_mac(_ASK, nonce)}"


def answer(vault: WebVault, question: str, forwarded: str | None, trusted: int) -> str | None:
    """Return the answer to a question, or None to one that was not asked with this portal's keys.

    `forwarded` is the X-Forwarded-For that arrived with it.
    """
    nonce, _, mac = question.partition(".")
    if not compare_digest(mac.encode(), vault.doctor_mac(_ASK, nonce).encode()):
        return None
    entries = [entry.strip() for entry in (forwarded or "").split(",") if entry.strip()]
    known = entries[entries.index(FORGED) + 1 :] if FORGED in entries else entries
    said = f"{len(known)}.{trusted}"
    return f"{said}.{vault.doctor_mac(_ANSWER, nonce, said)}"


def proxies_in(vault: WebVault, question: str, answered: str) -> Proxies | None:
    """Return what an answer says; None where this portal did not give it."""
    said, _, mac = answered.rpartition(".")
    expected = vault.doctor_mac(_ANSWER, question.partition(".")[0], said)
    if not compare_digest(mac.encode(), expected.encode()):
        return None
    added, _, trusted = said.partition(".")
    return Proxies(int(added), int(trusted))
