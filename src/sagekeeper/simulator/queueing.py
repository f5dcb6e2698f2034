"""How long a request takes and whether it fails: a queue with as many servers as the variant has cores or GPUs (M/M/c).

In: arrivals a second, servers, seconds of service. Out: utilisation, the chance to wait (Erlang's C formula), and for one
request, drawn with a given number, its latency or its failure. Service times spread around their mean as in `traffic.py`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

OVERLOADED = 0.98
"""Beyond this the queue has no steady state worth the name: what is too much fails."""


class Queue(NamedTuple):
    """A waiting line in its steady state."""

    servers: int
    utilisation: float
    waits: float
    """The chance that a request waits."""
    mean_wait_s: float
    """Of those that wait."""


def queue(per_second: float, servers: int, service_s: float) -> Queue:
    """The steady state of M/M/c."""
    if servers <= 0 or service_s <= 0:
        return Queue(0, 1.0, 1.0, math.inf)
    offered = per_second * service_s
    utilisation = offered / servers
    if utilisation >= OVERLOADED:
        return Queue(servers, utilisation, 1.0, service_s * 4 / servers)
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    waits = blocked / (1 - utilisation * (1 - blocked))
    return Queue(servers, utilisation, waits, service_s / (servers * (1 - utilisation)))


def fails(line: Queue, chance: float) -> bool:
    """Whether a request finds no place: the share that is more than can be served."""
    return line.utilisation >= OVERLOADED and chance < 1 - OVERLOADED / line.utilisation


def latency_s(line: Queue, service_s: float, chance: float, second_chance: float) -> float:
    """Wait and service of one request, for two numbers between 0 and 1."""
    wait = 0.0
    if chance < line.waits and math.isfinite(line.mean_wait_s):
        wait = -math.log(max(1 - chance / max(line.waits, 1e-9), 1e-9)) * line.mean_wait_s
    return wait + service_s * (0.5 - 0.5 * math.log(max(1 - second_chance, 1e-9)))
