"""Write what a run of our monitor found to CloudWatch, under the names that Model Monitor uses: alarms people have keep working.

In: what the run found, and a CloudWatch client. Effect: PutMetricData in the namespaces and with the dimensions of AWS's own code
(monitoring-facts 2.8). It is done only where somebody asked for it: custom metrics cost money ($0.30 a metric and month).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sagekeeper.analyzers.data_quality import Column
from sagekeeper.analyzers.data_quality_checks import Distance
from sagekeeper.collector.monitor_numbers import CLOUDWATCH_INFINITY

MOST_A_CALL = 500
"""CloudWatch takes a thousand, and at most one megabyte."""
ENDPOINTS, BATCH = "aws/sagemaker/Endpoints", "aws/sagemaker/ModelMonitoring"
PERMISSION = "cloudwatch:PutMetricData"
Point = dict[str, Any]


def of_data_quality(columns: dict[str, Column], distances: Iterable[Distance]) -> list[Point]:
    """feature_data_, feature_non_null_ and feature_baseline_drift_ of every feature."""
    points: list[Point] = []
    for name, column in columns.items():
        points.append({"MetricName": f"feature_non_null_{name}", "Value": float(len(column.texts))})
        if len(column.numbers):
            numbers = column.numbers
            summed = {"SampleCount": float(len(numbers)), "Sum": float(numbers.sum())}
            ends = {"Minimum": float(numbers.min()), "Maximum": float(numbers.max())}
            points.append({"MetricName": f"feature_data_{name}", "StatisticValues": summed | ends})
    return points + [
        {"MetricName": f"feature_baseline_drift_{one.feature}", "Value": one.value}
        for one in distances
        if not one.below
    ]


def of_model_quality(statistics: dict[str, Any]) -> list[Point]:
    """Every single figure of a model quality statistics.json, under its own name."""
    sections = [part for name, part in statistics.items() if name.endswith("_metrics")]
    return [
        {"MetricName": name, "Value": float(item["value"])}
        for section in sections
        for name, item in section.items()
        if isinstance(item.get("value"), int | float)
    ]


def publish(client: Any, points: list[Point], what: str, endpoint: str | None, schedule: str, at: datetime) -> int:
    """Put ``points`` of ``what`` (data or model) at ``at``. ``endpoint`` None: of batch transform. How many were put."""
    named = ([("Endpoint", endpoint)] if endpoint else []) + [("MonitoringSchedule", schedule)]
    dimensions = [{"Name": name, "Value": value} for name, value in named]
    namespace = f"{ENDPOINTS if endpoint else BATCH}/{what}-metrics"
    ready = [_finite(point) | {"Dimensions": dimensions, "Timestamp": at} for point in points]
    for first in range(0, len(ready), MOST_A_CALL):
        client.put_metric_data(Namespace=namespace, MetricData=ready[first : first + MOST_A_CALL])
    return len(ready)


def _finite(point: Point) -> Point:
    """CloudWatch takes no infinity: Clarify publishes 2.348543e108 instead, and so do we."""
    value = point.get("Value")
    if value is None or math.isfinite(value):
        return point
    return point | {"Value": math.copysign(CLOUDWATCH_INFINITY, value)}
