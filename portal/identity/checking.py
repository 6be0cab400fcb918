"""Try what a store can do, and count what keeps people out, for `portal identity check`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_urlsafe

from portal.core.addresses import sign_in_name
from portal.identity.ports import (
    Credentials,
    Directory,
    Entry,
    ExternalStore,
    OutcomeUnknown,
    StoreFault,
    StoreUnavailable,
    Verdict,
)

PAGE = 500
_REFUSED = {
    Verdict.WRONG: "the store does not accept the password of --password-file: give the one that signs this "
    "account in to your product; nothing was changed",
    Verdict.NEEDS_FACTOR: "this account has a second factor, which nothing here can ask for: give a test "
    "account without one; nothing was changed",
}


class NotTried(Exception):
    """Nothing was changed, for the reason in the message."""


@dataclass(frozen=True)
class Tried:
    """A capability that was tried, with what went wrong, or None."""

    capability: str
    fault: str | None


def count(directory: Directory) -> tuple[int, int]:
    """Count the accounts, and the addresses that two or more of them have. Raises what the port raises."""
    seen: set[bytes] = set()
    shared: set[bytes] = set()
    accounts, after = 0, None
    while page := directory.page(after, PAGE):
        for entry in page:
            # Short, because there may be millions; two addresses meet by chance once in a trillion runs.
            key = blake2b(sign_in_name(entry.address).encode(errors="replace"), digest_size=10).digest()
            (shared if key in seen else seen).add(key)
        accounts, after = accounts + len(page), page[-1].id
    return accounts, len(shared)


def only_account(directory: Directory, address: str) -> Entry:
    """Return the only account of an address, which the store finds by its id too. Raises NotTried."""
    name = sign_in_name(address)
    found = [each for each in directory.find([address]) if sign_in_name(each.address) == name]
    if len(found) != 1:
        raise NotTried(f"{len(found)} accounts have this address; there must be one")
    if [each.id for each in directory.get([found[0].id])] != [found[0].id]:
        raise NotTried("the store finds the account by its address, and not by its id")
    return found[0]


def try_all(store: ExternalStore, entry: Entry, password: str) -> Iterator[Tried]:
    """Try each capability that the store declares; at the end the account has its password again.

    Raises NotTried where the password is wrong.
    """
    can, trial = store.capabilities, _Trial(store, entry.id)
    if can.find_by_reference:
        yield trial.attempt("find_by_reference", lambda: trial.finds(store, entry))
    if can.verify:
        verdict = store.verify(entry.id, password)
        if verdict is not Verdict.FITS:
            raise NotTried(_REFUSED.get(verdict, f"the store does not accept it: {verdict.value}"))
        yield trial.attempt("verify", lambda: trial.expect(Verdict.WRONG, password + "x"))
    if not can.set_password:
        return
    temporary = token_urlsafe()
    try:
        yield trial.attempt("set_password", lambda: trial.sets(temporary, instead_of=password))
        if can.require_change:
            yield trial.attempt("require_change", lambda: trial.closes(temporary))
        if can.require_change and can.remembers_closed:
            yield trial.attempt("remembers_closed", lambda: trial.remembers(temporary))
        if can.end_sessions:
            yield trial.attempt("end_sessions", lambda: store.end_sessions([entry.id]))
    finally:
        back = trial.attempt("the password is back", lambda: trial.sets(password, instead_of=temporary))
    yield back


class _Trial:
    """What is done to the test account."""

    def __init__(self, credentials: Credentials, account_id: str) -> None:
        self._credentials = credentials
        self._id = account_id
        self._kept: dict[str, bytes] = {}

    def attempt(self, capability: str, act: Callable[[], object]) -> Tried:
        try:
            act()
        except (NotTried, StoreUnavailable, StoreFault, OutcomeUnknown) as error:
            return Tried(capability, str(error))
        return Tried(capability, None)

    def expect(self, verdict: Verdict, plain: str) -> None:
        if self._credentials.capabilities.verify:
            found = self._credentials.verify(self._id, plain)
            if found is not verdict:
                raise NotTried(f"a password should be {verdict.value}, and the store says: {found.value}")

    def sets(self, plain: str, *, instead_of: str) -> None:
        self._credentials.set_password(self._id, plain)
        self.expect(Verdict.FITS, plain)
        self.expect(Verdict.WRONG, instead_of)

    def closes(self, plain: str) -> None:
        if (closed := self._credentials.require_change([self._id], self._keep)) != 1:
            raise NotTried(f"the store says that it locked {closed} passwords, not 1")
        self.expect(Verdict.WRONG, plain)
        if (closed := self._credentials.require_change([self._id], self._keep)) != 0:
            raise NotTried(f"asked twice, the store locked {closed} passwords again")

    def remembers(self, plain: str) -> None:
        kept = self._kept.get(self._id, b"")
        if not self._credentials.was_closed(self._id, plain, kept):
            raise NotTried("the store does not recognise the password that it locked")
        if self._credentials.was_closed(self._id, plain + "x", kept):
            raise NotTried("the store takes another password for the one that it locked")

    def finds(self, directory: Directory, entry: Entry) -> None:
        if not entry.references:
            raise NotTried("the account has no customer number to try it with")
        found = directory.find_by_reference(entry.references[:1])
        if entry.id not in {each.id for each in found}:
            raise NotTried("the account is not found by its customer number")

    def _keep(self, closed: Mapping[str, bytes]) -> None:
        self._kept.update(closed)
