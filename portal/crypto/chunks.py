"""Seal a stream in chunks for the worker, so that none can be swapped, dropped, repeated or cut off.

A stream has one or more runs: what came in without a stop. Each run has a data key of its own, sealed to the
worker (HPKE) for this stream and the number of the run's first chunk. Whoever seals keeps the key while the
run lasts, and nothing that opens an earlier run.
"""

from os import urandom
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portal.crypto.vault import VaultError

_NONCE_BYTES = 12
_NUMBER_BYTES = 8
_KEY_BYTES = 32


class Seals(Protocol):
    """A vault that seals to the worker; it needs to open nothing."""

    def seal(self, purpose: str, row_id: bytes, plaintext: bytes) -> bytes:
        """Seal `plaintext`, bound to purpose and row."""


class Opens(Protocol):
    """A vault that opens what was sealed to the worker."""

    def open(self, purpose: str, row_id: bytes, sealed: bytes) -> bytes:
        """Return what was sealed. Raises VaultError."""


class ChunkSealer:
    """Seal the chunks of one run, whose first chunk has the number `first`.

    `sealed_key` is the run's key, for the worker.
    """

    def __init__(self, vault: Seals, purpose: str, stream_id: bytes, first: int) -> None:
        """Make the key of the run."""
        key = AESGCM.generate_key(256)
        self.sealed_key = vault.seal(purpose, _run(stream_id, first), key)
        self._key = AESGCM(key)
        self._stream_id = stream_id

    def seal(self, number: int, plaintext: bytes, *, last: bool) -> bytes:
        """Return a chunk sealed at its number; `last`: the stream ends with it. 28 bytes longer."""
        nonce = urandom(_NONCE_BYTES)
        return nonce + self._key.encrypt(nonce, plaintext, _place(self._stream_id, number, last=last))


def run_key(vault: Opens, purpose: str, stream_id: bytes, first: int, sealed_key: bytes) -> bytes:
    """Return the key of the run whose first chunk has the number `first`. Raises VaultError."""
    key = vault.open(purpose, _run(stream_id, first), sealed_key)
    if len(key) != _KEY_BYTES:
        raise VaultError
    return key


class ChunkOpener:
    """Open the chunks of one run with its key."""

    def __init__(self, key: bytes, stream_id: bytes) -> None:
        """Take the key, and the stream that the run is of."""
        self._key = AESGCM(key)
        self._stream_id = stream_id

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """Return the chunk of this number. Raises VaultError where it is another, or (not) the last one."""
        place = _place(self._stream_id, number, last=last)
        try:
            return self._key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
        except (InvalidTag, ValueError, TypeError) as error:
            raise VaultError from error


def _run(stream_id: bytes, first: int) -> bytes:
    return stream_id + first.to_bytes(_NUMBER_BYTES)


def _place(stream_id: bytes, number: int, *, last: bool) -> bytes:
    return b"portal chunk\0" + stream_id + number.to_bytes(_NUMBER_BYTES) + bytes([last])
