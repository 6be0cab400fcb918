"""The worker's side of signing in: passwords, codes, passkeys, invitations, and who stays signed in."""

import logging
from collections.abc import Mapping
from typing import Any

from portal.audit import service as audit
from portal.core.addresses import AddressInvalid, normalise
from portal.crypto import tokens
from portal.crypto.hashing import PasswordTooLong, TooBusy
from portal.crypto.webauthn import AnswerInvalid, challenge_of, read_assertion
from portal.identity.service import hasher_for
from portal.runtime.parts import SealedHandler, WorkerParts
from portal.runtime.turns import in_turns
from portal.staff import members, sessions
from portal.staff.emails import SignInChanged, tell
from portal.staff.held import PutBack
from portal.staff.members import Member, MemberMissing
from portal.staff.orders import PREFIX, Acting, Order, Refused, checked_first, handlers
from portal.staff.sign_in import browsers, challenges, credentials, invitations, joining, proving
from portal.staff.sign_in.credentials import Kind
from portal.web import limits

log = logging.getLogger("portal.staff")

# Per address, and per browser that is known: it must not be guessed. A passkey signs in meanwhile.
TRIES = "10 per 15 minutes"
REFUSED: dict[str, Any] = {"outcome": "refused", "reason": "sign-in"}
SIGN_IN, STEP_UP, ADD = "sign-in", "step-up", "add"


def sign_in(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Sign in with address, password and code; every failure is told in the same words.

    Each try counts, against the address and the network; those of a browser that this member signed in with
    before count against that one alone. Fields: email, password, code, browser, network, mark.
    """
    now, vault = parts.clock.now(), parts.vault
    try:
        address = normalise(fields["email"])
    except AddressInvalid:
        address = ""
    index = vault.staff.staff_index(address).hex()
    member: Member | None = None
    with parts.db.write() as session:
        try:
            member = members.by_address(session, vault, address)
        except MemberMissing:
            found = []
        else:
            found = credentials.of(session, vault, member.id)
        number = browsers.number_of(vault, fields.get("mark", ""), member.id if member else b"", now)
        source = f"browser {number}" if number else f"network {fields.get('network', '')}"
        tried = number or "strangers"
        allowed = limits.hit(session, vault.staff, TRIES, "staff sign-in", index, tried, now=now).allowed
        limit = parts.settings.limits.sign_in_ip
        heard = limits.hit(session, vault.staff, limit, "staff sign-in", source, now=now).allowed
    if not heard:
        return REFUSED
    hasher, stored = hasher_for(parts.settings), credentials.password_hash(found)
    try:
        right = (
            hasher.verify(stored, fields["password"]) if stored else hasher.verify_dummy(fields["password"])
        )
    except PasswordTooLong:
        right = False
    except TooBusy:
        return {"outcome": "away"}
    if not (right and allowed) or member is None:
        return REFUSED
    with parts.db.write() as session:
        try:
            member = members.verified(session, vault, member.id)
        except MemberMissing:
            return REFUSED
        found = credentials.of(session, vault, member.id)
        kind = credentials.use_code(session, vault, found, fields["code"], now)
        if kind is None or not member.active or credentials.password_hash(found) != stored:
            return REFUSED
        return joining.begin(session, parts, member, kind.value, fields["browser"])


def sign_in_with_passkey(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Sign in with a passkey. Fields: passkey (the browser's answer), browser."""
    now, vault = parts.clock.now(), parts.vault
    try:
        given = read_assertion(fields["passkey"])
    except AnswerInvalid:
        return REFUSED
    with parts.db.write() as session:
        if not challenges.spend(session, vault, given.challenge, SIGN_IN, b"", now):
            return REFUSED
        try:
            member = members.verified(session, vault, given.user_handle or b"")
        except MemberMissing:
            return REFUSED
        found = credentials.of(session, vault, member.id)
        used = credentials.use_passkey(session, vault, proving.party(parts), found, given)
        if used is None or not member.active:
            return REFUSED
        return joining.begin(session, parts, member, Kind.PASSKEY.value, fields["browser"])


def signed_out(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Strike a session that the console ended, whose token says whose it was. Fields: session."""
    with parts.db.write() as session:
        sessions.strike(session, parts.vault, [tokens.token_hash(fields["session"])])
    return {"outcome": "done"}


def signed_out_elsewhere(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Strike other sessions of a member, which the console ended. Fields: sessions, ids with spaces."""
    ids = [bytes.fromhex(one) for one in fields["sessions"].split()]
    with parts.db.write() as session:
        for one in ids:
            sessions.end(session, acting.member.id, one)
        sessions.strike(session, parts.vault, sessions.gone(session, ids))
    return {}


def ask_passkey(_job_id: bytes, _fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Return what a browser is asked for where nobody is known yet."""
    with parts.db.write() as session:
        challenge = challenges.new(session, parts.vault, SIGN_IN, b"", parts.clock.now())
    return {"outcome": "done", "options": proving.party(parts).request(challenge, {})}


def ask_step_up(parts: WorkerParts, acting: Acting, _fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what the browser is asked for to confirm that it is this member."""
    with parts.db.write() as session:
        now = parts.clock.now()
        challenge = challenges.new(session, parts.vault, STEP_UP, acting.session_id, now)
        has = credentials.kinds(credentials.of(session, parts.vault, acting.member.id))
    return {
        "options": proving.party(parts).request(challenge, {}),
        "passkey": Kind.PASSKEY in has,
        "code": Kind.CODE in has,
    }


def step_up(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Confirm that it is this member. Fields: passkey or code."""
    challenge = b""
    if answer := fields.get("passkey"):
        try:
            challenge = challenge_of(answer)
        except AnswerInvalid as error:
            raise Refused("proof") from error
        with parts.db.write() as session:
            now = parts.clock.now()
            if not challenges.spend(session, parts.vault, challenge, STEP_UP, acting.session_id, now):
                raise Refused("proof")
    proof = proving.over(parts, acting.member, challenge, fields)
    with parts.db.write() as session:
        sessions.prove(session, parts.vault, acting.session_id, proof["how"], parts.clock.now())
    return {}


def ask_new_passkey(parts: WorkerParts, acting: Acting, _fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what the browser is asked for to make one more passkey: only who just used one may."""
    with parts.db.write() as session:
        found = credentials.of(session, parts.vault, acting.member.id)
        existing = credentials.passkeys(found)
        _refuse_without_old_one(acting, credentials.kinds(found))
        challenge = challenges.new(session, parts.vault, ADD, acting.session_id, parts.clock.now())
    member = acting.member
    return {"options": proving.party(parts).creation(challenge, member.id, member.address, existing)}


def add_passkey(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Add one more passkey. Fields: passkey, name."""
    with parts.db.write() as session:
        _refuse_without_old_one(
            acting, credentials.kinds(credentials.of(session, parts.vault, acting.member.id))
        )
        joining.add_passkey(session, parts, acting.member, ADD, acting.session_id, fields)
        now = parts.clock.now()
        audit.record(session, "staff.add-passkey", acting.member.id.hex(), {}, now)
        tell(session, parts, acting.member, SignInChanged(f"{parts.settings.console.url}/me/"))
    return {}


def _refuse_without_old_one(acting: Acting, kinds: Mapping[Kind, int]) -> None:
    """Raise Refused unless the member confirmed with a passkey: a code that was watched makes no passkey."""
    if Kind.PASSKEY not in kinds:
        raise Refused("first-passkey")
    if acting.how != Kind.PASSKEY:
        raise Refused("old-passkey")


def show_credentials(parts: WorkerParts, acting: Acting, _fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what the member signs in with, for their own page."""
    with parts.db.write() as session:
        found = credentials.of(session, parts.vault, acting.member.id)
    passkeys = [
        {"id": one.id.hex(), "name": str(one.content["name"])} for one in found if one.kind is Kind.PASSKEY
    ]
    recovery = next((len(one.content["hashes"]) for one in found if one.kind is Kind.RECOVERY), 0)
    kinds = {one.kind for one in found}
    return {"passkeys": passkeys, "password": Kind.PASSWORD in kinds, "recovery": recovery}


def remove_passkey(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Remove a passkey, but not the only way in. Fields: id.

    Who has another one confirms with it: a code that was watched takes no passkey away.
    """
    with parts.db.write() as session:
        member = members.verified(session, parts.vault, acting.member.id)
        found = credentials.of(session, parts.vault, member.id)
        kinds = credentials.kinds(found)
        gone = next((one for one in found if one.id.hex() == fields["id"]), None)
        if gone is None or gone.kind is not Kind.PASSKEY:
            raise Refused("no-passkey")
        if kinds[Kind.PASSKEY] > 1:
            _refuse_without_old_one(acting, kinds)
        elif Kind.PASSWORD not in kinds:
            raise Refused("last-way-in")
        credentials.remove(session, parts.vault, member.id, gone.id)
        now = parts.clock.now()
        members.change(session, parts.vault, member)
        audit.record(session, "staff.remove-passkey", member.id.hex(), {}, now)
        tell(session, parts, member, SignInChanged(f"{parts.settings.console.url}/me/"))
    return {}


def renew_recovery_codes(parts: WorkerParts, acting: Acting, _fields: Mapping[str, str]) -> dict[str, Any]:
    """Make new recovery codes in the place of the former ones."""
    with parts.db.write() as session:
        now = parts.clock.now()
        codes = credentials.make_recovery_codes(session, parts.vault, acting.member.id, now)
        audit.record(session, "staff.recovery-codes", acting.member.id.hex(), {}, now)
        tell(session, parts, acting.member, SignInChanged(f"{parts.settings.console.url}/me/"))
    return {"codes": codes}


def tidy(parts: WorkerParts) -> None:
    """Delete sessions, invitations and challenges that have ended."""
    in_turns(parts, sessions.purge)
    try:
        with parts.db.write() as session:
            sessions.strike_gone(session, parts.vault)
    except PutBack:
        log.error("staff: sessions that ended could not be struck")
    in_turns(parts, invitations.purge)
    in_turns(parts, challenges.purge)


ORDERS = {
    "signed-out-elsewhere": Order(signed_out_elsewhere),
    "ask-step-up": Order(ask_step_up),
    "step-up": Order(step_up),
    "ask-new-passkey": Order(ask_new_passkey, step_up=True),
    "add-passkey": Order(add_passkey, step_up=True),
    "credentials": Order(show_credentials),
    "remove-passkey": Order(remove_passkey, step_up=True),
    "recovery-codes": Order(renew_recovery_codes, step_up=True),
}
SEALED: dict[str, SealedHandler] = {
    f"{PREFIX}sign-in": checked_first(sign_in, REFUSED),
    f"{PREFIX}passkey": checked_first(sign_in_with_passkey, REFUSED),
    f"{PREFIX}ask-passkey": ask_passkey,
    f"{PREFIX}invitation": checked_first(joining.look_at_invitation, joining.INVITATION_OVER),
    f"{PREFIX}join": checked_first(joining.join, joining.INVITATION_OVER),
    f"{PREFIX}signed-out": checked_first(signed_out, {"outcome": "done"}),
    **handlers(ORDERS),
}
