"""Which hyperparameters a tuning job tries next, and how good a model they give.

In: the ranges of a training definition, the strategy and what was tried before. Out: one trial: a point of the unit cube,
the hyperparameters as SageMaker writes them (text), and a quality between 0 and 1. Every range has a best place of its
own, known by the hash of algorithm and name; quality falls with the distance from it. Random goes anywhere, Bayesian
mostly around the best so far, Grid through every combination, Hyperband as Random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from sagekeeper.simulator.training_plan import chance

KINDS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges", "AutoParameters")
SURE = 0.7
"""Share of a Bayesian search's trials that look around the best so far."""
NEAR = 0.3
SPREAD = 0.06
"""How much chance adds to what the hyperparameters decide."""


class Range(NamedTuple):
    """One hyperparameter to be tuned."""

    kind: str
    name: str
    told: dict[str, Any]


class Trial(NamedTuple):
    """One choice of hyperparameters."""

    point: tuple[float, ...]
    values: dict[str, str]
    quality: float


def ranges_of(told: dict[str, Any]) -> list[Range]:
    """All ranges of a definition, in a fixed order."""
    return [Range(kind, item["Name"], item) for kind in KINDS for item in told.get(kind, [])]


def combinations(ranges: list[Range]) -> int:
    """How many a grid search has."""
    return math.prod(len(item.told["Values"]) for item in ranges)


def trial(algorithm: str, seed: str, number: int, ranges: list[Range], strategy: str, before: Sequence[Trial]) -> Trial:
    """The next choice, given what is known of the trials before it."""
    if strategy == "Grid":
        point = _cell(number - 1, ranges)
    else:
        best = max(before, key=lambda item: item.quality, default=None)
        near = strategy == "Bayesian" and best is not None and chance(seed, str(number), "near") < SURE
        around = best.point if near and best is not None and len(best.point) == len(ranges) else None
        point = tuple(_coordinate(seed, number, item.name, around, place) for place, item in enumerate(ranges))
    values = {item.name: _text(item, place) for item, place in zip(ranges, point, strict=True)}
    return Trial(point, values, _quality(algorithm, ranges, point, seed, number))


def _coordinate(seed: str, number: int, name: str, around: tuple[float, ...] | None, place: int) -> float:
    drawn = chance(seed, str(number), name)
    return drawn if around is None else min(max(around[place] + (drawn - 0.5) * NEAR, 0.0), 1.0)


def _cell(number: int, ranges: list[Range]) -> tuple[float, ...]:
    point = []
    for item in reversed(ranges):
        size = len(item.told["Values"])
        number, place = divmod(number, size)
        point.append((place + 0.5) / size)
    return tuple(reversed(point))


def _quality(algorithm: str, ranges: list[Range], point: tuple[float, ...], seed: str, number: int) -> float:
    best = [chance(algorithm, item.name, "best place") for item in ranges]
    far = sum((one - other) ** 2 for one, other in zip(point, best, strict=True)) / max(len(best), 1)
    luck = SPREAD * (chance(seed, str(number), "luck") - 0.5)
    return min(max(0.95 * math.exp(-2 * far) + luck, 0.0), 1.0)


def _text(item: Range, place: float) -> str:
    if item.kind == "CategoricalParameterRanges":
        values = item.told["Values"]
        return str(values[min(int(place * len(values)), len(values) - 1)])
    if item.kind == "AutoParameters":
        return _hinted(item.told["ValueHint"], place)
    low, high = float(item.told["MinValue"]), float(item.told["MaxValue"])
    value = _scaled(low, high, place, item.told.get("ScalingType", "Auto"))
    if item.kind == "IntegerParameterRanges":
        return str(round(value))
    return repr(min(max(value, low), high))


def _scaled(low: float, high: float, place: float, scale: str) -> float:
    if scale == "Logarithmic" and low > 0:
        return math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
    if scale == "ReverseLogarithmic" and low >= 0 and high < 1:
        return 1 - math.exp(math.log(1 - low) + place * (math.log(1 - high) - math.log(1 - low)))
    return low + place * (high - low)


def _hinted(hint: str, place: float) -> str:
    """Around the hint, from half of it to twice; what is no number stays."""
    try:
        value = float(hint) * 2 ** (2 * place - 1)
    except ValueError:
        return hint
    return str(round(value)) if hint.lstrip("-").isdigit() else repr(value)
