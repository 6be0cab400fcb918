"""The vault: seal for the worker, open, keep at rest, index blindly. The web process cannot read the people."""

from dataclasses import dataclass
from hashlib import blake2b
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from portal.core.addresses import sign_in_name
from portal.crypto import tokens
from portal.crypto.keys import CANARY, WebKeys, WorkerKeys

INDEX_BYTES = 16
ROW_MAC_BYTES = 32
FINGERPRINT_BYTES = 16
SIZES = (256, 512, 1024)
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_NONCE_BYTES = 12
_LENGTH_BYTES = 2


class VaultError(Exception):
    """Something sealed or stored does not open: another key, another place, or tampered with."""


@dataclass(frozen=True)
class Cell:
    """Where a stored value lies; a value opens in its own place only."""

    table: str
    column: str
    row_id: bytes
    version: int = 0

    def associated(self, key_id: bytes) -> bytes:
        """Return the associated data that binds a value to this place and to the key's id."""
        place = f"{self.table}\0{self.column}\0{self.version}\0".encode()
        return place + key_id + b"\0" + self.row_id


def pad(plaintext: bytes, sizes: tuple[int, ...] = SIZES) -> bytes:
    """Return `plaintext` with its length before it, filled up to the smallest of `sizes` that holds both.

    Raises ValueError where none does.
    """
    needed = len(plaintext) + _LENGTH_BYTES
    for size in sizes:
        if needed <= size:
            return (len(plaintext).to_bytes(_LENGTH_BYTES) + plaintext).ljust(size, b"\0")
    message = f"{needed} bytes do not fit {sizes[-1]}"
    raise ValueError(message)


def unpad(padded: bytes) -> bytes:
    """Return what `pad` filled up."""
    return padded[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES])]


def derived_key(key: bytes, purpose: str) -> bytes:
    """Return a 32-byte key for one purpose, so that an index of one purpose says nothing about another."""
    return blake2b(purpose.encode(), key=key, person=b"portal derived", digest_size=32).digest()


class WebVault:
    """What the web process can do: seal what strangers type, and find an account by its address."""

    def __init__(self, keys: WebKeys | WorkerKeys) -> None:
        """Take the keys; nothing is read from disk."""
        self.key_id = keys.key_id.encode()
        self._public = X25519PublicKey.from_public_bytes(keys.sealing_public)
        self._account_key = derived_key(keys.account_index, "account")
        self._bucket_key = derived_key(keys.account_index, "bucket")
        self._print_key = derived_key(keys.account_index, "fingerprint")

    def seal(self, purpose: str, row_id: bytes, plaintext: bytes) -> bytes:
        """Seal `plaintext` for the worker alone (HPKE, RFC 9180, base mode); `info` binds the purpose and the row."""
        return _SUITE.encrypt(plaintext, self._public, info=_info(purpose, row_id))

    def account_index(self, address: str) -> bytes:
        """Return the 16-byte blind index under which the account of a normalised address is found."""
        return _index(self._account_key, sign_in_name(address))

    def bucket(self, *parts: str) -> bytes:
        """Return the 16-byte blind name of a limit's bucket, so that no network address is stored."""
        return _index(self._bucket_key, "\0".join(parts))

    def fingerprint(self) -> bytes:
        """Return a keyed hash that is the same for both halves of one pair of key files, and for no other."""
        public = self._public.public_bytes_raw()
        return blake2b(public, key=self._print_key, digest_size=FINGERPRINT_BYTES).digest()


class WorkerVault(WebVault):
    """What the worker can do besides: open, read and write what is kept, index the list, and make tokens."""

    def __init__(self, keys: WorkerKeys) -> None:
        """Take the keys; nothing is read from disk."""
        super().__init__(keys)
        self._private = X25519PrivateKey.from_private_bytes(keys.sealing_private)
        self._storage = AESGCM(keys.storage)
        self._list_key = keys.list_index
        self._list_keys: dict[str, bytes] = {}
        self._token_key = keys.mail_token
        self.audit_key = derived_key(keys.storage, "audit checkpoints")
        self._voucher_key = derived_key(keys.storage, "vouchers")
        self._canary = keys.canary

    def open(self, purpose: str, row_id: bytes, sealed: bytes) -> bytes:
        """Open what `seal` sealed for this purpose and row. Raises VaultError."""
        try:
            return _SUITE.decrypt(sealed, self._private, info=_info(purpose, row_id))
        except (InvalidTag, ValueError) as error:
            raise VaultError from error

    def encrypt(
        self, cell: Cell, plaintext: bytes, sizes: tuple[int, ...] = SIZES, data_key: AESGCM | None = None
    ) -> bytes:
        """Encrypt a value for its cell, padded to one of `sizes`, under the storage key or a list's own.

        AES-256-GCM with a random nonce; the result has 28 bytes more than the size.
        """
        nonce = urandom(_NONCE_BYTES)
        aead = self._storage if data_key is None else data_key
        return nonce + aead.encrypt(nonce, pad(plaintext, sizes), cell.associated(self.key_id))

    def decrypt(self, cell: Cell, blob: bytes, data_key: AESGCM | None = None) -> bytes:
        """Return the value of a cell. Raises VaultError where it was moved, altered or written under another key."""
        aead = self._storage if data_key is None else data_key
        try:
            padded = aead.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], cell.associated(self.key_id))
        except (InvalidTag, ValueError) as error:
            raise VaultError from error
        return unpad(padded)

    def new_data_key(self, cell: Cell) -> tuple[AESGCM, bytes]:
        """Return a fresh data key and its wrapped form; forgetting the wrapped form destroys what it encrypted."""
        raw = AESGCM.generate_key(256)
        return AESGCM(raw), self.encrypt(cell, raw, sizes=(64,))

    def data_key(self, cell: Cell, wrapped: bytes) -> AESGCM:
        """Unwrap a data key. Raises VaultError."""
        return AESGCM(self.decrypt(cell, wrapped))

    def row_mac(self, what: str, *values: bytes | str | int) -> bytes:
        """Return 32 bytes that vouch for a row which the worker will act on: only who has the storage key makes them.

        Stored beside the row; compare with `hmac.compare_digest`.
        """
        parts = [value if isinstance(value, bytes) else str(value).encode() for value in (what, *values)]
        content = b"".join(len(part).to_bytes(4) + part for part in parts)
        return blake2b(content, key=self._voucher_key, digest_size=ROW_MAC_BYTES).digest()

    def list_index(self, purpose: str, value: str) -> bytes:
        """Return the 16-byte blind index of a value for one purpose; the web process cannot compute it."""
        return _index(self.list_key(purpose), value)

    def list_key(self, purpose: str) -> bytes:
        """Return the key of one purpose's blind index (keyed BLAKE2b-128), for loops that hash millions of values."""
        key = self._list_keys.get(purpose)
        if key is None:
            key = self._list_keys[purpose] = derived_key(self._list_key, purpose)
        return key

    def token(self, purpose: str, row_id: bytes) -> str:
        """Return the token of a link in the mail of one outbox row: 32 base-32 characters, always the same."""
        return tokens.derive(self._token_key, purpose, row_id, 32)

    def code(self, row_id: bytes) -> str:
        """Return the typed alternative to the link in the mail of one outbox row: 8 base-32 characters."""
        return tokens.derive(self._token_key, "code", row_id, tokens.CODE_LENGTH)

    def authenticity(self, row_id: bytes) -> str:
        """Return the is-it-real code of one mail: 14 base-32 characters."""
        return tokens.derive(self._token_key, "authenticity", row_id, tokens.AUTHENTICITY_LENGTH)

    def proofs(self) -> bytes:
        """Return what stands for every key but the storage key: to be kept encrypted under that one."""
        keys = (self._list_key, self._token_key, self._account_key)
        return b"".join(derived_key(key, "proof")[:FINGERPRINT_BYTES] for key in keys) + self.fingerprint()

    def self_test(self) -> bool:
        """Tell whether what was sealed with the public key opens with the private one, and the storage key works."""
        sealed = self.seal("canary", b"", CANARY)
        cell = Cell("canary", "canary", b"")
        try:
            return (
                self.open("canary", b"", sealed)
                == self.decrypt(cell, self.encrypt(cell, CANARY))
                == self._canary
            )
        except VaultError:
            return False


def _info(purpose: str, row_id: bytes) -> bytes:
    return b"portal\0" + purpose.encode() + b"\0" + row_id


def _index(key: bytes, value: str) -> bytes:
    return blake2b(value.encode(), key=key, digest_size=INDEX_BYTES).digest()
