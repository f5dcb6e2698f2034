"""The command line, ``sagekeeper``: each command says what it did and what to do next.

Exit codes: 0 ok, 1 error, 2 bad input, 3 a source is unavailable (the rest was done), 4 a plan was refused, 5 a
conflict. A `SagekeeperError` is one sentence on stderr, never a traceback; with ``--json`` it is also ``{"error":
...}`` on stdout.
"""

from __future__ import annotations

import logging
import sys

import typer

from sagekeeper.core.errors import SagekeeperError
from sagekeeper.service.commands import (
    books,
    budgeting,
    changes,
    costing,
    detecting,
    drifting,
    estimating,
    exporting,
    forecasting,
    guarding,
    incidents,
    judging,
    leaking,
    monitoring,
    pricing,
    reconciling,
    running,
    simulating,
    telling,
)
from sagekeeper.service.console import Output

app = typer.Typer(
    name="sagekeeper",
    help="Keeps the books and the watch over machine learning on AWS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (
    books,
    costing,
    detecting,
    estimating,
    pricing,
    exporting,
    reconciling,
    incidents,
    budgeting,
    forecasting,
    guarding,
    judging,
    monitoring,
    drifting,
    leaking,
    changes,
    telling,
    running,
    simulating,
):
    room.add_to(app)


def main() -> None:
    """Entry point of the ``sagekeeper`` command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        app(arguments, standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except SagekeeperError as error:
        out = Output("--json" in arguments)
        Output(True).say(str(error), style="red")
        out.give({"error": {"kind": type(error).__name__, "message": str(error)}})
        return error.exit_code
    return 0


if __name__ == "__main__":
    main()
