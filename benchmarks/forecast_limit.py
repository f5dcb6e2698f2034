"""What limits a forecast: the score of one who knows how the spend was made, and everything about it up to the day.

In: the generator of ``../shared/bench/anomaly``. The knower has every series' parameters (levels, odds, shape of the week,
growth, holidays) and the state of its processes at the origin; not the draws, steps, launches, stops and incidents that come
after. Its forecast is the median of many futures, made by the generator itself with fresh draws from the origin on. Nobody
who sees only the bill can do better; most of what is left is chance. Run: ``python -m benchmarks.forecast_limit`` (about a
minute per seed).
"""

from __future__ import annotations

import importlib.util
import sys
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from benchmarks.forecast import DAYS, GENERATOR, SEEDS, SERIES, cases, origins, ours, truth
from sagekeeper.analyzers.forecast_backtest import scores
from sagekeeper.analyzers.forecast_series import Matrix
from sagekeeper.core.clock import month_start, next_month

FUTURES = 15
FIRST = date(2025, 3, 1)
LATER = (DAYS - 2, DAYS - 10, DAYS - 20)
"""How the generator bounds the day of a step, a stop, a launch: drawn beyond the origin, it is not known."""


class FreshFromOrigin:
    """A random generator that repeats ``same`` up to the origin and goes on with ``fresh``."""

    def __init__(self, same: np.random.Generator, origin: int, fresh: np.random.Generator) -> None:
        self._same, self._origin, self._fresh = same, origin, fresh

    def __getattr__(self, name: str) -> Any:
        def draw(*given: Any, **named: Any) -> Any:
            value = getattr(self._same, name)(*given, **named)
            if name == "integers" and np.ndim(value) == 0 and len(given) == 2 and given[1] in LATER:
                return value if value <= self._origin else DAYS - 1
            if np.ndim(value) == 1 and len(value) == DAYS:
                value = value.copy()
                value[self._origin + 1 :] = getattr(self._fresh, name)(*given, **named)[self._origin + 1 :]
            return value

        return draw


def main() -> None:
    """Print it beside ours, per seed."""
    if not GENERATOR.is_file():
        print("\nLimit of forecasts: skipped, ../shared/bench/anomaly is not beside this checkout")
        return
    print(f"\nWhat limits forecasts of a month's end: {SERIES} series, {FUTURES} futures each, whole days")
    for seed in SEEDS:
        one = truth(seed)
        knower, found = _scored(_futures(seed), one.days.costs), scores(cases(one, ours, partial=False))
        print(
            f"  seed {seed}: who knows all but the future, WAPE {knower[0]:.4f} CRPS {knower[1]:.4f}; "
            f"sagekeeper {found['wape']:.4f} {found['crps']:.4f}"
        )


def _futures(seed: int) -> Matrix:
    """``[origin, future, series]``: what the days after each origin may come to."""
    made = _generator()
    days = pl.date_range(FIRST, FIRST + timedelta(days=DAYS - 1), eager=True)
    month, number = days.dt.month(), days.dt.day()
    away = ((month == 12) & (number >= 23)) | ((month == 1) & (number == 1)) | ((month == 5) & (number == 1))
    away = away | ((month == 7) & (number == 4)) | ((month == 11) & (number == 27))
    calendar = {
        "T": DAYS,
        "dow": days.dt.weekday().to_numpy() - 1,
        "dom": number.to_numpy(),
        "hol": away.cast(float).to_numpy(),
    }
    random, fresh = np.random.default_rng(seed), np.random.default_rng(9)
    accounts = max(3, SERIES // 120)
    account_odds = random.dirichlet(np.full(accounts, 0.8))
    names = list(made.ARCH)
    odds = np.array(list(made.ARCH.values())) / sum(made.ARCH.values())
    spans = _spans()
    out = np.zeros((len(spans), FUTURES, SERIES))
    for series in range(SERIES):
        kind = names[random.choice(len(names), p=odds)]
        random.choice(accounts, p=account_odds)
        state = random.bit_generator.state
        _, costs, parameters, _ = made.make_series(random, kind, calendar)
        for place, (_, origin, end) in enumerate(spans):
            for future in range(FUTURES):
                again = np.random.default_rng(0)
                again.bit_generator.state = state
                if kind == "endpoint_dev":
                    path = _starts(made, again, fresh, parameters["p"], calendar, origin, end)
                else:
                    path = made.make_series(FreshFromOrigin(again, origin, fresh), kind, calendar)[1]
                    assert np.allclose(path[: origin + 1], costs[: origin + 1]), "the past must be the same"
                out[place, future, series] = path[origin + 1 : end + 1].sum()
    return out


def _starts(
    made: ModuleType,
    again: np.random.Generator,
    fresh: np.random.Generator,
    price: float,
    calendar: dict[str, Any],
    origin: int,
    end: int,
) -> Matrix:
    """A developer's endpoint, whose starts are drawn day by day: from the origin on with its own odds."""
    again.integers(4)
    again.integers(len(made.GPU))
    odds, path, day = again.uniform(0.05, 0.2), np.zeros(DAYS), origin + 1
    while day <= end:
        if fresh.random() < odds * (1 - 0.7 * (calendar["dow"][day] >= 5)):
            stop = min(DAYS, day + int(fresh.integers(1, 4)))
            path[day:stop] = fresh.uniform(0.2, 1, stop - day) * 24 * price
            day = stop
        day += 1
    return path


def _scored(futures: Matrix, costs: Matrix) -> tuple[float, float]:
    """WAPE and CRPS, shares of the months' spend."""
    error = spread = spend = 0.0
    for place, (first, origin, end) in enumerate(_spans()):
        came = costs[origin + 1 : end + 1].sum(axis=0)
        error += float(np.abs(came - np.median(futures[place], axis=0)).sum())
        apart = np.abs(futures[place][:, None] - futures[place][None]).sum(axis=(0, 1)) / (FUTURES * (FUTURES - 1))
        spread += float((np.abs(futures[place] - came).mean(axis=0) - apart / 2).sum())
        spend += float(np.abs(costs[first : end + 1].sum(axis=0)).sum())
    return error / spend, spread / spend


def _spans() -> list[tuple[int, int, int]]:
    """Per origin the rows of its month's first day, of itself, and of the month's last day."""
    return [
        ((month_start(day) - FIRST).days, (day - FIRST).days, (next_month(day) - FIRST).days - 1) for day in origins()
    ]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("spend_generator", Path(GENERATOR))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
