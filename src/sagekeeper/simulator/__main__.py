"""``python -m sagekeeper.simulator``: the simulated account in a process of its own."""

from __future__ import annotations

import argparse
import signal
from datetime import datetime
from pathlib import Path

from sagekeeper.simulator.server import DEFAULT_NOW, serve
from sagekeeper.simulator.worlds import WORLDS, world_of


def main() -> None:
    """Read the options and serve."""
    options = argparse.ArgumentParser(prog="python -m sagekeeper.simulator", description=__doc__)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=5600)
    options.add_argument("--state", type=Path, required=True)
    options.add_argument("--now", type=datetime.fromisoformat, default=DEFAULT_NOW)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--scale", default="demo", help=f"{', '.join(WORLDS)}, enterprise:ACCOUNTS:ENDPOINTS")
    options.add_argument("--speed", type=float, default=1.0)
    options.add_argument("--data", type=Path, help="folder of real data, for the world seedling")
    given = options.parse_args()
    world_of(given.scale)  # A wrong name is told before anything is made.

    def show(stage: str, share: float) -> None:
        print(f"{share:4.0%} {stage}", flush=True)  # noqa: T201 (this is a command)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # An end in order: what is in memory only is kept.
    serve(
        given.host,
        given.port,
        given.state,
        now=given.now,
        seed=given.seed,
        scale=given.scale,
        speed=given.speed,
        data=given.data,
        progress=show,
    )


if __name__ == "__main__":
    main()
