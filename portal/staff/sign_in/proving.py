"""Check that a member is at the keyboard: by a passkey's signature, or a code."""

from collections.abc import Mapping

from portal.crypto.webauthn import AnswerInvalid, RelyingParty, encoded, read_assertion
from portal.runtime.parts import WorkerParts
from portal.staff.members import Member
from portal.staff.orders import Refused
from portal.staff.sign_in import credentials
from portal.web import limits

# Codes have six digits: so many wrong ones in a row, and only a passkey is asked for a while.
WRONG_CODES = "10 per 15 minutes"


def party(parts: WorkerParts) -> RelyingParty:
    """Return the console as authenticators know it."""
    return RelyingParty.at(parts.settings.console.url, parts.settings.site.organisation)


def over(
    parts: WorkerParts,
    member: Member,
    challenge: bytes,
    fields: Mapping[str, str],
    *,
    recovery: bool = True,
) -> dict[str, str]:
    """Return how a member proved it: a passkey's answer over this very challenge, or a code.

    The answer comes with the passkey's public key, so that it can be checked later. `recovery`: whether a
    recovery code counts. Raises Refused.
    """
    now = parts.clock.now()
    if answer := fields.get("passkey"):
        try:
            given = read_assertion(answer)
        except AnswerInvalid as error:
            raise Refused("proof") from error
        if given.challenge != challenge:
            raise Refused("proof")
        with parts.db.write() as session:
            found = credentials.of(session, parts.vault, member.id)
            used = credentials.use_passkey(session, parts.vault, party(parts), found, given)
        if used is None:
            raise Refused("proof")
        return {
            "how": "passkey",
            "answer": answer,
            "credential": str(used.content["credential"]),
            "challenge": encoded(challenge),
        }
    with parts.db.write() as session:
        allowed = limits.hit(
            session, parts.vault.staff, WRONG_CODES, "staff code", member.id.hex(), now=now
        ).allowed
        found = credentials.of(session, parts.vault, member.id)
        kind = (
            credentials.use_code(session, parts.vault, found, fields.get("code", ""), now, recovery=recovery)
            if allowed
            else None
        )
    if kind is None:
        raise Refused("proof" if allowed else "too-many")
    return {"how": kind.value}
