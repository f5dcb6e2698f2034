"""What the monitors of a model have said, and what its quality costs, from a lake of a few rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import ATTRIBUTIONS, DAILY_COSTS, METRICS, MODEL_QUALITY, MONITOR_RUNS, Table
from sagekeeper.reports.views.model_money import money
from sagekeeper.reports.views.monitor_results import results

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
HERE = {"account": "1", "region": "us-east-1"}


def run(days_ago: int, **more: Any) -> dict[str, Any]:
    at = NOW.replace(hour=5) - timedelta(days=days_ago)
    own = {"endpoint": "fraud", "schedule": "s", "execution_time": at, "day": at.date(), "observed_at": NOW}
    return HERE | own | more


def lake_of(folder: Path, *rows: tuple[Table, list[dict[str, Any]]]) -> Lake:
    lake = Lake(str(folder))
    for table, given in rows:
        blank = dict.fromkeys(table.columns)
        lake.append(table, pl.DataFrame([blank | row for row in given], schema=table.columns))
    return lake


def test_runs_come_newest_first_with_what_went_wrong_and_the_newest_attributions_in_their_order(tmp_path: Path) -> None:
    shap = {"method": "kernel_shap", "label": "label0"}
    attributions = [
        run(ago, feature=name, value=value, baseline=before, **shap)
        for ago, name, value, before in ((2, "a", 9.0, 3.0), (1, "a", 1.0, 3.0), (1, "b", 2.0, 1.0))
    ]
    runs = [
        run(2, scheduled_at=NOW - timedelta(days=2), status="Completed", unread="[]", billable_seconds=90),
        run(
            1,
            scheduled_at=NOW - timedelta(days=1),
            status="Failed",
            failure_reason="No data.",
            unread='["x is no JSON."]',
        ),
    ]
    quality = [
        run(
            1,
            problem="p",
            metric="auc",
            segment="",
            basis="labels",
            value=0.4,
            threshold=0.5,
            comparison="LessThanThreshold",
        )
    ]
    lake = lake_of(tmp_path, (ATTRIBUTIONS, attributions), (MONITOR_RUNS, runs), (MODEL_QUALITY, quality))
    found = results(lake, "1", "us-east-1", "fraud", NOW)
    assert found.runs.select("status", "minutes", "note").rows() == [
        ("Failed", None, "No data. x is no JSON."),
        ("Completed", 1.5, ""),
    ]
    assert found.quality["broken"].to_list() == [True]
    assert found.attributions["feature"].to_list() == ["b", "a"]
    assert found.order == pytest.approx(0.797, abs=1e-3)
    assert results(lake, "1", "us-east-1", "other", NOW).runs.is_empty()


def test_a_monitor_of_batches_is_found_by_the_name_of_its_schedule(tmp_path: Path) -> None:
    rows = [
        run(1, scheduled_at=NOW, endpoint=endpoint, schedule="nightly", status="Completed", unread="[]")
        for endpoint in ("", "fraud")
    ]
    assert results(lake_of(tmp_path, (MONITOR_RUNS, rows)), "1", "us-east-1", "nightly", NOW).runs.height == 1


def test_money_is_of_the_thirty_days_up_to_the_newest_day_of_the_bill(tmp_path: Path) -> None:
    usage = {
        "dataset": "cost-explorer",
        "service": "Amazon SageMaker",
        "charge_category": "Usage",
        "usage_family": "hosting",
        "resource_kind": "endpoint",
        "resource_name": "fraud",
        "attribution": "measured",
        "effective_cost": 5.0,
        "currency": "USD",
    }
    costs = [HERE | usage | {"day": (NOW - timedelta(days=ago)).date()} for ago in (1, 30, 31)]
    asked = {
        "resource_kind": "endpoint",
        "resource_name": "fraud",
        "variant": "v",
        "metric": "Invocations",
        "statistic": "Sum",
        "period_seconds": 86400,
        "value": 1000.0,
    }
    days = [(NOW - timedelta(days=ago)).replace(hour=0) for ago in (1, 30, 31)]
    metrics = [HERE | asked | {"start": day, "day": day.date()} for day in days]
    found = money(lake_of(tmp_path, (DAILY_COSTS, costs), (METRICS, metrics)), NOW)
    assert (found.first, found.last) == ((NOW - timedelta(days=30)).date(), (NOW - timedelta(days=1)).date())
    (row,) = found.rows.to_dicts()
    assert (row["cost"], row["requests"], row["per_1000"]) == (10.0, 2000.0, pytest.approx(5.0))
    assert money(Lake(str(tmp_path / "empty")), NOW).first is None
