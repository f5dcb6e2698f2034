"""Months of a monitor: without drift it should give an alarm in at most 1 % of them; with drift, how soon it gives one.

A month is 720 hours of ten features after four weeks of reference, looked at every hour. Traffic has days and weekends.
Records are drawn as counts by cell, which is what the sequence takes; any effect counts here (``least_effect`` 0), so
what is silent is silent by chance alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from sagekeeper.analyzers.drift_sequence import SequenceRules, Stream, watch

CELLS = 64
EDGES = ndtri(np.arange(1, CELLS) / CELLS)
FEATURES = 10
HOME, MONTH = 4 * 168, 720
START = 20_000 * 24
EVEN = np.full(CELLS, 1 / CELLS)
ZEROS = np.array([0.9] + [0.1 / (CELLS - 1)] * (CELLS - 1))

Counts = np.ndarray[Any, np.dtype[np.float64]]


def _normal(places: Any) -> Any:
    """Shares of the cells where a standard normal moved to each of ``places``."""
    edges = ndtr(EDGES[None, :] - np.asarray(places)[:, None])
    return np.diff(edges, axis=1, prepend=0.0, append=1.0)


def _swinging(chance: np.random.Generator, hours: int, keeps: float, by: float) -> Any:
    """An autoregressive series with that standard deviation."""
    places = np.zeros(hours)
    for hour in range(1, hours):
        places[hour] = keeps * places[hour - 1] + by * np.sqrt(1 - keeps**2) * chance.normal()
    return places


def _sessions(chance: np.random.Generator, sizes: Any) -> Counts:
    """Records come in runs of eight alike on average."""
    rows = []
    for size in sizes:
        runs = chance.geometric(1 / 8, size=max(int(size) // 8, 1))
        rows.append(np.bincount(chance.integers(0, CELLS, len(runs)), runs, CELLS))
    return np.array(rows, dtype=np.float64)


def _mixed(chance: np.random.Generator, hours: int) -> Any:
    """Eight categories whose shares swing."""
    centre = np.log(chance.dirichlet(np.ones(8)) + 0.02)
    swings = np.stack([_swinging(chance, hours, 0.9, 0.2) for _ in range(8)], axis=1)
    weights = np.exp(centre + swings)
    return weights / weights.sum(axis=1, keepdims=True)


def _constant(shares: Any) -> Callable[[np.random.Generator, Any], Any]:
    return lambda _chance, at: np.broadcast_to(shares, (len(at), len(shares)))


def _categories(cardinality: int) -> Callable[[np.random.Generator, Any], Any]:
    return lambda chance, at: np.broadcast_to(chance.dirichlet(np.ones(cardinality)), (len(at), cardinality))


KINDS: dict[str, Callable[[np.random.Generator, Any], Any]] = {
    "independent records": _constant(EVEN),
    "place by hour and weekday": lambda _c, at: _normal(
        0.5 * np.sin(2 * np.pi * at / 24) + 0.3 * ((at // 24) % 7 >= 5)
    ),
    "autocorrelated, 5 hours": lambda chance, at: _normal(_swinging(chance, len(at), 0.8, 0.15)),
    "autocorrelated, 33 hours": lambda chance, at: _normal(_swinging(chance, len(at), 0.97, 0.15)),
    "sessions of 8 alike": _constant(EVEN),
    "nine zeros of ten": _constant(ZEROS),
    "2 categories": _categories(2),
    "50 categories": _categories(50),
    "1000 categories": _categories(1000),
    "8 categories that swing": lambda chance, at: _mixed(chance, len(at)),
}


def month(kind: str, records: int, seed: int, moved: Callable[[Any], Any] | None = None) -> list[Any]:
    """Alarms of one month. ``moved``: place of a normal distribution by hour, of the first feature."""
    chance = np.random.default_rng([seed, records, sum(map(ord, kind))])
    at = np.arange(-HOME, MONTH)
    busy = (1 + 0.5 * np.sin(2 * np.pi * at / 24)) * (1 - 0.3 * ((at // 24) % 7 >= 5))
    before, now = {}, {}
    for feature in range(FEATURES):
        sizes = chance.poisson(records * busy)
        shares = _normal(moved(at)) if moved is not None and feature == 0 else KINDS[kind](chance, at)
        sessions = kind.startswith("sessions")
        counts = _sessions(chance, sizes) if sessions else chance.multinomial(sizes, shares).astype(np.float64)
        ordered = "categories" not in kind
        before[f"f{feature}"] = Stream(START + at[:HOME], counts[:HOME], ordered)
        now[f"f{feature}"] = Stream(START + at[HOME:], counts[HOME:], ordered)
    return watch(before, now, SequenceRules(least_effect=0.0 if moved is None else SequenceRules().least_effect))


def false_alarms(records: tuple[int, ...], months: int) -> None:
    """Print how many months without drift had an alarm."""
    print(
        f"\nMonths without drift that had an alarm, of {months} each ({FEATURES} features, asked every hour; level 1 %)"
    )
    print("  " + "traffic".ljust(28) + "".join(f"{size:>8,}/h" for size in records))
    whole = 0
    for kind in KINDS:
        alarmed = [sum(bool(month(kind, size, seed)) for seed in range(months)) for size in records]
        whole += sum(alarmed)
        print("  " + kind.ljust(28) + "".join(f"{count:>10}" for count in alarmed))
    asked = months * len(KINDS) * len(records)
    print(f"  together {whole} of {asked:,}: {whole / asked:.2%}")


def delays(records: tuple[int, ...], months: int) -> None:
    """Print hours from the start of a drift to its alarm."""
    drifts: dict[str, Callable[[Any], Any]] = {
        "mean +0.1 sd at once": lambda at: np.where(at >= 100, 0.1, 0.0),
        "mean +0.2 sd at once": lambda at: np.where(at >= 100, 0.2, 0.0),
        "mean +0.5 sd at once": lambda at: np.where(at >= 100, 0.5, 0.0),
        "mean +0.5 sd over two weeks": lambda at: np.clip((at - 100) / 336, 0, 1) * 0.5,
    }
    print(f"\nHours from the start of a drift to its alarm, median of {months} months (share found)")
    print("  " + "drift".ljust(30) + "".join(f"{size:>14,}/h" for size in records))
    for name, moved in drifts.items():
        cells = []
        for size in records:
            hours = [_delay(month("independent records", size, seed, moved)) for seed in range(months)]
            found = [hour for hour in hours if hour is not None]
            cells.append(f"{np.median(found):.0f} h ({len(found) / months:.0%})" if found else "- (0%)")
        print("  " + name.ljust(30) + "".join(f"{cell:>16}" for cell in cells))


def _delay(alarms: list[Any]) -> int | None:
    hours = [alarm.hour - START - 100 for alarm in alarms if alarm.feature == "f0" and alarm.hour - START > 100]
    return min(hours, default=None)
