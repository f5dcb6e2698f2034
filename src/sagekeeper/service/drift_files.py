"""Two files of rows, column by column: a parquet file or a csv of any size is never in memory whole.

In: two paths. Out: per column name, both sides as series (None where a file has no such column). A parquet is read a
column at a time; a csv must be read whole for any column, so as many columns at a time as fit into `CSV_BYTES` of
text. Everything in a csv is text here: what a column is, is for the analysis to say. Raises BadInput where a file is
not there, cannot be read, is of another kind, or empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sagekeeper.core.errors import BadInput

CSV_BYTES = 100_000_000
KINDS = (".parquet", ".csv")


@dataclass(frozen=True)
class RowsFile:
    """A file that was opened, with its columns in its order."""

    path: Path
    columns: list[str]
    records: int | None
    """None: unknown until it is read."""

    def read(self, names: list[str]) -> pl.DataFrame:
        """These columns."""
        try:
            if self.path.suffix == ".parquet":
                table = pq.read_table(self.path, columns=names, use_threads=False, pre_buffer=False)
                frame = pl.from_arrow(table)
                assert isinstance(frame, pl.DataFrame)
                del table
                # What decoding took is kept for the next column otherwise, while the tests want room.
                pa.default_memory_pool().release_unused()
                return frame
            return _scan(self.path).select(names).collect(engine="streaming")
        except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
            raise BadInput(f"{self.path} cannot be read: {str(error).splitlines()[0]}") from error


def open_rows(path: Path) -> RowsFile:
    """Look at a file's columns."""
    if path.suffix not in KINDS:
        raise BadInput(f"{path}: the name ends in {' or '.join(KINDS)}.")
    if not path.is_file():
        raise BadInput(f"{path} is not there.")
    try:
        if path.suffix == ".parquet":
            meta = pq.read_metadata(path)
            opened = RowsFile(path, list(meta.schema.to_arrow_schema().names), meta.num_rows)
        else:
            opened = RowsFile(path, _scan(path).collect_schema().names(), None)
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if not opened.columns or opened.records == 0:
        raise BadInput(f"{path} has no rows.")
    return opened


def _scan(path: Path) -> pl.LazyFrame:
    return pl.scan_csv(path, infer_schema=False, low_memory=True)


def columns(reference: RowsFile, current: RowsFile, wanted: list[str]) -> Iterator[tuple[str, pl.Series, pl.Series]]:
    """Both sides of every column that both files have, of ``wanted``, in the order of the reference."""
    shared = [name for name in wanted if name in reference.columns and name in current.columns]
    together = min(_at_once(reference), _at_once(current))
    for start in range(0, len(shared), together):
        names = shared[start : start + together]
        before, now = reference.read(names), current.read(names)
        for file, frame in ((reference, before), (current, now)):
            if not frame.height:
                raise BadInput(f"{file.path} has no rows.")
        for name in names:
            # Taken out of its frame, a column is let go as soon as it was looked at.
            yield name, before.drop_in_place(name), now.drop_in_place(name)


def _at_once(file: RowsFile) -> int:
    if file.path.suffix == ".parquet":
        return 1
    passes = max(1, round(file.path.stat().st_size / CSV_BYTES))
    return max(1, -(-len(file.columns) // passes))
