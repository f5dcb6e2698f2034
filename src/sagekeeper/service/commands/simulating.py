"""The simulated account from the command line: serve it, read its clock, let days pass."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
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
    for command in (serve, clock, advance, incident, bill, snapshot, restore):
        simulate.command()(command)
    app.add_typer(simulate, name="simulate")


def serve(
    state: Annotated[Path, typer.Option(help="folder where the account's world is kept")] = Path(
        ".sagekeeper/simulator"
    ),
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 5600,
    scale: Annotated[
        str,
        typer.Option(
            help="world: demo (two accounts, 40 endpoints), small, seedling, temptation, enterprise (200 accounts)"
        ),
    ] = "demo",
    seed: Annotated[int, typer.Option(help="same seed, same world")] = 7,
    speed: Annotated[
        float, typer.Option(min=0, help="simulated seconds a second: 60 lets an hour pass in a minute")
    ] = 1.0,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="SAGEKEEPER_SIMULATOR_DATA",
            exists=True,
            file_okay=False,
            help="folder with the real data that the world seedling is trained on; without it, data made by seed",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Serve a simulated AWS account that meters and bills what stands in it. Until SIGTERM or Ctrl-C."""
    try:
        from sagekeeper.simulator.server import serve as serve_account
        from sagekeeper.simulator.worlds import world_of
    except ImportError as error:
        raise BadInput(f"The simulated account is an extra ({error}): pip install 'sagekeeper[simulator]'") from error

    world_of(scale)  # A wrong name is told before anything is made.
    out = Output(as_json)
    # Ended by a supervisor as by Ctrl-C: the account writes down its time either way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with out.progress("simulated account") as progress:

        def told(stage: str, done: float) -> None:
            progress(stage, done)
            if done >= 1.0:
                out.say(f"A simulated AWS account ({scale}) on http://{host}:{port}, kept in {state}. Ctrl-C stops it.")

        serve_account(host, port, state, seed=seed, scale=scale, speed=speed, data=data, progress=told)
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
    days: Annotated[float | None, typer.Option(min=0, max=400, help="how many days shall pass; 1 if not given")] = None,
    until: Annotated[
        datetime | None, typer.Option(help="until when, UTC", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
    ] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let days pass at once: traffic, bills, metrics and captures of those days come to be."""
    from sagekeeper.simulator.client import Simulator

    out = Output(as_json)
    if days is not None and until is not None:
        raise BadInput("Give --days or --until, not both.")
    simulator = Simulator(_address(url))
    before = simulator.now()
    days = 1.0 if days is None else days
    moment = before + timedelta(days=days) if until is None else until.replace(tzinfo=UTC)
    if moment <= before:
        raise BadInput(f"It is {before:%Y-%m-%d %H:%M} UTC there: time does not stand still or go back.")
    with out.progress(f"{(moment - before) / timedelta(days=1):.1f} days pass"):
        simulator.advance_until(moment)
    after = simulator.now()
    out.give({"before": before, "after": after})
    out.say(f"It was {before:%Y-%m-%d %H:%M}, it is {after:%Y-%m-%d %H:%M} UTC.")
    out.say(
        "A running scheduler (the demo's) catches up by itself. Without one: sagekeeper collect, sagekeeper analyze"
    )


def incident(
    kind: Annotated[str, typer.Argument(help="what goes wrong, for example runaway_job or covariate_drift")],
    subject: Annotated[
        str, typer.Option(help="the endpoint, job or notebook; a new one gets a name if not given")
    ] = "",
    account: Annotated[str, typer.Option(help="account id; default: the payer")] = "",
    region: Annotated[str, typer.Option(help="default: us-east-1")] = "",
    size: Annotated[float, typer.Option(min=0.01, help="how large, 1 is usual for its kind")] = 1.0,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let something go wrong in the simulated account; the truth about it is kept where the product does not look."""
    from sagekeeper.simulator.client import Simulator

    out = Output(as_json)
    truth = Simulator(_address(url)).incident(kind, subject, account=account, region=region, size=size)
    money = "" if truth["usd_per_day"] is None else f", ${truth['usd_per_day']:,.2f} a day at list price"
    out.say(f"{truth['kind']}: {truth['subject']} in {truth['account']}, {truth['region']}{money}. {truth['detail']}")
    out.give(truth)


def bill(
    out_dir: Annotated[Path, typer.Option("--out", help="folder for the files")],
    scale: Annotated[str, typer.Option(help="world, as for serve")] = "demo",
    seed: Annotated[int, typer.Option(help="same seed, same world")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Write a world's bill of all its months without serving it: CUR 2.0 and FOCUS 1.2 by day and resource, parquet."""
    from sagekeeper.simulator.bill_writer import write_bill
    from sagekeeper.simulator.server import DEFAULT_NOW

    out = Output(as_json)
    with out.progress("bill") as progress:
        written = list(write_bill(out_dir, DEFAULT_NOW, seed, scale, progress))
    found = {
        export: {
            "files": sum(item.export == export for item in written),
            "rows": sum(item.rows for item in written if item.export == export),
            "billed_usd": round(sum(item.billed_usd for item in written if item.export == export), 2),
        }
        for export in sorted({item.export for item in written})
    }
    for export, told in found.items():
        out.say(f"{export}: {told['rows']:,} rows in {told['files']} files, ${told['billed_usd']:,.2f} billed")
    out.give({"folder": out_dir} | found)


def snapshot(
    file: Annotated[Path, typer.Argument(help="where to write it, for example account.tar.gz")],
    state: Annotated[Path, typer.Option(help="folder of the account")] = Path(".sagekeeper/simulator"),
    as_json: JsonOption = False,
) -> None:
    """Write the whole simulated account to one file."""
    from sagekeeper.simulator.snapshot import write_snapshot

    out = Output(as_json)
    write_snapshot(state, file)
    out.say(f"Written to {file}. Bring it back with: sagekeeper simulate restore {file} --state FOLDER")
    out.give({"file": file, "state": state})


def restore(
    file: Annotated[Path, typer.Argument(help="a snapshot")],
    state: Annotated[Path, typer.Option(help="an empty or new folder")] = Path(".sagekeeper/simulator"),
    as_json: JsonOption = False,
) -> None:
    """Make a simulated account's folder from a snapshot; serve it with the same --state."""
    from sagekeeper.simulator.snapshot import read_snapshot

    out = Output(as_json)
    read_snapshot(file, state)
    out.say(f"The account is in {state}. Serve it: sagekeeper simulate serve --state {state}")
    out.give({"file": file, "state": state})


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
