"""Read one sheet of a workbook in a process of its own, with limits; runs as `python -m`, prints JSON lines.

A workbook is a zip of XML that may expand to any size, so it is read where nothing but this process can run
out of memory or time. Lines, in order: {"sheet", "rows"}; lists of [row number, cells]; {"hidden"}. Instead
of any of them, {"refused"} or {"sheets"}, and nothing after it.
"""

import datetime as dt
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from html import unescape
from typing import IO, Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from portal.people_files.formats.sheet_cells import DATE, ERROR, MAX_MEMORY, ROUNDED

MAX_CPU_SECONDS = 900
MAX_UNZIPPED = 1 << 30
MAX_ENTRIES = 10_000
# A sheet of people shrinks to a tenth or a thirtieth. What grows more than this many times is a bomb.
MAX_RATIO = 200
ALWAYS_UNZIPPED = 64 << 20
# Excel keeps 15 digits of a number.
_EXACT = 10**15
_BATCH = 500
_MAX_ROW = 65_536
_CHUNK = 1 << 20
_MAX_ERRORS = 1_000_000
_ROW = re.compile(rb"<(?:\w+:)?row\b[^<>]*\bhidden=[\"'](?:1|true)[\"'](?:[^<>]*[^/<>])?>")
_ERROR = re.compile(rb"<(?:\w+:)?c\b(?=[^<>]*\bt=[\"']e[\"'])[^<>]*\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_SHEET = re.compile(rb"<(?:\w+:)?sheet\b[^>]*>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\b[^>]*>")


class Refused(Exception):
    """The workbook is rejected; the message has no final full stop."""


def main(path: str, wanted: str, answers: IO[str], most_memory: int, most_cells: int) -> None:
    """Write the sheet `wanted`, or the only one with content where that is empty, to `answers`.

    With `most_cells`, a sheet may have no more of them, and a row no more than 65,536 characters.
    """
    try:
        for answer in _answers(path, wanted, most_cells):
            answers.write(json.dumps(answer, separators=(",", ":")))
            answers.write("\n")
    except Refused as refused:
        answers.write(json.dumps({"refused": str(refused)}) + "\n")
    except MemoryError:
        answers.write(json.dumps({"refused": f"it needs more than {most_memory >> 20} MB of memory"}) + "\n")
    answers.flush()


def _answers(path: str, wanted: str, most_cells: int) -> Iterator[Any]:
    with _opened(path) as archive:
        try:
            workbook = CalamineWorkbook.from_path(path)
            index = _index_of(workbook, wanted)
            if index is None:
                yield {"sheets": workbook.sheet_names}
                return
            hidden, errors = _scanned(archive, index)
            sheet = workbook.get_sheet_by_index(index)
            _refuse_large(sheet, most_cells)
        except PasswordError:
            raise Refused("it has a password. Save it without one") from None
        except CalamineError:
            raise Refused("it is damaged, or no XLSX workbook") from None
        yield {"sheet": sheet.name, "rows": sheet.total_height}
        first_column = sheet.start[1] if sheet.start else 0
        batch = []
        for number, row in enumerate(sheet.iter_rows(), 1):
            cells = [_text(cell) for cell in row]
            if most_cells and sum(map(len, cells)) > _MAX_ROW:
                raise Refused(f"row {number} has more than {_MAX_ROW} characters")
            for column in errors.get(number, ()):
                if first_column <= column < first_column + len(cells):
                    cells[column - first_column] = ERROR
            batch.append((number, cells))
            if len(batch) == _BATCH:
                yield batch
                batch = []
        yield batch
        yield {"hidden": hidden}


def _opened(path: str) -> zipfile.ZipFile:
    """Open the archive, after adding up what its parts say they expand to."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise Refused("it is damaged, or no XLSX workbook") from None
    parts = archive.infolist()
    if "xl/workbook.xml" not in archive.namelist():
        raise Refused("it is a zip archive but no XLSX workbook. Take the file out of it, or save it as XLSX")
    unzipped = sum(part.file_size for part in parts)
    if unzipped > MAX_UNZIPPED or len(parts) > MAX_ENTRIES:
        raise Refused(
            f"it expands to {unzipped >> 20} MB, and at most {MAX_UNZIPPED >> 20} MB are read. "
            "Save the sheet as CSV"
        )
    compressed = sum(part.compress_size for part in parts)
    if unzipped > max(ALWAYS_UNZIPPED, MAX_RATIO * compressed):
        raise Refused(f"it expands to more than {MAX_RATIO} times its size. Save the sheet as CSV")
    return archive


def _refuse_large(sheet: Any, most_cells: int) -> None:
    cells = (sheet.end[0] + 1) * sheet.width if sheet.end else 0
    if most_cells and cells > most_cells:
        raise Refused(
            f"the sheet spans {cells:,} cells, and at most {most_cells:,} are read. "
            "Delete the empty rows and columns beside the list, or save the sheet as CSV"
        )


def _index_of(workbook: Any, wanted: str) -> int | None:
    """Return the position of the sheet to read, or None if the operator must choose."""
    names = workbook.sheet_names
    if wanted:
        return names.index(wanted) if wanted in names else None
    if len(names) == 1:
        return 0
    filled = [at for at in range(len(names)) if _height(workbook, at)]
    return filled[0] if len(filled) == 1 else None


def _height(workbook: Any, index: int) -> int:
    sheet = workbook.get_sheet_by_index(index)
    return int(sheet.height) if sheet.start else 0


def _text(cell: object) -> str:
    """Return a cell as a person sees it, without what Excel adds to whole numbers."""
    match cell:
        case str():
            return cell
        case bool():
            return str(cell).upper()
        case float() | int():
            if abs(cell) >= _EXACT:
                return f"{ROUNDED}{cell!r}"
            return str(int(cell)) if cell == int(cell) else repr(cell)
        case dt.date() | dt.time() | dt.timedelta():
            return f"{DATE}{cell}"
    return ""


def _scanned(archive: zipfile.ZipFile, index: int) -> tuple[int, dict[int, list[int]]]:
    """Return how many rows are hidden, and the columns of error cells by row: the library tells neither.

    The XML is searched, not parsed, so that no entity in it expands.
    """
    hidden, errors, found = 0, dict[int, list[int]](), 0
    try:
        with archive.open(_part_of(archive, index)) as part:
            rest = b""
            while chunk := part.read(_CHUNK):
                block, end, rest = (rest + chunk).rpartition(b">")
                block += end
                hidden += sum(1 for _ in _ROW.finditer(block))
                for match in _ERROR.finditer(block):
                    found += 1
                    if found > _MAX_ERRORS:
                        raise Refused("it has more than a million cells with an error")
                    errors.setdefault(int(match[2]), []).append(_column(match[1].decode()))
                rest = rest[-_CHUNK:]
    except (KeyError, ValueError, zipfile.BadZipFile, EOFError, NotImplementedError):
        raise Refused("it is damaged") from None
    return hidden, errors


def _part_of(archive: zipfile.ZipFile, index: int) -> str:
    """Return the name of a sheet's part in the archive. Raises KeyError or ValueError."""
    sheet = _SHEET.findall(archive.read("xl/workbook.xml"))[index : index + 1]
    relation = _attribute(rb"\w+:id", b"".join(sheet))
    for element in _RELATION.findall(archive.read("xl/_rels/workbook.xml.rels")):
        if _attribute(rb"Id", element) == relation:
            target = _attribute(rb"Target", element)
            return target[1:] if target.startswith("/") else f"xl/{target}"
    raise ValueError(relation)


def _attribute(name: bytes, element: bytes) -> str:
    match = re.search(rb"\s" + name + rb"=(?:\"([^\"]*)\"|'([^']*)')", element)
    if match is None:
        raise ValueError(name)
    return unescape((match[1] if match[1] is not None else match[2]).decode())


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def limit(memory: int = MAX_MEMORY) -> None:
    """Limit this process: memory, time, and no file may be written."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    limit(int(sys.argv[3]))
    main(sys.argv[1], sys.argv[2], sys.stdout, int(sys.argv[3]), int(sys.argv[4]))
