"""Babel extraction methods that put the texts of this folder's data files into the catalogue."""

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

Message = tuple[int, str | None, str, list[str]]


def data_classes(
    file: IO[bytes], keywords: Mapping[str, object], comment_tags: Sequence[str], options: Mapping[str, str]
) -> Iterator[Message]:
    """Yield the class names of `data_classes.csv` in the form of a Babel extraction method."""
    del keywords, comment_tags, options
    rows = csv.DictReader(io.StringIO(file.read().decode("utf-8")))
    for row in rows:
        yield rows.line_num, None, row["data_class"], ["A kind of personal data, the title of an entry"]


def advice(
    file: IO[bytes], keywords: Mapping[str, object], comment_tags: Sequence[str], options: Mapping[str, str]
) -> Iterator[Message]:
    """Yield the titles and steps of `advice.toml` in the form of a Babel extraction method."""
    del keywords, comment_tags, options
    text = file.read().decode("utf-8")
    lines = text.splitlines()
    for key, table in tomllib.loads(text).items():
        start = lines.index(f"[{key}]") + 1
        yield start, None, table["title"], ["A thing to do about exposed data"]
        for step in table["steps"]:
            yield start, None, step, [f"A step of “{table['title']}”"]
