"""Which worlds there are, what can happen in them, and the truth about what did.

A world is a function that fills an empty `World` as it stands on an anchor day, the same for the same seed. It is named
when an account is first served (``--scale``), and written down with the account: an account keeps its world.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sagekeeper.simulator import organisation
from sagekeeper.simulator.world import World
from sagekeeper.simulator.worlds import temptation

Settle = Callable[[World, datetime, int], None]


def _demo(world: World, now: datetime, seed: int) -> None:
    organisation.settle(world, now, seed, "demo")


def _small(world: World, now: datetime, seed: int) -> None:
    organisation.settle(world, now, seed, "small")


WORLDS: dict[str, Settle] = {
    "demo": _demo,
    "studio": _demo,
    "small": _small,
    "temptation": temptation.settle,
}
"""``demo`` and ``studio`` are one: two accounts, 40 endpoints, 600 training jobs; ``small`` is a part of it for tests."""
