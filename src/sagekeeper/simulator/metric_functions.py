"""The functions of metric math, a few lines each (CloudWatch User Guide, functions supported for metric math).

A plain function takes its computed arguments; a special one takes them as they were written, because a word such as
REPEAT or DESC is no value.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sagekeeper.simulator.metric_expression import Malformed, Name, Node, Number, Text
from sagekeeper.simulator.metric_lines import (
    Floats,
    Ints,
    Line,
    Surroundings,
    Value,
    each,
    number,
    on,
    one,
    points,
    several,
    union,
)

Compute = Callable[[Node, Surroundings], Value]
THURSDAY = 3
"""The first of January 1970, with Monday as 0; CloudWatch counts Monday as 1."""
OF_ONE: dict[str, Callable[[Floats], float]] = {
    "AVG": lambda found: float(np.mean(found)),
    "SUM": lambda found: float(np.sum(found)),
    "MIN": lambda found: float(np.min(found)),
    "MAX": lambda found: float(np.max(found)),
    "STDDEV": lambda found: float(np.std(found)),
}

OF_SEVERAL: dict[str, Callable[[Floats], Floats]] = {
    "AVG": lambda grid: grid.mean(axis=0),
    "SUM": lambda grid: grid.sum(axis=0),
    "MIN": lambda grid: grid.min(axis=0),
    "MAX": lambda grid: grid.max(axis=0),
    "STDDEV": lambda grid: grid.std(axis=0),
}


def _reduced(name: str) -> Callable[[Surroundings, Value], Value]:
    """A number of one series, a series of several."""

    def reduce(_: Surroundings, value: Value) -> Value:
        if isinstance(value, float):
            raise Malformed(f"{name} expects a time series, not a number")
        if isinstance(value, Line):
            return OF_ONE[name](value.values) if len(value.values) else (0.0 if name == "SUM" else float("nan"))
        lines = [item for item in value if len(item.epochs)]
        if not lines:
            return Line("", max((item.period for item in value), default=60), *_NONE)
        epochs = union(lines)
        # Only extremes leave a missing value out: everywhere else it counts as 0.
        missing = {"MIN": np.inf, "MAX": -np.inf}.get(name, 0.0)
        grid = np.stack([on(item, epochs, missing) for item in lines])
        made = OF_SEVERAL[name](grid)
        return points(Line("", max(item.period for item in lines), epochs, made), epochs, made)

    return reduce


_NONE = (np.array([], dtype=np.int64), np.array([], dtype=np.float64))


def _counted(_: Surroundings, value: Value) -> Value:
    if isinstance(value, Line):
        return float(len(value.values))
    lines = [item for item in several(value) if len(item.epochs)]
    if not lines:
        return Line("", 60, *_NONE)
    epochs = union(lines)
    made = np.sum([np.isin(epochs, item.epochs) for item in lines], axis=0).astype(np.float64)
    return Line("", max(item.period for item in lines), epochs, made)


def _elementwise(work: Callable[[Floats], Floats]) -> Callable[[Surroundings, Value], Value]:
    def apply(_: Surroundings, value: Value) -> Value:
        with np.errstate(all="ignore"):
            return each(value, work)

    return apply


def _stepwise(work: Callable[[Ints, Floats], tuple[Ints, Floats]]) -> Callable[[Surroundings, Value], Value]:
    def apply(_: Surroundings, value: Value) -> Value:
        made = [points(item, *work(item.epochs, item.values)) for item in several(value)]
        return made if isinstance(value, list) else made[0]

    return apply


def _calendar(part: Callable[[Ints], Ints]) -> Callable[[Surroundings, Value], Value]:
    def apply(around: Surroundings, value: Value) -> Value:
        line = one(value)
        epochs = around.grid(line.period)
        return points(line, epochs, part(epochs).astype(np.float64))

    return apply


def _months(epochs: Ints) -> Ints:
    return epochs.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def _day_of_month(epochs: Ints) -> Ints:
    days = epochs.astype("datetime64[s]").astype("datetime64[D]")
    return (days - days.astype("datetime64[M]")).astype(np.int64) + 1


def _period(_: Surroundings, value: Value) -> Value:
    return float(one(value).period)


def _time_series(around: Surroundings, value: Value) -> Value:
    epochs = around.grid(around.period)
    return Line("", around.period, epochs, np.full(len(epochs), number(value)))


def _if(around: Surroundings, condition: Value, true: Value, false: Value | None = None) -> Value:
    if isinstance(condition, float):
        chosen = true if condition else false
        return Line("", around.period, *_NONE) if chosen is None else chosen
    asked = one(condition)
    yes = _branch(true, asked.epochs, 0.0)
    no = np.full(len(asked.epochs), np.nan) if false is None else _branch(false, asked.epochs, np.nan)
    return points(asked, asked.epochs, np.where(asked.values != 0, yes, no))


def _branch(value: Value, epochs: Ints, missing: float) -> Floats:
    return np.full(len(epochs), value) if isinstance(value, float) else on(one(value), epochs, missing)


def _slice(_: Surroundings, value: Value, first: Value, end: Value | None = None) -> Value:
    return several(value)[int(number(first)) : None if end is None else int(number(end))]


def _first(_: Surroundings, value: Value) -> Value:
    return several(value)[0] if several(value) else Line("", 60, *_NONE)


def _last(_: Surroundings, value: Value) -> Value:
    return several(value)[-1] if several(value) else Line("", 60, *_NONE)


PLAIN: dict[str, tuple[int, int, Callable[..., Value]]] = {
    **{name: (1, 1, _reduced(name)) for name in OF_ONE},
    "ABS": (1, 1, _elementwise(np.abs)),
    "CEIL": (1, 1, _elementwise(np.ceil)),
    "FLOOR": (1, 1, _elementwise(np.floor)),
    "LOG": (1, 1, _elementwise(np.log)),
    "LOG10": (1, 1, _elementwise(np.log10)),
    "DIFF": (1, 1, _stepwise(lambda at, found: (at[1:], np.diff(found)))),
    "DIFF_TIME": (1, 1, _stepwise(lambda at, _: (at[1:], np.diff(at).astype(np.float64)))),
    "RATE": (1, 1, _stepwise(lambda at, found: (at[1:], np.diff(found) / np.diff(at)))),
    "RUNNING_SUM": (1, 1, _stepwise(lambda at, found: (at, np.cumsum(found)))),
    "DATAPOINT_COUNT": (1, 1, _counted),
    "METRIC_COUNT": (1, 1, lambda _, value: float(len(several(value)))),
    "REMOVE_EMPTY": (1, 1, lambda _, value: [item for item in several(value) if len(item.epochs)]),
    "FIRST": (1, 1, _first),
    "LAST": (1, 1, _last),
    "SLICE": (2, 3, _slice),
    "IF": (2, 3, _if),
    "PERIOD": (1, 1, _period),
    "TIME_SERIES": (1, 1, _time_series),
    "EPOCH": (1, 1, _calendar(lambda at: at)),
    "MINUTE": (1, 1, _calendar(lambda at: at // 60 % 60)),
    "HOUR": (1, 1, _calendar(lambda at: at // 3600 % 24)),
    "DAY": (1, 1, _calendar(lambda at: (at // 86_400 + THURSDAY) % 7 + 1)),
    "DATE": (1, 1, _calendar(_day_of_month)),
    "MONTH": (1, 1, _calendar(lambda at: _months(at) % 12 + 1)),
    "YEAR": (1, 1, _calendar(lambda at: _months(at) // 12 + 1970)),
}
"""Function: least and most arguments, and what it does."""


def _metrics(arguments: tuple[Node, ...], around: Surroundings, _: Compute) -> Value:
    match arguments:
        case ():
            wanted = ""
        case (Text(wanted),):
            pass
        case _:
            raise Malformed("METRICS takes nothing, or one text")
    return [line for name, line in around.metrics() if wanted in name]


def _search(arguments: tuple[Node, ...], around: Surroundings, _: Compute) -> Value:
    match arguments:
        case (Text(wanted), Text(stat)):
            return list(around.search(wanted, stat, around.period))
        case (Text(wanted), Text(stat), Number(period)):
            return list(around.search(wanted, stat, int(period)))
    raise Malformed("SEARCH takes a search text, a statistic and a period")


def _sort(arguments: tuple[Node, ...], around: Surroundings, compute: Compute) -> Value:
    match arguments:
        case (lines, Name(function), Name("ASC" | "DESC" as order), *rest) if function in OF_ONE and len(rest) < 2:
            found = several(compute(lines, around))
            limit = int(number(compute(rest[0], around))) if rest else len(found)
        case _:
            raise Malformed("SORT takes an array, one of AVG, MIN, MAX, SUM, ASC or DESC, and possibly a limit")
    ranked = sorted(
        (item for item in found if len(item.values)),
        key=lambda item: OF_ONE[function](item.values),
        reverse=order == "DESC",
    )
    return [*ranked, *(item for item in found if not len(item.values))][:limit]


def _fill(arguments: tuple[Node, ...], around: Surroundings, compute: Compute) -> Value:
    if len(arguments) != 2:
        raise Malformed("Invalid number of arguments for function FILL")
    value = compute(arguments[0], around)
    how: Value | str
    match arguments[1]:
        case Name("REPEAT" | "LINEAR" as how):
            pass
        case _:
            how = compute(arguments[1], around)
    made = [_filled(item, how, around.grid(item.period)) for item in several(value)]
    return made if isinstance(value, list) else made[0]


def _filled(line: Line, how: Value | str, grid: Ints) -> Line:
    epochs = np.union1d(grid, line.epochs)
    values = on(line, epochs, np.nan)
    gaps = np.isnan(values)
    if isinstance(how, float):
        values[gaps] = how
    elif how == "LINEAR" and len(line.epochs):
        values[gaps] = np.interp(epochs[gaps], line.epochs, line.values, left=np.nan, right=np.nan)
    elif how == "REPEAT":
        before = np.searchsorted(line.epochs, epochs[gaps], side="right") - 1
        values[gaps] = np.where(before >= 0, line.values[before], np.nan) if len(line.values) else np.nan
    elif not isinstance(how, str):
        values[gaps] = on(one(how), epochs, np.nan)[gaps]
    return points(line, epochs, values)


SPECIAL: dict[str, Callable[[tuple[Node, ...], Surroundings, Compute], Value]] = {
    "METRICS": _metrics,
    "SEARCH": _search,
    "SORT": _sort,
    "FILL": _fill,
}
