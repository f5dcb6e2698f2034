"""A csv bill: opened, checked, and read in batches of rows whose values are exactly what the file says.

In: a path to a csv, plain or gzip (told by its first bytes, not by its name). Out: the header, the file's sha256, and
polars frames of text with the row's number. Memory is bounded by a batch. Everything that can be wrong with a file
before its content is looked at (missing, unreadable, truncated, empty, not text, quotes that do not close, rows of
another length) raises BadInput.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import IO, cast

import duckdb
import polars as pl

from sagekeeper.collector.bill_file import BATCH_ROWS, ROW, BillFile, digest_of
from sagekeeper.core.errors import BadInput

_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_HEADER = 1 << 20
DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""What other programs write between values, in people's words."""


@dataclass(frozen=True)
class BillText(BillFile):
    """A readable csv: ``columns`` is its header as written."""

    zipped: bool

    def batches(self, names: Sequence[str], nulls: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The named columns of all rows in the file's order, with `ROW` counting from 1 below the header."""
        with duckdb.connect() as reader:
            try:
                stream = reader.sql(self._query(names, nulls)).to_arrow_reader(BATCH_ROWS)
                read = 0
                for batch in stream:
                    frame = cast(pl.DataFrame, pl.from_arrow(batch))
                    frame.columns = list(names)
                    frame = frame.with_row_index(ROW, offset=read + 1)
                    read += frame.height
                    yield frame
            except duckdb.Error as error:
                raise BadInput(self._explain(str(error))) from error

    def _query(self, names: Sequence[str], nulls: Sequence[str]) -> str:
        declared = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in _unique(self.columns))
        known = dict(
            zip(reversed(self.columns), reversed(_unique(self.columns)), strict=True)
        )  # of equal names the first
        wanted = ", ".join(
            '"' + known[name].replace('"', '""') + f'" AS c{number}' for number, name in enumerate(names)
        )
        options = (
            f"columns={{{declared}}}, auto_detect=false, header=false, skip=1, delim=',', quote='\"', escape='\"', "
            f"strict_mode=true, null_padding=false, compression='{'gzip' if self.zipped else 'none'}', "
            f"nullstr=[{', '.join(map(quoted, nulls))}]"
        )
        return f"SELECT {wanted} FROM read_csv({quoted(literal_pattern(self.path))}, {options})"  # noqa: S608 (all quoted)

    def _explain(self, said: str) -> str:
        where = re.search(r"CSV Error on Line: (\d+)", said)
        line = f", line {where[1]}" if where else ""
        if count := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", said):
            why = f"it has {count[2]} values where the header names {count[1]} columns"
        elif "quote" in said.split("Possible", 1)[0]:
            why = "a quoted value does not close, or goes on after its closing quote"
        elif "invalid state" in said:
            why = "its lines do not all end in the same way"
        elif "unicode" in said or "utf-8" in said:
            why = "it is not UTF-8 text"
        else:
            why = f"it cannot be read as csv: {said.splitlines()[0]}"
        return f"{self.path.name}{line}: {why}. Export the file again. Nothing was changed."


def open_text(path: Path, checked: bool = False) -> BillText:
    """Check that the whole file can be read, and read its header. ``checked``: it comes out of an archive with its checksum."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            digest = digest_of(raw)
            ended = checked or zipped or _ends_a_line(raw)  # a gzip knows itself whether it is whole
        if zipped:
            with gzip.open(path, "rb") as unzipped:
                digest_of(unzipped)  # reads to the end, where gzip keeps its checksum
        columns, first_row = _beginning(path, zipped)
    except FileNotFoundError as error:
        raise BadInput(f"{path} is not there. Check the path. Nothing was changed.") from error
    except IsADirectoryError as error:
        raise BadInput(f"{path} is a folder. Name the csv files in it. Nothing was changed.") from error
    except PermissionError as error:
        raise BadInput(f"{path} may not be read by this user. Change its permissions. Nothing was changed.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        where = f", it breaks off in line {_readable_lines(path) + 1}" if zipped else ""
        raise BadInput(
            f"{path.name} is a damaged or truncated gzip{where}. Fetch it again. Nothing was changed."
        ) from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}. Nothing was changed.") from error
    # Some exporters name a last column and write no values for it; a row that is merely cut off is refused later.
    filled = len(first_row) if 1 < len(first_row) < len(columns) else len(columns)
    return BillText(path, columns[:filled], columns[filled:], digest, ended, zipped)


def _ends_a_line(raw: IO[bytes]) -> bool:
    raw.seek(0, SEEK_END)
    raw.seek(max(0, raw.tell() - 1))
    return raw.read(1) in (b"", b"\n", b"\r")


def _readable_lines(path: Path) -> int:
    """Whole lines of a damaged gzip before the damage."""
    lines = 0
    with suppress(EOFError, OSError, zlib.error), gzip.open(path, "rb") as unzipped:
        while part := unzipped.read(1 << 16):
            lines += part.count(b"\n")
    return lines


def _beginning(path: Path, zipped: bool) -> tuple[list[str], list[str]]:
    """The header, and the first row below it (empty when there is none)."""
    with gzip.open(path, "rb") if zipped else path.open("rb") as stream:
        line = stream.readline(_LONGEST_HEADER)
        if not line.strip():
            raise BadInput(f"{path.name} is empty: there is not even a header. Nothing was changed.")
        try:
            header = line.decode("utf-8-sig")
            if "\x00" in header or len(line) == _LONGEST_HEADER:
                raise csv.Error("no line of text")
            columns = next(csv.reader([header.rstrip("\r\n")], strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise BadInput(
                f"{path.name} is not a csv file: its first line is no header in UTF-8. "
                "Sagekeeper reads FOCUS and AWS CUR bills as csv, plain or gzip, and as parquet. Nothing was changed."
            ) from error
        if len(columns) == 1 and (between := next((mark for mark in DELIMITERS if mark in columns[0]), None)):
            raise BadInput(
                f"{path.name} has {DELIMITERS[between]} between its values, where a bill has commas. "
                "Export it with commas. Nothing was changed."
            )
        lines = [stream.readline(_LONGEST_HEADER) for _ in range(100)]
        rows = csv.reader(line.decode("utf-8", "replace") for line in lines)
        try:
            first = next(rows, [])
        except csv.Error:
            return columns, []  # the reader of the rows says where and what
        return columns, first if lines[rows.line_num - 1].endswith(b"\n") else []  # a row cut off tells nothing


def _unique(columns: Sequence[str]) -> list[str]:
    """Names that DuckDB tells apart: it ignores case. The first of equal names keeps it."""
    taken: set[str] = set()
    names: list[str] = []
    for number, name in enumerate(columns):
        unique = name if name and name.lower() not in taken else f"{name} #{number}"
        taken.add(unique.lower())
        names.append(unique)
    return names


def literal_pattern(path: Path) -> str:
    """The path as a pattern that matches only itself: DuckDB expands ``*``, ``?`` and ``[``."""
    return re.sub(r"[*?[]", lambda found: f"[{found[0]}]", str(path))


def quoted(text: str) -> str:
    """As an SQL text."""
    return "'" + text.replace("'", "''") + "'"
