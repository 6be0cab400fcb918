"""What a browser is asked for, and the check of what it answers (WebAuthn level 3, sections 7.1 and 7.2)."""

import json
import logging
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
)

from portal.core.settings import Settings

# It logs credential ids, which lead from a log to a person.
logging.getLogger("fido2").setLevel(logging.WARNING)

ALGORITHMS = (-8, -7, -257)  # Ed25519, ECDSA with P-256, RSA: every authenticator has one (RFC 9053, 8812)
LIFETIME = timedelta(minutes=5)  # of a question
TRANSPORTS = frozenset({"ble", "hybrid", "internal", "nfc", "smart-card", "usb"})
LONGEST_ID = 512  # bytes; those of passkeys have 16 to 64
REQUIRED = UserVerificationRequirement.REQUIRED
_MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    AssertionError,
    struct.error,
    UnsupportedAlgorithm,
)


class AnswerInvalid(Exception):
    """What a browser answered is malformed, for another site, or not signed by this passkey."""


@dataclass(frozen=True, repr=False)
class Registered:
    """A new passkey, as its authenticator gave it."""

    credential_id: bytes
    credential: bytes
    sign_count: int
    backed_up: bool
    transports: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Assertion:
    """An answer as it came: nothing of it is checked yet. `fields` is what the library reads."""

    credential_id: bytes
    challenge: bytes
    user_handle: bytes | None
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Asserted:
    """What a passkey said when it signed."""

    sign_count: int
    backed_up: bool


@dataclass(frozen=True)
class RelyingParty:
    """A site, as authenticators know it: it comes from the settings alone, never from a request."""

    id: str
    origin: str
    name: str

    @classmethod
    def of(cls, settings: Settings) -> "RelyingParty":
        """Return the public site as relying party."""
        return cls.at(settings.base_url, settings.site.organisation)

    @classmethod
    def at(cls, base_url: str, name: str) -> "RelyingParty":
        """Return the relying party of a site's own URL."""
        url = urlsplit(base_url)
        return cls(url.hostname or "", f"{url.scheme}://{url.netloc}", name)

    def creation(
        self, challenge: bytes, handle: bytes, label: str, existing: Collection[bytes]
    ) -> dict[str, Any]:
        """Return what `navigator.credentials.create` is asked for; `existing` are the account's passkeys.

        The label is shown by the browser, and stored with the passkey: it names no address.
        """
        return {
            "rp": {"id": self.id, "name": self.name},
            "user": {"id": encoded(handle), "name": label, "displayName": label},
            "challenge": encoded(challenge),
            "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in ALGORITHMS],
            "timeout": int(LIFETIME.total_seconds() * 1000),
            "excludeCredentials": _descriptors(existing, {}),
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": True,
                "userVerification": "required",
            },
            "attestation": "none",
        }

    def request(self, challenge: bytes, allowed: Mapping[bytes, Collection[str]]) -> dict[str, Any]:
        """Return what `navigator.credentials.get` is asked for.

        `allowed` are credential ids with their transports; without any, the browser offers what it has.
        """
        return {
            "rpId": self.id,
            "challenge": encoded(challenge),
            "timeout": int(LIFETIME.total_seconds() * 1000),
            "allowCredentials": _descriptors(allowed, allowed),
            "userVerification": "required",
        }

    def register(self, answer: str, challenge: bytes) -> Registered:
        """Return the new passkey of an answer to `creation`. Raises AnswerInvalid.

        No attestation is asked for or read: which make an authenticator is does not decide who may sign in.
        """
        with _checked():
            given = json.loads(answer)
            response = given["response"]
            fields = {
                "rawId": given["id"],
                "response": {name: response[name] for name in ("clientDataJSON", "attestationObject")},
            }
            signed = self._server().register_complete(_state(challenge), fields)
            found = signed.credential_data
            if found is None or found.credential_id != decoded(given["id"]):
                raise AnswerInvalid
            if found.public_key.ALGORITHM not in ALGORITHMS or not 0 < len(found.credential_id) <= LONGEST_ID:
                raise AnswerInvalid
            offered = [name for name in response.get("transports", []) if isinstance(name, str)]
            transports = tuple(sorted(TRANSPORTS.intersection(offered)))
            return Registered(
                found.credential_id, bytes(found), signed.counter, signed.is_backed_up(), transports
            )

    def check(self, assertion: Assertion, credential: bytes) -> Asserted:
        """Check an answer to `request` with the passkey that it names. Raises AnswerInvalid.

        The caller has checked the challenge, and compares the sign count.
        """
        with _checked():
            known = AttestedCredentialData(credential)
            self._server().authenticate_complete(_state(assertion.challenge), [known], assertion.fields)
            signed = AuthenticationResponse.from_dict(assertion.fields).response.authenticator_data
            return Asserted(signed.counter, signed.is_backed_up())

    def _server(self) -> Fido2Server:
        entity = PublicKeyCredentialRpEntity(name=self.name, id=self.id)
        return Fido2Server(entity, verify_origin=lambda origin: origin == self.origin)


def read_assertion(answer: str) -> Assertion:
    """Return an answer to `request` as it came. Raises AnswerInvalid where it is malformed."""
    with _checked():
        given = json.loads(answer)
        response = given["response"]
        fields = {
            "rawId": given["id"],
            "response": {
                name: response[name] for name in ("clientDataJSON", "authenticatorData", "signature")
            },
        }
        handle = response.get("userHandle")
        return Assertion(
            decoded(given["id"]),
            _challenge(response["clientDataJSON"]),
            decoded(handle) if handle else None,
            fields,
        )


def challenge_of(answer: str) -> bytes:
    """Return the challenge that an answer names. Raises AnswerInvalid where it is malformed."""
    with _checked():
        return _challenge(json.loads(answer)["response"]["clientDataJSON"])


def origin_of(answer: str) -> str:
    """Return the origin at which an answer was given, as the browser says. Raises AnswerInvalid."""
    with _checked():
        return str(json.loads(decoded(json.loads(answer)["response"]["clientDataJSON"]))["origin"])


def encoded(raw: bytes) -> str:
    """Return base64url without padding, as browsers write it."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Return what `encoded` encoded. Raises ValueError, TypeError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _challenge(client_data: str) -> bytes:
    return decoded(json.loads(decoded(client_data))["challenge"])


def _state(challenge: bytes) -> dict[str, Any]:
    return {"challenge": encoded(challenge), "user_verification": REQUIRED}


def _descriptors(ids: Collection[bytes], transports: Mapping[bytes, Collection[str]]) -> list[dict[str, Any]]:
    return [
        {"type": "public-key", "id": encoded(one), "transports": list(transports.get(one, ()))} for one in ids
    ]


@contextmanager
def _checked() -> Iterator[None]:
    """Turn what the library and malformed answers raise into AnswerInvalid."""
    try:
        yield
    except _MALFORMED as error:
        raise AnswerInvalid from error
