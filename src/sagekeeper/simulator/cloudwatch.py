"""CloudWatch's GetMetricData from traffic: namespaces, dimensions, retention, limits and pages as the real service has them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from sagekeeper.simulator import traffic
from sagekeeper.simulator.operations import Ask, Handler, Refused

NAMESPACES = {"AWS/SageMaker": traffic.REQUEST_METRICS, "/aws/sagemaker/Endpoints": traffic.INSTANCE_METRICS}
UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}
MOST_QUERIES, MOST_POINTS = 500, 100_800
RETENTION = ((300, timedelta(days=15)), (3600, timedelta(days=63)), (10**9, timedelta(days=455)))
"""Below 300 s kept 15 days, below 3,600 s 63 days, else 455 days (botocore's text of GetMetricStatistics)."""


def get_metric_data(ask: Ask) -> dict[str, Any]:
    """Datapoints of up to 500 queries."""
    queries = ask.params["MetricDataQueries"]
    start, end = (_utc(ask.params[key]) for key in ("StartTime", "EndTime"))
    if len(queries) > MOST_QUERIES:
        raise Refused(
            "ValidationError", f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}."
        )
    if start >= end:
        raise Refused("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    first = int(ask.params.get("NextToken") or 0)
    results: list[dict[str, Any]] = []
    points = 0
    answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    for number, query in enumerate(queries[first:], first):
        found = _query(ask, query, start, end)
        points += len(found["Values"])
        if points > MOST_POINTS and results:
            answer["NextToken"] = str(number)
            break
        if query.get("ReturnData", True):
            results.append(found)
    return answer


def _query(ask: Ask, query: dict[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
    stat = query.get("MetricStat")
    if stat is None:
        raise Refused("ValidationError", "The simulated account answers MetricStat queries only, not expressions.")
    metric, period, statistic = stat["Metric"], int(stat["Period"]), stat["Stat"]
    label = query.get("Label", metric["MetricName"])
    times: list[datetime] = []
    values: list[float] = []
    name = _endpoint(ask, metric)
    if name is not None:
        kept = next(length for below, length in RETENTION if period < below)
        begin = max(start, ask.now - kept)
        moments = traffic.starts(begin, min(end, ask.now), period)
        if moments:
            row = traffic.values(
                ask.here, name, metric["MetricName"], statistic, moments[0], len(moments), period, ask.now
            )
            there = [number for number in range(len(moments)) if not math.isnan(row[number])]
            if ask.params.get("ScanBy", "TimestampDescending") == "TimestampDescending":
                there.reverse()
            times, values = [moments[number] for number in there], [float(np.round(row[number], 6)) for number in there]
    return {"Id": query["Id"], "Label": label, "Timestamps": times, "Values": values, "StatusCode": "Complete"}


def _endpoint(ask: Ask, metric: dict[str, Any]) -> str | None:
    """The endpoint, if the metric exists under exactly these dimensions; EndpointName alone has no data, as in AWS."""
    dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions", [])}
    if set(dimensions) != {"EndpointName", "VariantName"} or metric["MetricName"] not in NAMESPACES.get(
        metric["Namespace"], ()
    ):
        return None
    lives = ask.here.lives.get(dimensions["EndpointName"])
    config = ask.here.configs.get(lives[-1].configs[-1][1]) if lives else None
    variants = {item["VariantName"]: item for item in config["ProductionVariants"]} if config else {}
    variant = variants.get(dimensions["VariantName"])
    return dimensions["EndpointName"] if config and variant and _published(config, variant, metric) else None


def _published(config: dict[str, Any], variant: dict[str, Any], metric: dict[str, Any]) -> bool:
    """Asynchronous endpoints publish no request counts, serverless ones nothing of instances (aws-facts 1.1)."""
    if "AsyncInferenceConfig" in config and metric["MetricName"] in (
        "Invocations",
        "InvocationsPerInstance",
        "OverheadLatency",
    ):
        return False
    return "ServerlessConfig" not in variant or metric["Namespace"] == "AWS/SageMaker"


def _utc(moment: Any) -> datetime:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


HANDLERS: dict[str, Handler] = {"GetMetricData": get_metric_data}
