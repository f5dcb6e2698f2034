"""Rows in two sets are counted, exactly or by a sketch; features that tell the label are named."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from sagekeeper.analyzers.leakage import overlaps, row_hashes, tells


def rows(first: int, last: int) -> pl.DataFrame:
    """Rows with a number each."""
    return pl.DataFrame({"x": range(first, last), "y": [f"row {n}" for n in range(first, last)]})


def test_rows_of_the_test_that_are_in_the_training_are_counted() -> None:
    found = overlaps({"train": row_hashes(rows(0, 1000)), "test": row_hashes(rows(950, 1150))})
    assert [(one.inner, one.outer, one.share, one.rows) for one in found] == [
        ("test", "train", 0.25, 50),
        ("train", "test", 0.05, 50),
    ]
    assert (found[0].low, found[0].high) == (0.25, 0.25)


def test_a_sketch_of_the_hashes_gives_the_share_with_an_interval_that_holds_it() -> None:
    found = overlaps(
        {"train": row_hashes(rows(0, 40_000), most=4096), "test": row_hashes(rows(35_000, 45_000), most=4096)}
    )
    test = next(one for one in found if one.inner == "test")
    assert test.low < 0.5 < test.high and test.high - test.low < 0.1
    assert test.rows == pytest.approx(5000, rel=0.1)


def test_sets_without_a_common_row_share_nothing() -> None:
    assert overlaps({"train": row_hashes(rows(0, 500)), "test": row_hashes(rows(500, 900))}) == []


def test_the_order_of_columns_and_whole_numbers_stored_as_floats_make_no_other_row() -> None:
    other = rows(0, 10).select("y", pl.col("x").cast(pl.Float64))
    assert overlaps({"train": row_hashes(rows(0, 10)), "test": row_hashes(other)})[0].share == 1.0


def labelled(n: int = 400) -> pl.DataFrame:
    chance = np.random.default_rng(1)
    churned = chance.random(n) < 0.3
    return pl.DataFrame(
        {
            "churned": churned.astype(int),
            "age": chance.normal(40, 10, n),
            "good": chance.normal(0, 1, n) + churned,
            "closing_fee": np.where(churned, 20.0, 0.0) + chance.normal(0, 1, n),
            "closed_on": pl.Series(["2026-05-01"] * n).set(pl.Series(~churned), None),
            "id": [f"customer {number}" for number in range(n)],
        }
    )


def test_a_feature_of_after_the_fact_gives_the_label_away() -> None:
    found = {one.feature: one for one in tells(labelled(), "churned")}
    assert set(found) == {"closing_fee", "closed_on"}
    assert found["closed_on"].only_missing and not found["closing_fee"].only_missing


def test_a_label_of_numbers_is_told_by_its_copy_in_another_unit() -> None:
    price = np.random.default_rng(2).normal(100, 20, 300)
    frame = pl.DataFrame({"price": price, "price_cents": price * 100, "rooms": np.arange(300) % 5})
    assert [one.feature for one in tells(frame, "price")] == ["price_cents"]


def test_few_rows_and_a_label_of_one_value_tell_nothing() -> None:
    assert tells(labelled(20), "churned") == []
    assert tells(labelled().with_columns(churned=pl.lit(1)), "churned") == []
