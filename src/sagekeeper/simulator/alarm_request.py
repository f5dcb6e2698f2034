"""What CloudWatch refuses in requests about alarms, in its words, and the pages of its answers.

Rules from botocore's texts of PutMetricAlarm and PutCompositeAlarm. Alarms on anomaly models and PromQL are refused with
a sentence, not accepted and never evaluated.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any, TypeVar

from sagekeeper.simulator import metric_query
from sagekeeper.simulator.alarm_actions import MEMBERS
from sagekeeper.simulator.alarm_evaluation import BEYOND, watched
from sagekeeper.simulator.alarm_rules import BadRule, name_of, rule
from sagekeeper.simulator.metric_query import Queries
from sagekeeper.simulator.metric_read import Span, utc
from sagekeeper.simulator.metric_statistics import parsed
from sagekeeper.simulator.operations import Refused
from sagekeeper.simulator.world import Standing

Item = TypeVar("Item")
MOST_METRICS = 10
DAY_S, WEEK_S = 86_400, 7 * 86_400
OF_ONE_METRIC = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
ALARM_PERIODS = (10, 20, 30)


def check_metric(here: Standing, given: dict[str, Any], now: datetime) -> None:
    """Refuse a wrong PutMetricAlarm."""
    if "EvaluationCriteria" in given:
        raise _wrong("The simulated account does not evaluate PromQL alarms.")
    if "ThresholdMetricId" in given or given.get("ComparisonOperator", next(iter(BEYOND))) not in BEYOND:
        raise _wrong("The simulated account does not evaluate alarms on anomaly detection models.")
    if "WarmUpConfiguration" in given or "WallClockWindow" in given.get("EvaluationWindow", {}):
        raise _wrong("The simulated account evaluates alarms in sliding windows and without a warm-up period only.")
    for member in ("ComparisonOperator", "EvaluationPeriods", "Threshold"):
        if given.get(member) is None:
            raise Refused("MissingParameter", f"The parameter {member} is required.")
    if "Metrics" in given and any(member in given for member in OF_ONE_METRIC):
        raise Refused("InvalidParameterCombination", "The parameters MetricName and Metrics are mutually exclusive.")
    _check_actions(given)
    _check_words(given)
    period = _check_expression(here, given["Metrics"], now) if "Metrics" in given else _check_one_metric(given)
    last = int(given["EvaluationPeriods"])
    if int(given.get("DatapointsToAlarm") or 1) > last:
        raise _wrong("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
    most = WEEK_S if period >= 3600 else DAY_S
    if last * period > most:
        span = "a week" if most == WEEK_S else "a day"
        raise _wrong(
            f"Metrics cannot be checked across more than {span} (EvaluationPeriods * Period must be <= {most})."
        )


def _check_one_metric(given: dict[str, Any]) -> int:
    for member in ("MetricName", "Namespace", "Period"):
        if not given.get(member):
            raise Refused("MissingParameter", f"The parameter {member} is required.")
    plain, extended = given.get("Statistic"), given.get("ExtendedStatistic")
    if (plain is None) == (extended is None):
        raise Refused(
            "InvalidParameterCombination", "Exactly one of Statistic and ExtendedStatistic must be specified."
        )
    if extended is not None:
        read = parsed(extended)
        if read is None or not read.extended:
            raise Refused(
                "InvalidParameterValue", f"The value {extended} for parameter ExtendedStatistic is not supported."
            )
    period = int(given["Period"])
    if period not in ALARM_PERIODS and (period <= 0 or period % 60):
        raise _wrong("Period must be 10, 20, 30 or a multiple of 60.")
    return period


def _check_expression(here: Standing, queries: list[dict[str, Any]], now: datetime) -> int:
    metric_query.check(queries)
    if sum(query.get("ReturnData", True) for query in queries) != 1:
        raise _wrong("Exactly one element of the metrics list should return data.")
    metrics = [query["MetricStat"] for query in queries if "MetricStat" in query]
    if len(metrics) > MOST_METRICS:
        raise _wrong(f"An alarm can have at most {MOST_METRICS} metrics.")
    periods = {int(stat["Period"]) for stat in metrics} | {int(item["Period"]) for item in queries if "Period" in item}
    if len(periods) != 1:
        raise _wrong("Period must be set to the same value for all metrics and expressions.")
    if any(metric_query.searches(query) for query in queries):
        raise _wrong("SEARCH is not supported on Metric Alarms.")
    period = periods.pop()
    first = int(now.timestamp()) // period * period - 3 * period
    found = Queries(here, queries, lambda _: Span(first, period, 3), now).lines(watched(queries)["Id"])
    if len(found) != 1:
        raise _wrong("The metric to watch must be a single time series.")
    return period


def check_composite(given: dict[str, Any], known: set[str]) -> None:
    """Refuse a wrong PutCompositeAlarm."""
    try:
        read = rule(given["AlarmRule"])
    except BadRule as wrong:
        raise _wrong(f"AlarmRule is invalid: {wrong}.") from wrong
    missing = [name for name in read.children if name not in known]
    if missing:
        raise _wrong(
            f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm rule do not exist."
        )
    suppressor = given.get("ActionsSuppressor")
    periods = [f"ActionsSuppressor{part}Period" for part in ("Wait", "Extension")]
    if suppressor is not None and name_of(suppressor) not in known:
        raise _wrong(f"Could not save the composite alarm as its actions suppressor {suppressor} does not exist.")
    for member in periods:
        if (member in given) != (suppressor is not None):
            raise _wrong(f"ActionsSuppressor and {member} must be specified together.")
    _check_actions(given)


def actions_of(given: dict[str, Any]) -> list[str]:
    """All actions of an alarm, of every state."""
    return [action for member in MEMBERS for action in given.get(member) or []]


def _check_actions(given: dict[str, Any]) -> None:
    for action in actions_of(given):
        if not action.startswith("arn:") or action.count(":") < 5:
            raise _wrong(f"Invalid arn syntax: {action}")


def _check_words(given: dict[str, Any]) -> None:
    treatment = given.get("TreatMissingData")
    if treatment is not None and treatment not in TREATMENTS:
        raise _wrong(
            f"Option {treatment} is not supported. Supported options for TreatMissingData are {list(TREATMENTS)}."
        )
    low = given.get("EvaluateLowSampleCountPercentile")
    if low is not None and low not in ("evaluate", "ignore"):
        raise _wrong(
            f"Option {low} is not supported. Supported options for EvaluateLowSampleCountPercentile are evaluate and ignore."
        )


def page(items: list[Item], params: dict[str, Any], usual: int) -> tuple[list[Item], dict[str, str]]:
    """One page of ``items`` by MaxRecords and NextToken."""
    start = 0
    if params.get("NextToken"):
        try:
            start = int(base64.urlsafe_b64decode(params["NextToken"]))
        except (binascii.Error, ValueError) as wrong:
            raise Refused("InvalidNextToken", "Request parameter NextToken is invalid") from wrong
    end = start + int(params.get("MaxRecords") or usual)
    more = {"NextToken": base64.urlsafe_b64encode(str(end).encode()).decode()} if end < len(items) else {}
    return items[start:end], more


def moment(given: Any) -> datetime | None:
    """A request's time, if it has one."""
    return None if given is None else utc(given)


def _wrong(message: str) -> Refused:
    return Refused("ValidationError", message)
