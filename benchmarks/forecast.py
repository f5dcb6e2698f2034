"""Month-end forecasts of single series, on seeds that were not used for tuning, against what people do otherwise.

In: spend made by ``../shared/bench/anomaly/gen.py`` (600 series, 400 days, per seed), forecast from day 10 and 20 of each month
with at least 90 days before it. Printed per contestant: WAPE, CRPS, how often the ranges held, Brier of breach; with whole days
and with the last two days as the bill shows them on the day. Then the time for 10,000 series. Alone: ``python -m
benchmarks.forecast``. What the words mean: docs/forecasts.md.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.forecast_peers import run_rate, seasonal_naive
from sagekeeper.analyzers.forecast_backtest import ORIGIN_DAYS, scored, scores
from sagekeeper.analyzers.forecast_series import Matrix, SpendDays, spend_days
from sagekeeper.analyzers.forecasting import ForecastSettings, month_end
from sagekeeper.core.clock import next_month

GENERATOR = Path(__file__).parents[2] / "shared" / "bench" / "anomaly" / "gen.py"
SEEDS, SERIES, DAYS = (101, 102, 103), 600, 400
FIRST_MONTH, MONTHS = date(2025, 6, 1), 10
TARGETS = {"wape": 0.035, "crps": 0.026, "coverage80": 0.80, "coverage95": 0.95, "brier": 0.095}
LARGE, LARGE_S = 10_000, 5.0
Forecaster = Callable[[SpendDays, date], pl.DataFrame]


@dataclass(frozen=True)
class Truth:
    """``days``: whole; ``share``: of the last and the last but one day, what was visible on the day, ``[2, day, series]``."""

    days: SpendDays
    share: Matrix

    def seen(self, origin: date) -> SpendDays:
        """The bill as it was on the day after ``origin``."""
        until = self.days.until(origin).copy()
        until[-1] *= self.share[0, len(until) - 1]
        until[-2] *= self.share[1, len(until) - 2]
        return SpendDays(self.days.names, self.days.first, until)


def main() -> None:
    """Run it and print the table."""
    if not GENERATOR.is_file():
        print("\nForecasts: skipped, ../shared/bench/anomaly is not beside this checkout")
        return
    truths = [truth(seed) for seed in SEEDS]
    print(f"\nForecasts of a month's end: {SERIES} series, seeds {', '.join(map(str, SEEDS))}, mean of the seeds")
    print(f"  {'':<42} {'WAPE':>7} {'CRPS':>7} {'in 80 %':>8} {'in 95 %':>8} {'Brier':>7}")
    contestants: dict[str, Forecaster] = {
        "sagekeeper": ours,
        "last week again, own past errors": seasonal_naive,
        "run rate of the month so far": run_rate,
    }
    for view in ("whole days", "as the bill was on the day"):
        for name, forecaster in contestants.items():
            per_seed = [scores(cases(one, forecaster, partial=view != "whole days")) for one in truths]
            _line(
                f"{name}, {view}", {key: float(np.mean([float(one[key] or 0) for one in per_seed])) for key in TARGETS}
            )
            if name == "sagekeeper":
                for seed, one in zip(SEEDS, per_seed, strict=True):
                    _line(f"  seed {seed}", {key: float(one[key] or 0) for key in TARGETS})
    _line("target", TARGETS)
    wall, cpu = _large()
    print(f"  {LARGE:,} series, {DAYS} days, in {wall:.1f} s ({cpu:.1f} s of one core); the target is {LARGE_S:.0f} s")


def truth(seed: int) -> Truth:
    """Make the spend of ``seed``, and undo that the generator's last two days are open."""
    with tempfile.TemporaryDirectory() as folder:
        size = ("--n-series", str(SERIES), "--days", str(DAYS))
        made = [sys.executable, str(GENERATOR), "--seed", str(seed), *size, "--out", folder]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        days = spend_days(pl.read_parquet(f"{folder}/cost.parquet"))
        visible = pl.read_parquet(f"{folder}/visible.parquet").sort("ts", "series_id")
    share = np.stack([visible[name].to_numpy().reshape(days.costs.shape) for name in ("f0", "f1")]).astype(np.float64)
    whole = days.costs.copy()
    whole[-1] /= share[0, -1]
    whole[-2] /= share[1, -2]
    return Truth(SpendDays(days.names, days.first, whole), share)


def cases(one: Truth, forecaster: Forecaster, partial: bool) -> pl.DataFrame:
    """Every series and origin, scored."""
    settings, out = ForecastSettings(), []
    for origin in origins():
        seen = one.seen(origin) if partial else SpendDays(one.days.names, one.days.first, one.days.until(origin))
        out.append(scored(forecaster(seen, origin), one.days, origin, settings))
    return pl.concat(out)


def origins() -> Iterator[date]:
    """Day 10 and 20 of ten months."""
    month = FIRST_MONTH
    for _ in range(MONTHS):
        yield from (month.replace(day=number) for number in ORIGIN_DAYS)
        month = next_month(month)


def ours(days: SpendDays, origin: date) -> pl.DataFrame:
    """From a long frame, as everybody calls it."""
    return month_end(long(days), [origin]).sort("series_id")


def long(days: SpendDays) -> pl.DataFrame:
    """``series_id, ts, cost``."""
    tall, wide = days.costs.shape
    dates = pl.Series([days.first + timedelta(days=row) for row in range(tall)])
    return pl.DataFrame(
        {
            "series_id": np.repeat(days.names, tall),
            "ts": pl.concat([dates] * wide),
            "cost": days.costs.T.ravel(),
        }
    )


def _large() -> tuple[float, float]:
    costs = np.random.default_rng(1).lognormal(3, 0.3, (DAYS, LARGE))
    frame = long(SpendDays([f"s{number:05}" for number in range(LARGE)], date(2025, 3, 1), costs))
    wall, cpu = time.perf_counter(), time.process_time()
    month_end(frame)
    return time.perf_counter() - wall, time.process_time() - cpu


def _line(name: str, found: dict[str, float]) -> None:
    print(
        f"  {name:<42} {found['wape']:7.4f} {found['crps']:7.4f} {found['coverage80']:8.3f} {found['coverage95']:8.3f} "
        f"{found['brier']:7.4f}"
    )


if __name__ == "__main__":
    main()
