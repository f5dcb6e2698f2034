"""Columns with and without drift, the same for every contestant: numpy only, as each runs in an environment of its own.

A scenario draws one column of the reference and one of the current data. Repeats differ by seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator, int], Any]


@dataclass(frozen=True)
class Scenario:
    """``like``: the no-drift scenario whose false alarms set the bar for this one; empty: it is one itself."""

    name: str
    before: Draw
    now: Draw
    like: str = ""

    @property
    def categorical(self) -> bool:
        """Whether its values are names."""
        return "categories" in (self.like or self.name)

    def columns(self, n: int, repeat: int) -> tuple[Any, Any]:
        """Reference and current values, n each."""
        chance = np.random.default_rng([repeat, n, sum(map(ord, self.name))])
        return self.before(chance, n), self.now(chance, n)


def _names(cardinality: int, shares: Any = None) -> Draw:
    def draw(chance: np.random.Generator, n: int) -> Any:
        weights = np.random.default_rng(cardinality).dirichlet(np.ones(cardinality)) if shares is None else shares
        return np.char.add("c", chance.choice(len(weights), n, p=weights).astype(str))

    return draw


def _still(name: str, draw: Draw) -> Scenario:
    return Scenario(name, draw, draw)


def _zeros(chance: np.random.Generator, n: int) -> Any:
    return np.where(chance.random(n) < 0.9, 0.0, chance.lognormal(0, 1, n))


def _contaminated(chance: np.random.Generator, n: int) -> Any:
    return np.where(chance.random(n) < 0.01, 8.0, chance.normal(0, 1, n))


TEN = np.random.default_rng(10).dirichlet(np.ones(10))
NEW = np.append(TEN * 0.99, 0.01)
THREE = np.array([0.5, 0.3, 0.2])
GROWN = np.array([0.6, 0.24, 0.16])

NO_DRIFT = (
    _still("normal", lambda chance, n: chance.normal(0, 1, n)),
    _still("lognormal, s = 2", lambda chance, n: chance.lognormal(0, 2, n)),
    _still("Cauchy", lambda chance, n: chance.standard_cauchy(n)),
    _still("Poisson, mean 2", lambda chance, n: chance.poisson(2, n).astype(float)),
    _still("nine zeros of ten", _zeros),
    _still("2 categories", _names(2)),
    _still("3 categories", _names(3, THREE)),
    _still("10 categories", _names(10, TEN)),
    _still("50 categories", _names(50)),
    _still("500 categories", _names(500)),
    _still("5000 categories", _names(5000)),
)
DRIFT = (
    Scenario("mean +0.05 sd", NO_DRIFT[0].before, lambda c, n: c.normal(0.05, 1, n), "normal"),
    Scenario("mean +0.1 sd", NO_DRIFT[0].before, lambda c, n: c.normal(0.1, 1, n), "normal"),
    Scenario("mean +0.2 sd", NO_DRIFT[0].before, lambda c, n: c.normal(0.2, 1, n), "normal"),
    Scenario("sd x1.1", NO_DRIFT[0].before, lambda c, n: c.normal(0, 1.1, n), "normal"),
    Scenario("1 % of values become +8 sd", NO_DRIFT[0].before, _contaminated, "normal"),
    Scenario("lognormal x1.5", NO_DRIFT[1].before, lambda c, n: 1.5 * c.lognormal(0, 2, n), "lognormal, s = 2"),
    Scenario("largest of 3 x1.2", NO_DRIFT[6].before, _names(3, GROWN), "3 categories"),
    Scenario("new category, 1 %", NO_DRIFT[7].before, _names(11, NEW), "10 categories"),
)
