"""Sums and what they are sums of: forecasts add up at every level, whatever each says for itself."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sagekeeper.analyzers.forecast_hierarchy import hierarchy
from sagekeeper.analyzers.forecasting import ForecastSettings, Given, month_end
from sagekeeper.core.errors import BadInput

FIRST = date(2026, 7, 1)
LEVELS = ["account", "service"]
WHOLE = ForecastSettings(provisional_days=0)


def spend(seed: int, series: int = 9, days: int = 112) -> pl.DataFrame:
    """Levels, bursts and a credit, in two accounts and three services."""
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(series):
        costs = 50 * rng.lognormal(0, 1) * rng.lognormal(0, 0.1, days)
        if number % 3 == 1:
            costs *= rng.random(days) < 0.15
        if number == 8:
            costs = -costs
        place = {"series_id": f"s{number}", "account": f"a{number % 2}", "service": f"v{number % 3}"}
        frames.append(pl.DataFrame({"ts": [FIRST + timedelta(days=n) for n in range(days)], "cost": costs}).with_columns(**{
            key: pl.lit(value) for key, value in place.items()
        }))  # fmt: skip
    return pl.concat(frames)


def together(found: pl.DataFrame, column: str) -> pl.DataFrame:
    """A parent's own beside the sum of its children's."""
    sums = found.filter(pl.col("level") > 0).group_by(node="parent", origin="origin").agg(children=pl.col(column).sum())
    return found.join(sums, on=["node", "origin"]).select("node", own=column, children="children")


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(60, 111))
def test_medians_and_what_is_spent_add_up_at_every_level(seed: int, day: int) -> None:
    found = hierarchy(spend(seed), LEVELS, [FIRST + timedelta(days=day)])
    for column in ("median", "spent"):
        both = together(found, column)
        assert both.height == 1 + 2 + found.filter(level=2).height
        assert both["own"].to_numpy() == pytest.approx(both["children"].to_numpy(), rel=1e-6, abs=1e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_ranges_hold_their_median_and_nothing_that_only_grows_ends_below_what_is_spent(seed: int) -> None:
    found = hierarchy(spend(seed, series=8), LEVELS)
    assert (np.diff(found.select("low95", "low80", "median", "high80", "high95").to_numpy(), axis=1) >= -1e-6).all()
    assert (found["low95"] >= found["spent"] - 1e-6).all()


def test_where_all_is_certain_nothing_is_moved() -> None:
    costs = spend(1).with_columns(cost=pl.col("series_id").str.slice(1).cast(pl.Float64) + 1)
    found = hierarchy(costs, LEVELS, settings=WHOLE).filter(level=3)
    alone = month_end(costs, settings=WHOLE)
    assert found["median"].to_numpy() == pytest.approx(alone["median"].to_numpy())


def test_the_uncertain_give_way_to_the_certain() -> None:
    costs = spend(2, series=2).with_columns(account=pl.lit("a0"), service=pl.lit("v0"))
    even = costs.with_columns(cost=pl.when(series_id="s0").then(100.0).otherwise("cost"))
    found = hierarchy(even, LEVELS, settings=WHOLE).filter(level=3)
    assert found.filter(node="s0")["median"].item() == pytest.approx(3100, rel=0.002)


def test_what_is_planned_for_one_series_reaches_every_sum_above_it() -> None:
    plan = pl.DataFrame(
        {"series_id": ["s0"], "first": [date(2026, 10, 21)], "last": [None], "factor": [1.0], "add": [500.0]}
    )
    costs = spend(3)
    before, after = (hierarchy(costs, LEVELS, settings=WHOLE, given=known) for known in (Given(), Given(planned=plan)))
    more = before.join(after, on=["level", "node"]).with_columns(by=pl.col("median_right") - pl.col("median"))
    assert more.filter(node="all")["by"].item() == pytest.approx(11 * 500, rel=0.02)
    assert more.filter(node="a0 / v0")["by"].item() == pytest.approx(11 * 500, rel=0.02)
    assert more.filter(node="a1")["by"].item() == pytest.approx(0, abs=100)


def test_the_order_of_rows_does_not_matter() -> None:
    costs = spend(4)
    assert_frame_equal(hierarchy(costs.sample(fraction=1.0, shuffle=True, seed=1), LEVELS), hierarchy(costs, LEVELS))


def test_a_series_in_two_places_is_refused_by_name() -> None:
    costs = spend(5).with_columns(
        account=pl.when(pl.col("ts") > date(2026, 9, 1)).then(pl.lit("x")).otherwise("account")
    )
    with pytest.raises(BadInput, match="Series s0 has several values"):
        hierarchy(costs, LEVELS)


def test_a_missing_level_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="no column team"):
        hierarchy(spend(6), ["team"])
