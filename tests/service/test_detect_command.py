"""``sagekeeper detect``: a file of costs in, a file of flags out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import DAILY_COSTS, METRICS
from sagekeeper.service.cli import run


@pytest.fixture
def costs(tmp_path: Path) -> Path:
    rows = pl.DataFrame(
        {
            "series_id": ["s1"] * 120,
            "account": "111122223333",
            "service": "AmazonSageMaker",
            "usage_type": "Host:ml.g5.xlarge",
            "resource": "arn:endpoint/fraud",
            "ts": [date(2026, 1, 1) + timedelta(days=n) for n in range(120)],
            "cost": [100.0 + n * 7 % 3 for n in range(110)] + [400.0] * 3 + [100.0] * 7,
        }
    )
    file = tmp_path / "costs.parquet"
    rows.write_parquet(file)
    return file


def test_every_row_comes_back_with_the_scorers_columns(costs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = costs.with_name("flags.parquet")
    assert run(["detect", "--in", str(costs), "--out", str(target), "--json"]) == 0
    flags = pl.read_parquet(target)
    assert flags.columns == ["series_id", "ts", "score", "is_anomaly", "impact"]
    assert flags.height == 120
    assert flags.filter("is_anomaly")["ts"].to_list() == [date(2026, 4, 21)]
    told = json.loads(capsys.readouterr().out)
    assert told["flagged_rows"] == 1 and told["impact"] == pytest.approx(300, rel=0.02)


def test_a_file_that_is_no_parquet_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "costs.parquet"
    wrong.write_text("series_id,ts,cost\n")
    assert run(["detect", "--in", str(wrong), "--out", str(tmp_path / "out.parquet")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_days_that_are_known_are_given_in_a_file(
    costs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = tmp_path / "masks.csv"
    masks.write_text("series_id,first,last\ns1,2026-04-21,2026-04-23\n")
    assert run(["detect", "--in", str(costs), "--masks", str(masks), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flagged"] == []


def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The lake of a house in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGEKEEPER_CONFIG", raising=False)
    return Lake(tmp_path / ".sagekeeper" / "lake")


def test_without_a_file_the_bill_is_judged_resource_by_resource_without_tax(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    today = datetime.now(UTC).date()
    line = dict.fromkeys(DAILY_COSTS.columns) | {
        "dataset": "cost-explorer", "account": "123456789012", "currency": "EUR", "charge_category": "Usage",
    }  # fmt: skip
    rows = [
        line
        | {
            "day": today - timedelta(days=n),
            "resource_name": name,
            "billed_cost": 100.0 * (3 if (name, n) == ("b", 5) else 1),
        }
        for n in range(1, 121)
        for name in ("a", "b")
    ]
    tax = line | {"day": today - timedelta(days=6), "charge_category": "Tax", "billed_cost": 9999.0}
    here(tmp_path, monkeypatch).replace(DAILY_COSTS, pl.DataFrame([*rows, tax], schema=DAILY_COSTS.columns), Scope())
    assert run(["detect", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["series"] == 2
    assert [(row["series_id"].split(" / ")[-1], row["ts"]) for row in told["flagged"]] == [
        ("b", (today - timedelta(days=5)).isoformat())
    ]
    assert run(["detect"]) == 0
    assert "200.00 beyond the expected, EUR" in capsys.readouterr().out


def test_metrics_are_judged_by_the_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    point = dict.fromkeys(METRICS.columns) | {
        "account": "123456789012", "region": "us-east-1", "resource_kind": "endpoint", "resource_name": "fraud",
        "variant": "AllTraffic", "metric": "ModelLatency", "statistic": "Average", "period_seconds": 3600,
        "unit": "microseconds", "observed_at": now,
    }  # fmt: skip
    hours = [now - timedelta(hours=n) for n in range(1, 400)]
    rows = [
        point | {"start": hour, "day": hour.date(), "value": 200_000.0 + 1000 * (n % 5) + (900_000 if n == 30 else 0)}
        for n, hour in enumerate(hours)
    ]
    here(tmp_path, monkeypatch).replace(METRICS, pl.DataFrame(rows, schema=METRICS.columns), Scope())
    assert run(["detect", "--metrics", "--json"]) == 0
    flagged = json.loads(capsys.readouterr().out)["flagged"]
    assert [(row["start"], row["direction"]) for row in flagged] == [(hours[30].isoformat(), "up")]
    assert run(["detect", "--metrics"]) == 0
    assert "fraud / AllTraffic / ModelLatency" in capsys.readouterr().out


def test_metrics_and_a_file_exclude_each_other(costs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", "--metrics", "--in", str(costs)]) == 2
    assert "--metrics" in capsys.readouterr().err
