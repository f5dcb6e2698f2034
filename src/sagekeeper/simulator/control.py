"""The simulator's own HTTP routes, beside AWS's: is it ready, what time is it, let time go on, what was done, let things
go wrong, and what the truth is about them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.commercial_control import set_terms, terms_of
from sagekeeper.simulator.cost_explorer_opt_in import opt_in
from sagekeeper.simulator.hosting_control import set_hosting
from sagekeeper.simulator.operations import Handler, House
from sagekeeper.simulator.throttling import Throttle
from sagekeeper.simulator.world import PAYER, REGIONS, Fault
from sagekeeper.simulator.worlds.incidents import Scene, bring_about
from sagekeeper.simulator.worlds.truth import Truth

PREFIX = "/sagekeeper/"
FAULTS = ("errors_after_update", "latency_after_update", "errors", "latency")


class Control:
    """A WSGI application for everything under /sagekeeper/."""

    def __init__(
        self, house: House, handlers: dict[str, Handler], catch_up: Callable[[], None], throttle: Throttle
    ) -> None:
        self._house, self._handlers, self._catch_up, self._throttle = house, handlers, catch_up, throttle
        self.state: dict[str, Any] = {"ready": False, "stage": "starting", "fraction": 0.0}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, route = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PREFIX)
        answer_of = {
            ("GET", "health"): self._health,
            ("GET", "clock"): self._clock,
            ("GET", "journal"): self._journal,
            ("POST", "advance"): self._advance,
            ("POST", "faults"): self._faults,
            ("POST", "incidents"): self._incidents,
            ("GET", "truth"): self._truth,
            ("POST", "throttle"): self._throttling,
            ("POST", "hosting"): self._hosting,
            ("POST", "explorer"): self._explorer,
            ("POST", "commercial"): self._set_commercial,
            ("GET", "commercial"): self._commercial,
        }.get((method, route))
        status = "200 OK"
        answer: Any
        try:
            if answer_of is None:
                status, answer = "404 Not Found", {"error": f"There is no control route {method} {PREFIX}{route}."}
            else:
                answer = answer_of(_given(environ))
        except BadInput as wrong:
            status, answer = "400 Bad Request", {"error": str(wrong)}
        data = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        return [data]

    def fault(self, endpoint: str, kind: str | None, at: datetime) -> None:
        """Set or clear the fault of an endpoint, in whichever account it stands."""
        if kind is not None and kind not in FAULTS:
            raise BadInput(f"There is no fault {kind}: use one of {', '.join(FAULTS)}, or null.")
        there = [here for here in self._house.world.standing.values() if endpoint in here.lives]
        if not there:
            raise BadInput(f"There is no endpoint {endpoint} in the simulated account.")
        for here in there:
            if kind is None:
                here.faults.pop(endpoint, None)
            else:
                here.faults[endpoint] = Fault(kind, at)
        self._house.journal.write("fault", at, endpoint=endpoint, fault=kind)

    def incident(self, given: dict[str, Any], at: datetime) -> Truth:
        """Let something go wrong in the account: ``kind``, and if wanted ``subject``, ``account``, ``region``, ``size``."""
        unknown = set(given) - {"kind", "subject", "account", "region", "size"}
        if unknown or not isinstance(given.get("size", 1.0), int | float):
            raise BadInput(
                "An incident has a kind, and if wanted a subject, an account, a region and a size (a number)."
            )
        kind = str(given.get("kind", ""))
        subject = str(given.get("subject") or f"{kind.replace('_', '-')}-{at:%m%d%H%M}")
        account, region = str(given.get("account") or PAYER), str(given.get("region") or REGIONS[0])
        scene = Scene(self._house, self._handlers, account, region, at, subject, float(given.get("size", 1.0)))
        truth = bring_about(kind, scene)
        self._house.journal.write("incident", at, given=given)
        return truth

    def _health(self, _: dict[str, Any]) -> dict[str, Any]:
        return self.state | {"now": self._house.clock.now().isoformat()}

    def _clock(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"now": self._house.clock.now().isoformat(), "speed": self._house.clock.speed}

    def _journal(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        return self._house.journal.from_outside(_moment(given["since"]) if given.get("since") else None)

    def _advance(self, given: dict[str, Any]) -> dict[str, Any]:
        if set(given) == {"until"}:
            given = {"seconds": (_moment(given["until"]) - self._house.clock.now()).total_seconds()}
        if set(given) - {"days", "hours", "seconds"} or not all(
            isinstance(item, int | float) for item in given.values()
        ):
            raise BadInput(
                "Advance by numbers of days, hours or seconds, or until a time such as 2026-12-01T00:00:00Z."
            )
        by = timedelta(**given)
        if by < timedelta(0):
            raise BadInput("The simulated time only goes forward.")
        self._house.clock.advance(by)
        self._catch_up()
        return {"now": self._house.clock.now().isoformat()}

    def _faults(self, given: dict[str, Any]) -> dict[str, Any]:
        with self._house.world.lock:
            self.fault(str(given.get("endpoint", "")), given.get("fault"), self._house.clock.now())
        return {}

    def _incidents(self, given: dict[str, Any]) -> dict[str, Any]:
        with self._house.world.lock:
            return self.incident(given, self._house.clock.now()).as_json()

    def _hosting(self, given: dict[str, Any]) -> dict[str, Any]:
        with self._house.world.lock:
            set_hosting(self._house, given, self._house.clock.now())
        return {}

    def _throttling(self, given: dict[str, Any]) -> dict[str, Any]:
        self._throttle.set(given)
        return {}

    def _explorer(self, given: dict[str, Any]) -> dict[str, Any]:
        with self._house.world.lock:
            opt_in(self._house, given, self._house.clock.now())
        return {}

    def _set_commercial(self, given: dict[str, Any]) -> dict[str, Any]:
        with self._house.world.lock:
            set_terms(self._house, given, self._house.clock.now())
        return {}

    def _commercial(self, _: dict[str, Any]) -> dict[str, Any]:
        return terms_of(self._house.world.commercial)

    def _truth(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        return [truth.as_json() for truth in self._house.world.truths]


def _moment(given: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(given).replace("Z", "+00:00"))
    except ValueError as wrong:
        raise BadInput(f"{given} is not a time such as 2026-11-20T08:00:00Z.") from wrong
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _given(environ: dict[str, Any]) -> dict[str, Any]:
    """The body of a POST, the query of a GET."""
    size = int(environ.get("CONTENT_LENGTH") or 0)
    if environ["REQUEST_METHOD"] != "POST":
        return {key: found[-1] for key, found in parse_qs(environ.get("QUERY_STRING", "")).items()}
    try:
        return dict(json.loads(environ["wsgi.input"].read(size) or b"{}"))
    except (ValueError, TypeError) as wrong:
        raise BadInput(f"The request's body is not a JSON object: {wrong}") from wrong
