"""What every file of the project keeps to."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
WRITTEN = {".py", ".html", ".js", ".css", ".sh", ".md", ".toml"}
LEFT_BY_TOOLS = {ROOT / "build", ROOT / "dist", ROOT / "var"}
NOT_OURS = "vendor"  # other people's code
PICKLE = re.compile(
    r"^\s*(?:import|from)\s+(?:c?pickle|_pickle|marshal|shelve|dill|cloudpickle)\b", re.MULTILINE
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
ELSEWHERE = re.compile(r"https?://(?!localhost\b)|--(?:extra-)?index-url|--find-links")


def project_files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file that is in the repository or about to be, whether or not git is here to ask."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif path not in LEFT_BY_TOOLS and path.name != "__pycache__" and path.suffix != ".egg-info":
            if not path.name.startswith(".") or path.name == ".ci":
                yield from project_files(path)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


FILES = list(project_files())
SOURCES = [path for path in FILES if path.suffix == ".py"]
OURS = [path for path in FILES if path.suffix in WRITTEN and NOT_OURS not in path.parts]
DOCUMENTS = [path for path in FILES if path.suffix == ".md" and path.parent in (ROOT, *ROOT.glob("docs/**"))]


def test_no_file_outgrows_its_reader():
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in OURS}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_nothing_is_ever_unpickled():
    assert [name(path) for path in SOURCES if PICKLE.search(path.read_text(encoding="utf-8"))] == []


def test_nothing_is_left_for_later():
    assert [name(path) for path in OURS if UNFINISHED.search(path.read_text(encoding="utf-8"))] == []


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "dao"}
    assert [name(path) for path in SOURCES if drawers & {*path.relative_to(ROOT).with_suffix("").parts}] == []


def test_requirements_are_locked_and_name_no_place():
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text()
        assert not ELSEWHERE.search(text), name(lock)
        for block in re.split(r"\n(?=[a-z])", text):
            if re.match(r"[a-z]", block):
                assert " \\\n    --hash=sha256:" in block, block
    for path in (ROOT / "Makefile", *(ROOT / "requirements").iterdir(), *(ROOT / "scripts").iterdir()):
        if path.is_file():
            assert not ELSEWHERE.search(path.read_text()), name(path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_what_a_document_names_exists(document):
    text = document.read_text(encoding="utf-8")
    missing = [link for link in _links(text) if not (document.parent / link).exists()]
    missing += [path for path in _paths(text) if not any(ROOT.glob(path))]
    missing += [
        f"make {target}" for target in _targets(text) if f"\n{target}:" not in (ROOT / "Makefile").read_text()
    ]
    assert missing == []


def _links(text: str) -> list[str]:
    """Relative addresses of links and pictures."""
    links = re.findall(r"(?:\]\(|\bsrc=\")([^)\"\s]+)[)\"]", text)
    return [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]


def _paths(text: str) -> list[str]:
    """Paths in code spans that begin with one of the project's folders; `<any>` stands for any name."""
    tops = "|".join(
        path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in ("var", ".venv")
    )
    spans = re.findall(rf"`((?:{tops})/[^`\s]*)`", text)
    return [re.sub(r"<[^>]*>", "*", span).rstrip("/") for span in spans]


def _targets(text: str) -> list[str]:
    return re.findall(r"(?:`|^\s*(?:\$ )?)make ([a-z]+)", text, re.MULTILINE)
