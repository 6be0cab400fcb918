"""The company's accounts behind its own endpoints: both ports, one signed POST per call.

What a failed call means: `docs/decisions/0073-a-store-behind-http.md`.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from time import monotonic, time
from typing import Any, ClassVar, TypeVar

from portal.core.settings import Settings
from portal.core.settings.http import HttpIdentity
from portal.identity.http import answers
from portal.identity.http.answers import Answer, DeadlineExceeded, Interrupted
from portal.identity.http.signing import SecretInvalid, new_message_id, secret_bytes, signed_headers
from portal.identity.ports import (
    MAX_ID,
    Capabilities,
    Entry,
    KeepClosed,
    OutcomeUnknown,
    PasswordRefused,
    StoreFault,
    StoreUnavailable,
    Verdict,
)

# A person's sealed job has 10 seconds, and may call twice.
ONE_ACCOUNT_SECONDS = 4.0
BATCH_SECONDS = 30.0
# Answers of a server, or of a proxy before it, that is busy or away: it may answer later.
AWAY = (429, 502, 503, 504)
OK, REFUSED, TOO_MANY = 200, 422, 429
REDIRECTS, REFUSALS = range(300, 400), range(400, 500)
# `KeepClosed` gets this for each account: the company's store remembers the closed password itself.
KEPT_THERE = b"kept by the store"

Read = TypeVar("Read")


class HttpStore:
    """A store of company accounts behind HTTP. Thread-safe; connections are kept."""

    name = "http"
    settings: ClassVar[tuple[str, ...]] = ()  # they are a group of the portal's own
    secrets: ClassVar[tuple[str, ...]] = ("SECRET",)

    def __init__(self, settings: HttpIdentity, one_account_seconds: float = ONE_ACCOUNT_SECONDS) -> None:
        """Read the secrets and the certificates; connect later. Raises StoreFault for a wrong setting."""
        self._one_account_seconds = one_account_seconds
        if not (settings.url and settings.secrets):
            raise StoreFault("PORTAL_IDENTITY_HTTP_URL and PORTAL_IDENTITY_HTTP_SECRET are required")
        self.capabilities = _capabilities(settings)
        try:
            self._keys = [secret_bytes(secret) for secret in settings.secrets]
        except SecretInvalid as error:
            raise StoreFault(f"PORTAL_IDENTITY_HTTP_SECRET: {error}") from error
        # The web server asks this class what it declares, and needs no HTTP client for that.
        from portal.identity.http.exchange import Exchange  # noqa: PLC0415

        try:
            self._exchange = Exchange(settings.url, settings.ca_file)
        except OSError as error:
            reason = f"has no certificates that can be read ({type(error).__name__})"
            raise StoreFault(f"PORTAL_IDENTITY_HTTP_CA_FILE: {reason}") from error

    @classmethod
    def declared(cls, settings: Settings) -> Capabilities:
        """Return what the operator says that the company's server can do."""
        return _capabilities(settings.identity.http)

    @classmethod
    def from_settings(cls, settings: Settings) -> "HttpStore":
        """Return the store. Raises StoreFault for a wrong setting."""
        return cls(settings.identity.http)

    def find(self, addresses: Sequence[str]) -> list[Entry]:
        """Return the accounts with these addresses: see the port."""
        return self._find("addresses", addresses)

    def find_by_reference(self, references: Sequence[str]) -> list[Entry]:
        """Return the accounts with these customer numbers: see the port."""
        return self._find("references", references)

    def get(self, ids: Sequence[str]) -> list[Entry]:
        """Return the accounts with these ids: see the port."""
        found = self._find("ids", [one for one in ids if 0 < len(one) <= MAX_ID])
        if not {entry.id for entry in found} <= set(ids):
            raise StoreFault("/accounts/find answered with an id that was not asked for")
        return found

    def page(self, after: str | None, limit: int) -> list[Entry]:
        """Return a page of all accounts: see the port."""
        found = self._ask("find", {"after": after, "limit": limit}, answers.entries, limit)
        if len(found) > limit or after in {entry.id for entry in found}:
            raise StoreFault("/accounts/find answered more than `limit` accounts, or `after` itself")
        return found

    def verify(self, account_id: str | None, plain: str, seed: bytes = b"") -> Verdict:  # noqa: ARG002 - no costs here
        """Return whether a typed password signs in: see the port."""
        found = self._verify(account_id, plain, "current")
        if account_id is None and found is not Verdict.WRONG:
            raise StoreFault("/accounts/verify answered that a password fits no account")
        return found

    def was_closed(self, account_id: str, plain: str, closed: bytes) -> bool:  # noqa: ARG002 - the port's
        """Return whether a password is the closed one, which the company's store remembers itself."""
        return self._verify(account_id, plain, "closed") is not Verdict.WRONG

    def set_password(self, account_id: str, plain: str) -> None:
        """Store a new password: see the port. Raises PasswordRefused too."""
        password = unicodedata.normalize("NFC", plain)
        self._ask("password", {"id": account_id, "password": password}, answers.empty, changes=True)

    def require_change(self, account_ids: Sequence[str], keep: KeepClosed) -> int:
        """Close the passwords of accounts: see the port."""
        if not account_ids:
            return 0
        if self.capabilities.remembers_closed:
            keep(dict.fromkeys(account_ids, KEPT_THERE))
        asked = len(account_ids)
        body = {"ids": list(account_ids)}
        return self._ask(
            "require-change", body, lambda answer: answers.required(answer, asked), asked, changes=True
        )

    def end_sessions(self, account_ids: Sequence[str]) -> None:
        """End the accounts' sessions in the company's product: see the port."""
        if account_ids:
            body = {"ids": list(account_ids)}
            self._ask("end-sessions", body, answers.empty, len(account_ids), changes=True)

    def _find(self, by: str, values: Sequence[str]) -> list[Entry]:
        return self._ask("find", {by: list(values)}, answers.entries, len(values)) if values else []

    def _verify(self, account_id: str | None, plain: str, which: str) -> Verdict:
        """Return the verdict on a password, composed (NFC) and as typed.

        Browsers send some accents as characters of their own, and companies hashed them so. Both are always
        tried, so that time tells nothing about the account.
        """
        if not answers.is_text(plain):  # half a character, which no server can be sent
            return Verdict.WRONG
        found, deadline = Verdict.WRONG, monotonic() + self._one_account_seconds
        for password in dict.fromkeys((unicodedata.normalize("NFC", plain), plain)):
            body = {"id": account_id, "password": password, "which": which}
            said = self._ask("verify", body, answers.verdict, deadline=deadline)
            found = said if found is Verdict.WRONG else found
        return found

    def _ask(
        self,
        verb: str,
        body: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], Read],
        accounts: int = 1,
        *,
        changes: bool = False,
        deadline: float | None = None,
    ) -> Read:
        """Return what `read` makes of the answer to one request. `changes`: it may change the store."""
        path = f"/accounts/{verb}"
        deadline = deadline or monotonic() + (self._one_account_seconds if accounts == 1 else BATCH_SECONDS)
        # The signature covers the type, so that a request cannot be replayed at another endpoint.
        request = json.dumps({"type": f"accounts.{verb}", **body}).encode()
        try:
            answer = self._send(path, request, deadline)
        except Interrupted as error:
            unclear = OutcomeUnknown if changes else StoreUnavailable
            raise unclear(f"{path} {error}") from error
        if answer.status != OK:
            raise _refusal(path, answer, changes=changes)
        try:
            return read(_parsed(answer))
        except StoreFault as fault:
            # It may have done what was asked and said it badly.
            raise (OutcomeUnknown if changes else StoreFault)(f"{path} {fault}") from fault

    def _send(self, path: str, request: bytes, deadline: float) -> Answer:
        """Return the answer; a request whose connection broke is sent once more, with the same id.

        Raises StoreUnavailable or StoreFault where it was never sent, and else Interrupted.
        """
        message_id = new_message_id()
        try:
            return self._post(path, request, message_id, deadline)
        except DeadlineExceeded:
            raise
        except Interrupted as interrupted:
            try:
                answer = self._post(path, request, message_id, deadline)
            except (StoreUnavailable, StoreFault):
                raise interrupted from None
            if answer.status in (OK, REFUSED):
                return answer
            raise interrupted from None  # what stands before the store may say so, which knows no first try

    def _post(self, path: str, request: bytes, message_id: str, deadline: float) -> Answer:
        headers = signed_headers(self._keys, message_id, int(time()), request)
        headers |= {"content-type": "application/json", "accept": "application/json"}
        return self._exchange.post(path, request, headers, deadline)


def _capabilities(settings: HttpIdentity) -> Capabilities:
    names = {field.name for field in fields(Capabilities)}
    return Capabilities(**{name: name.replace("_", "-") in settings.capabilities for name in names})


def _parsed(answer: Answer) -> dict[str, Any]:
    if answer.too_long:
        raise StoreFault("answered with too many bytes")
    if answer.content_type.partition(";")[0].strip() != "application/json":
        raise StoreFault("answered with another content type than application/json")
    return answers.parsed(answer.body)


def _refusal(path: str, answer: Answer, *, changes: bool) -> Exception:
    """Return what an answer other than 200 means."""
    status = f"{path} answered {answer.status}"
    if answer.status in REDIRECTS:
        return StoreFault(f"{status}, a redirect: set PORTAL_IDENTITY_HTTP_URL to where it leads")
    if answer.status in REFUSALS:
        return _refused(status, answer)
    if changes:
        return OutcomeUnknown(status)
    return (StoreUnavailable if answer.status in AWAY else StoreFault)(status)


def _refused(status: str, answer: Answer) -> Exception:
    """Return what a 4xx means: nothing was done."""
    try:
        code = answers.error_code(_parsed(answer))
    except StoreFault:
        code = ""
    if code == "password-refused":
        return PasswordRefused(f"{status}: {answers.ERRORS[code]}")
    if code == "busy" or answer.status == TOO_MANY:
        return StoreUnavailable(status)
    return StoreFault(f"{status}: {answers.ERRORS.get(code, 'without a reason that the document names')}")
