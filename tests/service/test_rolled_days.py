"""Embedded, the days of a bill come one by one, from DuckDB as from polars, and add up to the bill."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.service.bill_of_many_kinds import DATASETS, FIRST, put_bill

from sagekeeper.analyzers.rollup import AMOUNTS, BY
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.settings import Rollup, Settings
from sagekeeper.core.tables import COSTS
from sagekeeper.service.rolled_days import ROLLED, on_duckdb, on_polars, rolling


def test_days_come_in_order_and_add_up_to_the_bill(lake: Lake, tmp_path: Path) -> None:
    bill = put_bill(lake)
    with rolling(lake, Settings(data_dir=tmp_path)) as roll:
        days = list(roll(lake.files(COSTS)))
    keys = [(day["x_Dataset"].unique().to_list(), day["x_ChargeDate"].unique().to_list()) for day in days]
    assert keys == [([dataset], [FIRST + timedelta(days=offset)]) for dataset in DATASETS for offset in range(3)]
    assert all(day.schema == ROLLED for day in days)
    sums = pl.concat(days)
    assert sums["lines"].sum() == bill.height > sums.height
    for amount in ("BilledCost", "EffectiveCost", "ListCost", "ConsumedQuantity"):
        assert sums[amount].sum() == pytest.approx(bill[amount].sum(), rel=1e-9)


@pytest.mark.parametrize("dataset", DATASETS)
def test_duckdb_and_polars_agree_on_a_day_to_a_billionth(lake: Lake, dataset: str) -> None:
    put_bill(lake, days=1)
    files = lake.files(COSTS).filter(pl.col("x_Dataset") == dataset)["file"].to_list()
    with duckdb.connect() as connection:
        ours = on_duckdb(connection, dataset, FIRST, files)
    other = on_polars(lake, dataset, FIRST)
    assert_frame_equal(ours, other, check_row_order=False, check_exact=False, rel_tol=1e-9, abs_tol=1e-9)
    assert ours.select(AMOUNTS).null_count().rows() == other.select(AMOUNTS).null_count().rows()


def test_a_lake_in_a_folder_that_looks_like_a_pattern_is_rolled_up_too(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "our*bills")
    lake = Lake(settings.lake_root)
    bill = put_bill(lake, days=1)
    with rolling(lake, settings) as roll:
        assert sum(day["lines"].sum() for day in roll(lake.files(COSTS))) == bill.height


def test_a_day_that_does_not_fit_into_the_allowed_memory_is_rolled_up_all_the_same(lake: Lake, tmp_path: Path) -> None:
    many = put_bill(lake, days=1, lines_a_day=40)
    wide = pl.concat([many.filter(pl.col("x_Dataset") == DATASETS[0])] * 500).with_columns(
        Tags=pl.concat_str(pl.lit("x" * 8_000), pl.int_range(pl.len()).cast(pl.String))  # 160 MB, all different
    )
    lake.replace_streamed(COSTS, [wide], Scope({"x_Dataset": DATASETS[0], "x_ChargeDate": FIRST}))
    settings = Settings(data_dir=tmp_path, rollup=Rollup(memory_mb=128))
    with rolling(lake, settings) as roll:
        day = next(roll(lake.files(COSTS)))
    assert day.height == 20_000
    assert day.select(BY).is_unique().all()


def test_a_day_written_before_a_column_was_declared_is_rolled_up_with_that_column_unknown(tmp_path: Path) -> None:
    file = str(tmp_path / "old.parquet")
    rows = [("USD", 1.5, 2.0), ("USD", 2.5, 3.0)]
    names = {"BillingCurrency": pl.String, "BilledCost": pl.Float64, "ConsumedQuantity": pl.Float64}
    old = pl.DataFrame(rows, schema=names, orient="row")
    kept = [name for name in ROLLED if name not in (*COSTS.partition, "lines", "ListCost", "ChargeDescription", *names)]
    old.with_columns(pl.lit(None, dtype=ROLLED[name]).alias(name) for name in kept).write_parquet(file)
    with duckdb.connect() as connection:
        day = on_duckdb(connection, "cost-explorer", FIRST, [file])
    seen = day.select("BillingCurrency", "BilledCost", "ListCost", "ChargeDescription", "lines").rows()
    assert seen == [("USD", 4.0, None, None, 2)]
