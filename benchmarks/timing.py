"""Best of a few runs, and a table of ratios: seconds mean nothing on another machine, ratios do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def best_of(work: Callable[[], Any], runs: int = 3, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of the fastest run; by ``time.process_time`` those of the processor."""
    seconds = []
    for _ in range(runs):
        started = clock()
        work()
        seconds.append(clock() - started)
    return min(seconds)


def show(title: str, seconds: dict[str, float], floor: str) -> None:
    """One line per contestant: seconds, and how many times the floor that is."""
    print(f"\n{title}")
    for name, value in seconds.items():
        print(f"  {name:<44} {value:8.3f} s   {value / seconds[floor]:6.2f} x {floor}")
