"""`portal incidents check FILE`, on a laptop that has neither a database nor settings."""

import json
from pathlib import Path

from click.testing import CliRunner

from portal import cli

CASES = Path(__file__).parent / "cases"
GOOD = """\
---
title: We lost your data
signed_by: Jane Doe
role: CEO
---
We’re sorry. We did not keep your data safe.

## What happened

Someone broke into our shop’s database on 3 November.
"""


def check(monkeypatch, *words: object, **env: str):
    arguments = ["incidents", "check", *(str(word) for word in words)]
    monkeypatch.setattr("sys.argv", ["portal", *arguments])
    return CliRunner().invoke(cli.main, arguments, env={"PORTAL_DATABASE_URL": "nonsense://"} | env)


def test_all_faults_are_printed_with_line_and_example_and_the_status_is_1(monkeypatch):
    result = check(monkeypatch, CASES / "16-leaks.md.txt")
    assert result.exit_code == 1
    assert "stop  line 6: a placeholder: “Lorem ipsum”" in result.stdout
    assert "stop  line 10: an internal comment would be published" in result.stdout
    assert "      ## What you can do" in result.stdout
    assert result.stdout.endswith(
        "16-leaks.md.txt: statement; 8 findings: 3 must be fixed, 5 to decide, 0 to consider\n"
    )


def test_what_is_only_asked_ends_with_0_and_the_grade_is_told(monkeypatch, write):
    result = check(monkeypatch, write(GOOD))
    assert result.exit_code == 0
    assert "ask  the section “What you can do” is missing  [missing-section]" in result.stdout
    assert "reading: school year 4 (9 or less is the aim)" in result.stdout


def test_an_update_is_known_by_its_front_matter_and_its_zone_by_the_settings(monkeypatch):
    assert check(monkeypatch, CASES / "dst-gap.md").exit_code == 0
    result = check(monkeypatch, CASES / "dst-gap.md", PORTAL_TIMEZONE="Europe/London")
    assert result.exit_code == 1
    assert "      occurred_at: 2026-03-29 02:00" in result.stdout
    assert "the apology" not in check(monkeypatch, "--as", "update", CASES / "14-title-case.md").stdout


def test_where_passwords_are_changed_at_the_companys_page_here_is_told_to_be_wrong(monkeypatch, write):
    text = write(GOOD + "\n## What you can do\n\nChoose a new password here.\n")
    assert "password-elsewhere" not in check(monkeypatch, text).stdout
    link = {"PORTAL_IDENTITY_STORE": "link", "PORTAL_IDENTITY_LINK_URL": "https://shop.example/forgot"}
    said = check(monkeypatch, text, **link)
    assert said.exit_code == 0
    assert "warn  line 14: “Choose a new password here”: passwords are not changed on" in said.stdout
    assert "      […](https://shop.example/forgot)\n" in said.stdout


def test_json_is_one_object(monkeypatch, write):
    said = json.loads(check(monkeypatch, "--json", write(GOOD)).stdout)
    assert (said["kind"], said["ok"], said["readability"]["value"]) == ("statement", True, 4.5)
    assert said["findings"][0] == {
        "code": "missing-section",
        "weight": "ask",
        "line": None,
        "reason": "the section “What information was involved” is missing",
        "example": "## What information was involved",
    }
    refused = check(monkeypatch, "--json", CASES / "12-german.md")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["ok"] is False
