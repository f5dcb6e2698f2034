"""The same sums from every engine."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest

from sagekeeper.analyzers.rollup import AMOUNTS, BY, rollup


@pytest.fixture
def bill(rows: SimpleNamespace) -> pl.DataFrame:
    """Three groups: two lines of one usage type, one of another with an unknown amount, one of another day."""
    return rows.costs(  # type: ignore[no-any-return]
        rows.bill_line("Host:ml.m5.xlarge", 1.25, 5),
        rows.bill_line("Host:ml.m5.xlarge", 2.25, 9),
        rows.bill_line("Train:ml.m5.xlarge", 4.0, None, EffectiveCost=None),
        rows.bill_line("Host:ml.m5.xlarge", 8.0, 1, x_ChargeDate=date(2026, 11, 11)),
    ).select(*BY, *AMOUNTS)


def seen(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """The sums, in order."""
    picked = frame.sort("x_ChargeDate", "x_UsageType").select("x_UsageType", "lines", *AMOUNTS)
    return picked.rows()


EXPECTED = [
    ("Host:ml.m5.xlarge", 2, 3.5, 3.5, 14.0),
    ("Train:ml.m5.xlarge", 1, 4.0, None, None),
    ("Host:ml.m5.xlarge", 1, 8.0, 8.0, 1.0),
]


def test_polars_eager_and_lazy_give_the_sums_and_keep_the_unknown_unknown(bill: pl.DataFrame) -> None:
    assert seen(rollup(bill)) == EXPECTED
    assert seen(rollup(bill.lazy()).collect()) == EXPECTED


def test_duckdb_gives_the_same(bill: pl.DataFrame) -> None:
    with duckdb.connect() as connection:
        relation = connection.from_arrow(bill.to_arrow())
        assert seen(rollup(relation).pl()) == EXPECTED


@pytest.mark.scale
def test_spark_gives_the_same(bill: pl.DataFrame) -> None:
    sql = pytest.importorskip("pyspark.sql")
    session = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        frame = session.createDataFrame(bill.to_dicts(), schema=_spark_schema(bill))
        collected = [row.asDict() for row in rollup(frame).collect()]
    finally:
        session.stop()
    assert seen(pl.DataFrame(collected, schema_overrides=bill.schema)) == EXPECTED


def _spark_schema(bill: pl.DataFrame) -> str:
    types = {pl.String: "string", pl.Date: "date", pl.Float64: "double"}
    return ", ".join(f"{name} {types[type(dtype)]}" for name, dtype in bill.schema.items())
