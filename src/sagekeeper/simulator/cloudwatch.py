"""CloudWatch's answers about metrics: GetMetricData, GetMetricStatistics, ListMetrics, with its limits and pages.

Datapoints come from the world's traffic, computed, and from what clients put, stored (`metric_read.py`); expressions are
computed over both (`metric_query.py`). Limits from botocore's texts and aws-facts 1 (CloudWatch rules).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from sagekeeper.simulator import metric_labels, metric_put, metric_query
from sagekeeper.simulator.metric_lines import Line
from sagekeeper.simulator.metric_query import Queries, check_period, listed, newest_first
from sagekeeper.simulator.metric_read import points_of, published, span_of, units_of, utc
from sagekeeper.simulator.metric_statistics import SIMPLE, parsed
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.operations import Ask, Handler, Refused, page

MOST_POINTS, MOST_STATISTICS, MOST_LISTED = 100_800, 1440, 500


class Place(NamedTuple):
    """How far a client has read: everything before this series, and this series up to a time."""

    query: int
    series: int
    upto: int | None


def get_metric_data(ask: Ask) -> dict[str, Any]:
    """Datapoints of up to 500 queries, at most 100,800 a page."""
    params = ask.params
    queries, most = params["MetricDataQueries"], int(params.get("MaxDatapoints") or MOST_POINTS)
    metric_query.check(queries)
    start, end = utc(params["StartTime"]), utc(params["EndTime"])
    if start >= end:
        raise Refused("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    if most < 1:
        raise Refused("ValidationError", "The parameter MaxDatapoints must be greater than or equal to 1.")
    left, place = min(most, MOST_POINTS), _place(params.get("NextToken"))
    descending = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    # botocore's text of StatusCode: with a math expression no token is returned; what is too much is not there.
    computing = any("Expression" in query for query in queries)
    results: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    answered = Queries(ask.here, queries, lambda period: span_of(period, start, end, ask.now), ask.now)
    for at, query, line, alone in _lines(ask, queries, answered, place):
        ordered = newest_first(line) if descending else line
        if place.upto is not None and at[:2] == place[:2]:
            further = ordered.epochs < place.upto if descending else ordered.epochs > place.upto
            ordered = ordered._replace(epochs=ordered.epochs[further], values=ordered.values[further])
        if left <= 0 and len(ordered.epochs) and not computing:
            answer["NextToken"] = _token(at)
            break
        found = _result(ask, query, line, ordered, max(left, 0), alone)
        results.append(found)
        left -= len(found["Values"])
        if found["StatusCode"] == "PartialData" and not computing:
            answer["NextToken"] = _token(at._replace(upto=int(found["Timestamps"][-1])))
            break
    return answer


def _lines(
    ask: Ask, queries: list[dict[str, Any]], answered: Queries, place: Place
) -> Iterator[tuple[Place, dict[str, Any], Line, bool]]:
    """The series to be returned from a place on, one by one: what does not fit the page is not computed."""
    for number, query in enumerate(queries[place.query :], place.query):
        if not query.get("ReturnData", True):
            continue
        if query.get("AccountId", ask.account) != ask.account:
            raise Refused(
                "ValidationError", f"Account {ask.account} is not a monitoring account of {query['AccountId']}."
            )
        skipped = place.series if number == place.query else 0
        lines = answered.lines(query["Id"])
        for position, line in enumerate(lines[skipped:], skipped):
            yield Place(number, position, None), query, line, len(lines) == 1


def _result(ask: Ask, query: dict[str, Any], line: Line, ordered: Line, most: int, alone: bool) -> dict[str, Any]:
    return {
        "Id": query["Id"],
        "Label": _label(ask, query, line, alone),
        "Timestamps": ordered.epochs[:most],
        "Values": ordered.values[:most],
        "StatusCode": "PartialData" if len(ordered.epochs) > most else "Complete",
    }


def _label(ask: Ask, query: dict[str, Any], line: Line, alone: bool) -> str:
    """The query's own label; else a metric's name, an expression's Id, or what tells an array's series apart."""
    own = query.get("Label")
    metric = query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else None
    default = metric or (query["Id"] if alone else line.label)
    if own and "${" in own:
        zone = (ask.params.get("LabelOptions") or {}).get("Timezone")
        return metric_labels.filled(own, default, line, _properties(ask, line), zone, ask.now)
    return f"{own} {default}" if own and not alone else own or default


def _properties(ask: Ask, line: Line) -> dict[str, str]:
    found = {"AccountId": ask.account, "Region": ask.region, "Period": str(line.period)}
    if line.about is not None:
        key, stat = line.about
        found |= {"MetricName": key.name, "Namespace": key.namespace, "Stat": stat}
        found |= {f"Dim.{name}": value for name, value in key.dimensions}
    return found


def _token(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(token: str | None) -> Place:
    if not token:
        return Place(0, 0, None)
    try:
        return Place(*json.loads(base64.urlsafe_b64decode(token)))
    except (binascii.Error, ValueError, TypeError) as wrong:
        raise Refused("InvalidNextToken", "Request parameter NextToken is invalid") from wrong


def get_metric_statistics(ask: Ask) -> dict[str, Any]:
    """Datapoints of one metric, several statistics at once, in no promised order."""
    params = ask.params
    start, end, period = utc(params["StartTime"]), utc(params["EndTime"]), int(params["Period"])
    stats = _statistics(params)
    check_period(period, "Period", "InvalidParameterValue")
    if start >= end:
        raise Refused("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.")
    asked = int(np.ceil((end - start).total_seconds() / period))
    if asked > MOST_STATISTICS:
        raise Refused(
            "InvalidParameterCombination",
            f"You have requested up to {asked} datapoints, which exceeds the limit of {MOST_STATISTICS}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
        )
    key = published(ask.here, params["Namespace"], params["MetricName"], params.get("Dimensions") or [])
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    units = [] if key is None else [item for item in units_of(ask.here, key) if params.get("Unit") in (None, item)]
    for unit in units:
        for stat in stats:
            found = points_of(ask.here, key, stat, period, start, end, ask.now, unit)
            for moment, value in zip(found.epochs.tolist(), found.values.tolist(), strict=True):
                row = rows.setdefault((unit, moment), {"Timestamp": datetime.fromtimestamp(moment, UTC), "Unit": unit})
                (row if stat in SIMPLE else row.setdefault("ExtendedStatistics", {}))[stat] = value
    return {"Label": params["MetricName"], "Datapoints": list(rows.values())}


def _statistics(params: dict[str, Any]) -> list[str]:
    plain, extended = params.get("Statistics") or [], params.get("ExtendedStatistics") or []
    if not plain and not extended:
        raise Refused("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
    for stat in extended:
        read = parsed(stat)
        if read is None or not read.extended:
            raise Refused(
                "InvalidParameterValue", f"The value {stat} for parameter ExtendedStatistics is not supported."
            )
    return [*plain, *extended]


def list_metrics(ask: Ask) -> dict[str, Any]:
    """What had data in the last two weeks, or with RecentlyActive in the last three hours."""
    params = ask.params
    dimensions = params.get("Dimensions") or []

    def meant(key: Key) -> bool:
        mine = dict(key.dimensions)
        return (
            params.get("Namespace") in (None, key.namespace)
            and params.get("MetricName") in (None, key.name)
            and all(item["Name"] in mine for item in dimensions)
            and all(mine[item["Name"]] == item.get("Value", mine[item["Name"]]) for item in dimensions)
        )

    found = [key for key in listed(ask.here, ask.now, params.get("RecentlyActive") == "PT3H") if meant(key)]
    part, more = page(found, params, most=MOST_LISTED)
    answer: dict[str, Any] = {"Metrics": [key.written() for key in part]} | more
    if params.get("IncludeLinkedAccounts"):
        answer["OwningAccounts"] = [ask.account] * len(part)
    return answer


HANDLERS: dict[str, Handler] = {
    "GetMetricData": get_metric_data,
    "GetMetricStatistics": get_metric_statistics,
    "ListMetrics": list_metrics,
    **metric_put.HANDLERS,
}
