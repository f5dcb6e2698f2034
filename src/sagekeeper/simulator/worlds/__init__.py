"""Which worlds there are, what can happen in them, and the truth about what did.

A world is a function that fills an empty `World` as it stands on an anchor day, the same for the same seed. It is named
when an account is first served (``--scale``), and written down with the account: an account keeps its world.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator import organisation
from sagekeeper.simulator.world import World
from sagekeeper.simulator.worlds import calm, enterprise, seedling, temptation
from sagekeeper.simulator.worlds.flows import add_flows

Settle = Callable[[World, datetime, int], None]


def _demo(world: World, now: datetime, seed: int) -> None:
    organisation.settle(world, now, seed, "demo")
    add_flows(world, now)


def _small(world: World, now: datetime, seed: int) -> None:
    organisation.settle(world, now, seed, "small")
    add_flows(world, now)


WORLDS: dict[str, Settle] = {
    "demo": _demo,
    "studio": _demo,
    "small": _small,
    "seedling": seedling.settle,
    "temptation": temptation.settle,
    "calm": calm.settle,
    "enterprise": enterprise.settle,
}
"""``demo`` and ``studio`` are one: two accounts, 40 endpoints, 600 training jobs; ``small`` is a part of it for tests."""
SIZED = re.compile(r"enterprise:(\d+):(\d+)")
"""``enterprise:12:200`` has 12 accounts and 200 endpoints."""


def world_of(scale: str) -> Settle:
    """What fills a world of this name. Raises BadInput for a name that is none."""
    sized = SIZED.fullmatch(scale)
    if sized:
        return partial(enterprise.settle, accounts=int(sized[1]), endpoints=int(sized[2]))
    if scale not in WORLDS:
        raise BadInput(f"--scale is one of {', '.join(WORLDS)}, or enterprise:ACCOUNTS:ENDPOINTS, not {scale}.")
    return WORLDS[scale]
