"""Sort the rows of a file by address, on disk and encrypted, and merge those of one address.

What becomes of an address never depends on the order of its rows: the same file sorted otherwise changes
nothing when it is imported again.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby
from os import urandom
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portal.accounts.importing.parsing import Row
from portal.crypto.hashing import unset_hash
from portal.crypto.vault import INDEX_BYTES
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.people_files.sorting import Sorter

# More customers at one address are a placeholder, like none@example.com, not a person.
MAX_REFERENCES = 200
SEVERAL_HASHES = "different hashes at one address"
_ENOUGH = 2  # distinct hashes of an address, to know that they differ
_LINE_BYTES = 8
_NONCE_BYTES = 12
# Small sorted runs: merging many costs little next to storing the accounts, and most files are short.
_RUN_BYTES = 1 << 20


@dataclass(repr=False)
class Merged:
    """The rows of one address. Of several names, locales and spellings the first in the alphabet is taken."""

    lines: list[int] = field(default_factory=list)
    address: str = ""
    name: str = ""
    locale: str = ""
    references: set[str] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)

    def take(self, line: int, row: Row) -> None:
        """Add a row."""
        self.lines.append(line)
        self.address = _first(self.address, row.profile.address)
        self.name = _first(self.name, row.profile.name)
        self.locale = _first(self.locale, row.profile.locale)
        if row.reference and len(self.references) <= MAX_REFERENCES:
            self.references.add(row.reference)
        if row.password_hash and len(self.hashes) < _ENOUGH:
            self.hashes.add(row.password_hash)
        if row.unusable:
            self.reasons.add(row.unusable)

    @property
    def is_placeholder(self) -> bool:
        """Return whether too many customers share this address."""
        return len(self.references) > MAX_REFERENCES

    @property
    def password_hash(self) -> str:
        """Return the one hash, or an empty string: of two, nobody can say which is the right one."""
        return next(iter(self.hashes)) if len(self.hashes) == 1 else ""

    @property
    def must_choose(self) -> str:
        """Return why a password must be chosen by mail, or an empty string where it need not."""
        if self.password_hash:
            return ""
        return SEVERAL_HASHES if self.hashes else min(self.reasons)

    def account(self, argon2_params: str) -> NewAccount:
        """Return the account; without a password, verifying one takes as long as at `argon2_params`."""
        profile = Profile(self.address, self.name, locale=self.locale)
        return NewAccount(
            profile, self.password_hash or unset_hash(argon2_params), frozenset(self.references)
        )


class SortedRows:
    """An encrypted sort of a file's rows, by account index, then by line."""

    def __init__(self, folder: Path) -> None:
        """Sort in `folder`, encrypted under a key that is held in memory only."""
        self._sorter = Sorter(folder, INDEX_BYTES + _LINE_BYTES, _RUN_BYTES)
        self._aead = AESGCM(AESGCM.generate_key(256))

    def add(self, index: bytes, line: int, row: Row) -> None:
        """Add a row by its address's account index."""
        key, nonce = index + line.to_bytes(_LINE_BYTES), urandom(_NONCE_BYTES)
        values = [vars(row.profile), row.reference, row.password_hash, row.unusable]
        packed = json.dumps(values, ensure_ascii=False).encode()
        self._sorter.add(key, nonce + self._aead.encrypt(nonce, packed, key))

    def shared(self) -> Iterator[Merged]:
        """Yield each address that has several rows."""
        for _, pairs in groupby(self._sorter.sorted(), _index_of):
            if merged := self._merged_if_several(pairs):
                yield merged

    def all(self) -> Iterator[Merged]:
        """Yield every address, in index order, freeing the disk: can be called once."""
        for _, pairs in groupby(self._sorter.sorted(consume=True), _index_of):
            yield self._merged(pairs)

    def _merged_if_several(self, pairs: Iterator[tuple[bytes, bytes]]) -> Merged | None:
        first, second = next(pairs), next(pairs, None)
        return None if second is None else self._merged(chain((first, second), pairs))

    def _merged(self, pairs: Iterator[tuple[bytes, bytes]]) -> Merged:
        merged = Merged()
        for key, sealed in pairs:
            packed = self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key)
            profile, *values = json.loads(packed)
            merged.take(int.from_bytes(key[INDEX_BYTES:]), Row(Profile(**profile), *values))
        return merged

    def close(self) -> None:
        """Free the memory and the disk space."""
        self._sorter.close()


def _index_of(pair: tuple[bytes, bytes]) -> bytes:
    return pair[0][:INDEX_BYTES]


def _first(one: str, other: str) -> str:
    return min(one, other) if one and other else one or other
