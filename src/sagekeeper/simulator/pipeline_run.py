"""Executions of pipelines run: steps begin when what they wait for has ended, and end when their jobs do.

`bring_up_to` is called before anything is answered and goes from event to event in the order of time, over all
executions: a jump of a week runs what a week of waiting would have run, and a replayed journal leads to the same. A step
that fails stops nothing but what waits for it; the execution has failed when nothing is left to run. A Fail step lets
nothing new begin.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sagekeeper.simulator.flow_book import Execution, StepRun
from sagekeeper.simulator.operations import Handler, House
from sagekeeper.simulator.pipeline_definition import Node, parsed
from sagekeeper.simulator.pipeline_metrics import ended as tell_end
from sagekeeper.simulator.pipeline_metrics import started as tell_start
from sagekeeper.simulator.pipeline_steps import Machine, end_of, finish, halt, launch
from sagekeeper.simulator.world import Standing, World

STEP_SECONDS = 2
"""Between a step that can begin and its job."""
FAILED = "Step failure: One or multiple steps failed."
MOST_PARALLEL = 200
DEFAULT_ATTEMPTS = 5
EXCEPTIONS = {
    "InternalServerError": "SageMaker.JOB_INTERNAL_ERROR",
    "CapacityError": "SageMaker.CAPACITY_ERROR",
    "ResourceLimitExceeded": "SageMaker.RESOURCE_LIMIT",
    "ThrottlingException": "Step.THROTTLING",
    "ServiceFault": "Step.SERVICE_FAULT",
}
"""How a reason begins -> the exception type that a retry policy names."""


def bring_up_to(house: House, handlers: dict[str, Handler], world: World, now: datetime) -> None:
    """Let everything happen that happens to executions until ``now``."""
    while True:
        coming: list[tuple[datetime, str, Standing, Execution]] = []
        for here in list(world.standing.values()):
            for arn, execution in here.flows.active.items():
                moment = _next(Machine(house, handlers, here, execution))
                if moment is not None and moment <= now:
                    coming.append((moment, arn, here, execution))
        if not coming:
            return
        moment, _, here, execution = min(coming, key=lambda item: item[:2])
        _proceed(Machine(house, handlers, here, execution), max(moment, execution.at))
        here.version += 1


def _next(machine: Machine) -> datetime | None:
    """When something next happens to the execution; None while it waits for an answer from outside."""
    execution = machine.execution
    open_runs = [run for run in execution.steps.values() if run.ended is None]
    if _can_begin(execution) or not open_runs or (execution.status == "Stopping" and _to_halt(open_runs)):
        return execution.at
    ends = [end for run in open_runs if (end := end_of(machine, run)) is not None]
    return min(ends, default=None)


def _proceed(machine: Machine, at: datetime) -> None:
    execution = machine.execution
    execution.at = at
    for run in list(execution.steps.values()):
        if run.ended is None and execution.status == "Stopping" and halt(machine, run, at):
            tell_end(machine.here, execution, run, at)
        end = end_of(machine, run) if run.ended is None else None
        if end is not None and end <= at:
            _step_on(machine, run, at)
    for node in _can_begin(execution):
        execution.steps[node.name] = StepRun(node.name, at, due=at + timedelta(seconds=STEP_SECONDS))
        execution.modified = at
        tell_start(machine.here, execution, node.name, at)
    if all(run.ended is not None for run in execution.steps.values()) and not _can_begin(execution):
        _conclude(machine, at)


def _step_on(machine: Machine, run: StepRun, at: datetime) -> None:
    """What a step does when its moment has come: launch its work, again where it failed, or end."""
    node = parsed(machine.execution.version.definition).nodes[run.name]
    if run.status == "Starting" or run.waiting:
        run.waiting = False
        launch(machine, node, run, at)
    else:
        finish(machine, node, run, at)
    if run.status == "Failed":
        pause = _retry_after(node, run, at)
        if pause is not None and machine.execution.status == "Executing":
            run.status, run.waiting, run.job, run.ended, run.due = "Executing", True, "", None, at + pause
            return
    if run.status in ("Succeeded", "Failed", "Stopped"):
        run.ended, machine.execution.modified = at, at
        if node.kind == "Fail":
            machine.execution.ending = True
        tell_end(machine.here, machine.execution, run, at)


def _conclude(machine: Machine, at: datetime) -> None:
    execution = machine.execution
    failed = any(run.status == "Failed" for run in execution.steps.values())
    if execution.status == "Stopping":
        execution.status = "Stopped"
    else:
        execution.status = "Failed" if failed else "Succeeded"
    execution.failure = FAILED if execution.status == "Failed" else ""
    execution.modified = at
    del machine.here.flows.active[execution.arn]
    tell_end(machine.here, execution, None, at)


def _can_begin(execution: Execution) -> list[Node]:
    """The steps that nothing holds back, in the order of the definition, as many as may run at once."""
    if execution.status != "Executing" or execution.ending:
        return []
    nodes = parsed(execution.version.definition).nodes
    _skip(execution, nodes)
    done = {name for name, run in execution.steps.items() if run.status == "Succeeded" and run.ended is not None}
    ready = [
        node
        for name, node in nodes.items()
        if name not in execution.steps
        and name not in execution.skipped
        and (execution.selected is None or name in execution.selected)
        and node.waits_for <= done
    ]
    running = sum(run.ended is None for run in execution.steps.values())
    config = execution.about.get("ParallelismConfiguration") or execution.pipeline.about.get("ParallelismConfiguration")
    most = (config or {}).get("MaxParallelExecutionSteps", MOST_PARALLEL)
    return ready[: max(0, most - running)]


def _skip(execution: Execution, nodes: dict[str, Node]) -> None:
    """A branch that is not taken is skipped, and so is what waits for one of its steps."""
    for name, node in nodes.items():
        if name in execution.steps or name in execution.skipped:
            continue
        condition = execution.steps.get(node.branch[0]) if node.branch else None
        wrong = (
            condition is not None
            and condition.status == "Succeeded"
            and condition.outcome is not (node.branch or ("", True))[1]
        )
        if wrong or node.waits_for & execution.skipped:
            execution.skipped.add(name)
            _skip(execution, nodes)
            return


def _to_halt(runs: list[StepRun]) -> bool:
    return any("Callback" not in run.metadata and run.status != "Stopping" for run in runs)


def _retry_after(node: Node, run: StepRun, at: datetime) -> timedelta | None:
    """How long to wait before the next attempt; None: there is none."""
    kind = EXCEPTIONS.get(re.split(r"[:\s]", run.failure, maxsplit=1)[0], "")
    for policy in node.given.get("RetryPolicies") or ():
        types = policy.get("ExceptionType", [])
        if kind not in ([types] if isinstance(types, str) else types):
            continue
        wait = policy.get("IntervalSeconds", 1) * policy.get("BackoffRate", 2.0) ** (run.attempts - 1)
        expires = policy.get("ExpireAfterMin")
        if expires is not None:
            return timedelta(seconds=wait) if at < run.begun + timedelta(minutes=expires) else None
        most = policy.get("MaxAttempts", DEFAULT_ATTEMPTS)
        return timedelta(seconds=wait) if run.attempts <= most else None
    return None
