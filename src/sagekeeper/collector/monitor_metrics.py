"""What Model Monitor and Clarify published to CloudWatch, hour by hour, under every name that AWS gives their namespaces.

In: CloudWatch, where the inventory has a monitoring schedule. Out: `monitor_metrics` rows. AWS's documents spell the namespaces
in several ways and its code in another (monitoring-facts 2.8): all are asked, and a row keeps the spelling it was found under.
The dimensions are Endpoint and MonitoringSchedule, or EndpointName and ScheduleName. Infinity, which CloudWatch cannot hold, is
published as 2.348543e108 and read as such.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.collector.monitor_numbers import number
from sagekeeper.collector.observed import observed
from sagekeeper.collector.source import Source, Task, aws_errors, pages
from sagekeeper.core.lake import Scope
from sagekeeper.core.tables import MONITOR_METRICS

KINDS = ("data", "model", "bias", "explainability")
SPELLINGS = (
    "aws/sagemaker/Endpoints/{}-metrics",
    "aws/sagemaker/ModelMonitoring/{}-metrics",
    "/aws/sagemaker/Endpoints/{}-metrics",
    "/aws/sagemaker/Endpoints/{}-metric",
    "/aws/sagemaker/Endpoint/{}-metrics",
    "/aws/sagemaker/ModelMonitoring/{}-metrics",
    "/aws/sagemaker/ModelMonitoring/{}-metric",
)
NAMESPACES = tuple(spelling.format(kind) for kind in KINDS for spelling in SPELLINGS)
STATISTICS = {"SampleCount": "samples", "Minimum": "minimum", "Maximum": "maximum", "Sum": "total"}
HOUR = 3600
MOST_QUERIES, MOST_POINTS = 500, 100_800
"""Limits of one GetMetricData call (aws-facts, CloudWatch rules)."""
LATE = timedelta(hours=6)
"""A run may publish hours after the hour it is of."""


def collect(task: Task) -> int:
    """Read the hours that are new, or young enough to change."""
    if not observed(task, "monitoring_schedule"):
        return 0
    upto = task.read_upto()
    end = task.as_of
    back = end - timedelta(days=task.settings.collect.metric_days) if upto is None else upto - LATE
    first = back.replace(hour=0, minute=0, second=0, microsecond=0)
    with aws_errors(f"CloudWatch in {task.account.id} {task.region}"):
        client = task.client("cloudwatch")
        # Metrics without data in the last two weeks are not listed.
        found = [
            metric
            for namespace in NAMESPACES
            for metric in pages(client, "list_metrics", "Metrics", Namespace=namespace)
        ]
        rows = pl.DataFrame(_read(task, found, first, end), schema=MONITOR_METRICS.columns)
    scope = {"account": task.account.id, "region": task.region}
    task.replace(MONITOR_METRICS, rows, Scope(scope, "day", first.date(), end.date()))
    task.has_read_upto(end)
    return rows.height


def _read(task: Task, metrics: list[dict[str, Any]], first: datetime, end: datetime) -> list[dict[str, Any]]:
    hours = max(1, int((end - first).total_seconds() // HOUR) + 1)
    size = max(1, min(MOST_QUERIES, MOST_POINTS // hours) // len(STATISTICS))
    rows: dict[tuple[int, datetime], dict[str, Any]] = {}
    numbered = list(enumerate(metrics))
    for begin in range(0, len(numbered), size):
        queries = [
            {
                "Id": f"m{position}_{statistic.lower()}",
                "MetricStat": {"Metric": metric, "Period": HOUR, "Stat": statistic},
            }
            for position, metric in numbered[begin : begin + size]
            for statistic in STATISTICS
        ]
        columns = {query["Id"]: STATISTICS[query["MetricStat"]["Stat"]] for query in queries}  # type: ignore[index]
        for result in _answered(task, queries, first, end):
            position = int(result["Id"].partition("_")[0][1:])
            for at, value in zip(result["Timestamps"], result["Values"], strict=True):
                row = rows.setdefault((position, at), _place(task, metrics[position], at))
                row[columns[result["Id"]]] = number(value)
    return list(rows.values())


def _answered(task: Task, queries: list[dict[str, Any]], first: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    for result in pages(
        task.client("cloudwatch"),
        "get_metric_data",
        "MetricDataResults",
        StartTime=first,
        EndTime=end,
        ScanBy="TimestampAscending",
        MetricDataQueries=queries,
    ):
        if result.get("StatusCode") in ("InternalError", "Forbidden"):
            task.note(f"CloudWatch did not answer for a monitor's metric: {result['StatusCode']}.")
        yield result


def _place(task: Task, metric: dict[str, Any], at: datetime) -> dict[str, Any]:
    named = {item["Name"]: item["Value"] for item in metric.get("Dimensions", [])}
    return {
        "account": task.account.id,
        "region": task.region,
        "namespace": metric["Namespace"],
        "endpoint": named.get("Endpoint") or named.get("EndpointName") or "",
        "schedule": named.get("MonitoringSchedule") or named.get("ScheduleName") or "",
        "metric": metric["MetricName"],
        "dimensions": json.dumps(named, sort_keys=True),
        "start": at,
        "day": at.date(),
        "observed_at": task.as_of,
    }


MONITOR_METRICS_SOURCE = Source(
    name="monitor_metrics",
    description="what Model Monitor and Clarify published to CloudWatch",
    per="account_region",
    permissions=("cloudwatch:ListMetrics", "cloudwatch:GetMetricData"),
    collect=collect,
)
