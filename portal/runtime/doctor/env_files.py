"""Read the files that the settings come from as systemd and a shell do, and find where these would differ."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from portal.core.environment import PREFIX
from portal.runtime.doctor.findings import OK, WRONG, Finding

# Where the guide puts them.
FOLDERS = (Path("/srv/portal"), Path("/etc/portal"))
_LINE = re.compile(
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<before>\s*)=(?P<after>\s*)(?P<value>.*)\Z", re.DOTALL
)
# What a shell does not take as it is, outside quotes; and what it replaces within double quotes.
_SPECIAL = re.compile(r"[\s&;|<>()$`\\\"'*?#~]")
_REPLACED = re.compile(r"[$`\\]")
SINGLE = "put single quotes around the value"


@dataclass(frozen=True)
class Place:
    """A line of a file."""

    file: Path
    number: int

    def __str__(self) -> str:
        """Return the place as messages name it."""
        return f"{self.file}, line {self.number}"


@dataclass(frozen=True)
class EnvFile:
    """One file: where each variable is set, and the findings. Values are not kept."""

    places: dict[str, Place]
    findings: tuple[Finding, ...]


def usual() -> list[Path]:
    """Return the files of the guide's folders that this user can read."""
    found = []
    for folder in FOLDERS:
        try:
            found += [file for file in sorted(folder.glob("*.env")) if _readable(file)]
        except OSError:
            continue
    return found


def read(file: Path) -> EnvFile:
    """Read a file; one that cannot be read is a finding."""
    try:
        content = file.read_bytes()
        text = content.decode()
    except OSError as error:
        return EnvFile({}, (Finding(_name(file), WRONG, f"cannot be read ({error.strerror})"),))
    except UnicodeDecodeError:
        coding = "UTF-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "another coding"
        return EnvFile({}, (Finding(_name(file), WRONG, f"is in {coding}; save it as UTF-8"),))
    places: dict[str, Place] = {}
    faults = list(_of_whole(file, text))
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        stripped = line.rstrip("\r").strip()
        if not stripped or stripped[0] in "#;":
            continue
        exported, name, fault = _of_line(stripped)
        if exported:
            faults.append(f"line {number}: remove `export`; systemd ignores a line with it")
        if fault:
            faults.append(f"line {number}: {fault}")
        if name in places:
            faults.append(f"line {number}: {name} is set in line {places[name].number} too; remove one")
        if name:
            places[name] = Place(file, number)
    findings = tuple(Finding(_name(file), WRONG, fault) for fault in faults)
    return EnvFile(places, findings or (Finding(_name(file), OK),))


def located(fault: str, files: Sequence[EnvFile]) -> str:
    """Return a fault of the settings with the line that sets its variable, where one of the files does."""
    variable = fault.partition(":")[0]
    names = (variable, f"{variable}_FILE")
    places = [file.places[name] for file in files for name in names if name in file.places]
    return f"{fault} ({places[-1]})" if places else fault


def faults_of_environment(environ: dict[str, str]) -> Iterator[str]:
    """Yield what in the environment shows that its file was not read by systemd's rules."""
    for name in sorted(environ):
        if name.startswith(f"export {PREFIX}"):
            yield f"a line begins with `export`, so {name.split()[1]} is not set; remove `export`"
    for name, value in sorted(environ.items()):
        if name.startswith(PREFIX) and re.fullmatch(r"(['\"]).*\1", value, re.DOTALL):
            yield (
                f"{name} has its quotes as part of the value: what read the file keeps them, as "
                "`docker --env-file` does; remove them there"
            )


def _of_whole(file: Path, text: str) -> Iterator[str]:
    if text.startswith("\ufeff"):
        yield "line 1: begins with a byte order mark, so its variable is not set; save as UTF-8 without BOM"
    if (ended := text.count("\r\n")) > 0:
        first = text[: text.index("\r\n")].count("\n") + 1
        yield (
            f"line {first}: ends as on Windows (CRLF), and so do {ended} in all: a shell takes the CR for "
            rf"part of the value; run: sed -i 's/\r$//' {file}"
        )


def _of_line(line: str) -> tuple[bool, str, str | None]:
    """Return whether a line is exported, which variable it sets, and what else is wrong with it."""
    exported = re.match(r"export\s+", line)
    found = _LINE.match(line[exported.end() :] if exported else line)
    if found is None:
        return bool(exported), "", "is no NAME=VALUE"
    name = found["name"]
    if found["before"] or found["after"]:
        return bool(exported), name, f"remove the spaces around the = of {name}"
    return bool(exported), name, _of_value(name, found["value"])


def _of_value(name: str, value: str) -> str | None:
    quote = value[:1]
    if quote == "'":
        return None if re.fullmatch(r"'[^']*'", value) else f"the quotes of {name} do not match"
    if quote == '"':
        if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', value):
            return f"the quotes of {name} do not match"
        inner = value[1:-1]
        return f"{SINGLE} of {name}: a shell replaces $, ` and \\ in it" if _REPLACED.search(inner) else None
    if _SPECIAL.search(value):
        return f"{SINGLE} of {name}: a shell and systemd read it differently"
    return None


def _name(file: Path) -> str:
    return f"env file {file}"


def _readable(file: Path) -> bool:
    try:
        file.open("rb").close()
    except OSError:
        return False
    return True
