"""Time series and numbers of metric math, and the operators between them.

Rules from the CloudWatch User Guide (metric math syntax): between two series, a value missing on one side counts as 0; a
division by zero drops the point; an operator with an array works on each of its series.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagekeeper.simulator.metric_expression import Malformed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Line(NamedTuple):
    """A time series: the points that there are, oldest first. ``about`` is the metric it came from, if one."""

    label: str
    period: int
    epochs: Ints
    values: Floats
    about: Any = None


Value = float | Line | list[Line]


class Surroundings(NamedTuple):
    """What an expression can see."""

    named: Callable[[str], Value]
    metrics: Callable[[], list[tuple[str, Line]]]
    search: Callable[[str, str, int], list[Line]]
    grid: Callable[[int], Ints]
    period: int
    """Of series that are made of numbers only."""


def many(found: list[Value]) -> list[Line]:
    lines: list[Line] = []
    for item in found:
        if isinstance(item, float):
            raise Malformed("An array can contain time series only")
        lines += item if isinstance(item, list) else [item]
    return lines


def points(line: Line, epochs: Ints, values: Floats) -> Line:
    """The line with other points; what is no number is dropped."""
    good = np.isfinite(values)
    return line._replace(epochs=epochs[good], values=values[good])


def each(value: Value, work: Callable[[Any], Any]) -> Value:
    if isinstance(value, list):
        return [points(item, item.epochs, work(item.values)) for item in value]
    if isinstance(value, Line):
        return points(value, value.epochs, work(value.values))
    return float(work(value))


def _truth(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: np.asarray(compare(left, right), dtype=np.float64)


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": np.divide,
    "^": np.power,
    "==": _truth(operator.eq),
    "!=": _truth(operator.ne),
    "<": _truth(operator.lt),
    ">": _truth(operator.gt),
    "<=": _truth(operator.le),
    ">=": _truth(operator.ge),
    "AND": _truth(np.logical_and),
    "OR": _truth(np.logical_or),
}


def binary(sign: str, left: Value, right: Value) -> Value:
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            raise Malformed(f"Operator {sign} needs two arrays of the same length")
        return [_pair(sign, a, b) for a, b in zip(left, right, strict=True)]
    if isinstance(left, list):
        return [_pair(sign, item, right) for item in left]  # type: ignore[arg-type]
    if isinstance(right, list):
        return [_pair(sign, left, item, labelled=item) for item in right]
    if isinstance(left, float) and isinstance(right, float):
        with np.errstate(all="ignore"):
            return float(OPERATORS[sign](np.float64(left), np.float64(right)))
    return _pair(sign, left, right)


def _pair(sign: str, left: Line | float, right: Line | float, labelled: Line | None = None) -> Line:
    about = labelled or (left if isinstance(left, Line) else right)
    assert isinstance(about, Line)
    with np.errstate(all="ignore"):
        if isinstance(left, Line) and isinstance(right, Line):
            epochs = union([left, right])
            made = OPERATORS[sign](on(left, epochs, 0.0), on(right, epochs, 0.0))
            return points(about._replace(period=max(left.period, right.period)), epochs, made)
        values = [np.float64(item) if isinstance(item, float) else item.values for item in (left, right)]
        return points(about, about.epochs, OPERATORS[sign](*values))


def union(lines: list[Line]) -> Ints:
    """All times at which one of them has a point."""
    first = lines[0].epochs
    if all(len(item.epochs) == len(first) and (item.epochs == first).all() for item in lines[1:]):
        return first
    return np.unique(np.concatenate([item.epochs for item in lines]))


def on(line: Line, epochs: Ints, missing: float) -> Floats:
    """The line's values at these times (sorted, and more than its own or other ones)."""
    made = np.full(len(epochs), missing)
    mine = np.isin(line.epochs, epochs)
    made[np.searchsorted(epochs, line.epochs[mine])] = line.values[mine]
    return made


def one(value: Value) -> Line:
    """The one time series that a function wants."""
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    if not isinstance(value, Line):
        raise Malformed("A single time series is expected")
    return value


def several(value: Value) -> list[Line]:
    """The array of time series that a function wants."""
    if isinstance(value, float):
        raise Malformed("An array of time series is expected, not a number")
    return value if isinstance(value, list) else [value]


def number(value: Value) -> float:
    """The number that a function wants."""
    if not isinstance(value, float):
        raise Malformed("A number is expected")
    return value
