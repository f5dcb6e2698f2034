"""The server: moto's application with our operations in it, control routes beside it, in a process of its own, on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from moto.ce.responses import CostExplorerResponse
from moto.cloudwatch.responses import CloudWatchResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sagemaker.responses import SageMakerResponse
from werkzeug.serving import WSGIRequestHandler, make_server

from sagekeeper.simulator import cloudwatch, cost_explorer, sagemaker_endpoints, sagemaker_work
from sagekeeper.simulator.captures import Captures
from sagekeeper.simulator.clock import SimulatedClock
from sagekeeper.simulator.journal import Journal
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.operations import Ask, Handler, House, answer_unknown_operations, install
from sagekeeper.simulator.organisation import settle
from sagekeeper.simulator.world import World

DEFAULT_NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
Progress = Callable[[str, float], None]
SERVICES: tuple[tuple[type, str, dict[str, Handler], set[str]], ...] = (
    (SageMakerResponse, "sagemaker", sagemaker_endpoints.HANDLERS, sagemaker_endpoints.MUTATING),
    (SageMakerResponse, "sagemaker", sagemaker_work.HANDLERS, sagemaker_work.MUTATING),
    (CostExplorerResponse, "ce", cost_explorer.HANDLERS, set()),
    (CloudWatchResponse, "cloudwatch", cloudwatch.HANDLERS, set()),
)


class Quiet(WSGIRequestHandler):
    """No line per request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Nothing."""


class Simulation:
    """The world, its clock and journal, and the WSGI application over them."""

    def __init__(self, state: Path, now: datetime, seed: int, scale: str, speed: float) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self._origin = _origin(state, now, seed, scale)
        self.clock = SimulatedClock(state / "clock.json", self._origin["now"], speed)
        self.world, self.journal = World(), Journal(state / "journal.jsonl")
        self.house = House(self.world, self.clock, Meter(self.world), self.journal)
        self._captures = Captures(self.world, self._origin["now"])
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.stage, self.fraction, self.ready = "starting", 0.0, False
        self._hour: datetime | None = None

    def prepare(self, progress: Progress) -> None:
        """Build the world and replay what was done to it."""
        for stage, share, work in (
            ("people and endpoints", 0.05, self._settle),
            ("what was done to them", 0.3, self._replay),
            ("captures and monitor reports", 0.4, self._catch_up),
            (
                "the bill",
                0.8,
                lambda: self.house.meter.lines(self.clock.now().date(), self.clock.now().date(), self.clock.now()),
            ),
        ):
            self.stage, self.fraction = stage, share
            progress(stage, share)
            work()
        self.clock.keep()
        self.stage, self.fraction, self.ready = "ready", 1.0, True
        progress("ready", 1.0)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/sagekeeper/"):
            return self._control(environ, start_response)
        self._catch_up()
        found: Iterable[bytes] = self._moto(environ, start_response)
        return found

    def _settle(self) -> None:
        settle(self.world, self._origin["now"], self._origin["seed"], self._origin["scale"])
        for service in SERVICES:
            install(*service, self.house)
        answer_unknown_operations()

    def _replay(self) -> None:
        handlers = {(service, name): handler for _, service, found, _ in SERVICES for name, handler in found.items()}
        self.journal.replaying(True)
        self._captures.baselines()
        for entry in self.journal.entries:
            at = datetime.fromisoformat(entry["at"])
            self._captures.bring_up_to(at)
            handler = handlers.get((entry["service"], entry["operation"]))
            if handler is not None:
                handler(Ask(self.house, entry["account"], entry["region"], entry["parameters"], at))
        self.journal.replaying(False)

    def _catch_up(self) -> None:
        now = self.clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            with self.world.lock:
                if hour != self._hour and self._captures.bring_up_to(now):
                    self.world.changed()
                self._hour = hour

    def _control(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = json.loads(environ["wsgi.input"].read(size) or b"{}") if size else {}
        route = (environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/sagekeeper/"))
        answer: Any
        status = "200 OK"
        if route == ("GET", "health"):
            answer = {
                "ready": self.ready,
                "stage": self.stage,
                "fraction": self.fraction,
                "now": self.clock.now().isoformat(),
            }
        elif route == ("GET", "clock"):
            answer = {"now": self.clock.now().isoformat(), "speed": self.clock.speed}
        elif route == ("POST", "advance"):
            self.clock.advance(timedelta(**body))
            self._catch_up()
            answer = {"now": self.clock.now().isoformat()}
        elif route == ("GET", "journal"):
            since = environ.get("QUERY_STRING", "").removeprefix("since=").replace("%3A", ":").replace("%2B", "+")
            answer = [entry for entry in self.journal.entries if entry["at"] >= since]
        elif route == ("POST", "faults"):
            for here in self.world.standing.values():
                if body["endpoint"] in here.lives:
                    here.faults.pop(body["endpoint"], None) if body["fault"] is None else here.faults.update(
                        {body["endpoint"]: body["fault"]}
                    )
            answer = {}
        else:
            status, answer = "404 Not Found", {"error": f"no such control route: {route[1]}"}
        data = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        return [data]


def serve(
    host: str,
    port: int,
    state: Path,
    *,
    now: datetime = DEFAULT_NOW,
    seed: int = 7,
    scale: str = "demo",
    speed: float = 1.0,
    progress: Progress = lambda *_: None,
) -> None:
    """Serve until interrupted. Control routes answer at once; AWS calls once the world is ready."""
    simulation = Simulation(state, now, seed, scale, speed)
    server = make_server(host, port, simulation, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    simulation.prepare(progress)
    stop = threading.Event()
    try:
        while not stop.wait(5):
            simulation.clock.keep()
    except KeyboardInterrupt:
        pass
    finally:
        simulation.clock.keep()
        server.shutdown()


def _origin(state: Path, now: datetime, seed: int, scale: str) -> dict[str, Any]:
    """What the world was made from, written down once: a restart makes the same one."""
    file = state / "world.json"
    if not file.exists():
        file.write_text(json.dumps({"now": now.isoformat(), "seed": seed, "scale": scale}))
    kept = json.loads(file.read_text())
    return kept | {"now": datetime.fromisoformat(kept["now"])}
