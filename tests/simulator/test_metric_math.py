"""Metric math on literal series: operators, functions, what is refused. ``-`` in comments is a missing point."""

from __future__ import annotations

import numpy as np
import pytest

from sagekeeper.simulator.metric_expression import Malformed, calls, tree
from sagekeeper.simulator.metric_lines import Line, Surroundings, Value
from sagekeeper.simulator.metric_math import computed

FIRST = 1_795_132_800
"""2026-11-20 00:00 UTC, a Friday."""
GAP = None


def line(name: str, *values: float | None, period: int = 60) -> Line:
    there = [place for place, value in enumerate(values) if value is not None]
    epochs = FIRST + period * np.array(there, dtype=np.int64)
    return Line(name, period, epochs, np.array([values[place] for place in there], dtype=float))


def evaluated(expression: str, *lines: Line, periods: int = 5) -> Value:
    named = {item.label: item for item in lines}

    def by_name(name: str) -> Value:
        if name not in named:
            raise Malformed(f"Unrecognized {name}")
        return named[name]

    around = Surroundings(
        named=by_name,
        metrics=lambda: list(named.items()),
        search=lambda text, stat, period: [item for item in lines if text in item.label],
        grid=lambda period: FIRST + period * np.arange(periods, dtype=np.int64),
        period=60,
    )
    return computed(tree(expression), around)


def shown(expression: str, *lines: Line, periods: int = 5) -> list[float | None]:
    """The one resulting series on the grid of a minute."""
    made = evaluated(expression, *lines, periods=periods)
    assert isinstance(made, Line)
    values: list[float | None] = [None] * periods
    for epoch, value in zip(made.epochs.tolist(), made.values.tolist(), strict=True):
        values[(epoch - FIRST) // 60] = value
    return values


M1, M2 = line("m1", 30, 20, 0, 0), line("m2", 20, GAP, 20, GAP)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("m1 + m2", [50, 20, 20, 0, GAP]),
        ("m1 - m2", [10, 20, -20, 0, GAP]),
        ("m1 * 2 + 1", [61, 41, 1, 1, GAP]),
        ("m2 / m1", [20 / 30, 0, GAP, GAP, GAP]),  # By zero: dropped.
        ("-m1", [-30, -20, 0, 0, GAP]),
        ("2 ^ 3 ^ 0 * m1", [60, 40, 0, 0, GAP]),
        ("(m1 + m2) / 10", [5, 2, 2, 0, GAP]),
        ("m1 < m2", [0, 0, 1, 0, GAP]),
        ("m1 >= 30", [1, 0, 0, 0, GAP]),
        ("m1 > 15 AND m2 > 15", [1, 0, 0, 0, GAP]),
        ("m1 > 15 && m2 > 15", [1, 0, 0, 0, GAP]),
        ("m1 > 15 || m2 > 15", [1, 1, 1, 0, GAP]),
        ("m1 == 0 OR m1 == 30", [1, 0, 1, 1, GAP]),
        ("m1 != 0", [1, 1, 0, 0, GAP]),
    ],
)
def test_operators_treat_a_missing_value_as_zero_and_drop_divisions_by_it(expression: str, values: list) -> None:
    assert shown(expression, M1, M2) == values


def test_multiplication_binds_tighter_than_addition_and_comparison_looser() -> None:
    assert shown("m1 + m1 * 2 > 60", M1) == [1, 0, 0, 0, GAP]


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("IF(a, b, c)", [30, 0, 20, GAP, GAP]),
        ("IF(a, 5, c)", [5, 5, 20, GAP, GAP]),
        ("IF(a, b, 5)", [30, 0, 5, 5, GAP]),
        ("IF(a, b)", [30, 0, GAP, GAP, GAP]),
        ("IF(1, b, c)", [30, GAP, 0, 0, 30]),
        ("IF(0, b)", [GAP] * 5),
        ("IF(b < 20, 1, 2)", [2, GAP, 1, 1, 2]),
    ],
)
def test_if_gives_the_tables_of_the_user_guide(expression: str, values: list) -> None:
    a, b, c = line("a", 1, 1, 0, 0, GAP), line("b", 30, GAP, 0, 0, 30), line("c", 0, 0, 20, GAP, 20)
    assert shown(expression, a, b, c) == values


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("AVG(m)", 3.0),
        ("SUM(m)", 9.0),
        ("MIN(m)", 1.0),
        ("MAX(m)", 5.0),
        ("STDDEV(m)", float(np.std([1, 3, 5]))),
        ("DATAPOINT_COUNT(m)", 3.0),
        ("PERIOD(m)", 60.0),
        ("METRIC_COUNT([m, m])", 2.0),
        ("MAX(m) - MIN(m) * 2", 3.0),
    ],
)
def test_a_function_of_one_series_is_a_number(expression: str, value: float) -> None:
    assert evaluated(expression, line("m", 1, GAP, 3, 5)) == value


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("SUM([a, b])", [11, 2, 30, GAP, GAP]),
        ("AVG([a, b])", [5.5, 1, 15, GAP, GAP]),  # A missing value counts as 0.
        ("MIN([a, b])", [1, 2, 30, GAP, GAP]),
        ("MAX(METRICS())", [10, 2, 30, GAP, GAP]),
        ("STDDEV([a, b])", [4.5, 1, 15, GAP, GAP]),
        ("DATAPOINT_COUNT([a, b])", [2, 1, 1, GAP, GAP]),
        ('SUM(METRICS("a"))', [1, 2, GAP, GAP, GAP]),
        ("SUM(100 / [a, b])", [110, 50, 100 / 30, GAP, GAP]),
        ("SUM(SEARCH('b', 'Sum', 60))", [10, GAP, 30, GAP, GAP]),
    ],
)
def test_a_function_of_several_series_is_one_series(expression: str, values: list) -> None:
    assert shown(expression, line("a", 1, 2), line("b", 10, GAP, 30)) == values


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("ABS(m)", [1, GAP, 3.5, 4, GAP]),
        ("CEIL(m)", [-1, GAP, 4, 4, GAP]),
        ("FLOOR(m)", [-1, GAP, 3, 4, GAP]),
        ("LOG10(m + 1)", [GAP, GAP, np.log10(4.5), np.log10(5), GAP]),
        ("LOG(m)", [GAP, GAP, np.log(3.5), np.log(4), GAP]),
        ("DIFF(m)", [GAP, GAP, 4.5, 0.5, GAP]),
        ("DIFF_TIME(m)", [GAP, GAP, 120, 60, GAP]),
        ("RATE(m)", [GAP, GAP, 4.5 / 120, 0.5 / 60, GAP]),
        ("RUNNING_SUM(m)", [-1, GAP, 2.5, 6.5, GAP]),
        ("FILL(m, 0)", [-1, 0, 3.5, 4, 0]),
        ("FILL(m, REPEAT)", [-1, -1, 3.5, 4, 4]),
        ("FILL(m, LINEAR)", [-1, 1.25, 3.5, 4, GAP]),
        ("FILL(m, MAX(m))", [-1, 4, 3.5, 4, 4]),
        ("TIME_SERIES(7)", [7, 7, 7, 7, 7]),
        ("m * 0 + HOUR(m)", [0, 0, 0, 0, 0]),
        ("MINUTE(m)", [0, 1, 2, 3, 4]),
        ("DAY(m)", [5, 5, 5, 5, 5]),
        ("DATE(m)", [20, 20, 20, 20, 20]),
        ("MONTH(m)", [11, 11, 11, 11, 11]),
        ("YEAR(m)", [2026, 2026, 2026, 2026, 2026]),
        ("EPOCH(m) - EPOCH(m) + 1", [1, 1, 1, 1, 1]),
    ],
)
def test_functions_point_by_point(expression: str, values: list) -> None:
    found = shown(expression, line("m", -1, GAP, 3.5, 4))
    assert [value is None for value in found] == [value is None for value in values]
    assert [value for value in found if value is not None] == pytest.approx(
        [item for item in values if item is not None]
    )


def labels(expression: str) -> list[str]:
    made = evaluated(expression, line("a", 1, 1), line("b", 9, 0), line("c", 5, 6), line("d"))
    assert isinstance(made, list)
    return [item.label for item in made]


def test_arrays_are_sorted_sliced_and_cleared_of_empty_series() -> None:
    assert labels("SORT(METRICS(), SUM, DESC)") == ["c", "b", "a", "d"]
    assert labels("SORT(METRICS(), MIN, ASC)") == ["b", "a", "c", "d"]
    assert labels("SORT(METRICS(), AVG, DESC, 2)") == ["c", "b"]
    assert labels("SLICE(SORT(METRICS(), AVG, DESC), 1, 3)") == ["b", "a"]
    assert labels("SLICE(METRICS(), 2)") == ["c", "d"]
    assert labels("REMOVE_EMPTY(METRICS())") == ["a", "b", "c"]
    assert labels("[a, METRICS() * 2]") == ["a", "a", "b", "c", "d"]


def test_the_first_and_last_of_an_array_are_single_series() -> None:
    pair = line("a", 1), line("b", 2)
    assert shown("FIRST(METRICS())", *pair)[0] == 1
    assert shown("LAST(METRICS())", *pair)[0] == 2


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("nobody + 1", "Unrecognized"),
        ("m +", "end of the expression"),
        ("m m", "Unexpected"),
        ("(m", "Expected '\\)'"),
        ("AVG(1)", "not a number"),
        ("AVG(m, m)", "arguments"),
        ("NOSUCH(m)", "Unknown function"),
        ("FILL(m)", "arguments"),
        ("SORT(m, MEDIAN, ASC)", "SORT takes"),
        ("[1, m]", "time series only"),
        ("METRICS(m)", "METRICS takes"),
        ("m # 2", "Unexpected character"),
        ("ANOMALY_DETECTION_BAND(m)", "does not compute ANOMALY_DETECTION_BAND"),
        ("'text'", "no time series"),
        ("[m, m] + [m, m, m]", "same length"),
        ("(" * 200 + "m" + ")" * 200, "too deeply"),
    ],
)
def test_what_cannot_be_computed_says_why(expression: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        evaluated(expression, line("m", 1))


def test_a_call_is_found_wherever_it_stands() -> None:
    assert calls(tree("SUM([m, 2 * SEARCH('x', 'Sum', 60)])"), "SEARCH")
    assert not calls(tree("SUM([m, SEARCH])"), "SEARCH")
