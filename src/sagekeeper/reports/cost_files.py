"""Costs of any period as one file: FOCUS csv, FOCUS parquet, or a csv for people, however many rows there are.

In: `costs` rows of one bill, lazily. Out: the file, written batch by batch beside its place and put there when it is whole;
memory holds some batches, never the period. A FOCUS file is data for programs: its text is exactly the bill's, also where
it begins with "=". The csv for people is guarded as every csv of ours that a spreadsheet opens (`export.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from sagekeeper.core.errors import BadInput
from sagekeeper.reports.export import guarded
from sagekeeper.reports.focus_export import COLUMNS, DERIVED, NOT_TOLD, focus_export

ISO_TIME = "%Y-%m-%dT%H:%M:%SZ"
"""FOCUS 1.2, DateTimeFormat."""


def write_costs(costs: pl.LazyFrame, kind: str, place: Path) -> int:
    """Write the rows to ``place`` as ``kind``, one of `KINDS`, and say how many they are."""
    if not place.parent.is_dir():
        raise BadInput(f"There is no folder {place.parent} to write {place.name} to. Make it, or choose another --out.")
    rows = KINDS[kind]
    unfinished = place.with_name(f".{place.name}.unfinished")
    try:
        rows(costs, unfinished)
        written = _count(unfinished, kind)
        unfinished.replace(place)
    except OSError as error:
        raise BadInput(f"{place} cannot be written: {error.strerror or error}. Choose another --out.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def derived_counts(costs: pl.LazyFrame) -> dict[str, int]:
    """Column -> in how many rows of the FOCUS export its value is derived, the most first."""
    told = focus_export(costs).select(pl.col(DERIVED).str.split(",")).explode(DERIVED).drop_nulls()
    counted = told.group_by(DERIVED).len().sort("len", DERIVED, descending=[True, False]).collect(engine="streaming")
    return dict(counted.iter_rows())


def _focus_csv(costs: pl.LazyFrame, place: Path) -> None:
    rows = focus_export(costs)
    numbers = [name for name, kind in COLUMNS.items() if kind == pl.Float64]
    rows.with_columns(_as_text(name) for name in numbers).sink_csv(place, datetime_format=ISO_TIME, engine="streaming")


def _focus_parquet(costs: pl.LazyFrame, place: Path) -> None:
    focus_export(costs).sink_parquet(place, compression="zstd", engine="streaming")


def _people_csv(costs: pl.LazyFrame, place: Path) -> None:
    names = [name for name in costs.collect_schema().names() if name not in NOT_TOLD]
    guarded(costs.select(names)).sink_csv(
        place, include_bom=True, float_scientific=False, datetime_format=ISO_TIME, engine="streaming"
    )


def _as_text(name: str) -> pl.Expr:
    """The shortest text that is the number, always with a point or an exponent: a reader that guesses types guesses right.
    FOCUS 1.2, NumericFormat-A-005 and 006: "mEn", and no plus."""
    number = pl.when(pl.col(name) == 0).then(0.0).otherwise(name)  # there is no minus zero
    return number.cast(pl.String).str.replace(r"e\+?", "E").alias(name)


def _count(place: Path, kind: str) -> int:
    read = pl.scan_parquet(place) if kind == "focus-parquet" else pl.scan_csv(place, infer_schema=False)
    return int(read.select(pl.len()).collect(engine="streaming").item())


KINDS: dict[str, Callable[[pl.LazyFrame, Path], None]] = {
    "focus-csv": _focus_csv,
    "focus-parquet": _focus_parquet,
    "csv": _people_csv,
}
"""What a file of costs can be."""
