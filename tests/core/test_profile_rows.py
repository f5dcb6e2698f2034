"""Any window is a merge of its hours: what it adds up to is what it was made of, however it is cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.core import profile_rows
from sagekeeper.core.feature_profile import Profile, columns
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.profile_rows import FEATURE, profiles
from sagekeeper.core.tables import FEATURE_HOURS

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def hour(after: int, mean: float, records: int, endpoint: str = "house", share: float = 100.0) -> dict[str, object]:
    start = MONDAY + timedelta(hours=after)
    return (
        dict.fromkeys(FEATURE_HOURS.columns)
        | columns(Profile("numeric", records, mean=mean, squares=0.0, minimum=mean, maximum=mean))
        | {"account": "1", "region": "r", "endpoint": endpoint, "variant": "v", "feature": "f", "role": "capture"}
        | {"window_start": start, "window_end": start + timedelta(hours=1), "day": start.date()}
        | {"sampling_percent": share}
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path / "lake")
    hours = [hour(9, 1.0, 10), hour(10, 4.0, 20), hour(33, 7.0, 10), hour(9 + 7 * 24, 2.0, 30, share=50.0)]
    rows = pl.DataFrame([*hours, hour(9, 100.0, 5, "other")], schema=FEATURE_HOURS.columns)
    made.replace(FEATURE_HOURS, rows, Scope())
    return made


@pytest.mark.parametrize("at_once", [1, 50_000])
def test_a_window_is_the_sum_of_its_hours(lake: Lake, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(profile_rows, "ROWS_AT_ONCE", at_once)
    house = pl.col("endpoint") == "house"
    found = profiles(lake, MONDAY, MONDAY + timedelta(days=14), where=house).row(0, named=True)
    assert (found["records"], found["mean"], found["minimum"], found["maximum"]) == (
        70,
        pytest.approx(220 / 70),
        1.0,
        7.0,
    )
    assert found["std"] == pytest.approx(
        (sum(n * (x - 220 / 70) ** 2 for x, n in ((1, 10), (4, 20), (7, 10), (2, 30))) / 70) ** 0.5
    )
    assert (found["window_start"], found["window_end"]) == (
        MONDAY + timedelta(hours=9),
        MONDAY + timedelta(days=7, hours=10),
    )
    assert found["sampling_percent"] is None  # it was not the same all the time


def test_the_end_of_a_window_is_not_in_it_and_the_same_hour_of_every_week_is_a_window(lake: Lake) -> None:
    day = profiles(lake, MONDAY, MONDAY + timedelta(hours=10), where=pl.col("endpoint") == "house")
    assert day["records"].to_list() == [10]
    at_nine = (pl.col("window_start").dt.weekday() == 1) & (pl.col("window_start").dt.hour() == 9)
    mondays = profiles(lake, MONDAY, MONDAY + timedelta(days=30), where=at_nine).sort("endpoint")
    assert mondays.select("endpoint", "records").rows() == [("house", 40), ("other", 5)]


def test_a_window_without_hours_has_no_rows(lake: Lake) -> None:
    empty = profiles(lake, MONDAY - timedelta(days=9), MONDAY)
    assert empty.height == 0
    assert set(FEATURE) <= set(empty.columns)
