"""Costs of any period as one file: FOCUS csv, FOCUS parquet, or a csv for people, however many rows there are.

In: `costs` rows of one bill, lazily. Out: the file, written day by day beside its place and put there when it is whole;
memory holds a day, never the period. A FOCUS file is data for programs: its text is exactly the bill's, also where it
begins with "=". The csv for people is guarded as every csv of ours that a spreadsheet opens (`export.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sagekeeper.core.errors import BadInput
from sagekeeper.reports.export import guarded
from sagekeeper.reports.focus_export import COLUMNS, DERIVED, NOT_TOLD, focus_export

ISO_TIME = "%Y-%m-%dT%H:%M:%SZ"
"""FOCUS 1.2, DateTimeFormat."""
BOM = b"\xef\xbb\xbf"
NUMBERS = [name for name, kind in COLUMNS.items() if kind == pl.Float64]


def write_costs(costs: pl.LazyFrame, kind: str, place: Path) -> int:
    """Write the rows to ``place`` as ``kind``, one of `KINDS`, and say how many they are."""
    if not place.parent.is_dir():
        raise BadInput(f"There is no folder {place.parent} to write {place.name} to. Make it, or choose another --out.")
    unfinished = place.with_name(f".{place.name}.unfinished")
    try:
        written = KINDS[kind](costs, unfinished)
        unfinished.replace(place)
    except OSError as error:
        raise BadInput(f"{place} cannot be written: {error.strerror or error}. Choose another --out.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def derived_counts(costs: pl.LazyFrame) -> dict[str, int]:
    """Column -> in how many rows of the FOCUS export its value is derived, the most first."""
    found: Counter[str] = Counter()
    for day in _days(costs):
        told = focus_export(day).select(DERIVED).collect()[DERIVED].value_counts()
        for names, rows in told.iter_rows():
            found.update(dict.fromkeys(names.split(",") if names else (), rows))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _focus_csv(costs: pl.LazyFrame, place: Path) -> int:
    return _csv((focus_export(day).with_columns(_as_text(name) for name in NUMBERS) for day in _days(costs)), place)


def _people_csv(costs: pl.LazyFrame, place: Path) -> int:
    names = [name for name in costs.collect_schema().names() if name not in NOT_TOLD]
    return _csv((guarded(day.select(names)) for day in _days(costs)), place, BOM)


def _focus_parquet(costs: pl.LazyFrame, place: Path) -> int:
    written = 0
    with pq.ParquetWriter(place, _arrow(focus_export(costs.limit(0))).schema, compression="zstd") as file:
        for day in _days(costs):
            rows = _arrow(focus_export(day))
            file.write_table(rows)
            written += rows.num_rows
    return written


def _days(costs: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    """The rows of each day, in order of the days."""
    for day in costs.select(pl.col("x_ChargeDate").unique().sort()).collect()["x_ChargeDate"]:
        yield costs.filter(pl.col("x_ChargeDate") == day)


def _csv(days: Iterator[pl.LazyFrame], place: Path, start: bytes = b"") -> int:
    written = 0
    with place.open("wb") as file:
        file.write(start)
        for number, day in enumerate(days):
            rows = day.collect()
            rows.write_csv(file, include_header=number == 0, datetime_format=ISO_TIME, float_scientific=False)
            written += rows.height
    return written


def _arrow(rows: pl.LazyFrame) -> pa.Table:
    return rows.collect().to_arrow(compat_level=pl.CompatLevel.oldest())


def _as_text(name: str) -> pl.Expr:
    """The shortest text that is the number, always with a point or an exponent: a reader that guesses types guesses right.
    FOCUS 1.2, NumericFormat-A-005 and 006: "mEn", and no plus."""
    number = pl.when(pl.col(name) == 0).then(0.0).otherwise(name)  # there is no minus zero
    return number.cast(pl.String).str.replace(r"e\+?", "E").alias(name)


KINDS: dict[str, Callable[[pl.LazyFrame, Path], int]] = {
    "focus-csv": _focus_csv,
    "focus-parquet": _focus_parquet,
    "csv": _people_csv,
}
"""What a file of costs can be."""
