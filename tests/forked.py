"""Scripts in processes of their own that start in a moment: forked from one that has imported what they need.

There is one such server for all tests of a process, started by whichever comes first, with the environment of that moment: so
every script is given the environment of the test that runs it.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
from pathlib import Path
from typing import Any

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "sagekeeper.lifecycle.worker",
        "sagekeeper.core.ledger",
        "sagekeeper.collector.bill_exports",
        "sagekeeper.service.daily_costs",
    ]
)


def run(script: Path, arguments: tuple[Any, ...], patience_s: float) -> int | None:
    """Run ``script`` as a program with ``ARGUMENTS``; its exit code (minus the signal that ended it)."""
    told = {"SCRIPT": str(script), "ARGUMENTS": arguments, "ENVIRONMENT": dict(os.environ)}
    process = PROCESSES.Process(target=runpy.run_path, args=(__file__, told, "__main__"))
    process.start()
    process.join(patience_s)
    return process.exitcode


if __name__ == "__main__":  # in the forked process, which cannot import the tests
    os.environ.clear()
    os.environ.update(ENVIRONMENT)  # type: ignore[name-defined]  # noqa: F821
    runpy.run_path(SCRIPT, {"ARGUMENTS": ARGUMENTS}, "__main__")  # type: ignore[name-defined]  # noqa: F821
