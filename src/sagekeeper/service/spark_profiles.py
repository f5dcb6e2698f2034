"""Captures profiled on Spark, for more of them than one machine wants to read: the same two functions, on many.

In: a Spark session, addresses of capture files, what is known of the endpoint. Out: the rows that `data_capture` would write for
the same files (schema `ROWS`). Each machine profiles its files by hour (`capture_hours.profiled`), and the hours' parts are then
put together (`capture_hours.together`): only profiles travel. Types that nobody told are those of the first file, so that all
machines take a feature for the same.

Needs the extra ``spark`` here, and Sagekeeper installed where Spark's workers run, with the same Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import pyarrow as pa

from sagekeeper.collector.capture_hours import HOUR, ROWS, Chunk, Schema, profiled, together
from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.core.errors import BadInput

PLACE = re.compile(r"/([^/]+)/(\d{4})/(\d{2})/(\d{2})/(\d{2})/[^/]+$")
"""The variant's folder and the hour, at the end of a file's address."""
SPELLED = {
    pl.String: "STRING",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Binary: "BINARY",
    pl.Datetime: "TIMESTAMP",
}
SPARK_ROWS = ", ".join(f"`{name}` {SPELLED[type(kind)]}" for name, kind in ROWS.items())
PLAIN = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
ARROW = pa.schema(
    [
        (field.name, PLAIN.get(field.type, field.type))
        for field in pl.DataFrame(schema=ROWS).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    ]
)
COUNT = "count"
"""Type of a row that is no profile but the count of an hour's records."""


def profile_files(session: Any, files: Sequence[str], schema: Schema) -> pl.DataFrame:
    """Rows of all hours that ``files`` are of. Raises BadInput for none, and for addresses without a variant and an hour."""
    if not files:
        raise BadInput("There are no capture files to profile.")
    lost = [file for file in files if not PLACE.search(file)]
    if lost:
        raise BadInput(f"{lost[0]} does not end in variant/yyyy/mm/dd/hh/file: its hour is not known.")
    told = _with_types(session, files[0], schema)
    loaded = session.read.format("binaryFile").load([_address(file) for file in files]).select("path", "content")
    parts = loaded.mapInArrow(lambda batches: _parts(batches, told), SPARK_ROWS)
    whole = parts.groupBy(*HOUR).applyInArrow(_whole, SPARK_ROWS)
    return _typed(pl.DataFrame(whole.toArrow()))


def _with_types(session: Any, file: str, schema: Schema) -> Schema:
    first = session.read.format("binaryFile").load(_address(file)).select("path", "content").toArrow()
    rows = next(_parts(iter(first.to_batches()), schema), None)
    seen = (
        {}
        if rows is None
        else {
            (row["role"], row["feature"]): row["type"]
            for row in pl.DataFrame(rows).iter_rows(named=True)
            if row["type"] != COUNT
        }
    )
    return replace(schema, types={**seen, **schema.types})


def _parts(batches: Iterator[pa.RecordBatch], schema: Schema) -> Iterator[pa.RecordBatch]:
    """On a worker: the profiles of a few files, and the counts of their hours as rows beside them."""
    for batch in batches:
        files = list(zip(batch["path"].to_pylist(), batch["content"].to_pylist(), strict=True))
        if not files:
            continue
        read = profiled(read_lines(files), _hours([name for name, _ in files]), schema)
        counts = read.counts.select(*HOUR, "records", feature=pl.lit(""), type=pl.lit(COUNT))
        rows = pl.concat([read.rows, counts], how="diagonal")
        yield from _arrow(rows)


def _whole(parts: pa.Table) -> pa.Table:
    """On a worker: all parts of one hour of one variant, put together."""
    rows = _typed(pl.DataFrame(parts))
    is_count = pl.col("type") == COUNT
    counts = rows.filter(is_count).select(*HOUR, "records")
    whole = together([Chunk(rows.filter(~is_count), counts, _NOTHING)], {})
    return pa.Table.from_batches(_arrow(whole.rows)) if whole.rows.height else parts.slice(0, 0)


_NOTHING = pl.DataFrame(
    schema={"file": pl.String, "line": pl.Int64, "record": pl.Int64, "side": pl.String, "why": pl.String}
)


def _arrow(rows: pl.DataFrame) -> list[pa.RecordBatch]:
    table = rows.select(ROWS.keys()).to_arrow(compat_level=pl.CompatLevel.oldest())
    # Spark takes Arrow's plain strings and bytes; polars writes its large ones.
    batches: list[pa.RecordBatch] = table.cast(ARROW).to_batches()
    return batches


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(kind) for name, kind in ROWS.items())


def _hours(files: Sequence[str]) -> pl.DataFrame:
    read = pl.DataFrame({"file": files}).with_columns(part=pl.col("file").str.extract_groups(PLACE.pattern))
    year, *rest = (pl.col("part").struct.field(str(at)).cast(pl.Int32) for at in range(2, 6))
    return read.select(
        "file",
        variant=pl.col("part").struct.field("1"),
        window_start=pl.datetime(year, *rest, time_unit="us", time_zone="UTC"),
    )


def _address(file: str) -> str:
    return f"s3a://{file.removeprefix('s3://')}" if file.startswith("s3://") else file
