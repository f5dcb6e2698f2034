"""``sagekeeper demo``: the whole product on a simulated AWS account, in one folder, ended as a whole by Ctrl-C.

In: a folder, ports. It starts the simulated account, runs the loop once (collect, analyse, recommend, measure,
reports; skipped when the folder has it already), then scheduler, worker and dashboard as child processes, and waits.
Nothing leaves the machine: reports become files, credentials are the word ``test``. What is done when is kept in the
ledger, so a demo that was interrupted carries on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
from sqlalchemy import select

from sagekeeper.core.clock import month_start
from sagekeeper.core.errors import Conflict, SagekeeperError, SourceUnavailable
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import JobRunRow
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.service.children import Children
from sagekeeper.service.console import Output
from sagekeeper.service.demo_world import ACCOUNTS, demo_environment, free_port, write_settings
from sagekeeper.service.house import House, open_house, process_name
from sagekeeper.service.job import Job
from sagekeeper.service.leader import leader_lock
from sagekeeper.simulator.client import Simulator

START_SECONDS = 600
STATE_FILE = "simulator.json"
FIRST_STAGES = ("collect", "collect-costs", "analyze", "recommend", "measure")
TOLD_STAGES = ("budget-alerts", "digest")


def run_demo(
    folder: Path, world: list[str], port: int, simulator_port: int, stop: threading.Event, out: Output
) -> None:
    """Run the demo until ``stop`` is set. Leaves no process behind, whatever happens. ``world``: options of the account."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with _only_one(folder), Children(folder / "logs") as children:
        environment = demo_environment(folder)
        simulator_url = f"http://127.0.0.1:{free_port(simulator_port)}"
        dashboard_url = f"http://localhost:{free_port(port)}"
        budgets = _kept_budgets(folder)
        write_settings(folder, simulator_url, dashboard_url, budgets)
        if budgets:  # a second start: the dashboard has what it shows, and starts beside the simulated account
            _start_dashboard(children, dashboard_url, environment)
        _start_simulator(children, folder, simulator_url, world, environment, stop, out)
        os.environ.clear()
        os.environ.update(environment)
        if not stop.is_set():
            _run_loop_once(folder, simulator_url, dashboard_url, stop, out)
        if not stop.is_set():
            children.start("scheduler", ["serve", "--every", "3"], environment)
            children.start("worker", ["worker"], environment)
            if not budgets:
                _start_dashboard(children, dashboard_url, environment)
            _wait_for_dashboard(children, dashboard_url, stop, out)
        if not stop.is_set():
            _tell(out, folder, dashboard_url, simulator_url, time.monotonic() - began)
        while not stop.wait(1.0):
            children.check()
        out.say("Stopping what the demo started ...")
    (folder / STATE_FILE).unlink(missing_ok=True)
    out.say(f"Stopped. The data is kept in {folder}; start it again with: sagekeeper demo")


def _start_simulator(
    children: Children,
    folder: Path,
    url: str,
    world: list[str],
    environment: dict[str, str],
    stop: threading.Event,
    out: Output,
) -> None:
    port = url.rsplit(":", 1)[1]
    arguments = ["simulate", "serve", "--host", "127.0.0.1", "--port", port, "--state", str(folder / "simulator")]
    child = children.start("simulator", [*arguments, *world], environment)
    (folder / STATE_FILE).write_text(json.dumps({"url": url, "pid": child.process.pid}))
    account = Simulator(url)
    with out.progress("simulated account") as progress:
        for _ in _until_stopped(stop):
            children.check()
            with contextlib.suppress(SourceUnavailable):
                health = account.health()
                if health["ready"]:
                    return
                progress(health["stage"], health["fraction"])
    if not stop.is_set():
        raise SourceUnavailable(f"The simulated account did not get ready. See {child.log}")


def _run_loop_once(folder: Path, simulator_url: str, dashboard_url: str, stop: threading.Event, out: Output) -> None:
    with open_house() as house:
        if not _done_before(house.ledger, "recommend"):
            _run(house, FIRST_STAGES, stop, out)
        if not (folder / "budgets.json").exists() and not stop.is_set():
            budgets = _budgets(house.lake, house.clock())
            (folder / "budgets.json").write_text(json.dumps({name: str(amount) for name, amount in budgets.items()}))
            write_settings(folder, simulator_url, dashboard_url, budgets)
    with open_house() as house:
        if not _done_before(house.ledger, "budget-alerts"):
            _run(house, TOLD_STAGES, stop, out)


def _run(house: House, names: Sequence[str], stop: threading.Event, out: Output) -> None:
    """Run these jobs as the scheduler would, in its name, so that it need not run them again."""
    # Here, because they take seconds to import and a second start runs none.
    from sagekeeper.service.jobs import JOBS
    from sagekeeper.service.scheduler import run_due

    lock = leader_lock(house.ledger)
    if not lock.acquire():
        raise Conflict("A scheduler already works in this folder. Stop it first, or choose another --dir.")
    try:
        for job in (job for job in JOBS if job.name in names):
            failures: list[str] = []

            def heard(_job: Job, _slot: datetime, status: str, message: str, failures: list[str] = failures) -> None:
                out.say(f"  {_job.name}: {message}")
                if status == "failed":
                    failures.append(message)

            with out.progress(job.name) as progress:
                run_due(
                    house,
                    [job],
                    process_name(),
                    stop=stop,
                    progress=progress,
                    heard=heard,
                    again=("lost", "failed", "running"),
                )
            if failures:
                raise SagekeeperError(f"The demo could not {job.name}: {failures[0]}")
    finally:
        lock.release()


def _start_dashboard(children: Children, url: str, environment: dict[str, str]) -> None:
    children.start("dashboard", ["dashboard", "--port", url.rsplit(":", 1)[1]], environment)


def _wait_for_dashboard(children: Children, url: str, stop: threading.Event, out: Output) -> None:
    with out.progress("dashboard") as progress:
        for waited in _until_stopped(stop):
            children.check()
            if _answers(f"{url}/_stcore/health"):
                return
            progress("starting", min(0.9, waited / 15))


def _tell(out: Output, folder: Path, dashboard_url: str, simulator_url: str, seconds: float) -> None:
    shown = Path(os.path.relpath(folder))
    out.say(f"\nReady after {seconds:.0f} s.  Open  {dashboard_url}\n", style="bold")
    out.say("In the dashboard, open Recommendations and apply one. Then, in another shell:")
    out.say(f"  . {shown / 'env.sh'}      its commands then speak to the demo, for example:")
    out.say("  sagekeeper simulate advance --days 7     a week passes; the scheduler catches up by itself")
    out.say("  sagekeeper activity; sagekeeper undo 1   what was done; and bring it back")
    out.say(f"Reports that would be mailed are files in {shown / 'reports'}, logs are in {shown / 'logs'}.")
    out.say("Ctrl-C stops everything; the data is kept.")
    out.give({"dashboard": dashboard_url, "simulator": simulator_url, "folder": folder, "seconds": round(seconds, 1)})


def _budgets(lake: Lake, now: datetime) -> dict[str, Decimal]:
    """Two monthly budgets from last month's bill: one that this month is going to exceed, one with room to spare."""
    last_month = month_start(month_start(now.date()) - timedelta(days=1))
    bill = lake.scan(DAILY_COSTS).filter(
        (pl.col("dataset") == "cost-explorer")
        & (pl.col("day") >= last_month)
        & (pl.col("day") < month_start(now.date()))
        & (pl.col("charge_category") == "Usage")
    )
    spent = dict(bill.group_by("account").agg(pl.col("billed_cost").sum()).collect().iter_rows())
    products_id, products = ACCOUNTS[1]
    return {
        "all of ML": Decimal(max(1, round(sum(spent.values()) * 0.85))),
        products: Decimal(max(1, round(spent.get(products_id, 0.0) * 1.4))),
    }


def _kept_budgets(folder: Path) -> dict[str, Decimal]:
    kept = folder / "budgets.json"
    return {name: Decimal(amount) for name, amount in json.loads(kept.read_text()).items()} if kept.exists() else {}


def _done_before(ledger: Ledger, job: str) -> bool:
    with ledger.reading() as session:
        done = select(JobRunRow.id).where(JobRunRow.job == job, JobRunRow.status == "ok").limit(1)
        return session.scalar(done) is not None


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"A demo already runs in {folder}. Stop it with Ctrl-C, or choose another --dir.") from error
        yield


def _until_stopped(stop: threading.Event) -> Iterator[float]:
    """Twice a second until stopped or START_SECONDS have passed; yields the seconds waited."""
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS and not stop.wait(0.5):
        yield time.monotonic() - began


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own child's address)
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
