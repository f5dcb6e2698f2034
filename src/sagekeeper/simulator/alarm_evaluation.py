"""What a metric alarm finds: its state at every moment at which CloudWatch evaluates it, however many were jumped over.

In: an alarm and a range of time. Out: the changes of state, each with its time and reason. An alarm looks at the last N
periods before each minute (hour, for periods of an hour and more), and two periods more when data is missing. The rules
for M of N and for the four treatments of missing data are those of the CloudWatch User Guide (how alarm state is
evaluated when data is missing). All moments are decided at once; loops go over phases and changes only.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sagekeeper.simulator.alarm_rules import rule
from sagekeeper.simulator.alarm_state import Alarm
from sagekeeper.simulator.metric_query import Queries
from sagekeeper.simulator.metric_read import NO_POINTS, Span, points_in
from sagekeeper.simulator.metric_statistics import Floats, Ints, parsed
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.operations import Refused
from sagekeeper.simulator.world import Standing

BEYOND = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
FURTHER = 2
"""Periods before the N of which data counts when some is missing: the guide's example reads 5 for an N of 3."""
OK, ALARM, UNKNOWN, SAME = 0, 1, 2, -1
STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")
FULL_SAMPLES = 10
"""A percentile p needs 10 / (1 - p) samples, below the median 10 / p (CloudWatch User Guide, low data samples)."""


class Change(NamedTuple):
    """An alarm's state became another one."""

    at: datetime
    state: str
    reason: str
    data: str


def rhythm(alarm: Alarm) -> int:
    """Seconds between evaluations."""
    period = period_of(alarm)
    return 3600 if period >= 3600 else min(60, period)


def period_of(alarm: Alarm) -> int:
    """The period of its metric, or of all metrics of its expression."""
    if "Metrics" not in alarm.given:
        return int(alarm.given["Period"])
    found = [query["MetricStat"]["Period"] for query in alarm.given["Metrics"] if "MetricStat" in query]
    found += [query["Period"] for query in alarm.given["Metrics"] if "Period" in query]
    return int(found[0]) if found else 300


def changes(here: Standing, alarm: Alarm, upto: int, now: datetime) -> Iterator[Change]:
    """How its state changes after ``alarm.looked`` and up to the second ``upto``, from the state it has."""
    step = rhythm(alarm)
    moments = np.arange((alarm.looked // step + 1) * step, upto + 1, step, dtype=np.int64)
    if not len(moments):
        return
    windows = _windows(here, alarm, moments, now)
    found = verdicts(alarm.given, windows)
    found[_too_few(here, alarm, moments, now)] = SAME
    decided = np.flatnonzero(found != SAME)
    before = np.concatenate([[STATES.index(alarm.state)], found[decided][:-1]])
    state = alarm.state
    for place in decided[found[decided] != before]:
        to = STATES[found[place]]
        reason, data = _explained(alarm, windows[place], int(moments[place]), state, to)
        yield Change(datetime.fromtimestamp(int(moments[place]), UTC), to, reason, data)
        state = to


def in_alarm(here: Standing, name: str, at: datetime) -> bool:
    """Whether an alarm is in ALARM at any moment, as its metrics stand then; one without data is as it was set."""
    return name in here.watch.alarms.alarms and _state_at(here, here.watch.alarms.alarms[name], at) == "ALARM"


def _state_at(here: Standing, alarm: Alarm, at: datetime) -> str:
    if alarm.composite:
        alarms = here.watch.alarms.alarms
        states = {
            name: _state_at(here, alarms[name], at)
            for name in rule(alarm.given["AlarmRule"]).children
            if name in alarms
        }
        return "ALARM" if rule(alarm.given["AlarmRule"]).holds(lambda name: states.get(name, STATES[UNKNOWN])) else "OK"
    step = rhythm(alarm)
    if timedelta(0) <= at - alarm.updated < timedelta(seconds=step):
        return alarm.state  # Perhaps set by hand: that stands until the next evaluation.
    moment = np.array([int(at.timestamp()) // step * step], dtype=np.int64)
    found = int(verdicts(alarm.given, _windows(here, alarm, moment, at))[0])
    return alarm.state if found in (SAME, UNKNOWN) else STATES[found]


def verdicts(given: dict[str, Any], windows: Floats) -> Ints:
    """OK, ALARM, UNKNOWN or SAME for each row of values, oldest first, NaN for a missing one."""
    last, needed = int(given["EvaluationPeriods"]), int(given.get("DatapointsToAlarm") or given["EvaluationPeriods"])
    there = ~np.isnan(windows)
    beyond = BEYOND[given["ComparisonOperator"]][0](np.where(there, windows, 0.0), given["Threshold"]) & there
    known = there.sum(axis=1)
    from_end = np.cumsum(there[:, ::-1], axis=1)[:, ::-1]
    recent = (beyond & (from_end <= last)).sum(axis=1)
    enough = np.where(recent >= needed, ALARM, OK)
    return np.where(known >= last, enough, _with_gaps(_treatment(given), beyond, known, needed, last)).astype(np.int64)


def _with_gaps(treatment: str, beyond: Any, known: Any, needed: int, last: int) -> Any:
    """The verdict where fewer than N values are known: gaps are filled as the alarm says, as few as possible."""
    number = beyond.sum(axis=1)
    if treatment == "breaching":
        return np.where(number + last - known >= needed, ALARM, OK)
    if treatment == "notBreaching":
        return np.where(number >= needed, ALARM, OK)
    fine = known > number
    if treatment == "ignore":
        return np.select([known == 0, number >= needed, fine], [SAME, ALARM, OK], SAME)
    # Only values beyond the threshold, and the oldest is as old as M: an alarm, though there are fewer than M.
    old = beyond.shape[1] - beyond.argmax(axis=1) >= needed
    return np.select([known == 0, number >= needed, fine, old], [UNKNOWN, ALARM, OK, ALARM], UNKNOWN)


def _treatment(given: dict[str, Any]) -> str:
    # botocore's text of TreatMissingData: alarms on DynamoDB's metrics always ignore missing data.
    return "ignore" if given.get("Namespace") == "AWS/DynamoDB" else str(given.get("TreatMissingData") or "missing")


def _windows(here: Standing, alarm: Alarm, moments: Ints, now: datetime, stat: str | None = None) -> Floats:
    """For each moment the values of the periods that end there: N and some further back, oldest first."""
    period, width = period_of(alarm), int(alarm.given["EvaluationPeriods"]) + FURTHER
    made = np.empty((len(moments), width))
    phase = moments % period
    for shift in np.unique(phase):
        mine = np.flatnonzero(phase == shift)
        first, end = int(moments[mine[0]]) - width * period, int(moments[mine[-1]])
        span = Span(first, period, (end - first) // period)
        rows = sliding_window_view(_values(here, alarm, span, now, stat), width)
        made[mine] = rows[(moments[mine] - moments[mine[0]]) // period]
    return made


def _values(here: Standing, alarm: Alarm, span: Span, now: datetime, stat: str | None) -> Floats:
    given = alarm.given
    made = np.full(span.periods, np.nan)
    if "Metrics" in given:
        epochs, values = _of_expression(here, given["Metrics"], span, now)
    else:
        key = Key.of(given["Namespace"], given["MetricName"], given.get("Dimensions") or [])
        wanted = stat or given.get("Statistic") or given["ExtendedStatistic"]
        epochs, values = points_in(here, key, wanted, span, now, given.get("Unit"))
    inside = (epochs >= span.first) & (epochs < span.first + span.period * span.periods)
    made[(epochs[inside] - span.first) // span.period] = values[inside]
    return made


def _of_expression(here: Standing, queries: list[dict[str, Any]], span: Span, now: datetime) -> tuple[Ints, Floats]:
    try:
        found = Queries(here, queries, lambda _: span, now).lines(watched(queries)["Id"])
    except Refused:
        # It was one series when the alarm was put: with other data it can be a number, which no alarm can watch.
        return NO_POINTS
    return (found[0].epochs, found[0].values) if found else NO_POINTS


def watched(queries: list[dict[str, Any]]) -> dict[str, Any]:
    """The query of a math alarm whose result it watches."""
    return next(query for query in queries if query.get("ReturnData", True))


def _too_few(here: Standing, alarm: Alarm, moments: Ints, now: datetime) -> Any:
    """Where a percentile rests on too few samples and the alarm is to ignore those."""
    stat = parsed(alarm.given.get("ExtendedStatistic") or "")
    if alarm.given.get("EvaluateLowSampleCountPercentile") != "ignore" or stat is None or stat.kind != "p":
        return np.zeros(len(moments), dtype=bool)
    tail = min(stat.high, 1 - stat.high)
    needed = round(FULL_SAMPLES / tail, 6) if tail else np.inf
    counts = _windows(here, alarm, moments, now, "SampleCount")[:, FURTHER:]
    return np.nan_to_num(counts).sum(axis=1) < needed


def _explained(alarm: Alarm, window: Floats, moment: int, before: str, to: str) -> tuple[str, str]:
    """StateReason and StateReasonData as CloudWatch words them."""
    given, period, last = alarm.given, period_of(alarm), int(alarm.given["EvaluationPeriods"])
    epochs = moment - period * np.arange(len(window), 0, -1)
    known = np.flatnonzero(~np.isnan(window))[-last:]
    points = [(int(epochs[place]), float(window[place])) for place in known]
    data: dict[str, Any] = {"version": "1.0", "queryDate": _stamp(moment), "period": period}
    if "Metrics" not in given:
        data["statistic"] = given.get("Statistic") or given["ExtendedStatistic"]
        data |= {"unit": given["Unit"]} if given.get("Unit") else {}
    data |= {"recentDatapoints": [value for _, value in points], "threshold": given["Threshold"]}
    if points:
        data["startDate"] = _stamp(points[0][0])
    data["evaluatedDatapoints"] = [{"timestamp": _stamp(at)} | ({"value": value}) for at, value in reversed(points)]
    return _reason(given, points, last, before, to), json.dumps(data)[:4000]


def _reason(given: dict[str, Any], points: list[tuple[int, float]], last: int, before: str, to: str) -> str:
    if to == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {last} datapoint{'s were' if last > 1 else ' was'} unknown."
    compare, words = BEYOND[given["ComparisonOperator"]]
    needed = int(given.get("DatapointsToAlarm") or last)
    if not points:
        treated = {"breaching": "Breaching", "notBreaching": "NonBreaching"}[_treatment(given)]
        return (
            f"Threshold Crossed: no datapoints were received for {last} period{'s' * (last > 1)} and "
            f"{last} missing datapoint{'s were' if last > 1 else ' was'} treated as [{treated}]."
        )
    chosen = [(at, value) for at, value in points if compare(value, given["Threshold"]) == (to == "ALARM")]
    shown = ", ".join(
        f"{value} ({datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S})" for at, value in reversed(chosen)
    )
    asked = needed if to == "ALARM" else last - needed + 1
    plural = "were" if len(chosen) > 1 else "was"
    denied = "" if to == "ALARM" else "not "
    return (
        f"Threshold Crossed: {len(chosen)} out of the last {last} datapoints [{shown}] {plural} {denied}{words} "
        f"the threshold ({float(given['Threshold'])}) (minimum {asked} datapoint{'s' * (asked > 1)} "
        f"for {before} -> {to} transition)."
    )[:1023]


def _stamp(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}.000+0000"
