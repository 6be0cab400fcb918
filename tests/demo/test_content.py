"""The demonstration's texts keep the rules that the portal asks of a real company."""

import re
import tomllib
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import portal.demo
from portal.datakinds.names import parse_classes

CONTENT = Path(portal.demo.__file__).parent / "content"
STATEMENTS = sorted(CONTENT.glob("statement-*.md"))
UPDATES = sorted((CONTENT / "updates").glob("*.md"))
SECTIONS = {
    "en": [
        "What happened",
        "What information was involved",
        "What we are doing",
        "What you can do",
        "For more information",
    ],
    "es": [
        "Qué ha pasado",
        "Qué información se vio afectada",
        "Qué estamos haciendo",
        "Qué puede hacer usted",
        "Más información",
    ],
}
APOLOGY = {"en": "We are sorry", "es": "Lo sentimos"}
PHASES = {
    "detected",
    "contained",
    "investigating",
    "authorities-informed",
    "insurer-informed",
    "customers-notified",
    "safeguards-in-place",
    "resolved",
}
HEDGES = re.compile(
    r"\b(may have|might|could have|possibly|potential|no evidence|abundance of caution|we take .* seriously|"
    r"regret any inconvenience|podría|posiblemente|no hay pruebas|por precaución|molestias)\b",
    re.IGNORECASE,
)


def parts(file: Path) -> tuple[dict[str, str], str]:
    _, front, body = file.read_text(encoding="utf-8").split("---\n", 2)
    return dict(line.split(": ", 1) for line in front.splitlines()), body.strip()


@pytest.mark.parametrize("file", STATEMENTS, ids=lambda file: file.name)
def test_a_statement_is_a_signed_apology_and_the_five_sections(file):
    front, body = parts(file)
    assert front["signed_by"]
    assert front["role"]
    assert re.findall(r"^## (.+)$", body, re.MULTILINE) == SECTIONS[front["language"]]
    sections = re.split(r"^## .+$", body, flags=re.MULTILINE)
    assert sections[0].startswith(APOLOGY[front["language"]])
    assert all(section.strip() for section in sections)


def test_every_correction_says_what_was_corrected():
    for file in STATEMENTS:
        front, _ = parts(file)
        assert ("note" in front) == (not file.name.startswith("statement-1."))


def test_the_latest_statement_is_there_in_english_and_spanish():
    assert {parts(file)[0]["language"] for file in CONTENT.glob("statement-3*.md")} == {"en", "es"}


@pytest.mark.parametrize("file", [*STATEMENTS, *UPDATES], ids=lambda file: file.name)
def test_no_text_hedges_or_holds_html_or_images(file):
    text = file.read_text(encoding="utf-8")
    assert not HEDGES.search(text)
    assert "<" not in text
    assert "![" not in text
    _, body = parts(file)
    sentences = re.split(r"(?<=[.?!])\s|\n", body)
    assert max(len(sentence.split()) for sentence in sentences) <= 36


def test_the_updates_tell_every_phase_in_order_over_three_weeks():
    fronts = [parts(file)[0] for file in UPDATES]
    times = [datetime.fromisoformat(front["occurred_at"]) for front in fronts]
    assert len(fronts) >= 8
    assert {front["phase"] for front in fronts} == PHASES
    assert fronts[0]["phase"] == "detected"
    assert fronts[-1]["phase"] == "resolved"
    assert times == sorted(times)
    assert timedelta(days=20) < times[-1] - times[0] < timedelta(days=22)
    assert {front["notify"] for front in fronts} == {"true", "false"}
    assert all(front["title"] and body for front, body in map(parts, UPDATES))


def test_the_incident_names_known_data_and_only_invented_places():
    incident = tomllib.loads((CONTENT / "incident.toml").read_text(encoding="utf-8"))
    assert "Passwords" in incident["classes"]
    assert len(parse_classes(";".join(incident["classes"]))) == len(incident["classes"])
    assert incident["domain"].endswith(".example")
    for file in CONTENT.rglob("*.md"):
        domains = re.findall(r"@([\w.-]+\w)", file.read_text(encoding="utf-8"))
        assert set(domains) <= {incident["domain"]}
