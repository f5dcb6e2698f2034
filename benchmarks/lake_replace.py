"""Replacing one day among 400: the lake (checked, compared, atomic) against rewriting one Parquet file.

Floor: writing the day's file.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import polars as pl

from benchmarks.timing import best_of, show
from sagekeeper.core.lake import Lake, Scope, days_between
from sagekeeper.core.tables import PRICES

DAYS = days_between(date(2025, 10, 1), date(2026, 11, 4))
ROWS_A_DAY = 2_000


def main() -> None:
    """Run it and print the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        lake, whole = Lake(Path(folder) / "lake"), pl.concat([_rows(day, 1.0) for day in DAYS])
        lake.replace(PRICES, whole, Scope(day_column="effective_on", first=DAYS[0], last=DAYS[-1]))
        file, part = Path(folder) / "all.parquet", Path(folder) / "day.parquet"
        whole.write_parquet(file)
        value = iter(range(2, 1000))
        day = DAYS[200]

        def one_file() -> None:
            others = pl.read_parquet(file).filter(pl.col("effective_on") != day)
            pl.concat([others, _rows(day, float(next(value)))]).write_parquet(file)

        seconds = {
            "floor: write the day's file": best_of(lambda: _rows(day, 1.0).write_parquet(part)),
            "sagekeeper Lake.replace": best_of(
                lambda: lake.replace(PRICES, _rows(day, float(next(value))), Scope({"effective_on": day}))
            ),
            "Lake.replace, same rows again": best_of(
                lambda: lake.replace(
                    PRICES,
                    lake.scan(PRICES).filter(pl.col("effective_on") == day).collect(),
                    Scope({"effective_on": day}),
                )
            ),
            "one Parquet file, rewritten": best_of(one_file),
        }
    show(f"Replace one of {len(DAYS)} days, {ROWS_A_DAY:,} rows a day", seconds, "floor: write the day's file")


def _rows(day: date, price: float) -> pl.DataFrame:
    return pl.DataFrame({"sku": [f"sku-{n}" for n in range(ROWS_A_DAY)]}).select(
        "sku",
        region=pl.lit("us-east-1"),
        effective_on=pl.lit(day),
        unit_price=pl.lit(price),
        unit=pl.lit("Hrs"),
        currency=pl.lit("USD"),
        quality=pl.lit("list"),
        source=pl.lit("benchmark"),
    )
