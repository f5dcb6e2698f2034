"""SageMaker's metrics service: numbers that a run puts to its trial component, and series of them read back."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.trial_book import component

SECONDS = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}
STATISTICS = {
    "Min": lambda values: float(np.min(values)),
    "Max": lambda values: float(np.max(values)),
    "Avg": lambda values: float(np.mean(values)),
    "Count": lambda values: float(len(values)),
    "StdDev": lambda values: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
    "Last": lambda values: float(values[-1]),
}


def batch_put_metrics(ask: Ask) -> dict[str, Any]:
    """Keep the numbers. Those whose time is not within two weeks before or two hours after now are refused one by one."""
    name = ask.params["TrialComponentName"]
    if component(ask.here, name, ask.now) is None:
        raise Refused("ResourceNotFoundException", f"Trial component '{name}' does not exist.")
    book, errors = ask.here.flows.metrics.setdefault(name, {}), []
    for number, row in enumerate(ask.params["MetricData"]):
        at = row["Timestamp"]
        at = at if isinstance(at, datetime) else datetime.fromtimestamp(float(at), UTC)
        if not np.isfinite(row["Value"]) or (at > ask.now and (at - ask.now).total_seconds() > 7200):
            errors.append({"Code": "VALIDATION_ERROR", "MetricIndex": number})
            continue
        book.setdefault(row["MetricName"], []).append((at, row.get("Step", 0), float(row["Value"])))
    return {"Errors": errors} if errors else {}


def batch_get_metrics(ask: Ask) -> dict[str, Any]:
    """One series per query: a statistic per iteration or per period of time."""
    return {"MetricQueryResults": [_series(ask, query) for query in ask.params["MetricQueries"]]}


def _series(ask: Ask, query: dict[str, Any]) -> dict[str, Any]:
    name = query["ResourceArn"].rpartition("/")[2]
    if component(ask.here, name, ask.now) is None:
        message = f"Trial component '{query['ResourceArn']}' does not exist."
        return {"Status": "ValidationError", "Message": message, "XAxisValues": [], "MetricValues": []}
    rows = sorted(ask.here.flows.metrics.get(name, {}).get(query["MetricName"], []))
    by_step = query["XAxisType"] == "IterationNumber"
    groups: dict[int, list[float]] = defaultdict(list)
    for at, step, value in rows:
        length = SECONDS.get(query["Period"], 1)
        x = step if by_step else int(at.timestamp()) // length * length
        if query.get("Start", x) <= x <= query.get("End", x):
            groups[x].append(value)
    axis = sorted(groups)
    values = [STATISTICS[query["MetricStat"]](groups[x]) for x in axis]
    return {"Status": "Complete", "XAxisValues": axis, "MetricValues": values}


HANDLERS: dict[str, Handler] = {"BatchPutMetrics": batch_put_metrics, "BatchGetMetrics": batch_get_metrics}
MUTATING = {"BatchPutMetrics"}
