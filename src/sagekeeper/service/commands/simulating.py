"""The simulated account from the command line: serve it, read its clock, let days pass."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from sagekeeper.core.errors import BadInput, SourceUnavailable
from sagekeeper.core.settings import load_settings
from sagekeeper.service.console import JsonOption, Output

UrlOption = Annotated[
    str | None, typer.Option("--url", help="address of the simulated account; default: the running demo's")
]
STATE_FILE = "simulator.json"
"""Written by the demo into its folder, so that a command in another shell finds the simulated account."""


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    simulate = typer.Typer(
        help="The simulated AWS account: serve it, read its clock, let days pass.", no_args_is_help=True
    )
    for command in (serve, clock, advance):
        simulate.command()(command)
    app.add_typer(simulate, name="simulate")


def serve(
    state: Annotated[Path, typer.Option(help="folder where the account's world is kept")] = Path(
        ".sagekeeper/simulator"
    ),
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 5600,
    scale: Annotated[str, typer.Option(help="demo (two accounts, 40 endpoints, 13 months) or small")] = "demo",
    seed: Annotated[int, typer.Option(help="same seed, same world")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Serve a simulated AWS account that meters and bills what stands in it. Until SIGTERM or Ctrl-C."""
    try:
        from sagekeeper.simulator.server import serve as serve_account
    except ImportError as error:
        raise BadInput(f"The simulated account is an extra ({error}): pip install 'sagekeeper[simulator]'") from error

    if scale not in ("demo", "small"):
        raise BadInput(f"--scale is demo or small, not {scale}.")
    out = Output(as_json)
    # Ended by a supervisor as by Ctrl-C: the account writes down its time either way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with out.progress("simulated account") as progress:

        def told(stage: str, done: float) -> None:
            progress(stage, done)
            if done >= 1.0:
                out.say(f"A simulated AWS account ({scale}) on http://{host}:{port}, kept in {state}. Ctrl-C stops it.")

        serve_account(host, port, state, seed=seed, scale=scale, progress=told)
    out.give({"stopped": f"http://{host}:{port}"})


def clock(url: UrlOption = None, as_json: JsonOption = False) -> None:
    """The simulated account's time."""
    out = Output(as_json)
    address = _address(url)
    from sagekeeper.simulator.client import Simulator

    now = Simulator(address).now()
    out.say(f"{now:%Y-%m-%d %H:%M:%S} UTC at {address}")
    out.give({"now": now, "url": address})


def advance(
    days: Annotated[float, typer.Option(min=0, max=400, help="how many days shall pass")] = 1,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let days pass at once: traffic, bills, metrics and captures of those days come to be."""
    from sagekeeper.simulator.client import Simulator

    out = Output(as_json)
    if days <= 0:
        raise BadInput(f"--days must be above 0, not {days:g}: time does not stand still or go back.")
    simulator = Simulator(_address(url))
    before = simulator.now()
    with out.progress(f"{days:g} days pass"):
        simulator.advance(days=days)
    after = simulator.now()
    out.give({"before": before, "after": after})
    out.say(f"It was {before:%Y-%m-%d %H:%M}, it is {after:%Y-%m-%d %H:%M} UTC.")
    out.say(
        "A running scheduler (the demo's) catches up by itself. Without one: sagekeeper collect, sagekeeper analyze"
    )


def _address(url: str | None) -> str:
    """The given address, the one of the settings' clock, or that of the demo which runs here."""
    if url:
        return url.rstrip("/")
    settings = load_settings()
    if settings.clock_url:
        parts = urlsplit(settings.clock_url)
        return f"{parts.scheme}://{parts.netloc}"
    for folder in (settings.data_dir, settings.data_dir / "demo"):
        if (folder / STATE_FILE).is_file():
            return str(json.loads((folder / STATE_FILE).read_text())["url"])
    raise SourceUnavailable(
        f"No simulated account is known here (no {STATE_FILE} under {settings.data_dir}). Start one with `sagekeeper demo` "
        "in another shell of this folder, or name it with --url."
    )
