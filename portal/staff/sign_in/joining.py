"""The worker's side of joining by an invitation, and what all ways to sign in end with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.audit import service as audit
from portal.core.db import AUDITED
from portal.core.one_line import is_plain
from portal.crypto import totp
from portal.crypto.hashing import TooBusy
from portal.crypto.webauthn import AnswerInvalid, challenge_of, encoded
from portal.identity.service import hasher_for
from portal.runtime.parts import WorkerParts
from portal.staff import members, roles, sessions
from portal.staff.emails import SignInChanged, tell
from portal.staff.members import Member
from portal.staff.orders import Refused, by
from portal.staff.sign_in import browsers, challenges, credentials, invitations, proving
from portal.staff.sign_in.credentials import Kind
from portal.staff.sign_in.invitations import InvitationOver

INVITATION_OVER: dict[str, Any] = {"outcome": "refused", "reason": "invitation"}
JOIN = "join"


def look_at_invitation(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Return who an invitation is for, a secret for their app, and a question for a new passkey.

    Fields: token.
    """
    now, vault = parts.clock.now(), parts.vault
    with parts.db.write() as session:
        try:
            invited = invitations.find(session, vault, fields["token"], now)
        except InvitationOver:
            return INVITATION_OVER
        member, existing = invited.member, list[bytes]()
        if invited.adds:
            existing = credentials.passkeys(credentials.of(session, vault, member.id))
        challenge = challenges.new(session, vault, JOIN, member.id, now)
    options = proving.party(parts).creation(challenge, member.id, member.address, existing)
    return {
        "outcome": "done",
        "name": member.name,
        "address": member.address,
        "roles": roles.written(member.roles),
        "adds": invited.adds,
        "secret": totp.new_secret(),
        "options": options,
    }


def join(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Accept an invitation: with a passkey, or with a password and an authenticator app.

    Fields: token, name, language, browser, and passkey, or password, secret and code. Returns recovery codes.
    """
    now, vault, token = parts.clock.now(), parts.vault, fields["token"]
    try:
        with parts.db.read() as session:
            invited = invitations.find(session, vault, token, now)
    except InvitationOver:
        return INVITATION_OVER
    if invited.adds:
        return _add_by_invitation(parts, token, fields)
    answer = fields.get("passkey")
    chosen = _Chosen()
    if not answer:
        try:
            chosen = _chosen(parts, invited.member, fields)
        except TooBusy:
            return {"outcome": "away"}
        if chosen.refused:
            return chosen.refused
    try:
        with parts.db.write() as session:
            invited = invitations.find(session, vault, token, now)
            member, replaces = invited.member, invited.replaces
            if replaces:
                credentials.remove(session, vault, member.id)
            _set_way_in(session, parts, member, chosen, fields)
            codes = credentials.make_recovery_codes(session, vault, member.id, now)
            invitations.use(session, token)
            member = members.activate(session, vault, member, fields["name"], fields["language"])
            session.info[AUDITED] = {**session.info.get(AUDITED, {}), "by": by(member.id)}
            audit.record(session, "staff.join", member.id.hex(), {"again": replaces}, now)
            how = Kind.PASSKEY if answer else Kind.CODE
            return begin(session, parts, member, how.value, fields["browser"]) | {"codes": codes}
    except InvitationOver:
        return INVITATION_OVER
    except Refused as error:  # nothing is stored, and what the member had is still there
        return {"outcome": "refused", "reason": error.reason}


def _set_way_in(
    session: Any, parts: WorkerParts, member: Member, chosen: "_Chosen", fields: Mapping[str, str]
) -> None:
    """Store a passkey, or what was chosen. Raises Refused, also for a name that colleagues could misread."""
    if not fields["name"].strip() or not is_plain(fields["name"]):
        raise Refused("name")
    if "passkey" in fields:
        add_passkey(session, parts, member, JOIN, member.id, fields)
        return
    now = parts.clock.now()
    credentials.set_password(session, parts.vault, member.id, chosen.hash, now)
    credentials.set_code(session, parts.vault, member.id, fields["secret"], chosen.step, now)


def begin(session: Any, parts: WorkerParts, member: Member, how: str, browser: str) -> dict[str, Any]:
    """Sign a member in, and return what the console is told."""
    now = parts.clock.now()
    session.info[AUDITED] = {**session.info.get(AUDITED, {}), "by": by(member.id)}
    audit.record(session, "staff.sign-in", member.id.hex(), {"how": how}, now)
    token = sessions.begin(session, parts.vault, member, how, browser, now)
    return {
        "outcome": "done",
        "token": token,
        "recovery": how == Kind.RECOVERY.value,
        "mark": browsers.mark(parts.vault, member.id, now),
    }


def add_passkey(
    session: Any,
    parts: WorkerParts,
    member: Member,
    purpose: str,
    bound: bytes,
    fields: Mapping[str, str],
) -> None:
    """Store a passkey that answers a challenge made for this. Raises Refused."""
    now, party = parts.clock.now(), proving.party(parts)
    try:
        challenge = challenge_of(fields["passkey"])
        if not challenges.spend(session, parts.vault, challenge, purpose, bound, now):
            raise Refused("proof")
        made = party.register(fields["passkey"], challenge)
    except AnswerInvalid as error:
        raise Refused("proof") from error
    name = fields.get("passkey_name") or fields.get("name") or encoded(made.credential_id)[:8]
    try:
        credentials.add_passkey(session, parts.vault, member.id, name[: members.NAME_LENGTH], made, now)
    except ValueError as error:  # an authenticator's data may have any size
        raise Refused("too-large") from error


@dataclass(frozen=True, repr=False)
class _Chosen:
    """A new password's hash and the step of an app's first code; or what the page is told of a fault."""

    hash: str = ""
    step: int = 0
    refused: dict[str, Any] = field(default_factory=dict)


def _chosen(parts: WorkerParts, member: Member, fields: Mapping[str, str]) -> _Chosen:
    """Check and hash a new password, and check an app's first code. Raises TooBusy."""
    known = [member.address, fields["name"]]
    faults = parts.password_faults(fields["password"], known) if parts.password_faults else ()
    if faults:
        return _Chosen(refused={"outcome": "refused", "reason": "password", "faults": list(faults)})
    step = totp.matching_step(fields["secret"], fields["code"][:20], parts.clock.now())
    if step is None:
        return _Chosen(refused={"outcome": "refused", "reason": "code"})
    return _Chosen(hasher_for(parts.settings).hash(fields["password"]), step)


def _add_by_invitation(parts: WorkerParts, token: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Add a passkey to what a member has, as two admins agreed; their sessions stay. Fields: passkey."""
    now, vault = parts.clock.now(), parts.vault
    with parts.db.write() as session:
        try:
            invited = invitations.find(session, vault, token, now)
        except InvitationOver:
            return INVITATION_OVER
        member = invited.member
        if not (invited.adds and fields.get("passkey")):
            return {"outcome": "refused", "reason": "proof"}
        try:
            add_passkey(session, parts, member, JOIN, member.id, fields)
        except Refused as error:
            return {"outcome": "refused", "reason": error.reason}
        invitations.use(session, token)
        session.info[AUDITED] = {**session.info.get(AUDITED, {}), "by": by(member.id)}
        audit.record(session, "staff.add-passkey", member.id.hex(), {"invited": True}, now)
        tell(session, parts, member, SignInChanged(f"{parts.settings.console.url}/me/"))
    return {"outcome": "done", "added": True}
