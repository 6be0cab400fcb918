"""What the operator's guide prints and `deploy/` holds is what works: settings, commands, names and links."""

import csv
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from portal import cli
from portal.core.settings import Settings, SettingsInvalid
from portal.datakinds import taxonomy
from portal.datakinds.names import shown
from portal.runtime.doctor import env_files

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/operators-guide.md", *sorted((ROOT / "docs/guide").glob("*.md"))]
ROOM = [ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")]
GUIDE = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE.replace("\\\n  ", ""), re.MULTILINE | re.DOTALL)
BLOCKS = [block for language, block in FENCED if not language]
LONGEST_LINE = 110
SHIPPED = [(ROOT / "deploy" / name).read_text(encoding="utf-8") for name in ("portal.env", "worker.env")]
SETTINGS = re.findall(r"^#?(PORTAL_[A-Z_]+=.*)$", "".join([*BLOCKS, *SHIPPED]), re.MULTILINE)
COMMANDS = re.findall(r"^(?:AS=\S+ |ExecStart=[^ ].*\W)?portal ([a-z].*)$", "".join(BLOCKS), re.MULTILINE)


@pytest.mark.parametrize("line", SETTINGS)
def test_a_setting_is_read_alike_by_systemd_and_a_shell(line):
    # systemd.exec(5), EnvironmentFile=: within single quotes both take everything as it stands.
    assert re.fullmatch(r"[A-Z_]+=(?:[\w/:.@,+=-]+|'[^']*')", line)


def test_doctor_has_no_fault_to_find_with_them(tmp_path):
    file = tmp_path / "portal.env"
    for line in SETTINGS:
        file.write_text(f"{line}\n", encoding="utf-8")
        assert [finding.state for finding in env_files.read(file).findings] == ["ok"], line


def test_signs_in_a_password_are_written_as_they_are_read():
    signs, written = re.findall(r"write `([^`\w]+)` as\s+`([^`]+)`", GUIDE)[0]
    assert unquote(written) == signs


def assert_is_a_command(words: list[str], command: click.Command | None = cli.main) -> None:
    while isinstance(command, click.Group) and words and not words[0].startswith("--"):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options | {"--help"}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_there_is(line):
    assert_is_a_command(line.split())


@pytest.mark.parametrize("document", [*PAGES, *ROOM], ids=lambda path: path.stem)
def test_a_command_in_a_sentence_is_one_that_there_is(document):
    text = " ".join(document.read_text(encoding="utf-8").split())
    for line in re.findall(r"`portal ([a-z-][^`]*)`", text):
        assert_is_a_command([word.partition("=")[0] for word in re.findall(r"'[^']*'|\S+", line)])


@pytest.mark.parametrize("document", [*PAGES, *ROOM], ids=lambda path: path.stem)
def test_a_document_can_be_read_in_a_terminal(document):
    prose = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > LONGEST_LINE] == []


def test_the_tables_of_settings_have_every_setting_once():
    files = sorted((ROOT / "portal/core/settings").glob("*.py"))
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    read = re.findall(r'environment\.\w+\(\s*"([A-Z0-9_]+)"', source)
    named = re.findall(r"^\| `PORTAL_([A-Z0-9_]+)` \|", GUIDE, re.MULTILINE)
    assert sorted(named) == sorted({*named})
    assert {*named} == {*read, "ENVIRONMENT"}


def test_the_table_of_data_classes_is_the_taxonomy():
    named = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([a-z-]+) \| ([1-5]) \|$", GUIDE, re.MULTILINE)
    seen = {one.name: shown(one, "en") for one in taxonomy.load()}
    assert sorted(named) == sorted(
        (one.name, "the same" if seen[one.name] == one.name else seen[one.name], one.group, str(one.severity))
        for one in taxonomy.load()
    )


@pytest.mark.parametrize(
    "example", re.findall(r"^```text\n(email,.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
)
def test_each_row_of_an_example_file_has_as_many_fields_as_its_header(example):
    header, *rows = csv.reader(example.splitlines())
    assert rows
    assert {len(row) for row in rows} == {len(header)}


@pytest.mark.parametrize("document", [*PAGES, *ROOM], ids=lambda path: path.stem)
def test_a_link_to_a_heading_leads_to_one(document):
    for target, heading in re.findall(r"\]\(([^)\s:]*)#([^)\s]+)\)", document.read_text(encoding="utf-8")):
        page = document.parent / target if target else document
        headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert heading in [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]


def test_the_shipped_settings_lack_only_the_relays_password():
    environ = dict(line.split("=", 1) for line in "".join(SHIPPED).splitlines() if line.startswith("PORTAL_"))
    environ = {name: value.strip("'") for name, value in environ.items()}
    with pytest.raises(SettingsInvalid) as refused:
        Settings.from_env(environ)
    (fault,) = refused.value.faults
    assert "PORTAL_MAIL_URL" in fault
    assert "weak password" in fault


@pytest.mark.parametrize("name", ["portal", "nightly"])
def test_a_shipped_script_is_one(name):
    script = ROOT / "deploy" / name
    subprocess.run(["/bin/sh", "-n", script], check=True)
    assert script.stat().st_mode & 0o111 == 0o111


def test_the_guide_makes_the_folders_that_nginx_needs():
    """Debian's package brings none of these; without one of them nginx does not start."""
    shipped = (ROOT / "deploy/nginx/portal.conf").read_text(encoding="utf-8")
    made = " ".join(re.findall(r"^install -d (.*)$", "".join(BLOCKS), re.MULTILINE)).split()
    for folder in ("/var/cache/nginx", "/etc/nginx/portal", "/var/www/acme"):
        assert folder in shipped
        assert folder in made
