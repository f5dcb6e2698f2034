"""A list of metric queries, answered: metrics and expressions that refer to one another.

In: MetricDataQueries as GetMetricData and alarms take them, and which periods to answer for. Out: per query one or
several time series. Wrong queries are refused with CloudWatch's codes before anything is computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from sagekeeper.simulator import metric_search
from sagekeeper.simulator.metric_expression import Malformed, Node, calls, tree
from sagekeeper.simulator.metric_lines import Line, Surroundings, Value
from sagekeeper.simulator.metric_math import computed
from sagekeeper.simulator.metric_read import SUB_MINUTE, Span, points_in
from sagekeeper.simulator.metric_statistics import parsed
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.operations import Refused
from sagekeeper.simulator.world import Standing
from sagekeeper.simulator.world_metrics import SOURCES

MOST_QUERIES = 500
LISTED, RECENT = timedelta(days=14), timedelta(hours=3)
"""ListMetrics and SEARCH see what had data in the last two weeks (aws-facts 1, CloudWatch rules), PT3H three hours."""
IDENTIFIER = re.compile(r"[a-z][A-Za-z0-9_]*")
INSIGHTS = re.compile(r"\s*SELECT\s", re.IGNORECASE)


def check(queries: list[dict[str, Any]]) -> None:
    """Refuse what CloudWatch refuses."""
    if len(queries) > MOST_QUERIES:
        raise Refused(
            "ValidationError", f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}."
        )
    if not queries:
        raise Refused("ValidationError", "The collection MetricDataQueries must not be empty.")
    for number, query in enumerate(queries, 1):
        where = f"MetricDataQueries.member.{number}"
        if IDENTIFIER.fullmatch(query["Id"]) is None:
            raise Refused(
                "ValidationError",
                f"The value {query['Id']} for parameter {where}.Id is not matching the expected pattern {IDENTIFIER.pattern}.",
            )
        _check_one(query, where)
    if len({query["Id"] for query in queries}) < len(queries):
        raise Refused("ValidationError", "The values for parameter id in MetricDataQueries are not unique.")


def _check_one(query: dict[str, Any], where: str) -> None:
    stat, expression = query.get("MetricStat"), query.get("Expression")
    if (stat is None) == (expression is None):
        raise Refused(
            "ValidationError", f"The parameter {where} must specify either MetricStat or Expression, but not both."
        )
    if "Period" in query:
        check_period(query["Period"], f"{where}.Period")
    if stat is None:
        _tree(query)
        return
    for member in ("Namespace", "MetricName"):
        if not stat["Metric"].get(member):
            raise Refused("ValidationError", f"The parameter {where}.MetricStat.Metric.{member} is required.")
    check_period(stat["Period"], f"{where}.MetricStat.Period")
    if parsed(stat["Stat"]) is None:
        raise Refused(
            "ValidationError", f"The value {stat['Stat']} for parameter {where}.MetricStat.Stat is not supported."
        )


def check_period(period: Any, where: str, code: str = "ValidationError") -> None:
    """1, 5, 10, 20, 30 or a multiple of 60."""
    if int(period) <= 0 or (int(period) % 60 and int(period) not in SUB_MINUTE):
        raise Refused(code, f"The parameter {where} must be 1, 5, 10, 20, 30 or a multiple of 60.")


def listed(here: Standing, now: datetime, recent: bool = False) -> list[Key]:
    """The metrics that had data lately, in order."""
    since = now - (RECENT if recent else LISTED)
    # The world's own ones change with it or by the hour: pages of one listing share the work.
    stamp = (here.version, int(now.timestamp()) // 3600, recent)
    if here.watch.listed_at != stamp:
        here.watch.listed = [key for source in SOURCES for key in source.keys(here, since, now)]
        here.watch.listed_at = stamp
    return sorted({*here.watch.listed, *here.watch.store.keys(since.timestamp())})


class Queries:
    """Answers queries by their Id, each once, and only those that are asked for."""

    def __init__(
        self, here: Standing, queries: list[dict[str, Any]], spans: Callable[[int], Span], now: datetime
    ) -> None:
        self._here, self._spans, self._now = here, spans, now
        self._queries = {query["Id"]: query for query in queries}
        self._known: dict[str, Value] = {}
        self._open: list[str] = []

    def lines(self, identifier: str) -> list[Line]:
        """The series of one query; an expression that makes a number is refused, as CloudWatch refuses it."""
        try:
            value = self._value(identifier)
        except Malformed as wrong:
            raise _refused(identifier, str(wrong)) from wrong
        if isinstance(value, float):
            raise _refused(identifier, "The result of an expression must be a time series or an array of them")
        return value if isinstance(value, list) else [value]

    def _value(self, identifier: str) -> Value:
        if identifier not in self._queries:
            raise Malformed(f"Unrecognized metric or expression '{identifier}'")
        if identifier in self._open:
            raise Malformed(f"Expression '{identifier}' refers to itself")
        if identifier not in self._known:
            self._open.append(identifier)
            query = self._queries[identifier]
            self._known[identifier] = self._metric(query) if "MetricStat" in query else self._expression(query)
            self._open.pop()
        return self._known[identifier]

    def _metric(self, query: dict[str, Any]) -> Line:
        stat = query["MetricStat"]
        metric = stat["Metric"]
        key = Key.of(metric["Namespace"], metric["MetricName"], metric.get("Dimensions") or [])
        return self._line(key, stat["Stat"], int(stat["Period"]), stat.get("Unit"), query.get("Label") or key.name)

    def _line(self, key: Key, stat: str, period: int, unit: str | None, label: str) -> Line:
        found = points_in(self._here, key, stat, self._spans(period), self._now, unit)
        return Line(label, period, found.epochs, found.values, (key, stat))

    def _expression(self, query: dict[str, Any]) -> Value:
        around = Surroundings(
            named=self._value,
            metrics=lambda: list(self._metrics()),
            search=self._search,
            grid=lambda period: self._spans(period).epochs(),
            period=int(query.get("Period") or self._shortest()),
        )
        return computed(_tree(query), around)

    def _metrics(self) -> Iterator[tuple[str, Line]]:
        for identifier, query in self._queries.items():
            if "MetricStat" in query:
                line = self._value(identifier)
                assert isinstance(line, Line)
                yield identifier, line

    def _shortest(self) -> int:
        periods = [int(query["MetricStat"]["Period"]) for query in self._queries.values() if "MetricStat" in query]
        return min(periods, default=300)

    def _search(self, text: str, stat: str, period: int) -> list[Line]:
        if parsed(stat) is None:
            raise Malformed(f"Unsupported statistic '{stat}'")
        check_period(period, "Period")
        keys = metric_search.found(text, listed(self._here, self._now))
        labels = metric_search.labels(keys)
        return [self._line(key, stat, period, None, label) for key, label in zip(keys, labels, strict=True)]


def _tree(query: dict[str, Any]) -> Node:
    expression = query["Expression"]
    if INSIGHTS.match(expression):
        raise _refused(query["Id"], "The simulated account does not compute Metrics Insights queries")
    try:
        return tree(expression)
    except Malformed as wrong:
        raise _refused(query["Id"], str(wrong)) from wrong


def searches(query: dict[str, Any]) -> bool:
    """Whether an expression has a SEARCH in it."""
    return "Expression" in query and calls(_tree(query), "SEARCH")


def _refused(identifier: str, why: str) -> Refused:
    return Refused("ValidationError", f"Error in expression '{identifier}': {why}.")


def newest_first(line: Line) -> Line:
    """The same points, backwards."""
    return line._replace(epochs=np.flip(line.epochs), values=np.flip(line.values))
