"""The server: moto's application with our operations in it, control routes beside it, in a process of its own, on
loopback.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sts.responses import TokenResponse
from werkzeug.serving import WSGIRequestHandler, make_server

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator import (
    alarm_actions,
    bill_delivery,
    budget_watch,
    cost_explorer_tags,
    feature_charges,
    feature_records,
    hosting_metrics,
    job_metrics,
    looked_at,
    loopback,
    members,
    monitor_runs,
    neighbours,
    passing,
    pipeline_run,
    world_metrics,
)
from sagekeeper.simulator.bill_sources import bill_everything
from sagekeeper.simulator.borrowed import Borrowed, borrow, restore_session
from sagekeeper.simulator.captures import Captures
from sagekeeper.simulator.clock import SimulatedClock
from sagekeeper.simulator.commercial_control import set_terms
from sagekeeper.simulator.control import Control
from sagekeeper.simulator.cost_explorer_lines import ledger
from sagekeeper.simulator.cost_explorer_opt_in import opt_in
from sagekeeper.simulator.ecs_strategies import keep_strategy
from sagekeeper.simulator.hosting_control import set_hosting
from sagekeeper.simulator.journal import Journal
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.metric_log import MetricLog
from sagekeeper.simulator.metric_put import PutAgain, retain
from sagekeeper.simulator.metric_put_quick import quick
from sagekeeper.simulator.operations import Ask, House, Refused, checked, install, service_model
from sagekeeper.simulator.own_service import OwnServices, arrived, send, typed
from sagekeeper.simulator.price_files import price_file
from sagekeeper.simulator.request_counts import ONLY_COUNTED, Asked, RequestCounts
from sagekeeper.simulator.served import SERVICES
from sagekeeper.simulator.spot_prices import give_spot_prices
from sagekeeper.simulator.throttling import Throttle
from sagekeeper.simulator.unknown_operations import Complete
from sagekeeper.simulator.world import PAYER, REGIONS, World
from sagekeeper.simulator.world_metrics import SOURCES
from sagekeeper.simulator.worlds import world_of
from sagekeeper.simulator.worlds.seedling_data import keep

DEFAULT_NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
FOUNDED = timedelta(days=800)
"""How long before the anchor day the accounts joined their organisation."""
FEW = 10
DATA = "data"
"""The folder of the account where a copy of the data lies that its person named."""
Progress = Callable[[str, float], None]


class Quiet(WSGIRequestHandler):
    """No line per request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Nothing."""


class Simulation:
    """The world, its clock and journal, and the WSGI application over them."""

    def __init__(
        self, state: Path, now: datetime, seed: int, scale: str, speed: float, data: Path | None = None
    ) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self._origin = _origin(state, now, seed, scale, data)
        self.world, self.journal = World(), Journal(state / "journal.jsonl")
        self.world.data = state / DATA if (state / DATA).is_dir() else None
        done = [datetime.fromisoformat(entry["at"]) for entry in self.journal.entries[-1:]]
        self.clock = SimulatedClock(state / "clock.json", self._origin["now"], speed, *done)
        self._metrics = MetricLog(state / "metrics.bin")
        self.house = House(self.world, self.clock, Meter(self.world), self.journal, self._metrics)
        self._counts = RequestCounts(self.world)
        self._outbox = state / "outbox"
        self._captures = Captures(self.world, self._origin["now"])
        self._throttle = throttle = Throttle()
        self._aws = Borrowed(
            Complete(DomainDispatcherApplication(create_backend_app), throttle), self.journal, self.clock
        )
        self._own = OwnServices(self.house, [service[1:] for service in SERVICES if service[0] is None], throttle)
        self._people = {
            name: handler
            for _, service, found, _ in SERVICES
            if service == "sagemaker"
            for name, handler in found.items()
        }
        self._control = Control(self.house, self._people, self._catch_up, throttle)
        self._hour: datetime | None = None

    def prepare(self, progress: Progress) -> None:
        """Build the world and replay what was done to it."""
        for stage, share, work in (
            ("people and endpoints", 0.05, self._settle),
            ("what was done to them", 0.3, self._replay),
            ("captures and monitor reports", 0.4, self._catch_up),
            ("the bill", 0.8, self._first_bill),
        ):
            self._control.state = {"ready": False, "stage": stage, "fraction": share}
            progress(stage, share)
            work()
        self.clock.keep()
        self._control.state = {"ready": True, "stage": "ready", "fraction": 1.0}
        progress("ready", 1.0)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/sagekeeper/"):
            return self._control(environ, start_response)
        if not self._control.state["ready"]:
            # Clients repeat a 503: nobody sees half a world.
            body = json.dumps({"__type": "ServiceUnavailable", "message": "The simulated account is being built."})
            start_response("503 Service Unavailable", [("Content-Type", "application/x-amz-json-1.1")])
            return [body.encode()]
        self._catch_up()
        request = arrived(environ)
        file = price_file(environ["PATH_INFO"]) if request.method == "GET" else None
        if file is not None:
            return send(file, start_response)
        put = quick(request, self.house, self._throttle)
        if put is not None:
            return send(put, start_response)
        found = self._own.find(request)
        if found is not None:
            return send(self._own.answer(request, *found), start_response)
        return self._aws(environ, start_response)

    def _settle(self) -> None:
        bill_everything()
        self._aws.told = self._told
        if feature_charges.SOURCE not in world_metrics.SOURCES:
            world_metrics.SOURCES.append(feature_charges.SOURCE)
        world_of(self._origin["scale"])(self.world, self._origin["now"], self._origin["seed"])
        members.enrol(self.world, self._origin["now"] - FOUNDED)
        cost_explorer_tags.activate_all(self.world)
        for response_class, name, handlers, mutating in SERVICES:
            if response_class is not None:
                install(response_class, name, handlers, mutating, self.house)
        checked(TokenResponse, "sts", "AssumeRole")
        borrow(self.clock, self.journal)
        give_spot_prices()
        alarm_actions.on("autoscaling", passing.scaling_of(self.world))
        # Alarms come late, within `passing`: what happened by itself is then already in the metrics that they see.
        self.world.passing += [feature_records.bring_up_to, passing.bring_up_to, retain]
        self.world.passing.append(partial(pipeline_run.bring_up_to, self.house, self._people))
        self.world.passing.append(partial(budget_watch.bring_up_to, self.house, self._outbox))
        if hosting_metrics.SOURCE not in SOURCES:
            SOURCES.append(hosting_metrics.SOURCE)
        if job_metrics.SOURCE not in SOURCES:
            SOURCES.append(job_metrics.SOURCE)
        self._captures.baselines()

    def _told(self, asked: Asked, at: datetime, changes: bool) -> None:
        """A request was answered: what it costs, and what stands after it."""
        self._counts.count(asked, at, keep=not changes)
        if changes and asked.operation not in ONLY_COUNTED.get(asked.service, ()):
            with self.world.lock:
                keep_strategy(asked)
                neighbours.observe(self.world.at(asked.account, asked.region), asked.service, at)

    def keep(self) -> None:
        """Write down what is only in memory: the time, and what was read."""
        self.clock.keep()
        self._counts.keep(self.journal, self.clock.now())

    def _replay(self) -> None:
        handlers = {(service, name): handler for _, service, found, _ in SERVICES for name, handler in found.items()}
        put = PutAgain(self.house)
        with self.journal.replaying() as entries:
            for entry in entries:
                if entry["sort"] == "counted":  # of hours before it was written down: bills of those hours had it
                    self._counts.again(entry)
            for entry in entries:
                at = datetime.fromisoformat(entry["at"])
                put.upto(at)
                self.world.until(at)
                self._captures.bring_up_to(at)
                if entry["sort"] == "looked":
                    looked_at.look(self.world, at)
                monitor_runs.bring_up_to(self.world, at)
                bill_delivery.bring_up_to(self.house, at)
                if entry["sort"] not in ("counted", "looked"):
                    self._again(entry, at, handlers)
            put.upto(None)

    def _again(self, entry: dict[str, Any], at: datetime, handlers: dict[tuple[str, str], Any]) -> None:
        """Do what was done, as it was done then."""
        if entry["sort"] == "call":
            handler = handlers[entry["service"], entry["operation"]]
            ask = Ask(self.house, entry["account"], entry["region"], _parameters(entry), at)
            # A refusal that is journalled had an effect: the runtime counts what fails.
            with suppress(Refused):
                handler(ask)
            ask.here.version += 1
        elif entry["sort"] == "request":
            self._aws.again(entry)
        elif entry["sort"] == "session":
            restore_session(entry)
        elif entry["sort"] == "incident":
            self._control.incident(entry["given"], at)
        elif entry["sort"] == "hosting":
            set_hosting(self.house, entry["given"], at)
        elif entry["sort"] == "explorer":
            opt_in(self.house, entry["given"], at)
        elif entry["sort"] == "commercial":
            set_terms(self.house, entry["given"], at)
        else:
            self._control.fault(entry["endpoint"], entry["fault"], at)

    def _first_bill(self) -> None:
        """Whatever the bill keeps is computed before somebody waits for it: in a large world that is a minute's work."""
        now = self.clock.now()
        self.house.meter.lines(now.date(), now.date(), now)
        if len(self.world.accounts) > FEW:
            ledger(Ask(self.house, PAYER, REGIONS[0], {}, now))

    def _catch_up(self) -> None:
        now = self.clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        with self.world.lock:
            self.world.until(now)
            if hour != self._hour:
                self._captures.bring_up_to(now)
                if looked_at.look(self.world, now):
                    self.journal.write("looked", now)
                self._hour = hour
            monitor_runs.bring_up_to(self.world, now)
            # Bills come last: they hold what all of the above has done by then.
            bill_delivery.bring_up_to(self.house, now)


def serve(
    host: str,
    port: int,
    state: Path,
    *,
    now: datetime = DEFAULT_NOW,
    seed: int = 7,
    scale: str = "demo",
    speed: float = 1.0,
    data: Path | None = None,
    progress: Progress = lambda *_: None,
) -> None:
    """Serve until interrupted. Control routes answer at once; AWS calls once the world is ready."""
    loopback.stay()
    simulation = Simulation(state, now, seed, scale, speed, data)
    server = make_server(host, port, simulation, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    simulation.prepare(progress)
    stop = threading.Event()
    try:
        while not stop.wait(5):
            simulation.keep()
    except KeyboardInterrupt:
        pass
    finally:
        simulation.keep()


def _origin(state: Path, now: datetime, seed: int, scale: str, data: Path | None) -> dict[str, Any]:
    """What the world was made from, written down once: a restart makes the same one. ``data`` is copied into the account."""
    file = state / "world.json"
    if data is not None and scale != "seedling":
        raise BadInput(f"Only the world seedling takes data, not {scale}.")
    if data is not None and file.exists() and not (state / DATA).is_dir():
        raise BadInput(f"The account in {state} was made without data and keeps its world: choose another --state.")
    if not file.exists():
        if data is not None:
            keep(data, state / DATA)
        file.write_text(json.dumps({"now": now.isoformat(), "seed": seed, "scale": scale}))
    kept = json.loads(file.read_text())
    return kept | {"now": datetime.fromisoformat(kept["now"])}


def _parameters(entry: dict[str, Any]) -> dict[str, Any]:
    """A kept call's parameters, with the types of the model."""
    shape = service_model(entry["service"]).operation_model(entry["operation"]).input_shape
    return dict(typed(entry["parameters"], shape))
