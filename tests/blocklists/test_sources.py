"""Which files `portal passwords build` takes, and what it says of the others."""

import gzip
from datetime import UTC, datetime
from hashlib import sha1

import pytest

from portal.blocklists import sources
from portal.blocklists.building import build
from portal.blocklists.corpus import Corpus
from portal.blocklists.sources import Kind, SourceRefused

WORDS = ("password", "hunter2", "étoile de mer")


def digest(word):
    return sha1(word.encode()).hexdigest().upper()


@pytest.fixture
def built(tmp_path):
    """Build a corpus of files, and open it."""

    def make(*paths, kind=None):
        now = datetime(2026, 11, 28, tzinfo=UTC)
        build([*paths], tmp_path / "out.pwc", kind=kind, now=now, show=lambda *_: None)
        return Corpus(tmp_path / "out.pwc")

    return make


@pytest.fixture
def file(tmp_path):
    def write(content, name="list.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


LINES = [f"{digest(word)}:{count}" for word, count in zip(WORDS, (9545824, 17, 1), strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LINES) + "\n",
        "\n".join(LINES),
        "\r\n".join(LINES) + "\r\n",
        "\n\n".join(LINES).lower() + "\n\r\n\n",
        "\ufeff" + "\n".join(line.partition(":")[0] for line in LINES),
    ],
)
@pytest.mark.parametrize("chunk", [50, 4 << 20])
def test_hashes_with_and_without_counts_in_any_order_and_line_end(built, file, monkeypatch, text, chunk):
    monkeypatch.setattr(sources, "CHUNK_BYTES", chunk)
    corpus = built(file(text))
    assert corpus.header.hashes == 3
    assert all(map(corpus.holds, WORDS))
    assert not corpus.holds("another")


def test_the_folder_of_the_downloader_with_a_file_per_prefix(built, file, tmp_path):
    for word in WORDS:
        file(f"{'0' * 35}:0\r\n{digest(word)[5:]}:3\r\n", f"ranges/{digest(word)[:5]}.txt")
    file("not one of them", "ranges/README.md")
    corpus = built(tmp_path / "ranges")
    assert all(map(corpus.holds, WORDS))
    assert corpus.holds_key(bytes.fromhex(f"{digest('password')[:5]}00000000000"))


def test_gzip_words_and_hashes_together(built, file, tmp_path):
    packed = tmp_path / "list.txt.gz"
    packed.write_bytes(gzip.compress("\n".join(LINES).encode()))
    corpus = built(packed, file("letmein\r\nétoile\n\nпароль\n", "words"))
    assert corpus.header.hashes == 6
    for word in (*WORDS, "letmein", "étoile", "пароль"):
        assert corpus.holds(word)


def test_words_are_hashed_in_the_form_that_passwords_are_hashed_in(built, file):
    assert built(file("e\u0301toile\n")).holds("étoile")


def test_words_that_look_like_hashes_can_be_declared(built, file):
    text = f"first\n{digest('x')}\n"
    corpus = built(file(text), kind=Kind.WORDS)
    assert corpus.holds(digest("x"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("8846F7EAEE8FB117AD06BDD830B7586C:3\n", "are NTLM or MD5, not SHA-1. Get the list by SHA-1"),
        (f"{'ab' * 32}\n", "SHA-256, not SHA-1"),
        (f"{digest('x')[5:]}:3\n", "is one file of a folder by prefixes. Name the folder instead"),
        (f"hash:count\n{LINES[0]}\n", "its first line is none. Remove that line"),
        (f"{LINES[0]}\n{LINES[1][:-4]}x\n", "line 2: is not 40 hex digits of SHA-1"),
        (f"{LINES[0]}\n{LINES[1]}\n{LINES[2][:39]}\n", "line 3: is not 40 hex digits"),
        (f"{LINES[0]}\n{LINES[1]}0:3\n", "line 2: is not 40 hex digits"),
        (f"{LINES[0]}\n8846F7EAEE8FB117AD06BDD830B7586C:3\n", "line 2: is not 40 hex digits"),
        (f"{LINES[0]}\n{LINES[1]}\r{LINES[2]}\n", "line 2: is not 40 hex digits"),
        (f"{LINES[0]}\nG{LINES[1][1:]}\n", "line 2: is not 40 hex digits"),
        ("wörter\n".encode("latin-1"), "line 1: is not UTF-8"),
        (b"\0" * 70_000, "has a line of more than 65536 bytes"),
        ("\n\n", "There is no hash and no word"),
        ("", "There is no hash and no word"),
        (gzip.compress(b"password\n" * 99, mtime=0)[:-9], "its gzip is cut or damaged"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_with_its_line_and_leaves_the_output_as_it_was(
    built, file, tmp_path, text, why
):
    (tmp_path / "out.pwc").write_bytes(b"as it was")
    with pytest.raises(SourceRefused, match=why):
        built(file(text))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["list.txt", "out.pwc"]
    assert (tmp_path / "out.pwc").read_bytes() == b"as it was"


def test_a_folder_without_such_files_is_refused(built, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceRefused, match="has no files that are named like 0A1B2"):
        built(tmp_path / "empty")
