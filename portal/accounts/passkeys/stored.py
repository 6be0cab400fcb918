"""What a passkey's row holds: its encrypted content, and the address that only its authenticator opens."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from datetime import date

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from portal.crypto.vault import Cell, WebVault, hkdf, open_with, pad, seal_to, unpad

HANDLE_BYTES = 32
SIZE = 1536
ADDRESS_SIZE = 512
KEY = "portal passkeys"
HANDLE = "portal passkey handle"
ADDRESS_KEY = "portal passkey address key"
ADDRESS = "passkey address"
LENGTH_BYTES = 2  # before what is padded
_MODEL_BYTES = 16
_ID_AT = _MODEL_BYTES + 2


@dataclass(frozen=True, repr=False)
class Content:
    """A passkey as it is stored. `public` belongs to the key that its user handle yields.

    `credential` is the authenticator's data: model, credential id, public key. `stopped`: its sign count went
    back, so a copy of it may be about. Days alone: nobody needs to know the minute.
    """

    credential: bytes
    public: bytes
    name: str
    added_on: date
    sign_count: int = 0
    used_on: date | None = None
    backed_up: bool = False
    stopped: bool = False
    transports: tuple[str, ...] = ()

    @property
    def credential_id(self) -> bytes:
        """Return the id that the authenticator sends: its length stands after 16 bytes of the model."""
        length = int.from_bytes(self.credential[_MODEL_BYTES:_ID_AT])
        return self.credential[_ID_AT : _ID_AT + length]


def encrypt(vault: WebVault, row_id: bytes, content: Content) -> bytes:
    """Encrypt a passkey for its row, at one length. Raises ValueError where it does not fit."""
    return vault.encrypt_own(KEY, _cell(row_id), _packed(content), (SIZE,))


def fits(content: Content) -> bool:
    """Return whether a passkey fits its row, and still will when it was used and has counted far."""
    grown = replace(content, sign_count=2**32 - 1, used_on=content.added_on, backed_up=False, stopped=False)
    return len(_packed(grown)) + LENGTH_BYTES <= SIZE


def _packed(content: Content) -> bytes:
    packed = [
        b64encode(content.credential).decode(),
        b64encode(content.public).decode(),
        content.name,
        content.added_on.isoformat(),
        content.sign_count,
        content.used_on.isoformat() if content.used_on else "",
        content.backed_up,
        content.stopped,
        list(content.transports),
    ]
    return json.dumps(packed, separators=(",", ":"), ensure_ascii=False).encode()


def decrypt(vault: WebVault, row_id: bytes, blob: bytes) -> Content:
    """Return the content of a passkey's row. Raises VaultError where it was moved or altered."""
    unpacked = json.loads(vault.decrypt_own(KEY, _cell(row_id), blob))
    credential, public, name, added, count, used, backed_up, stopped, transports = unpacked
    return Content(
        b64decode(credential),
        b64decode(public),
        name,
        date.fromisoformat(added),
        count,
        date.fromisoformat(used) if used else None,
        backed_up,
        stopped,
        tuple(transports),
    )


def handle_of(seed: bytes) -> bytes:
    """Return the user handle of a passkey that is made in answer to a challenge with this seed."""
    return hkdf(seed, HANDLE)


def public_of(handle: bytes) -> bytes:
    """Return the public key to which the address of a passkey with this user handle is sealed."""
    return _private(handle).public_key().public_bytes_raw()


def seal_address(public: bytes, row_id: bytes, address: str) -> bytes:
    """Seal an address so that only the passkey's user handle opens it, at one length."""
    padded = pad(address.encode(), (ADDRESS_SIZE,))
    return seal_to(X25519PublicKey.from_public_bytes(public), ADDRESS, row_id, padded)


def open_address(handle: bytes, row_id: bytes, sealed: bytes) -> str:
    """Return the address of a passkey with this user handle. Raises VaultError."""
    return unpad(open_with(_private(handle), ADDRESS, row_id, sealed)).decode()


def _private(handle: bytes) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(hkdf(handle, ADDRESS_KEY))


def _cell(row_id: bytes) -> Cell:
    return Cell("passkeys", "content", row_id)
