"""kill -9 of the worker at every event of a change: exactly one endpoint operation, and a ledger that tells the truth.

Events are every commit the worker makes and every AWS call it has made, so each gap between two events is a place to die.
The dead worker is a real process. What comes after it has only the ledger: a worker of the same name (a restart) or of another
(which has to wait for the lease to run out).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import forked

from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.ledger.queue import request_undo
from sagekeeper.core.types import Recommendation
from sagekeeper.lifecycle.worker import Worker

from .conftest import AwsAccount, action_of, ask, audit_of, delete_wish, steps_of, update_wish

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

Wish = Callable[[AwsAccount, str], Recommendation]
SCRIPT = Path(__file__).with_name("killed_worker.py")
OPERATIONS = ("DeleteEndpoint", "CreateEndpoint", "UpdateEndpoint")


class Case:
    """One endpoint, one approved action, one ledger: to be killed once and started again."""

    def __init__(self, aws: AwsAccount, folder: Path, wish: Wish, *, scaling: bool) -> None:
        self.aws, self.folder = aws, folder
        folder.mkdir()
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self.ledger = open_ledger(self.url)
        self.name = aws.endpoint("killed", scaling=scaling)
        self.action = ask(self.ledger, aws, wish(aws, self.name))

    def die_at(self, event: str) -> None:
        """A worker process that is killed at ``event``."""
        arguments = (self.aws.settings, self.url, str(self.folder / "lake"), "worker", event)
        assert forked.run(SCRIPT, arguments, 90) == -signal.SIGKILL, f"it was not killed: {event} never came"

    def finish(self, rest: str, owner: str = "worker") -> list[str]:
        """A worker that knows nothing but the ledger, until the action is in state ``rest``; its events."""
        events: list[str] = []
        lake, settings, sessions = Lake(self.folder / "lake"), self.aws.settings, self.aws.sessions
        worker = Worker(self.ledger, lake, settings, sessions, self.aws.clock, owner, after_write=events.append)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            worker.run_once()
            if action_of(self.ledger, self.action).state == rest:
                break
            time.sleep(0.05)
        return events

    def operations(self) -> list[str]:
        return self.aws.operations(self.name, *OPERATIONS)[1:]  # without the test's own CreateEndpoint

    def tells_the_truth(self, rest: str) -> None:
        found = action_of(self.ledger, self.action)
        assert found.state == rest, found.message
        steps = steps_of(self.ledger, self.action)
        assert [step.state for step in steps] == ["done"] * len(steps)
        audited = [event for event in audit_of(self.ledger, self.action) if event.endswith(OPERATIONS)]
        # A line is written before each call: one too many only where the worker died between the line and the call.
        assert 1 <= len(audited) <= 2


def places_to_die(events: list[str], rest: str) -> list[str]:
    """Each event up to rest, once: rounds that only wait repeat ``claimed`` and ``released``."""
    return list(dict.fromkeys(events[: events.index(f"state: {rest}") + 1]))


@pytest.mark.parametrize(
    ("wish", "operation", "rest", "fewest"),
    [
        pytest.param(delete_wish, "DeleteEndpoint", "applied", 12, id="delete"),
        pytest.param(update_wish, "UpdateEndpoint", "watching", 22, id="update"),
    ],
)
def test_killed_between_any_two_events_exactly_one_operation_happens(
    aws: AwsAccount, tmp_path: Path, wish: Wish, operation: str, rest: str, fewest: int
):
    whole = Case(aws, tmp_path / "whole", wish, scaling=True)
    places = places_to_die(whole.finish(rest), rest)
    assert whole.operations() == [operation]
    assert f"called: {operation}" in places and len(places) >= fewest
    for number, event in enumerate(places):
        case = Case(aws, tmp_path / f"{number}", wish, scaling=True)
        case.die_at(event)
        case.finish(rest)
        assert case.operations() == [operation], f"killed at {event}"
        case.tells_the_truth(rest)


def test_killed_between_any_two_events_of_an_undo_exactly_one_endpoint_is_made(aws: AwsAccount, tmp_path: Path):
    def applied(folder: str) -> Case:
        case = Case(aws, tmp_path / folder, delete_wish, scaling=False)
        case.finish("applied")
        request_undo(case.ledger, case.action, "ada", aws.clock())
        return case

    places = places_to_die(applied("whole").finish("undone"), "undone")
    assert "called: CreateEndpoint" in places
    for number, event in enumerate(places):
        case = applied(f"{number}")
        case.die_at(event)
        case.finish("undone")
        assert case.operations() == ["DeleteEndpoint", "CreateEndpoint"], f"killed at {event}"
        assert action_of(case.ledger, case.action).state == "undone"
        assert aws.client().describe_endpoint(EndpointName=case.name)["EndpointConfigName"] == f"{case.name}-config"


@pytest.mark.parametrize("event", ["do 1: started", "called: DeleteEndpoint"])
def test_a_worker_of_another_name_takes_over_when_the_lease_of_the_dead_one_has_run_out(
    aws: AwsAccount, tmp_path: Path, event: str
):
    case = Case(aws, tmp_path / "case", delete_wish, scaling=True)
    case.die_at(event)
    died = time.monotonic()
    assert action_of(case.ledger, case.action).state == "applying"
    case.finish("applied", owner="another")
    assert time.monotonic() - died > aws.settings.lifecycle.lease_seconds - 2
    assert case.operations() == ["DeleteEndpoint"]
    case.tells_the_truth("applied")
