"""The days of a bill, one after the other, each summed to what attribution needs (`analyzers/rollup.py`).

In: which files hold them (`Lake.files`). Out: a small frame a day, in the columns of `rollup`. Embedded, one day is in memory at
a time, whatever the bill's length: DuckDB sums it where the lake is on disk (half the memory of polars, and as fast or faster:
decisions/0006), polars where it is in an object store, which DuckDB reads only with an extension from the network. On Spark:
`service/spark_rollup.py`. All run the same expression.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import duckdb
import narwhals as nw
import polars as pl

from sagekeeper.analyzers.rollup import COLUMNS, rollup
from sagekeeper.core.lake import Lake
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS

ROLLED = {name: COSTS.columns[name] for name in COLUMNS} | {"lines": pl.Int64()}
"""What a rolled day looks like, whoever rolled it."""

KINDS = nw.from_native(COSTS.empty()).schema

Roll = Callable[[pl.DataFrame], Iterator[pl.DataFrame]]


@contextmanager
def rolling(lake: Lake, settings: Settings) -> Iterator[Roll]:
    """What rolls up days, as the settings say; give it rows of ``lake.files(COSTS)`` in the order of days."""
    wanted = settings.rollup
    if wanted.engine == "spark":
        from sagekeeper.service.spark_rollup import spark

        with spark(wanted.spark_remote) as roll:
            yield roll
    elif "://" in settings.lake_root or "*" in settings.lake_root:  # a pattern to DuckDB
        yield lambda files: _each_day(files, lambda dataset, day, _: on_polars(lake, dataset, day))
    else:
        with (
            tempfile.TemporaryDirectory(prefix="sagekeeper-rollup-") as beyond_memory,
            duckdb.connect(
                config={
                    "memory_limit": f"{wanted.memory_mb}MB",
                    "temp_directory": beyond_memory,
                    "preserve_insertion_order": "false",
                    "threads": "1",  # the same bill gives the same bits; and it costs a tenth less of the processor
                }
            ) as connection,
        ):
            yield lambda files: _each_day(files, lambda *day: on_duckdb(connection, *day))


def on_duckdb(connection: duckdb.DuckDBPyConnection, dataset: str, day: date, files: list[str]) -> pl.DataFrame:
    """One day from its files on disk. What does not fit into the connection's memory limit goes through its folder."""
    lines = nw.from_native(connection.read_parquet(files))
    missing = [name for name in COLUMNS if name not in lines.columns]  # declared since the file was written
    lines = lines.with_columns(
        *(nw.lit(None).cast(KINDS[name]).alias(name) for name in missing if name not in COSTS.partition),
        nw.lit(dataset).alias("x_Dataset"),
        nw.lit(day).alias("x_ChargeDate"),
    )
    sums: pl.DataFrame = rollup(lines.to_native()).pl()
    return sums


def on_polars(lake: Lake, dataset: str, day: date) -> pl.DataFrame:
    """One day from the lake, wherever it is."""
    of_day = (pl.col("x_Dataset") == dataset) & (pl.col("x_ChargeDate") == day)
    return rollup(lake.scan(COSTS).filter(of_day)).collect(engine="streaming")


def _each_day(files: pl.DataFrame, roll: Callable[[str, date, list[str]], pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for (dataset, day), held in files.group_by("x_Dataset", "x_ChargeDate", maintain_order=True):
        assert isinstance(dataset, str) and isinstance(day, date)
        yield roll(dataset, day, held["file"].to_list()).select(
            pl.col(name).cast(kind) for name, kind in ROLLED.items()
        )
