"""How a new configuration comes onto an endpoint: all at once, canary, linear or rolling; and back, when an alarm rings.

In: the DeploymentConfig of UpdateEndpoint and the moment. Out: a `Plan`, whose steps bill and metrics follow. `watch`
looks at the alarms of plans under way minute by minute up to now, and turns a plan round (RollingBack) at the first
minute in which one is in ALARM, when it takes longer than its timeout, or when there is no capacity. Limits follow
aws-facts section 2.13 and the texts of botocore's model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sagekeeper.simulator.lives import SETTLE, Life, Plan, Step
from sagekeeper.simulator.operations import Refused

MINUTE = timedelta(minutes=1)
NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using a "
    "different ML instance type or after some time."
)
AlarmAt = Callable[[str, datetime], bool]
AT_ONCE: dict[str, Any] = {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}}
DEFAULT_TIMEOUT = timedelta(seconds=28_800)
"""The longest that MaximumExecutionTimeoutInSeconds may be stands where none is given."""


def creation(now: datetime) -> Plan:
    """A first fleet: there at once, serving once it has settled."""
    return Plan([Step(now, 1, 0, 0), Step(now + SETTLE, 1, 0, 1)])


def plan_of(policy: dict[str, Any] | None, now: datetime, instances: int) -> Plan:
    """The steps of an update that begins now, onto a fleet of so many instances (0: it has none)."""
    told = policy or {}
    if "RollingUpdatePolicy" in told:
        steps, rule = _rolling(told["RollingUpdatePolicy"], now, instances), told["RollingUpdatePolicy"]
    else:
        rule = told.get("BlueGreenUpdatePolicy") or AT_ONCE
        steps = _blue_green(rule, now, instances)
    seconds = rule.get("MaximumExecutionTimeoutInSeconds")
    deadline = now + (timedelta(seconds=seconds) if seconds else DEFAULT_TIMEOUT)
    return Plan(steps, policy, deadline, checked=now)


def alarms_of(plan: Plan) -> list[str]:
    """The names of the alarms that turn the plan round."""
    rollback = (plan.policy or {}).get("AutoRollbackConfiguration", {})
    return [item["AlarmName"] for item in rollback.get("Alarms", []) if item.get("AlarmName")]


def refuse_wrong(policy: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    """What AWS does not accept as a DeploymentConfig for these variants."""
    if "BlueGreenUpdatePolicy" in policy and "RollingUpdatePolicy" in policy:
        _refuse("BlueGreenUpdatePolicy and RollingUpdatePolicy can not be specified at the same time.")
    if "RollingUpdatePolicy" in policy:
        _refuse_rolling(policy["RollingUpdatePolicy"], variants)
    elif "BlueGreenUpdatePolicy" in policy:
        _refuse_blue_green(policy["BlueGreenUpdatePolicy"], variants)
    if any(item.get("InstanceType", "").startswith("ml.inf1.") for item in variants):
        _refuse("Deployment guardrails are not supported for endpoints with instance type ml.inf1.")


def watch(life: Life, now: datetime, in_alarm: AlarmAt, short_since: datetime | None = None) -> bool:
    """Look at the plan under way in every minute up to now; True when something turned.

    ``short_since`` is when AWS ran out of the instances of the new fleet, if it did: a rolling update gets stuck there.
    """
    plan = life.deployed[-1].plan
    if plan is None or plan.checked is None or plan.turned is not None or len(life.deployed) < 2:
        return False
    names, begin, end = alarms_of(plan), plan.steps[1].at, plan.done
    more = [later for step, later in pairwise(plan.steps) if later.new > step.new]
    stuck = [step.at + SETTLE for step in more if short_since is not None and short_since <= step.at <= now]
    until = min([now, end, *stuck])
    moment = max(plan.checked, begin)
    while names and moment <= until:
        ringing = [name for name in names if in_alarm(name, moment)]
        if ringing:
            told = ", ".join(ringing)
            turn(life, moment, f"The deployment was rolled back because of alarm(s) in ALARM state: {told}.")
            return True
        moment += MINUTE
        plan.checked = moment
    if stuck and stuck[0] <= now:
        turn(life, stuck[0], NO_CAPACITY, capacity=False)
        return True
    if plan.deadline is not None and plan.deadline < end and plan.deadline <= now:
        turn(life, plan.deadline, "The deployment did not complete within MaximumExecutionTimeoutInSeconds.")
        return True
    return False


def turn(life: Life, at: datetime, reason: str, capacity: bool = True) -> None:
    """Take the plan under way back from ``at`` on; without ``capacity`` a rolling one gets stuck half-way."""
    plan = life.deployed[-1].plan
    if plan is None:
        return
    gone = [step for step in plan.steps if step.at < at] or plan.steps[:1]
    last, end = gone[-1], at + SETTLE
    if last.old >= 1:
        back = [Step(at, last.new, 1, 0), Step(end, 0, 1, 0)]
    elif capacity:
        back = [Step(at, last.new, 1, last.traffic), Step(end, 0, 1, 0)]
    else:
        back = [Step(at, last.new, last.old, last.traffic), Step(end, last.new, last.old, last.traffic)]
    plan.steps = [*gone, *back]
    plan.turned, plan.reason = at, reason
    plan.outcome = "stuck" if last.old < 1 and not capacity else "back"
    life.settled = None


def _blue_green(rule: dict[str, Any], now: datetime, instances: int) -> list[Step]:
    routing = rule["TrafficRoutingConfiguration"]
    wait = timedelta(seconds=routing["WaitIntervalInSeconds"])
    shares = {
        "ALL_AT_ONCE": lambda: [1.0],
        "CANARY": lambda: [_share(routing["CanarySize"], instances), 1.0],
        "LINEAR": lambda: _linear(_share(routing["LinearStepSize"], instances)),
    }[routing["Type"]]()
    steps, moment = [Step(now, 1, 1, 0)], now + SETTLE
    for number, share in enumerate(shares):
        moment += wait if number else timedelta(0)
        steps.append(Step(moment, 1, 1, share))
    end = moment + timedelta(seconds=rule.get("TerminationWaitInSeconds", 0))
    return [*steps, Step(end, 1, 0, 1)]


def _rolling(rule: dict[str, Any], now: datetime, instances: int) -> list[Step]:
    wait, size = timedelta(seconds=rule["WaitIntervalInSeconds"]), _share(rule["MaximumBatchSize"], instances)
    before, moment = 0.0, now
    steps: list[Step] = []
    for share in _linear(size):
        steps.append(Step(moment, share, 1 - before, before))
        steps.append(Step(moment + SETTLE, share, 1 - before, share))
        moment += SETTLE + wait
        before = share
    return [*steps, Step(moment, 1, 0, 1)]


def _linear(size: float) -> list[float]:
    count = math.ceil(1 / size - 1e-9)
    return [min(1.0, size * number) for number in range(1, count)] + [1.0]


def _share(size: dict[str, Any], instances: int) -> float:
    if size["Type"] == "CAPACITY_PERCENT":
        return float(min(size["Value"] / 100, 1.0))
    return min(size["Value"] / max(instances, 1), 1.0)


def _refuse_rolling(rule: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    if len(variants) > 1:
        _refuse("RollingUpdatePolicy is not supported for endpoints with multiple variants.")
    if any("ServerlessConfig" in item for item in variants):
        _refuse("RollingUpdatePolicy is not supported for serverless endpoints.")
    _refuse_size("MaximumBatchSize", rule["MaximumBatchSize"], 5, 50, variants)
    _refuse_waits(rule, rule["WaitIntervalInSeconds"])


def _refuse_blue_green(rule: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    routing = rule["TrafficRoutingConfiguration"]
    for kind, key, least in (("CANARY", "CanarySize", 1), ("LINEAR", "LinearStepSize", 10)):
        if routing["Type"] == kind:
            if key not in routing:
                _refuse(f"{key} is required when the traffic routing type is {kind}.")
            _refuse_size(key, routing[key], least, 50, variants)
        elif key in routing:
            _refuse(f"{key} can not be specified when the traffic routing type is {routing['Type']}.")
    _refuse_waits(rule, routing["WaitIntervalInSeconds"] + rule.get("TerminationWaitInSeconds", 0))


def _refuse_size(key: str, size: dict[str, Any], least: int, most: int, variants: list[dict[str, Any]]) -> None:
    percent = size["Type"] == "CAPACITY_PERCENT"
    for variant in variants:
        count = int(variant.get("InitialInstanceCount") or 0)
        share = size["Value"] if percent else 100 * size["Value"] / max(count, 1)
        if share > most or (percent and share < least):
            _refuse(
                f"The value of {key} must be between {least} and {most} percent of the capacity of variant "
                f"{variant['VariantName']}; {size['Value']} ({size['Type']}) was given."
            )


def _refuse_waits(rule: dict[str, Any], waits: int) -> None:
    most = rule.get("MaximumExecutionTimeoutInSeconds")
    if most is not None and most <= waits:
        _refuse(
            f"MaximumExecutionTimeoutInSeconds {most} must be larger than the sum of the wait intervals, {waits} seconds."
        )


def _refuse(message: str) -> None:
    raise Refused("ValidationException", message)
