"""Seal, encrypt, MAC and blind-index data. Only the worker's vault decrypts data about people."""

from base64 import b32decode, b32encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from portal.core.addresses import sign_in_name
from portal.crypto import tokens
from portal.crypto.keys import CANARY, ConsoleKeys, WebKeys, WorkerKeys, staff_index

INDEX_BYTES = 16
ROW_MAC_BYTES = 32
FINGERPRINT_BYTES = 16
SIZES = (256, 512, 1024)
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_NONCE_BYTES = 12
_LENGTH_BYTES = 2


class VaultError(Exception):
    """A sealed or encrypted value does not open: wrong key, moved to another place, or tampered with."""


@dataclass(frozen=True)
class Cell:
    """The place of an encrypted value, which opens in no other."""

    table: str
    column: str
    row_id: bytes
    version: int = 0

    def associated(self, key_id: bytes) -> bytes:
        """Return the AEAD's associated data, which binds a value to this place and the key's id."""
        place = f"{self.table}\0{self.column}\0{self.version}\0".encode()
        return place + key_id + b"\0" + self.row_id


def pad(plaintext: bytes, sizes: tuple[int, ...] = SIZES) -> bytes:
    """Return `plaintext` with a two-byte length prefix, zero-padded to the smallest of `sizes` that fits.

    Raises ValueError where none does.
    """
    needed = len(plaintext) + _LENGTH_BYTES
    for size in sizes:
        if needed <= size:
            return (len(plaintext).to_bytes(_LENGTH_BYTES) + plaintext).ljust(size, b"\0")
    message = f"{needed} bytes do not fit {sizes[-1]}"
    raise ValueError(message)


def unpad(padded: bytes) -> bytes:
    """Return the plaintext that `pad` padded."""
    return padded[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES])]


def derived_key(key: bytes, purpose: str) -> bytes:
    """Return a 32-byte key for one purpose (keyed BLAKE2b).

    Indexes of different purposes are unrelated.
    """
    return blake2b(purpose.encode(), key=key, person=b"portal derived", digest_size=32).digest()


def hkdf(key: bytes, purpose: str) -> bytes:
    """Return a 32-byte key for one purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(SHA256(), 32, None, purpose.encode()).derive(key)


def seal_to(public: X25519PublicKey, purpose: str, row_id: bytes, plaintext: bytes) -> bytes:
    """Seal `plaintext` to a public key (HPKE, RFC 9180, base mode); `info` binds it to purpose and row."""
    return _SUITE.encrypt(plaintext, public, info=_info(purpose, row_id))


def open_with(private: X25519PrivateKey, purpose: str, row_id: bytes, sealed: bytes) -> bytes:
    """Return what `seal_to` sealed for this purpose and row. Raises VaultError."""
    try:
        return _SUITE.decrypt(sealed, private, info=_info(purpose, row_id))
    except (InvalidTag, ValueError, TypeError) as error:  # SQLite stores text in a column of bytes
        raise VaultError from error


class PageVault:
    """What each process that serves pages does: seal for the worker, count, encrypt for itself."""

    def __init__(self, key_id: str, sealing_public: bytes, index_key: bytes) -> None:
        """Derive the keys of each purpose from the index key, which the process shares with the worker."""
        self.key_id = key_id.encode()
        self._public = X25519PublicKey.from_public_bytes(sealing_public)
        self._bucket_key = derived_key(index_key, "bucket")
        self._page_mac_key = derived_key(index_key, "page rows")
        self._index_key = index_key
        self._own_keys: dict[str, AESGCM] = {}

    def seal(self, purpose: str, row_id: bytes, plaintext: bytes) -> bytes:
        """Seal `plaintext` for the worker, bound to purpose and row."""
        return seal_to(self._public, purpose, row_id, plaintext)

    def bucket(self, *parts: str) -> bytes:
        """Return a 16-byte keyed hash of `parts`, such as a rate limit's bucket: no IP address is stored."""
        return _index(self._bucket_key, "\0".join(parts))

    def encrypt_own(self, label: str, cell: Cell, plaintext: bytes, sizes: tuple[int, ...]) -> bytes:
        """Encrypt what the process itself must read, padded to one of `sizes`, such as a factor's secret.

        AES-256-GCM with a random nonce, under a key of the label's own that the worker has too: a stolen
        database alone opens none. Raises ValueError where the value does not fit.
        """
        nonce = urandom(_NONCE_BYTES)
        sealed = self._own_key(label).encrypt(nonce, pad(plaintext, sizes), cell.associated(self.key_id))
        return nonce + sealed

    def decrypt_own(self, label: str, cell: Cell, blob: bytes) -> bytes:
        """Return what `encrypt_own` encrypted. Raises VaultError where it was moved or altered."""
        return _open(self._own_key(label), cell.associated(self.key_id), blob)

    def page_mac(self, what: str, *values: bytes | str | int) -> bytes:
        """Return a 32-byte MAC of a row's values that this process checks, and the worker makes for it.

        Whoever can write to the database alone makes none. Compare with `hmac.compare_digest`.
        """
        return _mac(self._page_mac_key, what, values)

    def _own_key(self, label: str) -> AESGCM:
        key = self._own_keys.get(label)
        if key is None:
            key = self._own_keys[label] = AESGCM(hkdf(self._index_key, label))
        return key


class ConsoleVault(PageVault):
    """The console's operations: it finds staff, and decrypts nothing about customers."""

    def __init__(self, keys: ConsoleKeys | WorkerKeys) -> None:
        """Derive the keys of each purpose."""
        index_key = staff_index(keys) if isinstance(keys, WorkerKeys) else keys.staff_index
        super().__init__(keys.key_id, keys.sealing_public, index_key)
        self._staff_key = derived_key(index_key, "staff")

    def staff_index(self, address: str) -> bytes:
        """Return the 16-byte blind index by which a member of staff is found, of a normalised address."""
        return _index(self._staff_key, sign_in_name(address))


class WebVault(PageVault):
    """The web process's operations: seal requests for the worker, find an account, open password hashes."""

    def __init__(self, keys: WebKeys | WorkerKeys) -> None:
        """Derive the keys of each purpose."""
        super().__init__(keys.key_id, keys.sealing_public, keys.account_index)
        self._account_key = derived_key(keys.account_index, "account")
        self._fingerprint_key = derived_key(keys.account_index, "fingerprint")
        self._doctor_key = derived_key(keys.account_index, "doctor")
        # Not derived from the session secret, which is renewed: every password would become invalid.
        self._hash_key = AESGCM(hkdf(keys.account_index, "portal stored password hashes"))

    def account_index(self, address: str) -> bytes:
        """Return the 16-byte blind index by which the account of a normalised address is found."""
        return _index(self._account_key, sign_in_name(address))

    def doctor_mac(self, *parts: str) -> str:
        """Return the MAC, in hexadecimal, by which `portal doctor` and the web server know each other."""
        return _index(self._doctor_key, "\0".join(parts)).hex()

    def fingerprint(self) -> bytes:
        """Return a 16-byte keyed hash that is the same for both files of a key pair, and for no other."""
        content = self._public.public_bytes_raw() + b"password hashes are encrypted"
        return blake2b(content, key=self._fingerprint_key, digest_size=FINGERPRINT_BYTES).digest()

    def plain_fingerprint(self) -> bytes:
        """Return the fingerprint in a database of an earlier version, which may hold plain password hashes.

        Nobody can compute it without a key: a database that never had it never accepts a plain hash.
        """
        public = self._public.public_bytes_raw()
        return blake2b(public, key=self._fingerprint_key, digest_size=FINGERPRINT_BYTES).digest()

    def encrypt_hash(self, cell: Cell, password_hash: bytes, sizes: tuple[int, ...]) -> bytes:
        """Encrypt an encoded password hash for its cell, padded to one of `sizes`: lengths tell the format.

        AES-256-GCM with a random nonce, under a key that both processes have. Raises ValueError where the
        hash does not fit.
        """
        nonce = urandom(_NONCE_BYTES)
        return nonce + self._hash_key.encrypt(nonce, pad(password_hash, sizes), cell.associated(self.key_id))

    def decrypt_hash(self, cell: Cell, blob: bytes) -> bytes:
        """Return the password hash of a cell. Raises VaultError where it was moved or altered."""
        return _open(self._hash_key, cell.associated(self.key_id), blob)


class WorkerVault(WebVault):
    """The worker's operations: also open requests, encrypt and decrypt cells, index lists, derive tokens."""

    def __init__(self, keys: WorkerKeys) -> None:
        """Derive the keys of each purpose."""
        super().__init__(keys)
        self.staff = ConsoleVault(keys)
        self._private = X25519PrivateKey.from_private_bytes(keys.sealing_private)
        self._storage = AESGCM(keys.storage)
        self._list_key = keys.list_index
        self._list_keys: dict[str, bytes] = {}
        self._token_key = keys.mail_token
        self._pointers = AESSIV(hkdf(keys.mail_token, "portal pointers"))
        self.audit_key = derived_key(keys.storage, "audit checkpoints")
        self._row_mac_key = derived_key(keys.storage, "vouchers")
        self._canary = keys.canary

    def open(self, purpose: str, row_id: bytes, sealed: bytes) -> bytes:
        """Return what `seal` sealed for this purpose and row. Raises VaultError."""
        return open_with(self._private, purpose, row_id, sealed)

    def encrypt(
        self, cell: Cell, plaintext: bytes, sizes: tuple[int, ...] = SIZES, data_key: AESGCM | None = None
    ) -> bytes:
        """Encrypt a value for its cell, padded to one of `sizes`, under the storage key or a list's data key.

        AES-256-GCM with a random nonce; the result is 28 bytes longer than the size. Raises ValueError where
        the value does not fit.
        """
        nonce = urandom(_NONCE_BYTES)
        aead = self._storage if data_key is None else data_key
        return nonce + aead.encrypt(nonce, pad(plaintext, sizes), cell.associated(self.key_id))

    def decrypt(self, cell: Cell, blob: bytes, data_key: AESGCM | None = None) -> bytes:
        """Return the value of a cell. Raises VaultError where it was moved, altered or under another key."""
        return _open(data_key or self._storage, cell.associated(self.key_id), blob)

    def new_data_key(self, cell: Cell) -> tuple[AESGCM, bytes]:
        """Return a new data key and its wrapped form; deleting that destroys what the key encrypted."""
        raw = AESGCM.generate_key(256)
        return AESGCM(raw), self.encrypt(cell, raw, sizes=(64,))

    def data_key(self, cell: Cell, wrapped: bytes) -> AESGCM:
        """Return the data key of a wrapped form. Raises VaultError."""
        return AESGCM(self.decrypt(cell, wrapped))

    def row_mac(self, what: str, *values: bytes | str | int) -> bytes:
        """Return a 32-byte MAC (keyed BLAKE2b) of a row's values, for rows that the worker acts on.

        The web process can write the tables, but lacks the key. `what` names the kind of row. Stored with the
        row; compare with `hmac.compare_digest`.
        """
        return _mac(self._row_mac_key, what, values)

    def list_index(self, purpose: str, value: str) -> bytes:
        """Return the 16-byte blind index of a value for one purpose; the web process cannot compute it."""
        return _index(self.list_key(purpose), value)

    def list_key(self, purpose: str) -> bytes:
        """Return the key of a purpose's blind index (keyed BLAKE2b-128), for loops over many values."""
        key = self._list_keys.get(purpose)
        if key is None:
            key = self._list_keys[purpose] = derived_key(self._list_key, purpose)
        return key

    def token(self, purpose: str, row_id: bytes) -> str:
        """Return the token of a mail's link: 32 base32 characters, the same for each delivery of its row."""
        return tokens.derive(self._token_key, purpose, row_id, 32)

    def pointer(self, purpose: str, place: bytes) -> str:
        """Return `place` encrypted and authenticated, as base32: only the worker reads it, nobody makes one.

        AES-SIV (RFC 5297), which needs no nonce: the same for each delivery of a mail. It is 16 bytes longer
        than `place`.
        """
        sealed = self._pointers.encrypt(place, [purpose.encode()])
        return b32encode(sealed).decode().lower().rstrip("=")

    def place(self, purpose: str, pointer: str) -> bytes:
        """Return what `pointer` encrypted for this purpose. Raises VaultError."""
        try:
            sealed = b32decode(pointer.upper() + "=" * (-len(pointer) % 8))
            place = self._pointers.decrypt(sealed, [purpose.encode()])
        except (InvalidTag, ValueError) as error:
            raise VaultError from error
        if self.pointer(purpose, place) != pointer:  # the last character has bits that decode to nothing
            raise VaultError
        return place

    def code(self, row_id: bytes) -> str:
        """Return the code in a mail, the typed alternative to its link: 8 base32 characters."""
        return tokens.derive(self._token_key, "code", row_id, tokens.CODE_LENGTH)

    def authenticity(self, row_id: bytes) -> str:
        """Return the code in a mail that proves on /is-it-real/ that it was sent: 14 base32 characters."""
        return tokens.derive(self._token_key, "authenticity", row_id, tokens.AUTHENTICITY_LENGTH)

    def proofs(self) -> bytes:
        """Return 16-byte proofs of every key but the storage key, under which they are stored encrypted."""
        keys = (self._list_key, self._token_key, self._account_key)
        proofs = b"".join(derived_key(key, "proof")[:FINGERPRINT_BYTES] for key in keys)
        return proofs + self.plain_fingerprint()

    def self_test(self) -> bool:
        """Return whether the private key opens what the public one sealed, and the canary is intact."""
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


def _open(key: AESGCM, associated: bytes, blob: bytes) -> bytes:
    try:
        return unpad(key.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], associated))
    except (
        InvalidTag,
        ValueError,
        TypeError,
    ) as error:  # SQLite stores any type: a forged cell may be a text
        raise VaultError from error


def _mac(key: bytes, what: str, values: Iterable[bytes | str | int]) -> bytes:
    parts = [value if isinstance(value, bytes) else str(value).encode() for value in (what, *values)]
    content = b"".join(len(part).to_bytes(4) + part for part in parts)
    return blake2b(content, key=key, digest_size=ROW_MAC_BYTES).digest()


def _info(purpose: str, row_id: bytes) -> bytes:
    return b"portal\0" + purpose.encode() + b"\0" + row_id


def _index(key: bytes, value: str) -> bytes:
    return blake2b(value.encode(), key=key, digest_size=INDEX_BYTES).digest()
