"""Keeping it running: serve, worker, dashboard, demo; and asking how it is: status, doctor, settings."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import func, select

from sagekeeper.core.errors import BadInput
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import ActionRow, FindingRow, JobRunRow, RecommendationRow
from sagekeeper.core.ledger.runs import last_source_runs
from sagekeeper.core.settings import load_settings
from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.health import Pulse, health_server
from sagekeeper.service.house import open_house, process_name

HealthPort = Annotated[int | None, typer.Option("--health-port", help="answer /healthz and /metrics on this port")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for command in (serve, worker, dashboard, demo, status, doctor, settings):
        app.command()(command)


def serve(
    every_s: Annotated[float, typer.Option("--every", min=0.1, help="seconds between looks at what is due")] = 5.0,
    health_port: HealthPort = None,
    as_json: JsonOption = False,
) -> None:
    """Run the scheduler: one leads, any number stand by. Until SIGTERM or Ctrl-C."""
    from sagekeeper.service.jobs import JOBS
    from sagekeeper.service.scheduler import Scheduler

    out = Output(as_json)
    _log_to_stderr()
    with open_house() as house, stopped_by_signals() as stop:
        # A first collection of a large account takes its time; an hour without a round is a process that hangs.
        pulse = Pulse(stale_seconds=3600 + every_s)
        scheduler = Scheduler(house, JOBS, on_round=pulse.beat)

        def figures() -> dict[str, float]:
            return {"leading": float(scheduler.leading), **_counts(house.ledger)}

        with nullcontext() if health_port is None else health_server(health_port, pulse, figures):
            out.say(f"Scheduler {scheduler.owner}: {', '.join(job.name for job in JOBS)}. Stop it with Ctrl-C.")
            scheduler.run_forever(stop, every_s)
    out.give({"stopped": scheduler.owner})


def worker(health_port: HealthPort = None, as_json: JsonOption = False) -> None:
    """Run a worker that applies approved changes and watches them. Until SIGTERM or Ctrl-C."""
    from sagekeeper.lifecycle.worker import Worker

    out, name = Output(as_json), process_name()
    _log_to_stderr()
    with open_house() as house, stopped_by_signals() as stop:
        pulse = Pulse(stale_seconds=600)

        hand = Worker(house.ledger, house.lake, house.settings, house.sessions, house.clock, name)
        with nullcontext() if health_port is None else health_server(health_port, pulse, lambda: _counts(house.ledger)):
            out.say(
                f"Worker {name} looks at the queue every {house.settings.lifecycle.poll_seconds:g} s. Stop it with Ctrl-C."
            )
            hand.run_forever(_Beating(stop, pulse))
    out.give({"stopped": name})


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    address: Annotated[
        str, typer.Option(help="0.0.0.0 shows it to the network; it has no login of its own")
    ] = "127.0.0.1",
    as_json: JsonOption = False,
) -> None:
    """Open the dashboard's server. Until SIGTERM or Ctrl-C."""
    from sagekeeper.dashboard.launch import command

    out = Output(as_json)
    load_settings()
    out.give({"address": f"http://{address}:{port}"})
    out.say(f"Dashboard on http://{address}:{port}. Stop it with Ctrl-C.")
    sys.stdout.flush()
    # Streamlit becomes this process: signals reach it, and no second process can be left behind.
    arguments = command(port, address)
    os.execv(arguments[0], arguments)  # noqa: S606


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="where the demo keeps its data")] = Path(".sagekeeper/demo"),
    scale: Annotated[str, typer.Option(help="which world: demo, small, seedling, temptation")] = "demo",
    port: Annotated[int, typer.Option(help="of the dashboard; the next free one if taken")] = 8501,
    simulator_port: Annotated[int, typer.Option(help="of the simulated account; the next free one if taken")] = 5600,
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="folder of real data for the world seedling")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything on a simulated AWS account: collect, analyse, recommend, dashboard. Until Ctrl-C."""
    from sagekeeper.service.demo import run_demo
    from sagekeeper.simulator.worlds import WORLDS

    if scale not in WORLDS:
        raise BadInput(f"--scale is one of {', '.join(WORLDS)}, not {scale}.")
    with stopped_by_signals() as stop:
        world = ["--scale", scale, *(("--data", str(data.resolve())) if data else ())]
        run_demo(folder, world, port, simulator_port, stop, Output(as_json))


def status(as_json: JsonOption = False) -> None:
    """What ran last, what failed, and what waits."""
    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        with house.ledger.reading() as session:
            newest = select(func.max(JobRunRow.id)).group_by(JobRunRow.job)
            runs = list(session.scalars(select(JobRunRow).where(JobRunRow.id.in_(newest)).order_by(JobRunRow.job)))
            sources = last_source_runs(session)
        counts = _counts(house.ledger)
    rows = [(run.job, run.status, f"{run.scheduled_for:%Y-%m-%d %H:%M}", run.owner, run.message) for run in runs]
    out.table(f"Jobs ({now:%Y-%m-%d %H:%M} UTC)", ("job", "status", "slot", "by", "message"), rows)
    failed = [(run.source, run.account, run.region, run.message) for run in sources if run.status == "failed"]
    if failed:
        out.table("Sources whose last run failed", ("source", "account", "region", "message"), failed)
    out.say(", ".join(f"{name.replace('_', ' ')}: {value:g}" for name, value in counts.items()))
    out.give({"now": now, "counts": counts, "jobs": [_job(run) for run in runs], "failed_sources": failed})


def doctor(as_json: JsonOption = False) -> None:
    """Check settings, lake, ledger, clock, AWS access, mail and extras; say what to do for each failure."""
    from sagekeeper.service.doctor import diagnose

    out = Output(as_json)
    with out.progress("checking"):
        in_force = load_settings()
        checks = diagnose(in_force)
    rows = [(check.name, check.state, check.detail, check.advice) for check in checks]
    out.table("Doctor", ("check", "state", "found", "what to do"), rows)
    failed = sum(check.state == "failed" for check in checks)
    out.give({"checks": checks, "failed": failed})
    following = (
        "sagekeeper collect" if in_force.aws.accounts else "name an AWS account in sagekeeper.toml, or sagekeeper demo"
    )
    out.say(f"{failed} checks failed." if failed else f"All is well. Next: {following}")
    if failed:
        raise typer.Exit(1)


def settings(as_json: JsonOption = False) -> None:
    """Show the settings in force; secrets are masked."""
    out = Output(as_json)
    shown = _masked(load_settings().model_dump(mode="json"))
    out.table("Settings", ("setting", "value"), list(_flat("", shown)))
    out.give(shown)
    out.say("Set them in sagekeeper.toml or in the environment (SAGEKEEPER_..., __ between levels).")


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set: whoever runs ends in order."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Beating(threading.Event):
    """The stop event as the worker's loop sees it: asked once a round, so asking is the sign that a round was done."""

    def __init__(self, stop: threading.Event, pulse: Pulse) -> None:
        super().__init__()
        self._stop, self._pulse = stop, pulse

    def is_set(self) -> bool:
        self._pulse.beat()
        return self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        return self._stop.wait(timeout)


def _log_to_stderr() -> None:
    logging.getLogger("sagekeeper").setLevel(logging.INFO)


def _counts(ledger: Ledger) -> dict[str, float]:
    with ledger.reading() as session:

        def count(row: Any, *where: Any) -> float:
            return float(session.scalar(select(func.count()).select_from(row).where(*where)) or 0)

        return {
            "open_findings": count(FindingRow, FindingRow.state == "open"),
            "open_recommendations": count(RecommendationRow, RecommendationRow.state == "open"),
            "actions": count(ActionRow),
            "actions_failed": count(ActionRow, ActionRow.state == "failed"),
            "job_runs_failed": count(JobRunRow, JobRunRow.status == "failed"),
        }


def _job(run: JobRunRow) -> dict[str, object]:
    shown = ("job", "scheduled_for", "owner", "started_at", "finished_at", "status", "message")
    return {name: getattr(run, name) for name in shown}


def _masked(values: dict[str, Any]) -> dict[str, Any]:
    """The settings without what opens a door: passwords, object store keys, database and channel addresses."""
    masked = values | {"lake_options": dict.fromkeys(values["lake_options"], "***")}
    masked["mail"] = values["mail"] | {"password": "***" if values["mail"]["password"] else None}
    masked["notify"] = ["***" for _ in values["notify"]]
    masked["ledger_url"] = "***" if values["ledger_url"] else None
    masked["aws"] = values["aws"] | {
        "accounts": [
            item | {"external_id": "***" if item["external_id"] else None} for item in values["aws"]["accounts"]
        ]
    }
    return masked


def _flat(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value
