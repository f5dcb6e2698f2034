"""kill -9 of the worker at every event of a change: exactly one endpoint operation, and a ledger that tells the truth.

Events are every commit the worker makes and every AWS call it has made, so each gap between two events is a place to die.
The dead worker is a real process; another one is started after it, under the same name (a restart) or another (after its lease).
"""

from __future__ import annotations

import multiprocessing
import runpy
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.ledger.queue import request_undo
from sagekeeper.core.types import Recommendation

from .conftest import AwsAccount, action_of, ask, audit_of, delete_wish, steps_of, update_wish

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

Wish = Callable[[AwsAccount, str], Recommendation]
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["sagekeeper.lifecycle.worker", "sagekeeper.core.ledger"])
SCRIPT = str(Path(__file__).with_name("killed_worker.py"))
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

    def work(self, kill_at: int, rest: str, owner: str = "worker") -> list[str]:
        """A worker process from start to death or rest; its events."""
        events = self.folder / f"events-{owner}-{kill_at}-{rest}"
        arguments = (self.aws.settings, self.url, str(self.folder / "lake"), owner, kill_at, str(events), rest)
        process = PROCESSES.Process(target=runpy.run_path, args=(SCRIPT, {"ARGUMENTS": arguments}, "__main__"))
        process.start()
        process.join(120)
        assert process.exitcode == (-signal.SIGKILL if kill_at else 0)
        return events.read_text().split("\n")[:-1] if events.exists() else []

    def operations(self) -> list[str]:
        return self.aws.operations(self.name, *OPERATIONS)[1:]  # without the test's own CreateEndpoint

    def tells_the_truth(self, rest: str, calls: int) -> None:
        found = action_of(self.ledger, self.action)
        assert found.state == rest, found.message
        assert found.lease_owner is None
        steps = steps_of(self.ledger, self.action)
        assert [step.state for step in steps] == ["done"] * len(steps)
        audited = [event for event in audit_of(self.ledger, self.action) if event.endswith(OPERATIONS)]
        # A line is written before each call: one too many only where the worker died between the line and the call.
        assert calls <= len(audited) <= calls + 1


@pytest.mark.parametrize(
    ("wish", "operation", "rest", "scaling"),
    [
        pytest.param(delete_wish, "DeleteEndpoint", "applied", True, id="delete"),
        pytest.param(update_wish, "UpdateEndpoint", "watching", True, id="update"),
    ],
)
def test_killed_between_any_two_events_exactly_one_operation_happens(
    aws: AwsAccount, tmp_path: Path, wish: Wish, operation: str, rest: str, scaling: bool
):
    whole = Case(aws, tmp_path / "whole", wish, scaling=scaling)
    events = whole.work(0, rest)
    assert whole.operations() == [operation]
    until_rest = events[: events.index(f"state: {rest}") + 1]
    assert f"called: {operation}" in until_rest
    for number, event in enumerate(until_rest, start=1):
        case = Case(aws, tmp_path / f"{number}", wish, scaling=scaling)
        case.work(number, rest)
        case.work(0, rest)
        assert case.operations() == [operation], f"killed at event {number}, {event}"
        if event != f"state: {rest}":
            case.tells_the_truth(rest, 1)


def test_killed_between_any_two_events_of_an_undo_exactly_one_endpoint_is_made(aws: AwsAccount, tmp_path: Path):
    events: list[str] = []
    number = 0
    while number == 0 or number < len(events):
        case = Case(aws, tmp_path / f"undo-{number}", delete_wish, scaling=True)
        case.work(0, "applied")
        request_undo(case.ledger, case.action, "ada", aws.clock())
        if number:
            case.work(number, "undone")
        found = case.work(0, "undone", "worker")
        if not number:
            events = found[: found.index("state: undone") + 1]
        assert case.operations() == ["DeleteEndpoint", "CreateEndpoint"], f"killed at event {number}"
        assert action_of(case.ledger, case.action).state == "undone"
        assert aws.client().describe_endpoint(EndpointName=case.name)["EndpointConfigName"] == f"{case.name}-config"
        number += 1


@pytest.mark.parametrize("event", ["do 1: started", "called: DeleteEndpoint"])
def test_a_worker_of_another_name_takes_over_when_the_lease_of_the_dead_one_has_run_out(
    aws: AwsAccount, tmp_path: Path, event: str
):
    whole = Case(aws, tmp_path / "whole", delete_wish, scaling=True)
    number = whole.work(0, "applied").index(event) + 1
    case = Case(aws, tmp_path / "case", delete_wish, scaling=True)
    case.work(number, "applied")
    assert action_of(case.ledger, case.action).state == "applying"
    case.work(0, "applied", owner="another")
    assert case.operations() == ["DeleteEndpoint"]
    case.tells_the_truth("applied", 1)
