"""The file of an affected list: its columns; how such a file is read is the same for every list of people."""

from typing import BinaryIO

from portal.people_files import csv_file
from portal.people_files.csv_file import MAX_RECORD, FileRefused

__all__ = ["COLUMNS", "MAX_RECORD", "CsvFile", "FileRefused"]

COLUMNS = ("email", "account_ref", "name", "locale", "jurisdiction", "data_classes")
NEEDED = ("email",)


class CsvFile(csv_file.CsvFile):
    """Reads one file once; each row is its six columns in their fixed order."""

    def __init__(self, file: BinaryIO) -> None:
        """Take an open file; nothing is read yet."""
        super().__init__(file, COLUMNS, NEEDED)
