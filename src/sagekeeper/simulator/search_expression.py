"""Search's expressions: filters, nested filters and sub-expressions, with And and Or, over records.

A filter's name is a path ("ResourceConfig.InstanceType", "Tags.team", "HyperParameters.depth", "Metrics.accuracy"); of a
list it means any of the items, while a nested filter asks for one item that satisfies all (botocore's texts of Filter and
NestedFilters).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from sagekeeper.simulator.operations import Refused

MOST_ELEMENTS = 20
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
MANY_CONTAINS = {
    "Experiment": ("DisplayName", "ExperimentName", "Tags"),
    "ExperimentTrial": ("DisplayName", "TrialName", "Tags"),
    "ExperimentTrialComponent": (
        *("DisplayName", "TrialComponentName", "Tags"),
        *("InputArtifacts", "OutputArtifacts"),
    ),
}
"""Properties that Contains may be asked of more than once."""


class Property:
    """What names a resource type's properties may have."""

    def __init__(self, shape: Any, resource: str) -> None:
        self._shape, self.resource = shape, resource

    def check(self, name: str) -> None:
        """Refuse a name that the type does not have."""
        first = re.split(r"[.\[]", name, maxsplit=1)[0]
        if first in self._shape.members or (first == "Metrics" and self.resource == "TrainingJob"):
            return
        if self.resource == "Model" and first in self._shape.members["Model"].members:
            return
        raise Refused("ValidationException", f"Unknown property name: {name}")


def matching(rows: list[dict[str, Any]], expression: dict[str, Any] | None, known: Property) -> list[dict[str, Any]]:
    """The rows that an expression describes; all when there is none."""
    if expression is None:
        return rows
    _check(expression, known)
    return [row for row in rows if _holds(row, expression)]


def found_at(row: Any, path: str) -> list[Any]:
    """What lies at a path; several values where lists are passed."""
    head, _, rest = path.partition(".")
    if isinstance(row, list):
        return [value for item in row for value in found_at(item, path)]
    if not isinstance(row, dict):
        return []
    if rest and head in ("Metrics", "Tags"):
        own = {item["Key"]: item["Value"] for item in row.get("Tags", [])}
        return _metric(row, rest.split(".")) if head == "Metrics" else [own[rest]] if rest in own else []
    if path in row or head in row:
        return _flat(row[path]) if path in row or not rest else found_at(row[head], rest)
    # A record of the model dashboard holds the model.
    return found_at(row.get("Model"), path)


def words(shape: Any, rows: list[dict[str, Any]]) -> set[str]:
    """Names of properties: the model's, and the keys that the rows have."""
    names = set(_members(shape, "", 0))
    for row in rows:
        names |= {f"Tags.{item['Key']}" for item in row.get("Tags", [])}
        names |= {f"HyperParameters.{key}" for key in row.get("HyperParameters", {})}
        names |= {f"Parameters.{key}" for key in row.get("Parameters", {}) if isinstance(row["Parameters"], dict)}
        for item in [*row.get("FinalMetricDataList", []), *row.get("Metrics", [])]:
            names.add(f"Metrics.{item['MetricName']}")
    return names


def _holds(row: dict[str, Any], expression: dict[str, Any]) -> bool:
    answers = [
        *(_satisfies(row, item) for item in expression.get("Filters", [])),
        *(_nested(row, item) for item in expression.get("NestedFilters", [])),
        *(_holds(row, item) for item in expression.get("SubExpressions", [])),
    ]
    return any(answers) if expression.get("Operator") == "Or" else all(answers)


def _nested(row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    inside = wanted["NestedPropertyName"]
    items = found_at(row, inside)
    own = [item | {"Name": item["Name"].removeprefix(f"{inside}.")} for item in wanted["Filters"]]
    return any(isinstance(item, dict) and all(_satisfies(item, each) for each in own) for item in items)


def _satisfies(row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    name, sort = wanted["Name"], wanted.get("Operator", "Equals")
    values = found_at(row, name)
    if sort in ("Exists", "NotExists"):
        return bool(values) == (sort == "Exists")
    given = wanted["Value"]
    if sort == "NotEquals":
        return not any(_equal(value, given) for value in values)
    return any(_compared(value, sort, given, name) for value in values)


def _compared(value: Any, sort: str, given: str, name: str) -> bool:
    if sort == "Equals":
        return _equal(value, given)
    if sort == "In":
        return any(_equal(value, item.strip()) for item in given.split(","))
    if sort == "Contains":
        return given.lower() in str(value).lower()
    if isinstance(value, datetime):
        return ORDERS[sort](value, _moment(given))
    left, right = _number(value), _number(given)
    if right is None:
        raise Refused("ValidationException", f"Operator {sort} is not supported for the text property {name}.")
    return left is not None and ORDERS[sort](left, right)


def _equal(value: Any, given: str) -> bool:
    if isinstance(value, datetime):
        return value == _moment(given)
    if isinstance(value, bool):
        return str(value).lower() == given.lower()
    if isinstance(value, int | float):
        return _number(given) == value
    left, right = _number(value), _number(given)
    return str(value) == given or (left is not None and left == right)


def _check(expression: dict[str, Any], known: Property) -> None:
    names: list[tuple[str, str]] = []
    elements = _collect(expression, known, names)
    if not elements:
        raise Refused("ValidationException", "A SearchExpression must have at least one element.")
    if elements > MOST_ELEMENTS:
        raise Refused("ValidationException", f"A SearchExpression can contain up to {MOST_ELEMENTS} elements.")
    limited = [
        name
        for name, sort in names
        if sort == "Contains" and name.partition(".")[0] not in MANY_CONTAINS.get(known.resource, ())
    ]
    if len(limited) > 1:
        raise Refused("ValidationException", "'CONTAINS' operator usage limit of 1 exceeded.")


def _collect(expression: dict[str, Any], known: Property, names: list[tuple[str, str]]) -> int:
    filters = list(expression.get("Filters", []))
    for nested in expression.get("NestedFilters", []):
        known.check(nested["NestedPropertyName"])
        inside = nested["NestedPropertyName"]
        for item in nested["Filters"]:
            name = item["Name"] if item["Name"].startswith(f"{inside}.") else f"{inside}.{item['Name']}"
            filters.append(item | {"Name": name})
    for item in filters:
        known.check(item["Name"])
        sort = item.get("Operator", "Equals")
        if ("Value" in item) == (sort in ("Exists", "NotExists")):
            need = "must not" if "Value" in item else "must"
            raise Refused("ValidationException", f"A filter with operator {sort} {need} have a Value: {item['Name']}.")
        names.append((item["Name"], sort))
    return len(filters) + sum(_collect(item, known, names) for item in expression.get("SubExpressions", []))


def _metric(row: dict[str, Any], rest: list[str]) -> list[Any]:
    statistic = rest[-1].title() if len(rest) > 1 and rest[-1].title() in ("Min", "Max", "Last", "Avg", "Count") else ""
    name = ".".join(rest[:-1] if statistic else rest)
    of_job = [item["Value"] for item in row.get("FinalMetricDataList", []) if item["MetricName"] == name]
    return of_job + [item[statistic or "Last"] for item in row.get("Metrics", []) if item["MetricName"] == name]


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("StringValue", "NumberValue", "Value"):
        return list(value.values())
    return list(value) if isinstance(value, list) else [value]


def _members(shape: Any, before: str, depth: int) -> Iterator[str]:
    for name, member in shape.members.items():
        yield f"{before}{name}"
        inner = member.member if member.type_name == "list" else member
        if inner.type_name == "structure" and depth < 3:
            yield from _members(inner, f"{before}{name}.", depth + 1)


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _moment(text: str) -> datetime:
    try:
        if text.replace(".", "", 1).isdigit():
            return datetime.fromtimestamp(float(text), UTC)
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as broken:
        raise Refused("ValidationException", f"Invalid timestamp: {text}") from broken
    return found if found.tzinfo else found.replace(tzinfo=UTC)
