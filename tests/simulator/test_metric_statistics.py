"""Statistics over periods, against numpy and scipy on the values written out one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sagekeeper.simulator.metric_statistics import Samples, Sets, parsed, per_period

PERIODS = 6
VALUES = st.one_of(st.integers(0, 20).map(float), st.floats(0, 1e6, allow_nan=False))
ROWS = st.lists(st.tuples(st.integers(0, 60 * PERIODS - 1), VALUES, st.integers(1, 5)), min_size=1, max_size=60)


def samples(rows: list[tuple[int, float, int]], counted: bool) -> Samples:
    ordered = sorted(rows, key=lambda row: row[0])
    at, value, count = (np.array(column) for column in zip(*ordered, strict=True))
    return Samples(at.astype(np.int64), value.astype(float), count.astype(float) if counted else None)


def written_out(rows: list[tuple[int, float, int]], counted: bool) -> list[np.ndarray]:
    return [
        np.array([value for at, value, count in rows if at // 60 == number for _ in range(count if counted else 1)])
        for number in range(PERIODS)
    ]


def computed(rows: list[tuple[int, float, int]], counted: bool, name: str) -> np.ndarray:
    stat = parsed(name)
    assert stat is not None
    return per_period(samples(rows, counted), None, stat, 0, 60, PERIODS)


def expect(rows: list[tuple[int, float, int]], counted: bool, name: str, reference) -> None:  # type: ignore[no-untyped-def]
    wanted = [reference(values) if len(values) else np.nan for values in written_out(rows, counted)]
    np.testing.assert_allclose(computed(rows, counted, name), wanted, rtol=1e-9, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.booleans())
def test_the_five_simple_statistics_are_those_of_the_values_written_out(rows: list, counted: bool) -> None:
    for name, reference in {
        "SampleCount": len,
        "Sum": np.sum,
        "Average": np.mean,
        "Minimum": np.min,
        "Maximum": np.max,
    }.items():
        expect(rows, counted, name, reference)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.booleans(), st.sampled_from(["0", "1", "25", "50", "90", "99", "99.9", "33.3333333333", "100"]))
def test_percentiles_are_numpys(rows: list, counted: bool, share: str) -> None:
    expect(rows, counted, f"p{share}", lambda values: np.percentile(values, float(share)))


@settings(max_examples=150, deadline=None)
@given(ROWS, st.booleans(), st.sampled_from([0, 10, 25, 40]))
def test_means_trimmed_at_both_ends_are_scipys(rows: list, counted: bool, share: int) -> None:
    expect(rows, counted, f"TM({share}%:{100 - share}%)", lambda values: stats.trim_mean(values, share / 100))


@settings(max_examples=150, deadline=None)
@given(ROWS, st.booleans(), st.sampled_from([0, 10, 25, 40]))
def test_winsorized_means_are_scipys(rows: list, counted: bool, share: int) -> None:
    expect(
        rows,
        counted,
        f"WM({share}%:{100 - share}%)",
        lambda values: np.mean(np.asarray(stats.mstats.winsorize(values, limits=(share / 100, share / 100)))),
    )


@settings(max_examples=150, deadline=None)
@given(ROWS, st.booleans(), st.integers(0, 10), st.integers(11, 30))
def test_bounds_in_values_leave_the_lower_out_and_the_upper_in(rows: list, counted: bool, low: int, high: int) -> None:
    def inside(values: np.ndarray) -> np.ndarray:
        return values[(values > low) & (values <= high)]

    expect(rows, counted, f"TC({low}:{high})", lambda values: len(inside(values)))
    expect(rows, counted, f"PR({low}:{high})", lambda values: 100 * len(inside(values)) / len(values))
    expect(rows, counted, f"WM({low}:{high})", lambda values: np.clip(values, low, high).mean())
    for name, reference in {"TM": np.mean, "TS": np.sum}.items():
        expect(
            rows,
            counted,
            f"{name}({low}:{high})",
            lambda values, reference=reference: reference(inside(values)) if len(inside(values)) else np.nan,
        )


@settings(max_examples=100, deadline=None)
@given(ROWS, st.booleans(), st.sampled_from([50, 80, 90, 99]))
def test_trimmed_sum_is_trimmed_mean_times_trimmed_count(rows: list, counted: bool, share: int) -> None:
    mean, count, total = (computed(rows, counted, f"{name}{share}") for name in ("tm", "tc", "ts"))
    np.testing.assert_allclose(mean * count, total, rtol=1e-9)
    np.testing.assert_array_equal(mean, computed(rows, counted, f"TM(:{share}%)"))


@settings(max_examples=50, deadline=None)
@given(ROWS, st.booleans())
def test_the_interquartile_mean_is_the_mean_trimmed_by_quarters(rows: list, counted: bool) -> None:
    np.testing.assert_array_equal(computed(rows, counted, "IQM"), computed(rows, counted, "TM(25%:75%)"))


@settings(max_examples=50, deadline=None)
@given(ROWS, st.booleans())
def test_half_open_bins_of_percentile_ranks_add_up_to_a_hundred(rows: list, counted: bool) -> None:
    bins = [computed(rows, counted, name) for name in ("PR(:1)", "PR(1:5)", "PR(5:1000)", "PR(1000:)")]
    whole = np.sum(bins, axis=0)
    np.testing.assert_allclose(whole[~np.isnan(whole)], 100)


def test_statistic_sets_and_raw_values_add_up_but_have_no_percentile() -> None:
    raw = Samples(np.array([0, 70]), np.array([4.0, 9.0]))
    sets = Sets(np.array([10]), np.array([3.0]), np.array([6.0]), np.array([1.0]), np.array([3.0]))

    def of(name: str) -> list[float]:
        stat = parsed(name)
        assert stat is not None
        return per_period(raw, sets, stat, 0, 60, 2).tolist()

    assert of("SampleCount") == [4, 1]
    assert of("Sum") == [10, 9]
    assert of("Average") == [2.5, 9]
    assert of("Minimum") == [1, 9]
    assert of("Maximum") == [4, 9]
    found = of("p50")
    assert np.isnan(found[0])
    assert found[1] == 9


def test_a_period_with_a_negative_value_has_no_percentile() -> None:
    raw = Samples(np.array([0, 1, 61]), np.array([-1.0, 5.0, 5.0]))
    found = per_period(raw, None, parsed("p90"), 0, 60, 2)  # type: ignore[arg-type]
    assert np.isnan(found[0])
    assert found[1] == 5


def test_a_period_without_a_value_has_no_datapoint_even_as_a_count() -> None:
    raw = Samples(np.array([130]), np.array([1.0]))
    for name in ("SampleCount", "Sum", "p50", "TC(:1)", "PR(:1)"):
        found = per_period(raw, None, parsed(name), 0, 60, 4)  # type: ignore[arg-type]
        assert np.isnan(found).tolist() == [True, True, False, True], name


@pytest.mark.parametrize(
    "name", ["p101", "p", "P90", "tm(90)", "TM90", "TM(90%:10%)", "TM(:)", "PR(10%:20%)", "Mean", "iqm", "p-1", "sum"]
)
def test_a_statistic_that_cloudwatch_does_not_know_is_not_read(name: str) -> None:
    assert parsed(name) is None


def test_one_large_value_elsewhere_does_not_touch_a_trimmed_sum() -> None:
    raw = Samples(np.array([0, 1, 2, 60, 61]), np.array([1.0, 2.0, 3.0, 1e100, 2e100]))
    assert per_period(raw, None, parsed("TS(:100%)"), 0, 60, 2)[0] == 6  # type: ignore[arg-type]
