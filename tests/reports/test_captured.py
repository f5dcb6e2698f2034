"""How many requests there were is derived from the share that is captured, and unknown where that is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import CAPTURE_HOURS
from sagekeeper.reports.views.captured import CapturedWeek, captured_week
from sagekeeper.reports.views.models import ModelKey

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
KEY = ModelKey("123456789012", "us-east-1", "house", "main")


def lake_of(folder: Path, *hours: tuple[int, int, float | None]) -> Lake:
    """``hours``: how long ago, captured requests, percent captured."""
    rows = [
        dict.fromkeys(CAPTURE_HOURS.columns)
        | {"account": KEY.account, "region": KEY.region, "endpoint": "house", "folder": "main"}
        | {"window_start": NOW - timedelta(hours=ago), "day": (NOW - timedelta(hours=ago)).date(), "requests": requests}
        | {"sampling_percent": share, "estimated_requests": None if share is None else requests * 100 / share}
        | {"poison_lines": 1, "left_out": 2}
        for ago, requests, share in hours
    ]
    lake = Lake(folder / "lake")
    lake.replace(CAPTURE_HOURS, pl.DataFrame(rows, schema=CAPTURE_HOURS.columns), Scope())
    return lake


def test_hours_at_different_rates_are_scaled_each_by_its_own(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, (2, 50, 10.0), (3, 30, 100.0), (24 * 8, 999, 10.0))
    assert captured_week(lake, KEY, NOW) == CapturedWeek(80, 530.0, 10.0, 100.0, 2, 4)


def test_one_hour_at_an_unknown_rate_makes_the_number_unknown(tmp_path: Path) -> None:
    week = captured_week(lake_of(tmp_path, (2, 50, 10.0), (3, 30, None)), KEY, NOW)
    assert week is not None
    assert (week.requests, week.estimated) == (80, None)


def test_a_variant_without_captures_has_no_week(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, (2, 50, 10.0))
    assert captured_week(lake, ModelKey(*(KEY.account, KEY.region, "house", "other")), NOW) is None
