"""Rows written short: what a test does not say is left unknown, or is the one account, region and day of the examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers.facts import Facts
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import (
    ATTRIBUTIONS,
    COSTS,
    DAILY_COSTS,
    FEATURE_PROFILES,
    INVENTORY,
    JOBS,
    METRICS,
    MODEL_QUALITY,
    MONITOR_METRICS,
    MONITOR_RUNS,
    MONITOR_VIOLATIONS,
    Table,
)

ACCOUNT, REGION = "123456789012", "us-east-1"
AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
SAGEMAKER = "Amazon SageMaker"


def frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of ``table``; absent columns are null."""
    return pl.DataFrame([{name: row.get(name) for name in table.columns} for row in rows], schema=table.columns)


def bill_line(usage_type: str, cost: float, quantity: float | None = None, **more: Any) -> dict[str, Any]:
    """One line of Cost Explorer's bill."""
    return {
        "x_Dataset": "cost-explorer",
        "x_ChargeDate": date(2026, 11, 10),
        "SubAccountId": ACCOUNT,
        "RegionId": REGION,
        "ServiceName": SAGEMAKER,
        "ChargeCategory": "Usage",
        "x_UsageType": usage_type,
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ConsumedQuantity": quantity,
        "BillingCurrency": "USD",
        "x_Estimated": False,
        "Tags": "{}",
    } | more


def arn(kind: str, name: str) -> str:
    """The ARN of a SageMaker resource in the examples' account."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


def endpoint_row(
    name: str,
    machine: str | None = "ml.m5.xlarge",
    count: int = 1,
    tags: dict[str, str] | None = None,
    asynchronous: bool = False,
    model: str | None = "",
    **more: Any,
) -> dict[str, Any]:
    """One endpoint with one variant, as the collector keeps it. ``model`` None: it hosts inference components."""
    variant: dict[str, Any] = {"VariantName": "AllTraffic"}
    if model is not None:
        variant["ModelName"] = model or f"{name}-model"
    if machine is None:
        variant["ServerlessConfig"] = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    else:
        variant |= {"InstanceType": machine, "InitialInstanceCount": count}
    config: dict[str, Any] = {"EndpointConfigName": f"{name}-config", "ProductionVariants": [variant]}
    if asynchronous:
        config["AsyncInferenceConfig"] = {"OutputConfig": {"S3OutputPath": "s3://out/"}}
    document = {
        "EndpointName": name,
        "EndpointConfig": config,
        "Models": {f"{name}-model": {"ModelName": f"{name}-model"}},
        "ProductionVariants": [{"VariantName": "AllTraffic", "CurrentInstanceCount": count}],
    }
    return {
        "account": ACCOUNT,
        "region": REGION,
        "kind": "endpoint",
        "name": name,
        "arn": arn("endpoint", name),
        "status": "InService",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "changed_at": datetime(2026, 1, 1, tzinfo=UTC),
        "config": json.dumps(document),
        "tags": json.dumps(tags or {}),
        "observed_on": AS_OF.date(),
        "observed_at": AS_OF,
    } | more


def job_row(name: str, machine: str, start: datetime, minutes: float, **more: Any) -> dict[str, Any]:
    """One finished training job."""
    seconds = int(minutes * 60)
    return {
        "account": ACCOUNT,
        "region": REGION,
        "kind": "training_job",
        "name": name,
        "arn": arn("training-job", name),
        "status": "Completed",
        "instance_type": machine,
        "instance_count": 1,
        "volume_gb": 30,
        "created_at": start - timedelta(minutes=2),
        "started_at": start,
        "ended_at": start + timedelta(seconds=seconds),
        "run_seconds": seconds,
        "billable_seconds": seconds,
        "spot": False,
        "tags": "{}",
        "config": "{}",
        "month": start.date().replace(day=1),
    } | more


def metric_rows(
    name: str,
    metric: str,
    statistic: str,
    value: Callable[[datetime], float | None],
    days: int = 15,
    period: int = 3600,
    variant: str = "AllTraffic",
) -> list[dict[str, Any]]:
    """One row per period of the last ``days`` up to AS_OF."""
    first = AS_OF - timedelta(days=days)
    if period == 86400:
        first = first.replace(hour=0)
    moments = [first + timedelta(seconds=period * n) for n in range(int(days * 86400 / period))]
    return [
        {
            "account": ACCOUNT,
            "region": REGION,
            "resource_kind": "endpoint",
            "resource_name": name,
            "variant": variant,
            "metric": metric,
            "statistic": statistic,
            "period_seconds": period,
            "start": moment,
            "day": moment.date(),
            "value": value(moment),
        }
        for moment in moments
    ]


def daily_row(name: str, day: date, cost: float, **more: Any) -> dict[str, Any]:
    """One day of an endpoint in the daily costs."""
    return {
        "day": day,
        "dataset": "cost-explorer",
        "account": ACCOUNT,
        "region": REGION,
        "service": SAGEMAKER,
        "charge_category": "Usage",
        "usage_family": "hosting",
        "resource_kind": "endpoint",
        "resource_name": name,
        "resource_arn": arn("endpoint", name),
        "attribution": "measured",
        "billed_cost": cost,
        "effective_cost": cost,
        "currency": "USD",
        "estimated": False,
    } | more


TABLES = {
    "costs": COSTS,
    "daily_costs": DAILY_COSTS,
    "metrics": METRICS,
    "inventory": INVENTORY,
    "jobs": JOBS,
    "feature_profiles": FEATURE_PROFILES,
    "violations": MONITOR_VIOLATIONS,
    "monitor_runs": MONITOR_RUNS,
    "model_quality": MODEL_QUALITY,
    "attributions": ATTRIBUTIONS,
    "monitor_metrics": MONITOR_METRICS,
}


def facts_of(as_of: datetime = AS_OF, opt_out_tag: str = "", **rows: list[dict[str, Any]]) -> Facts:
    """Facts from rows; what is not named is empty."""
    frames = {name: frame(table, rows.get(name, [])) for name, table in TABLES.items()}
    return Facts(
        as_of=as_of, prices=PriceBook.bundled(), owner_tags=("owner", "team"), opt_out_tag=opt_out_tag, **frames
    )


@pytest.fixture
def rows() -> SimpleNamespace:
    """The builders above, under one name."""
    return builders()


def builders() -> SimpleNamespace:
    """The same for the tests of the recommender."""
    return SimpleNamespace(
        account=ACCOUNT,
        region=REGION,
        as_of=AS_OF,
        frame=frame,
        bill_line=bill_line,
        arn=arn,
        endpoint=endpoint_row,
        job=job_row,
        metrics=metric_rows,
        daily=daily_row,
        facts=facts_of,
        costs=lambda *lines: frame(COSTS, list(lines)),
        inventory=lambda *items: frame(INVENTORY, list(items)),
        jobs=lambda *items: frame(JOBS, list(items)),
    )
