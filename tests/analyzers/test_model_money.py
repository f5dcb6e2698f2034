"""What a model's quality costs, on figures that can be checked by hand: 10 USD and 1,000 requests a day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers.model_money import Known, money
from sagekeeper.core.tables import INVENTORY, JOBS, MODEL_QUALITY, MONITOR_RUNS, Table

FIRST = date(2026, 11, 1)
PLACE = {"account": "1", "region": "us-east-1"}
USAGE = {
    **dict.fromkeys(("account", "region", "name", "currency", "kind"), pl.String()),
    "day": pl.Date(),
    "effective_cost": pl.Float64(),
}
REQUESTS = {
    **dict.fromkeys(("account", "region", "name", "variant"), pl.String()),
    "day": pl.Date(),
    "requests": pl.Float64(),
}
PROFILES = {**dict.fromkeys(("account", "region", "endpoint", "role"), pl.String()), "records": pl.Int64()}


def cost(kind: str, name: str, amount: float | None, day: int = 0) -> dict[str, Any]:
    return PLACE | {
        "name": name,
        "currency": "USD",
        "kind": kind,
        "day": FIRST + timedelta(days=day),
        "effective_cost": amount,
    }


def frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(table.columns) | row for row in rows], schema=table.columns)


def said(
    day: int, metric: str, value: float, threshold: float | None = None, comparison: str = "LessThanThreshold"
) -> dict[str, Any]:
    """A run of a model quality monitor at noon."""
    at = datetime(FIRST.year, FIRST.month, FIRST.day, 12, tzinfo=UTC) + timedelta(days=day)
    return PLACE | {
        "endpoint": "fraud",
        "execution_time": at,
        "metric": metric,
        "segment": "",
        "value": value,
        "threshold": threshold,
        "comparison": comparison,
    }


def known(**given: Any) -> Known:
    days = range(4)
    usage = [cost("endpoint", "fraud", 10.0, day) for day in days] + given.pop("usage", [])
    asked = given.pop("requests", [1000.0] * 4)
    requests = [
        PLACE | {"name": "fraud", "variant": "v", "day": FIRST + timedelta(days=day), "requests": asked[day]}
        for day in days
    ]
    tables = {"quality": MODEL_QUALITY, "runs": MONITOR_RUNS, "endpoints": INVENTORY, "jobs": JOBS}
    frames = {name: frame(table, given.pop(name, [])) for name, table in tables.items()}
    training = {"account": pl.String(), "name": pl.String(), "cost": pl.Float64()}
    return Known(
        usage=pl.DataFrame(usage, schema=USAGE),
        requests=pl.DataFrame(requests, schema=REQUESTS),
        training=pl.DataFrame(given.pop("training", []), schema=training, orient="row"),
        profiles=pl.DataFrame(given.pop("profiles", []), schema=PROFILES),
        **frames,
    )


def only(**given: Any) -> dict[str, Any]:
    (row,) = money(known(**given)).to_dicts()
    return row


def test_good_predictions_are_dearer_than_predictions_by_the_share_that_is_wrong() -> None:
    row = only(quality=[said(0, "accuracy", 0.8)])
    assert row["per_1000"] == pytest.approx(10.0)
    assert row["per_1000_good"] == pytest.approx(12.5)
    assert row["good_share"] == pytest.approx(0.8)


def test_days_before_the_first_word_of_a_monitor_are_not_called_good() -> None:
    row = only(quality=[said(2, "accuracy", 0.5)])
    assert row["per_1000_good"] == pytest.approx(20.0)
    without = only()
    assert (without["per_1000_good"], without["why_good"]) == (
        None,
        "no monitor of model quality says how many answers are right",
    )


def test_a_regression_has_no_good_predictions_and_days_below_its_line_are_counted() -> None:
    quality = [said(0, "rmse", 0.2, 0.3, "GreaterThanThreshold"), said(2, "rmse", 0.5, 0.3, "GreaterThanThreshold")]
    row = only(quality=quality)
    assert row["per_1000_good"] is None
    assert (row["judged_days"], row["days_below"], row["cost_below"], row["below_by"]) == (4, 2, 20.0, "rmse")


def test_a_model_that_recovered_is_below_its_line_no_more() -> None:
    row = only(quality=[said(0, "auc", 0.4, 0.5), said(2, "auc", 0.9, 0.5)])
    assert (row["days_below"], row["cost_below"], row["below_by"]) == (2, 20.0, None)


def test_unknown_requests_are_left_out_and_all_unknown_is_said() -> None:
    row = only(requests=[None, 1000.0, 1000.0, 1000.0])
    assert (row["cost"], row["requests"], row["per_1000"]) == (40.0, 3000.0, pytest.approx(10.0))
    nothing = only(requests=[None] * 4)
    assert (nothing["per_1000"], nothing["why_per_1000"]) == (None, "how often it was asked is not known")


def test_a_cost_that_is_unknown_for_a_day_is_unknown_for_all() -> None:
    unknown = known()
    holed = unknown.usage.with_columns(
        effective_cost=pl.when(pl.col("day") == FIRST).then(None).otherwise("effective_cost")
    )
    (row,) = money(Known(**{**vars(unknown), "usage": holed})).to_dicts()
    assert row["cost"] is None
    assert row["per_1000"] == pytest.approx(10.0)


def monitor_run(day: int, job: str | None, status: str = "Completed") -> dict[str, Any]:
    arn = None if job is None else f"arn:aws:sagemaker:us-east-1:1:processing-job/{job}"
    return PLACE | {
        "endpoint": "fraud",
        "schedule": "s",
        "status": status,
        "job_arn": arn,
        "day": FIRST + timedelta(days=day),
    }


def test_monitors_are_paid_by_their_jobs_and_in_vain_on_days_without_requests() -> None:
    runs = [monitor_run(0, "a"), monitor_run(1, "b"), monitor_run(2, None, "Failed")]
    usage = [cost("processing_job", "a", 0.5), cost("processing_job", "b", 0.25, 1)]
    row = only(runs=runs, usage=usage, requests=[1000.0, 0.0, 1000.0, 1000.0])
    assert (row["monitor_runs"], row["monitor_cost"], row["idle_runs"], row["idle_cost"]) == (3, 0.75, 1, 0.25)
    assert only(runs=[*runs, monitor_run(3, "not on the bill")], usage=usage)["monitor_cost"] is None


def test_retraining_costs_what_the_family_of_the_served_model_usually_cost() -> None:
    artefact = "s3://models/fraud-train-2026-10-01/output/model.tar.gz"
    served = {"Models": {"m": {"PrimaryContainer": {"ModelDataUrl": artefact}}}}
    endpoint = PLACE | {"kind": "endpoint", "name": "fraud", "config": json.dumps(served)}
    jobs, training = [], []
    for month, paid in (("08", 3.0), ("09", 5.0), ("10", 4.0)):
        name = f"fraud-train-2026-{month}-01"
        config = json.dumps({"ModelArtifacts": {"S3ModelArtifacts": f"s3://models/{name}/output/model.tar.gz"}})
        jobs.append(PLACE | {"kind": "training_job", "name": name, "status": "Completed", "config": config})
        training.append(("1", name, paid))
    row = only(endpoints=[endpoint], jobs=jobs, training=training)
    assert (row["retrain_family"], row["retrain_runs"], row["retrain_cost"]) == ("fraud-train", 3, 4.0)


def test_captures_that_nobody_compares_are_told_with_what_their_bucket_costs() -> None:
    config = {
        "EndpointConfig": {"DataCaptureConfig": {"EnableCapture": True, "DestinationS3Uri": "s3://captures/fraud"}}
    }
    endpoint = PLACE | {"kind": "endpoint", "name": "fraud", "config": json.dumps(config)}
    profiles = [PLACE | {"endpoint": "fraud", "role": "capture", "records": 700}]
    row = only(endpoints=[endpoint], usage=[cost("s3_bucket", "captures", 2.0)], profiles=profiles)
    told = {name: row[name] for name in ("capture_bucket", "capture_cost", "captured", "captures_used")}
    assert told == {"capture_bucket": "captures", "capture_cost": 2.0, "captured": 700, "captures_used": False}
    baseline = [*profiles, PLACE | {"endpoint": "fraud", "role": "baseline", "records": 9}]
    assert only(endpoints=[endpoint], profiles=baseline)["captures_used"] is True
