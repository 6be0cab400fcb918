"""Password hashing: Argon2id (RFC 9106), never more hashes in flight than cores, over all processes."""

import logging
import os
import unicodedata
from base64 import b64encode

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from portal.core.settings import Argon2Parameters
from portal.crypto.hash_slots import HashSlots

MAX_CODE_POINTS = 256
SALT_BYTES = 16
HASH_BYTES = 32
# What an imported hash may cost: beyond this, one sign-in could bring the machine down.
MOST_MEMORY = 1_048_576
MOST_TIME = 64
MOST_LANES = 64

log = logging.getLogger(__name__)


class PasswordTooLong(ValueError):
    """The password has more than 256 code points, or is no text; it was not hashed."""


class Hasher:
    """Hashes and verifies passwords at one cost. Call it outside any database transaction: it takes its time.

    Passwords are compared in NFC (NIST SP 800-63B-4, 3.1.1.2), whole, up to 256 code points.
    """

    def __init__(self, parameters: Argon2Parameters, slots: HashSlots) -> None:
        """Take the cost of new hashes and the slots that hashes wait for."""
        self._argon2 = PasswordHasher(
            time_cost=parameters.time,
            memory_cost=parameters.memory,
            parallelism=parameters.lanes,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
            type=Type.ID,
        )
        self.argon2_params = f"m={parameters.memory},t={parameters.time},p={parameters.lanes}"
        self._slots = slots

    def hash(self, password: str) -> str:
        """Return the encoded hash of a new password. Raises PasswordTooLong, TooBusy."""
        prepared = prepare(password)
        with self._slots.taken():
            return self._argon2.hash(prepared)

    def verify(self, password_hash: str, password: str) -> bool:
        """Tell whether the password fits the hash. Raises PasswordTooLong, TooBusy."""
        prepared = prepare(password)
        with self._slots.taken():
            try:
                return self._argon2.verify(password_hash, prepared)
            except VerifyMismatchError:
                return False
            except (InvalidHashError, VerificationError):
                log.exception(
                    "a stored password hash cannot be read; its owner can choose a new password by mail"
                )
                return False

    def verify_dummy(self, password: str, password_hash: str | None = None) -> bool:
        """Spend the time of `verify` on somebody who has no account. Raises PasswordTooLong, TooBusy."""
        self.verify(password_hash or dummy_hash(self.argon2_params), password)
        return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Tell whether the hash has another cost than new ones get."""
        return self._argon2.check_needs_rehash(password_hash)


def prepare(password: str) -> bytes:
    """Return what is hashed: the password in NFC, as UTF-8. Raises PasswordTooLong."""
    if len(password) > MAX_CODE_POINTS:
        raise PasswordTooLong
    normalised = unicodedata.normalize("NFC", password)
    if len(normalised) > MAX_CODE_POINTS:
        raise PasswordTooLong
    try:
        return normalised.encode()
    except UnicodeEncodeError as error:
        raise PasswordTooLong from error


def argon2_params_of(password_hash: str) -> str:
    """Return the cost of an Argon2id hash, like `m=47104,t=1,p=1`. Raises ValueError for any other text.

    Only of version 1.3 (`v=19`): a hash of the version before has another form, and costs what no stand-in
    costs.
    """
    try:
        found = extract_parameters(password_hash)
    except InvalidHashError as error:
        message = "not an Argon2id hash"
        raise ValueError(message) from error
    if found.type is not Type.ID or found.version != ARGON2_VERSION:
        message = "not an Argon2id hash of version 1.3"
        raise ValueError(message)
    memory, time, lanes = found.memory_cost, found.time_cost, found.parallelism
    if not (1 <= time <= MOST_TIME and 1 <= lanes <= MOST_LANES and 8 * lanes <= memory <= MOST_MEMORY):
        message = "Argon2id parameters out of bounds"
        raise ValueError(message)
    return f"m={memory},t={time},p={lanes}"


def dummy_hash(argon2_params: str) -> str:
    """Return a hash of this cost that fits no password anybody knows: its salt and digest are random."""
    salt, digest = (_base64(os.urandom(size)) for size in (SALT_BYTES, HASH_BYTES))
    return f"$argon2id$v={ARGON2_VERSION}${argon2_params}${salt}${digest}"


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")
