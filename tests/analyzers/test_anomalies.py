"""The detector, on series whose answer is plain, and what must hold for all."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.anomalies import detect
from sagekeeper.core.errors import BadInput
from sagekeeper.core.settings import Anomalies

FIRST = date(2026, 1, 5)  # a Monday
FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def frame(**series: np.ndarray) -> pl.DataFrame:
    """Daily costs, a series per name."""
    return pl.concat(
        pl.DataFrame(
            {
                "series_id": name,
                "account": "111122223333",
                "service": "AmazonSageMaker",
                "usage_type": f"Host:{name}",
                "resource": name,
                "ts": [FIRST + timedelta(days=n) for n in range(len(costs))],
                "cost": costs,
            }
        )
        for name, costs in series.items()
    )


def noisy(seed: int, days: int, level: float = 100.0, sd: float = 0.05) -> np.ndarray:
    """A level with a weekend and noise."""
    draw = np.random.default_rng(seed)
    week = np.where(np.arange(days) % 7 >= 5, 0.6, 1.0)
    return level * week * np.exp(draw.normal(0, sd, days))


def runs(seed: int, days: int) -> np.ndarray:
    """A job that runs now and then."""
    draw = np.random.default_rng(seed)
    return np.where(draw.random(days) < 0.25, 20 * np.exp(draw.normal(0, 0.5, days)), 0.0)


def flagged(found: pl.DataFrame, name: str = "a") -> list[int]:
    """Days, counted from the first, on which ``name`` is told."""
    told = found.filter("is_anomaly", pl.col("series_id") == name)
    return [(day - FIRST).days for day in told["ts"]]


def test_a_doubled_endpoint_is_told_on_its_first_day_with_its_excess() -> None:
    costs = noisy(1, 160)
    costs[140:146] *= 3
    found = detect(frame(a=costs))
    assert flagged(found)[0] == 140
    first = found.filter(pl.col("ts") == FIRST + timedelta(days=140)).row(0, named=True)
    assert first["impact"] == pytest.approx(costs[140] * 2 / 3, rel=0.15)
    assert first["expected"] == pytest.approx(costs[140] - first["impact"])


def test_what_came_on_this_day_of_the_last_months_is_no_news() -> None:
    costs = np.full(200, 100.0) * np.exp(np.random.default_rng(2).normal(0, 0.03, 200))
    days = [FIRST + timedelta(days=n) for n in range(200)]
    costs[[n for n, day in enumerate(days) if day.day == 1]] *= 2.0
    # 1 February is news; afterwards the first of the month is dear every month.
    assert flagged(detect(frame(a=costs))) == [27]


def test_a_fall_is_never_told() -> None:
    costs = noisy(3, 160)
    costs[130:] *= 0.2
    assert flagged(detect(frame(a=costs))) == []


def test_a_new_level_is_told_once() -> None:
    costs = noisy(4, 250)
    costs[120:] *= 2.5
    assert flagged(detect(frame(a=costs))) == [120]


def test_days_that_are_known_or_accepted_are_neither_told_nor_learned() -> None:
    costs = noisy(5, 200)
    costs[140:150] *= 3
    costs[170:175] *= 3
    known = pl.DataFrame(
        {"series_id": ["a"], "first": [FIRST + timedelta(days=140)], "last": [FIRST + timedelta(days=149)]}
    )
    told = flagged(detect(frame(a=costs), known=known))
    assert min(told) == 170


def test_a_flag_on_the_last_two_days_says_that_it_may_be_withdrawn() -> None:
    costs = noisy(6, 160)
    costs[158:] *= 4
    found = detect(frame(a=costs))
    assert flagged(found) == [158]
    assert found.filter("is_anomaly")["provisional"].to_list() == [True]
    assert found["provisional"].sum() == 2


def test_a_rise_is_told_again_when_it_has_grown_by_half() -> None:
    costs = noisy(8, 160, sd=0.02)
    costs[134:136] *= 2
    costs[136:138] *= 4
    assert flagged(detect(frame(a=costs))) == [134, 136]


def test_one_price_that_rises_is_told_once_for_all_that_it_raises() -> None:
    three = {
        name: noisy(seed, 160, level, 0.01) for seed, (name, level) in enumerate({"a": 50, "b": 200, "c": 90}.items())
    }
    for costs in three.values():
        costs[140:150] *= 1.5
    costs = frame(**three).with_columns(usage_type=pl.lit("Host:ml.g5.xlarge"))
    found = detect(costs)
    day = found.filter(pl.col("ts") == FIRST + timedelta(days=140)).sort("series_id")
    assert day["is_anomaly"].to_list() == [False, True, False]
    assert day["impact"].to_list() == pytest.approx([25, 100, 45], rel=0.1)


def test_a_creep_of_two_percent_a_day_is_told_before_it_has_doubled() -> None:
    costs = noisy(9, 260)
    costs[180:225] *= np.exp(0.02 * np.arange(1, 46))
    told = flagged(detect(frame(a=costs)))
    assert told and 180 < told[0] < 215


def test_steady_growth_is_no_creep() -> None:
    growth = np.exp(0.005 * np.arange(300)) * np.exp(np.random.default_rng(11).normal(0, 0.005, 300))
    assert flagged(detect(frame(a=100 * growth))) == []


def test_a_machine_that_is_not_switched_off_is_told_though_no_day_is_dearer_than_ever() -> None:
    costs = np.zeros(200)
    costs[3::9] = np.random.default_rng(10).uniform(5, 20, len(costs[3::9]))
    costs[150:170] = 20.0
    told = flagged(detect(frame(a=costs)))
    assert told and 150 < told[0] <= 155


def test_noise_alone_is_hardly_ever_told() -> None:
    series = {f"s{n}": noisy(n, 250, sd=0.15) if n % 2 else runs(n, 250) for n in range(60)}
    told = detect(frame(**series))["is_anomaly"].sum()
    assert told <= 2  # 60 series over 8 months: less than 5 of 1,000 months


def test_a_higher_share_of_false_ones_tells_no_less() -> None:
    series = {f"s{n}": noisy(n, 150, sd=0.15) for n in range(20)}
    series["s3"][120:124] *= 1.9
    strict = detect(frame(**series), Anomalies(false_share=0.01))["is_anomaly"]
    loose = detect(frame(**series), Anomalies(false_share=0.3, least_surprise=2))["is_anomaly"]
    assert not (strict & ~loose).any()
    assert loose.sum() > strict.sum()


def test_an_unknown_cost_is_neither_judged_nor_learned_as_zero() -> None:
    costs = noisy(7, 160)
    costs[120:130] = np.nan
    found = detect(frame(a=costs))
    gone = found.filter(pl.col("impact").is_null())
    assert gone.height == 10 and gone["score"].null_count() == 10
    assert flagged(found) == []


def test_hours_are_judged_within_their_day() -> None:
    hours = pl.datetime_range(FIRST, FIRST + timedelta(days=100), "1h", closed="left", eager=True)
    cost = np.full(2400, 10.0)
    cost[95 * 24 + 12 : 97 * 24] = 60.0
    rows = pl.DataFrame({"series_id": "a", "ts": hours, "cost": cost})
    found = detect(rows)
    assert found.height == 2400
    told = found.filter("is_anomaly")["ts"].dt.date().unique().sort().to_list()
    assert told == [FIRST + timedelta(days=95), FIRST + timedelta(days=96)]
    # 12 hours at 10 and 12 at 60 are 840, 600 above a day of 240: known when the sum passes it, at 15:00.
    first = found.filter("is_anomaly").head(1)
    assert first["ts"].item().hour == 14
    day = found.filter(pl.col("ts").dt.date() == told[0])
    assert day["impact"].sum() == pytest.approx(600, rel=0.02)


def test_a_frame_without_costs_is_refused_and_an_empty_one_is_empty() -> None:
    costs = frame(a=np.array([1.0]))
    with pytest.raises(BadInput, match="cost"):
        detect(costs.drop("cost"))
    assert detect(costs.clear()).is_empty()


@FEW
@given(level=st.floats(1e-6, 1e9), days=st.integers(1, 150))
def test_a_constant_series_never_alarms(level: float, days: int) -> None:
    assert not detect(frame(a=np.full(days, level)))["is_anomaly"].any()


@FEW
@given(seed=st.integers(0, 999), power=st.integers(-10, 10))
def test_costs_in_another_unit_are_judged_alike(seed: int, power: int) -> None:
    costs, factor = frame(a=noisy(seed, 130, sd=0.3), b=runs(seed, 130)), 2.0**power
    least = Anomalies().least_money
    one = detect(costs, Anomalies(least_money=least))
    other = detect(costs.with_columns(pl.col("cost") * factor), Anomalies(least_money=least * factor))
    assert one["is_anomaly"].equals(other["is_anomaly"])
    np.testing.assert_allclose(other["score"], one["score"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(other["impact"], one["impact"] * factor, rtol=1e-3, atol=1e-3 * factor)


@FEW
@given(seed=st.integers(0, 999))
def test_the_order_of_rows_and_series_does_not_matter(seed: int) -> None:
    costs = frame(a=noisy(seed, 120, sd=0.3), b=runs(seed, 120), c=noisy(seed + 1, 90))
    shuffled = costs.sample(fraction=1.0, shuffle=True, seed=seed)
    renamed = shuffled.with_columns(pl.col("series_id").replace({"a": "z"}))
    keys = ["series_id", "ts"]
    one = detect(costs).with_columns(pl.col("series_id").replace({"a": "z"})).sort(keys)
    assert one.equals(detect(renamed).sort(keys))


@FEW
@given(seed=st.integers(0, 999))
def test_another_series_changes_no_score(seed: int) -> None:
    alone = detect(frame(a=noisy(seed, 120, sd=0.3), b=runs(seed, 120)))
    along = detect(frame(a=noisy(seed, 120, sd=0.3), b=runs(seed, 120), c=noisy(seed + 1, 140, 1e5, 0.5)))
    both = alone.join(along, on=["series_id", "ts"], suffix="_along")
    assert both.height == 240
    assert both["score"].equals(both["score_along"].rename("score"))


@FEW
@given(seed=st.integers(0, 999), cut=st.integers(20, 119))
def test_no_row_looks_ahead(seed: int, cut: int) -> None:
    spike = noisy(seed, 120, sd=0.2)
    spike[80:86] *= 3
    costs = frame(a=spike, b=runs(seed, 120)).filter((pl.col("cost") > 0) | (pl.col("ts").dt.day() % 5 == 0))
    whole = detect(costs).filter(pl.col("ts") < FIRST + timedelta(days=cut))
    then = detect(costs.filter(pl.col("ts") < FIRST + timedelta(days=cut)))
    assert whole.drop("provisional").equals(then.drop("provisional"))


@FEW
@given(seed=st.integers(0, 999))
def test_the_rows_of_a_day_add_up_to_the_day(seed: int) -> None:
    days = noisy(seed, 100, sd=0.3)
    days[90] *= 5
    whole = frame(a=days)
    parts = pl.concat([whole.with_columns(pl.col("cost") * share) for share in (0.2, 0.5, 0.3)])
    one, many = detect(whole), detect(parts).group_by("ts", maintain_order=True).agg(pl.col("impact", "expected").sum())
    np.testing.assert_allclose(many.sort("ts")["impact"], one["impact"], atol=1e-3)
    np.testing.assert_allclose(many.sort("ts")["expected"], one["expected"], atol=1e-3)
