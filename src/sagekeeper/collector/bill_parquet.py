"""A parquet bill, as AWS's reports and exports deliver it, read as text like a csv: every value exactly as the file
states it.

In: a path to a parquet file (told by its first bytes). Out: its columns, the file's sha256, and frames of text. A float
is the shortest text that means the same float, a time its UTC time, a map or a struct a JSON object. Memory is bounded
by a batch. A file that is damaged or cut off raises BadInput.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sagekeeper.collector.bill_file import BATCH_ROWS, ROW, UNCHANGED, BillFile, digest_of
from sagekeeper.collector.bill_text import literal_pattern, quoted
from sagekeeper.core.errors import BadInput

MAGIC = b"PAR1"


@dataclass(frozen=True)
class BillParquet(BillFile):
    """A readable parquet file."""

    kinds: dict[str, pa.DataType]

    def batches(self, names: Sequence[str], nulls: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The named columns of all rows in the file's order, with `ROW` counting from 1."""
        known = dict(
            zip(reversed(self.columns), reversed(_unique(self.columns)), strict=True)
        )  # of equal names the first
        wanted = ", ".join(
            f"{self._text(_identifier(known[name]), self.kinds[name], nulls)} AS {_identifier(f'c{number}')}"
            for number, name in enumerate(names)
        )
        source = f"read_parquet({quoted(literal_pattern(self.path))})"
        with duckdb.connect() as reader:
            reader.execute("SET TimeZone = 'UTC'")
            try:
                read = 0
                for batch in reader.sql(f"SELECT {wanted} FROM {source}").to_arrow_reader(BATCH_ROWS):  # noqa: S608 (all quoted)
                    frame = cast(pl.DataFrame, pl.from_arrow(batch))
                    frame.columns = list(names)
                    frame = frame.with_row_index(ROW, offset=read + 1)
                    read += frame.height
                    yield frame
            except duckdb.Error as error:
                raise BadInput(
                    f"{self.path.name} cannot be read as parquet: {str(error).splitlines()[0]}. Fetch it again. {UNCHANGED}"
                ) from error

    def _text(self, column: str, kind: pa.DataType, nulls: Sequence[str]) -> str:
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_nested(kind):
            return f"CAST(to_json({column}) AS VARCHAR)"
        if pa.types.is_timestamp(kind):
            return f"CAST({column} AS VARCHAR)"  # of a time with a zone: in UTC, and saying so
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return f"CASE WHEN {column} IN ({', '.join(map(quoted, nulls))}) THEN NULL ELSE {column} END"
        return f"CAST({column} AS VARCHAR)"


def open_parquet(path: Path) -> BillParquet:
    """Check that the file is whole, and read its schema."""
    try:
        with path.open("rb") as raw:
            digest = digest_of(raw)
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path.name} is a damaged or truncated parquet file. Fetch it again. {UNCHANGED}") from error
    return BillParquet(path, list(schema.names), [], digest, True, {field.name: field.type for field in schema})


def _unique(columns: Sequence[str]) -> list[str]:
    """The names by which DuckDB tells columns apart: it ignores case, and numbers what comes again."""
    taken: set[str] = set()
    names = []
    for name in columns:
        unique, number = name, 0
        while unique.lower() in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique.lower())
        names.append(unique)
    return names


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
