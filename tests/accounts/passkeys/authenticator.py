"""An authenticator in software, which can be told to lie: what a browser answers, byte by byte."""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey. `count` is its sign count: 0 stays 0, as that of passkeys that devices share."""

    origin: str = "http://localhost:8000"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: token_bytes(32))
    handle: bytes | None = None
    rp_id: str | None = None  # another one than it is asked for

    def create(self, options: dict[str, Any], **lies: Any) -> str:
        """Answer `navigator.credentials.create`."""
        self.handle = decoded(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        public |= lies.pop("public", {})
        length = len(self.credential_id).to_bytes(2)
        attested = bytes(16) + length + self.credential_id + cbor.encode(public)
        data = self._data(options["rp"]["id"], self.flags | ATTESTED) + attested
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options, lies)
        response = {"clientDataJSON": encoded(client), "attestationObject": encoded(attestation)}
        return self._answer(response | {"transports": ["internal", "hybrid", "telepathy"]}, lies)

    def get(self, options: dict[str, Any], **lies: Any) -> str:
        """Answer `navigator.credentials.get`."""
        self.count += bool(self.count)
        data = self._data(options["rpId"], self.flags)
        client = self._client("webauthn.get", options, lies)
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        handle = lies.pop("handle", self.handle)
        response = {
            "clientDataJSON": encoded(client),
            "authenticatorData": encoded(data),
            "signature": encoded(signed),
            "userHandle": encoded(handle) if handle else None,
        }
        return self._answer(response, lies)

    def _data(self, rp_id: str, flags: int) -> bytes:
        hashed = hashlib.sha256((self.rp_id or rp_id).encode()).digest()
        return hashed + bytes([flags]) + self.count.to_bytes(4)

    def _client(self, kind: str, options: dict[str, Any], lies: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(said | lies.pop("client", {})).encode()

    def _answer(self, response: dict[str, Any], lies: dict[str, Any]) -> str:
        answer = {"id": encoded(self.credential_id), "type": "public-key", "response": response}
        assert set(lies) <= {"id"}, lies
        return json.dumps(answer | lies)
