"""CloudWatch's metrics from traffic: namespaces, dimensions, statistics, retention, limits and pages as the real service
has them.

GetMetricData and GetMetricStatistics answer from the same function of time (`traffic.py`). Statistics are Sum, Average,
Minimum, Maximum, SampleCount and pNN; metric math and trimmed statistics are refused with a sentence, not answered
wrongly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagekeeper.simulator import traffic
from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.world import Standing, stretches

NAMESPACES = {"AWS/SageMaker": traffic.REQUEST_METRICS, "/aws/sagemaker/Endpoints": traffic.INSTANCE_METRICS}
NOT_OF_ASYNC = {"Invocations", "InvocationsPerInstance", "OverheadLatency"}
NOT_OF_SERVERLESS = {"InvocationsPerInstance"}
MOST_QUERIES, MOST_POINTS, MOST_STATISTICS = 500, 100_800, 1440
RETENTION = ((300, timedelta(days=15)), (3600, timedelta(days=63)), (10**9, timedelta(days=455)))
"""Below 300 s kept 15 days, below 3,600 s 63 days, else 455 days (botocore's text of GetMetricStatistics)."""
LISTED = timedelta(days=14)
"""ListMetrics shows what had data in the last two weeks (aws-facts 1, CloudWatch rules)."""
STATISTICS = re.compile(r"Sum|Average|Minimum|Maximum|SampleCount|p(100|\d{1,2}(\.\d{1,10})?)")


class Points(NamedTuple):
    """Datapoints: seconds since 1970, and values."""

    epochs: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One metric of one variant, as CloudWatch names it."""

    namespace: str
    metric: str
    endpoint: str
    variant: str

    @property
    def dimensions(self) -> list[dict[str, str]]:
        return [{"Name": "EndpointName", "Value": self.endpoint}, {"Name": "VariantName", "Value": self.variant}]


def get_metric_data(ask: Ask) -> dict[str, Any]:
    """Datapoints of up to 500 queries."""
    queries, most = ask.params["MetricDataQueries"], int(ask.params.get("MaxDatapoints") or MOST_POINTS)
    start, end = utc(ask.params["StartTime"]), utc(ask.params["EndTime"])
    if len(queries) > MOST_QUERIES:
        raise Refused(
            "ValidationError", f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}."
        )
    if len({query["Id"] for query in queries}) < len(queries):
        raise Refused("ValidationError", "The values for parameter id in MetricDataQueries are not unique.")
    if start >= end:
        raise Refused("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    newest_first = ask.params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    points, first = 0, _first_query(ask)
    for number, query in enumerate(queries[first:], first):
        found = _query(ask, query, start, end, newest_first)
        points += len(found["Values"])
        if points > min(most, MOST_POINTS) and results:
            answer["NextToken"] = f"query-{number}"
            break
        if query.get("ReturnData", True):
            results.append(found)
    return answer


def get_metric_statistics(ask: Ask) -> dict[str, Any]:
    """Datapoints of one metric, several statistics at once, in no promised order."""
    params = ask.params
    start, end, period = utc(params["StartTime"]), utc(params["EndTime"]), int(params["Period"])
    plain, extended = params.get("Statistics", []), params.get("ExtendedStatistics", [])
    if not plain and not extended:
        raise Refused("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
    if start >= end:
        raise Refused("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.")
    if (end - start).total_seconds() / period > MOST_STATISTICS:
        raise Refused(
            "InvalidParameterCombination",
            "You have requested up to "
            f"{int((end - start).total_seconds() / period)} datapoints, which exceeds the limit of {MOST_STATISTICS}.",
        )
    series = published(ask.here, params["Namespace"], params["MetricName"], params.get("Dimensions", []))
    rows: dict[int, dict[str, Any]] = {}
    for stat in [*plain, *extended]:
        found = points_of(ask.here, series, _statistic(stat), period, start, end, ask.now)
        for moment, value in zip(found.epochs.tolist(), found.values.tolist(), strict=True):
            row = rows.setdefault(moment, {"Timestamp": datetime.fromtimestamp(moment, UTC), "Unit": "None"})
            if stat in plain:
                row[stat] = value
            else:
                row.setdefault("ExtendedStatistics", {})[stat] = value
    return {"Label": params["MetricName"], "Datapoints": list(rows.values())}


def list_metrics(ask: Ask) -> dict[str, Any]:
    """What had data in the last two weeks."""
    wanted = {(item["Name"], item.get("Value")) for item in ask.params.get("Dimensions", [])}
    rows = []
    for endpoint, lives in sorted(ask.here.lives.items()):
        if lives[-1].deleted is not None and lives[-1].deleted < ask.now - LISTED:
            continue
        variants = {stretch.variant["VariantName"] for stretch in stretches(lives[-1])}
        for namespace, metrics in NAMESPACES.items():
            for metric in sorted(metrics):
                rows += [Series(namespace, metric, endpoint, variant) for variant in sorted(variants)]
    rows = [
        item
        for item in rows
        if ask.params.get("Namespace") in (None, item.namespace)
        and ask.params.get("MetricName") in (None, item.metric)
        and all(
            any(name == given["Name"] and value in (None, given["Value"]) for given in item.dimensions)
            for name, value in wanted
        )
        and len(points_of(ask.here, item, "SampleCount", 86_400, ask.now - LISTED, ask.now, ask.now).epochs)
    ]
    part, more = page(rows, ask.params, most=500)
    return {
        "Metrics": [
            {"Namespace": item.namespace, "MetricName": item.metric, "Dimensions": item.dimensions} for item in part
        ]
    } | more


def points_of(
    here: Standing, series: Series | None, stat: str, period: int, start: datetime, end: datetime, now: datetime
) -> Points:
    """The datapoints that there are, oldest first; none for a metric that nobody publishes."""
    none = Points(np.array([], dtype=np.int64), np.array([], dtype=np.float64))
    kept = next(length for below, length in RETENTION if period < below)
    begin, stop = max(start, now - kept).timestamp(), min(end, now).timestamp()
    if series is None or begin >= stop:
        return none
    first = int(begin) // period * period
    count = int(np.ceil((stop - first) / period))
    found = traffic.values(here, series.endpoint, series.variant, series.metric, stat, first, count, period, now)
    there = np.flatnonzero(~np.isnan(found))
    return Points(first + period * there, np.round(found[there], 6))


def published(here: Standing, namespace: str, metric: str, dimensions: list[dict[str, str]]) -> Series | None:
    """The series, if one exists under exactly these names; EndpointName alone has none, as in AWS."""
    given = {item["Name"]: item["Value"] for item in dimensions}
    if set(given) != {"EndpointName", "VariantName"} or metric not in NAMESPACES.get(namespace, ()):
        return None
    found = [
        stretch
        for life in here.lives.get(given["EndpointName"], [])
        for stretch in stretches(life)
        if stretch.variant["VariantName"] == given["VariantName"]
    ]
    if not found:
        return None
    # Asynchronous endpoints publish no request counts, serverless ones nothing of instances (aws-facts 1.1).
    if all("AsyncInferenceConfig" in item.config for item in found) and metric in NOT_OF_ASYNC:
        return None
    serverless = all("ServerlessConfig" in item.variant for item in found)
    if serverless and (namespace != "AWS/SageMaker" or metric in NOT_OF_SERVERLESS):
        return None
    return Series(namespace, metric, given["EndpointName"], given["VariantName"])


def _query(ask: Ask, query: dict[str, Any], start: datetime, end: datetime, newest_first: bool) -> dict[str, Any]:
    stat = query.get("MetricStat")
    if stat is None:
        raise Refused("ValidationError", "The simulated account answers MetricStat queries only, not expressions.")
    metric, period = stat["Metric"], int(stat["Period"])
    if period <= 0 or (period % 60 and period not in (1, 5, 10, 20, 30)):
        raise Refused("ValidationError", "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    series = published(ask.here, metric["Namespace"], metric["MetricName"], metric.get("Dimensions", []))
    found = points_of(ask.here, series, _statistic(stat["Stat"]), max(period, 60), start, end, ask.now)
    if newest_first:
        found = Points(found.epochs[::-1], found.values[::-1])
    label = query.get("Label", metric["MetricName"])
    return {
        "Id": query["Id"],
        "Label": label,
        "Timestamps": found.epochs,
        "Values": found.values,
        "StatusCode": "Complete",
    }


def _statistic(stat: str) -> str:
    if STATISTICS.fullmatch(stat) is None:
        raise Refused("ValidationError", f"The simulated account does not compute the statistic {stat}.")
    return stat


def _first_query(ask: Ask) -> int:
    token = re.fullmatch(r"query-(\d+)", ask.params.get("NextToken") or "query-0")
    if token is None:
        raise Refused("InvalidNextToken", "The NextToken is not one that was given out.")
    return int(token[1])


def utc(moment: Any) -> datetime:
    """A request's time, which comes as text, as an epoch or as a datetime."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    if isinstance(moment, int | float):
        return datetime.fromtimestamp(moment, UTC)
    found: datetime = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return found


HANDLERS: dict[str, Handler] = {
    "GetMetricData": get_metric_data,
    "GetMetricStatistics": get_metric_statistics,
    "ListMetrics": list_metrics,
}
