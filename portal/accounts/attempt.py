"""What becomes of a try to sign in: it is refused, must wait, needs another factor, or signs in.

A try is counted first (`sign_in.count_attempt`), then its password is checked outside any transaction, then
judged. The builtin store's is checked in the web process; that of a company's own store by a sealed job of
the worker, which counts and judges in the same way.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import sign_in
from portal.accounts.sign_in import Attempt
from portal.crypto.hashing import Hasher
from portal.crypto.vault import WebVault
from portal.identity.account import Account
from portal.identity.builtin import passwords
from portal.identity.builtin.passwords import NewPassword, Password
from portal.identity.builtin.store import BuiltinStore
from portal.identity.ports import Verdict


@dataclass(frozen=True)
class Refused:
    """One answer for every failure. `closes`: this one closed sign-in to all unknown browsers."""

    closes: bool


@dataclass(frozen=True)
class Wait:
    """This network or device must wait so many seconds; the password was not checked."""

    seconds: int


@dataclass(frozen=True)
class NeedsFactor:
    """The password fits, but the company asks this account for another factor, which the portal cannot."""


@dataclass(frozen=True, repr=False)
class SignedIn:
    """The password signs in. `renewed` replaces a builtin account's hash of another cost than new ones."""

    account: Account
    renewed: NewPassword | None = None


Outcome = Refused | Wait | NeedsFactor | SignedIn


@dataclass(frozen=True, repr=False)
class Begun:
    """A counted try to sign in to the builtin store, with what its password is checked against."""

    counted: Attempt
    password: Password | None
    dummy: str | None


def begin(
    session: Session,
    vault: WebVault,
    *,
    address: str,
    network: str,
    device_cookie: str | None,
    limit: str,
    now: datetime,
) -> Begun:
    """Look up the builtin store's account of a normalised address, if any, and count the try."""
    password = passwords.at_address(session, vault, address)
    dummy = BuiltinStore().dummy_hash(session, vault, address)
    counted = sign_in.count_attempt(
        session,
        vault,
        address=address,
        account=password.account if password else None,
        network=network,
        device_cookie=device_cookie,
        limit=limit,
        now=now,
    )
    return Begun(counted, password, dummy)


def check(hasher: Hasher, begun: Begun, typed: str) -> Outcome:
    """Check the password of a try. Call it outside any transaction: it hashes. Raises TooBusy.

    Every failure takes the same time.
    """
    if begun.counted.retry_after:
        return Wait(begun.counted.retry_after)
    found = passwords.verify(hasher, begun.password, typed, begun.dummy)
    account = begun.password.account if begun.password else None
    outcome = judge(begun.counted, account, Verdict.FITS if found.fits else Verdict.WRONG)
    if isinstance(outcome, SignedIn) and found.outdated:
        return SignedIn(outcome.account, passwords.hash_again(hasher, typed))
    return outcome


def judge(counted: Attempt, account: Account | None, verdict: Verdict) -> Outcome:
    """Return what becomes of a counted try, from what the store says of its password."""
    if counted.retry_after:
        return Wait(counted.retry_after)
    if account is None or verdict is Verdict.WRONG or not counted.open or account.must_reset:
        return Refused(counted.closes)
    return NeedsFactor() if verdict is Verdict.NEEDS_FACTOR else SignedIn(account)


def renew(session: Session, vault: WebVault, begun: Begun, signed_in: SignedIn) -> None:
    """Store a renewed hash, if there is one, unless the account changed since it was read."""
    if begun.password is not None and signed_in.renewed is not None:
        passwords.renew(session, vault, begun.password, signed_in.renewed)
