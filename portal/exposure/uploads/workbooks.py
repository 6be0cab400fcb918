"""Receive a workbook: it is held in memory, read by a child process with limits, and its rows are sealed.

A zip archive can be read only once its end is there. So it lies in a file of the system's memory (memfd),
never on a disk; what is stored are the lines that the child wrote, sealed like any other file.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from threading import BoundedSemaphore
from typing import IO, cast

from portal.exposure.uploads.models import SHEET, Upload
from portal.exposure.uploads.receiving import (
    EMPTY,
    IS_NO_WORKBOOK,
    MAX_WORKBOOK,
    TOO_LARGE,
    Place,
    Receiver,
    UploadRefused,
    refuse_other_type,
)
from portal.people_files.formats.workbook import Limits, cause_of_death, end_child, start_child

# What a sheet of people needs, with room: a million rows of nine columns.
LIMITS = Limits(memory=1 << 30, cells=9_999_999)
# Workbooks that one process holds at a time, each with a child beside it.
AT_A_TIME = 2
_BLOCK = 1 << 18
_FIRST_LINE = 1 << 20
_SHOWN_SHEETS = 50
_free = BoundedSemaphore(AT_A_TIME)


class WorkbookRefused(Exception):
    """The workbook cannot be read; the message says why, and repeats nothing of its content."""


class SheetUndecided(Exception):
    """The workbook has several sheets; `sheets` are their names."""

    def __init__(self, sheets: list[str]) -> None:
        """Store the names."""
        self.sheets = sheets
        super().__init__(f"{len(sheets)} sheets")


class TooManyWorkbooks(Exception):
    """This process holds as many workbooks as it may; a minute later it has room again."""


def receive(place: Place, upload: Upload, sheet: str, read: Callable[[int], bytes]) -> None:
    """Read a workbook to its end and store the rows of one sheet, or of the only one with content.

    Raises UploadRefused, WorkbookRefused, SheetUndecided, TooManyWorkbooks, what `read` raises,
    and what `Receiver` raises; then the upload must be discarded.
    """
    if not _free.acquire(blocking=False):
        raise TooManyWorkbooks
    try:
        descriptor = os.memfd_create("workbook", os.MFD_CLOEXEC)
        try:
            _fill(descriptor, upload, read)
            _store_rows(place, upload, descriptor, sheet)
        finally:
            os.close(descriptor)
    finally:
        _free.release()


def _fill(descriptor: int, upload: Upload, read: Callable[[int], bytes]) -> None:
    size = 0
    with open(descriptor, "wb", buffering=0, closefd=False) as file:
        while data := read(_BLOCK):
            if not size:
                refuse_other_type(SHEET, data)
            size += len(data)
            if size > MAX_WORKBOOK:
                raise UploadRefused(TOO_LARGE)
            file.write(data)
    if not size:
        raise UploadRefused(EMPTY)
    if upload.size not in (None, size):
        raise WorkbookRefused("it did not arrive whole. Upload it again")


def _store_rows(place: Place, upload: Upload, descriptor: int, sheet: str) -> None:
    child = start_child(f"/proc/self/fd/{descriptor}", sheet, LIMITS, (descriptor,))
    try:
        lines = cast("IO[bytes]", child.stdout)
        first = lines.readline(_FIRST_LINE)
        _refuse(first)
        receiver = Receiver(place, upload, counts=False)
        receiver.feed(first)
        tail = first
        while data := lines.read(_BLOCK):
            receiver.feed(data)
            tail = (tail + data)[-_FIRST_LINE:]
        status = child.wait()
        # The last line says what stopped it on the way; one that is no whole line was cut by its death.
        _refuse(tail[tail.rfind(b"\n", 0, -1) + 1 :])
        if status or not tail.endswith(b"\n"):
            raise WorkbookRefused(cause_of_death(status, LIMITS))
        receiver.finish(ended=True)
    finally:
        end_child(child)


def _refuse(line: bytes) -> None:
    """Raise WorkbookRefused or SheetUndecided where a line of the child says so."""
    if not line.startswith((b'{"refused"', b'{"sheets"')):
        return
    answer = {}
    with suppress(ValueError):
        answer = json.loads(line)
    if "sheets" in answer:
        raise SheetUndecided([str(name) for name in answer["sheets"]][:_SHOWN_SHEETS])
    reason = str(answer.get("refused", IS_NO_WORKBOOK))
    raise WorkbookRefused(reason)
