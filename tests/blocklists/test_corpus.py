"""What a corpus file knows, how wrong it may be, and which files are refused."""

import os
import random
import struct
import zlib
from datetime import UTC, datetime
from hashlib import sha1

import numpy as np
import pytest

from portal.blocklists import building, partition
from portal.blocklists.corpus import Corpus, CorpusRefused


def test_a_word_of_the_list_is_found_and_no_other(made, holds):
    path = made("password", "étoile de mer", "correct horse battery staple")
    for word in ("password", "étoile de mer", "correct horse battery staple"):
        assert holds(path, word)
    for word in ("Password", "password ", "etoile de mer", "", "🦔" * 15):
        assert not holds(path, word)


def test_the_format_is_pinned_byte_by_byte(made):
    """A file from before must open: what is written here never changes within version 1."""
    written = made("password").read_bytes()
    assert len(written) == 4143
    header = "895057430d0a1a0a 0100 0800 04030201 0100000000000000 2f10000000000000 40c20a6b00000000 8e4e9b76"
    assert written[:44] == bytes.fromhex(header)
    # SHA-1 of "password" is 5BAA61E4C9B93F3F…: shard 5B, one place, and the tag 3F3F.
    entry = struct.unpack_from("<QII", written, 44 + 16 * 0x5B)
    assert entry == (4140, 1, zlib.crc32(b"\x01\x3f\x3f", 0x5C))
    assert written[4140:] == b"\x01\x3f\x3f"


def keys(count, seed):
    return np.random.default_rng(seed).integers(0, 1 << 64, size=count, dtype=np.uint64)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A corpus of 100,000 hashes from unsorted lines, of which every tenth comes twice."""
    folder, drawn = tmp_path_factory.mktemp("large"), keys(100_000, 7)
    text = "".join(f"{key:016X}{'0' * 24}:{key % 99}\n" for key in [*drawn.tolist(), *drawn[::10].tolist()])
    (folder / "list.txt").write_text(text, encoding="ascii")
    now = datetime(2026, 11, 28, tzinfo=UTC)
    built = building.build(
        [folder / "list.txt"], folder / "list.pwc", kind=None, now=now, show=lambda *_: None
    )
    return drawn.tolist(), built


def test_no_hash_is_missed_and_what_comes_twice_counts_once(large):
    drawn, built = large
    corpus = Corpus(built.output)
    assert built.hashes == corpus.header.hashes == 100_000
    assert all(corpus.holds_key(key.to_bytes(8, "big")) for key in drawn)
    corpus.verify()


def test_one_password_in_65536_seems_to_be_in_it(large):
    corpus, chance = Corpus(large[1].output), random.Random(3)
    wrong = sum(corpus.holds_key(chance.randbytes(8)) for _ in range(100_000))
    assert wrong < 10, "one or two are expected, and the draw is the same in every run"


def test_a_hash_takes_less_than_18_and_a_half_bits(large):
    assert large[1].size * 8 / 100_000 < 18.5


def test_what_does_not_fit_into_memory_goes_to_the_disk_and_comes_out_the_same(tmp_path, monkeypatch):
    for name, value in (("MAX_HELD_BYTES", 100_000), ("MAX_SORTED", 500), ("READ_HASHES", 100)):
        monkeypatch.setattr(partition, name, value)
    # Half of them begin with the same 20 bits, like the first files of a download that was cut off.
    drawn = keys(60_000, 5)
    drawn[::2] = (drawn[::2] >> np.uint64(20)) | np.uint64(0xABCDE << 44)
    parts = partition.Parts(tmp_path)
    for start in range(0, 60_000, 7_000):
        parts.add(drawn[start : start + 7_000])
        assert list(tmp_path.iterdir()) == [], "a killed process leaves nothing behind"
    given = list(parts.sorted())
    assert max(map(len, given)) <= 500
    assert np.concatenate(given).tolist() == sorted(set(drawn.tolist()))


def swapped(content):
    magic, *fields = struct.unpack_from("<8sHHIQQQ", content)
    header = struct.pack(">8sHHIQQQ", magic, *fields)
    return header + struct.pack(">I", zlib.crc32(header)) + content[44:]


def newer(content):
    header = content[:8] + struct.pack("<H", 2) + content[10:40]
    return header + struct.pack("<I", zlib.crc32(header)) + content[44:]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda content: b"", "is not a file of portal passwords build"),
        (lambda content: b"5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:3\n" * 9, "is not a file of portal"),
        (lambda content: content.replace(b"\r\n", b"\n", 1), "is not a file of portal passwords build"),
        (lambda content: content[:30], "ends within its first 44 bytes"),
        (lambda content: content[:-1], "has 4142 bytes instead of 4143"),
        (lambda content: content + b"\0", "has 4144 bytes instead of 4143"),
        (lambda content: content[:100], "has 100 bytes instead of 4143"),
        (lambda content: content[:12] + b"\0" + content[13:], "is damaged in its header"),
        (lambda content: content[:20] + b"\xff" + content[21:], "is damaged in its header"),
        (newer, "has format 2, and this version of the portal reads up to 1. Upgrade the portal"),
        (swapped, "has its bytes in the other order. Build it again with: portal passwords build"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_when_it_is_opened(made, damage, why):
    path = made("password")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CorpusRefused, match=why):
        Corpus(path)


def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path):
    with pytest.raises(CorpusRefused, match="cannot be opened"):
        Corpus(tmp_path / "none")
    with pytest.raises(CorpusRefused, match="cannot be read"):
        Corpus(tmp_path)


@pytest.mark.parametrize("place", [44 + 16 * 0x5B, 44 + 16 * 0x5B + 8, 44 + 16 * 0x5B + 12, 4140, 4142])
def test_a_changed_byte_never_says_that_a_password_is_not_in_the_file(made, place):
    path = made("password")
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)
    corpus = Corpus(path)
    with pytest.raises(CorpusRefused, match="is damaged in shard 91"):
        corpus.holds("password")
    with pytest.raises(CorpusRefused, match="is damaged in shard 91"):
        corpus.verify()


def test_a_hole_of_zeros_is_damage_and_not_an_empty_shard(made):
    path = made("password")
    with path.open("r+b") as file:
        file.seek(44)
        file.write(bytes(16 << 8))
    with pytest.raises(CorpusRefused, match="is damaged"):
        Corpus(path).holds("another password")


def test_a_file_that_is_cut_while_it_is_open_is_refused_and_kills_nobody(made):
    path = made("password")
    corpus = Corpus(path)
    os.truncate(path, 4000)
    with pytest.raises(CorpusRefused, match="is damaged in shard 91"):
        corpus.holds("password")


def test_readers_keep_the_file_that_they_opened_when_another_takes_its_name(made):
    path = made("password")
    before = Corpus(path)
    made("letmein")
    assert before.holds("password")
    assert not before.holds("letmein")
    assert Corpus(path).holds("letmein")


def test_a_key_is_the_beginning_of_the_sha_1_that_everybody_publishes():
    assert sha1(b"password").hexdigest().upper() == "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8"
