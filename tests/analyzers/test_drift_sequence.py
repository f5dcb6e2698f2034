"""A monitor that looks every hour stays silent while nothing changes, and speaks soon after something does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm

from sagekeeper.analyzers.drift_sequence import Alarm, SequenceRules, Stream, watch

CELLS = 32
EDGES = norm.ppf(np.arange(1, CELLS) / CELLS)
START = 20_000 * 24
HOME, MONTH = 4 * 168, 720


def bins(place: float, spread: float = 1.0) -> np.ndarray:
    """Shares of a normal distribution in cells that hold 1/32 of the reference each."""
    return np.diff(np.concatenate([[0.0], norm.cdf((EDGES - place) / spread), [1.0]]))


def month(
    shares: Callable[[int], np.ndarray], seed: int, records: int = 200, hours: int = MONTH, ordered: bool = True
) -> tuple[Stream, Stream]:
    """Four weeks of reference, then a month; busier by day. ``shares`` of the cells by hour since the reference ended."""
    chance = np.random.default_rng(seed)
    at = np.arange(-HOME, hours)
    sizes = chance.poisson(records * (1 + 0.5 * np.sin(2 * np.pi * at / 24)))
    counts = np.stack([chance.multinomial(size, shares(int(hour))) for hour, size in zip(at, sizes, strict=True)])
    counts = counts.astype(np.float64)
    return (
        Stream(START + at[:HOME], counts[:HOME], ordered),
        Stream(START + at[HOME:], counts[HOME:], ordered),
    )


def alarms(pairs: dict[str, tuple[Stream, Stream]], rules: SequenceRules | None = None) -> list[Alarm]:
    return watch(
        {name: before for name, (before, _) in pairs.items()},
        {name: now for name, (_, now) in pairs.items()},
        rules or SequenceRules(),
    )


QUIET: dict[str, Callable[[int], np.ndarray]] = {
    "independent records": lambda hour: bins(0.0),
    "another place by hour and at weekends": lambda hour: bins(
        0.5 * np.sin(2 * np.pi * hour / 24) + 0.4 * ((hour // 24) % 7 >= 5)
    ),
    "nine zeros of ten": lambda hour: np.array([0.9] + [0.1 / (CELLS - 1)] * (CELLS - 1)),
}


@pytest.mark.parametrize("kind", QUIET)
def test_a_month_without_drift_has_no_alarm_even_where_any_effect_would_matter(kind: str) -> None:
    pairs = {f"f{seed}": month(QUIET[kind], seed) for seed in range(8)}
    assert alarms(pairs, SequenceRules(least_effect=0.0)) == []


def test_traffic_that_swings_slowly_by_itself_has_no_alarm() -> None:
    chance = np.random.default_rng(3)
    places = np.zeros(HOME + MONTH)
    for hour in range(1, len(places)):
        places[hour] = 0.95 * places[hour - 1] + 0.15 * np.sqrt(1 - 0.95**2) * chance.normal()
    pairs = {f"f{seed}": month(lambda hour: bins(places[hour + HOME]), seed, records=1000) for seed in range(4)}
    assert alarms(pairs, SequenceRules(least_effect=0.0)) == []


def test_a_shift_is_called_within_hours_and_its_first_hour_is_named() -> None:
    pairs = {
        "moved": month(lambda hour: bins(0.5 if hour >= 300 else 0.0), 1),
        "still": month(lambda hour: bins(0.0), 2),
    }
    (alarm,) = alarms(pairs)
    assert alarm.feature == "moved"
    assert 300 < alarm.hour - START <= 306
    assert abs(alarm.since - START - 300) <= 6
    assert alarm.p_value <= 0.01 and 0.02 < alarm.effect_low < 0.2


def test_a_drift_that_creeps_in_over_weeks_is_called_before_it_is_done() -> None:
    (alarm,) = alarms({"f": month(lambda hour: bins(0.5 * max(hour, 0) / MONTH), 1)})
    assert alarm.hour - START < MONTH / 2


def test_a_wider_spread_and_a_fuller_tail_are_called_too() -> None:
    wider = alarms({"f": month(lambda hour: bins(0.0, 1.4 if hour >= 100 else 1.0), 1)})
    assert [alarm.score in ("spread", "low tail", "high tail") for alarm in wider] == [True]


def test_a_category_that_grows_is_called() -> None:
    calm, grown = np.array([0.6, 0.3, 0.1]), np.array([0.5, 0.3, 0.2])
    (alarm,) = alarms({"f": month(lambda hour: grown if hour >= 200 else calm, 1, ordered=False)})
    assert 200 < alarm.hour - START <= 212 and alarm.score == "category 2"


def test_what_is_certain_but_does_not_matter_is_no_alarm() -> None:
    pairs = {"f": month(lambda hour: bins(0.03 if hour >= 0 else 0.0), 1, records=3000, hours=200)}
    assert alarms(pairs) == []
    assert len(alarms(pairs, SequenceRules(least_effect=0.0))) == 1


def test_a_reference_of_a_few_hours_says_too_little_to_judge() -> None:
    before, now = month(lambda hour: bins(3.0 if hour >= 0 else 0.0), 1)
    short = Stream(before.hours[:8], before.counts[:8], True)
    assert watch({"f": short}, {"f": now}, SequenceRules()) == []
