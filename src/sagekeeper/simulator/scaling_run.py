"""Application Auto Scaling at work: what policies do when their alarm rings, and schedules when their time comes.

In: an alarm's state at a moment (`alarm_actions.py` calls again every minute while it lasts), or a scheduled action that
is due. Out: another capacity, and an activity that says why. Target tracking wants capacity x metric / target, at once
when it is too little, and when it is too much only if every such policy of the target agrees; cooldowns are 300 s unless
told (aws-facts 2.10).
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sagekeeper.simulator.alarm_state import Alarm
from sagekeeper.simulator.metric_read import points_of, published
from sagekeeper.simulator.scalable import NOUNS, Capacity, capacity_of, set_capacity
from sagekeeper.simulator.scaling_alarms import LOW_SHARE
from sagekeeper.simulator.scaling_state import NEVER, Action, Policy, Target
from sagekeeper.simulator.schedules import next_run
from sagekeeper.simulator.world import Standing

ACTIVITIES = UUID("ac710171-0000-4000-8000-000000000000")
COOLDOWN = 300
KEPT = timedelta(days=42)
"""Activities of the last six weeks are described (botocore's text of DescribeScalingActivities)."""


def alarm_rings(here: Standing, alarm: Alarm, state: str, at: datetime) -> None:
    """Do what the policies that an alarm calls in this state ask for."""
    if state != "ALARM":
        return
    arns = alarm.given.get("AlarmActions") or []
    for policy in [item for item in here.scaling.policies.values() if item.arn in arns]:
        target = here.scaling.targets.get(policy.place)
        capacity = capacity_of(here, policy.place, at)
        if target is None or capacity is None or policy.place.dimension not in NOUNS:
            continue
        if policy.kind == "StepScaling":
            _step(here, target, policy, alarm, capacity, at)
        else:
            _track(here, target, policy, alarm, capacity, at)


def next_schedule(here: Standing, now: datetime) -> tuple[datetime, Action] | None:
    """The scheduled action that is due first, up to now."""
    due = [(moment, item) for item in here.scaling.actions.values() if (moment := _due(item)) and moment <= now]
    return min(due, key=lambda pair: (pair[0], pair[1].name), default=None)


def run_schedule(here: Standing, action: Action, at: datetime) -> None:
    """Set the target's limits, and move its capacity within them."""
    action.ran = at
    target = here.scaling.targets.get(action.place)
    if target is None or target.suspended.get("ScheduledScalingSuspended"):
        return
    wish = action.told["ScalableTargetAction"]
    said = []
    for key, name in (("MinCapacity", "minimum"), ("MaxCapacity", "maximum")):
        if key in wish:
            said.append(f"{name} capacity was set to {wish[key]}")
    target.least, target.most = wish.get("MinCapacity", target.least), wish.get("MaxCapacity", target.most)
    here.version += 1
    capacity = capacity_of(here, action.place, at)
    if capacity is not None:
        wanted = min(max(capacity.wanted, target.least), target.most)
        if wanted != capacity.wanted:
            _scale(here, target, wanted, capacity.wanted, at, " and ".join(said))


def _due(action: Action) -> datetime | None:
    told = action.told
    after = max(action.ran, action.created)
    start, end = told.get("StartTime"), told.get("EndTime")
    if start is not None and start > after:
        after = start - timedelta(seconds=1)
    moment = next_run(told["Schedule"], told.get("Timezone"), start or action.created, after)
    return moment if moment is not None and (end is None or moment <= end) else None


def _track(here: Standing, target: Target, policy: Policy, alarm: Alarm, capacity: Capacity, at: datetime) -> None:
    out = "-AlarmHigh-" in alarm.name
    seconds = policy.config.get("ScaleOutCooldown" if out else "ScaleInCooldown", COOLDOWN)
    # Asked every minute for as long as an alarm rings: what cannot move is not computed.
    if not _may_move(here, target, out, capacity.wanted, at, seconds):
        return
    if out:
        wanted = max(_wanted(here, policy, max(capacity.serving, 1), at), capacity.wanted + 1)
    else:
        others = [item for item in here.scaling.policies.values() if item.place == policy.place]
        tracking = [item for item in others if item.kind == "TargetTrackingScaling" and not _no_way_in(item)]
        if not all(_low(here, item) for item in tracking):
            return
        # Fewer only where what comes still fits below the lower threshold: else it would come back at once.
        needed = (_wanted(here, item, capacity.serving, at, LOW_SHARE) for item in tracking)
        wanted = max(needed, default=capacity.wanted)
        if wanted >= capacity.wanted:
            return
    _move(here, target, policy, alarm, wanted, capacity.wanted, at, seconds)


def _wanted(here: Standing, policy: Policy, serving: int, at: datetime, share: float = 1.0) -> int:
    """Capacity x metric / target (or a share of it), rounded up."""
    names = [item["AlarmName"] for item in policy.alarms]
    value = _newest(here, here.watch.alarms.alarms[names[0]], at) if names else 0.0
    return math.ceil(serving * value / (share * float(policy.config["TargetValue"])) - 1e-9)


def _step(here: Standing, target: Target, policy: Policy, alarm: Alarm, capacity: Capacity, at: datetime) -> None:
    cooldown = policy.config.get("Cooldown", COOLDOWN)
    if not any(_may_move(here, target, out, capacity.wanted, at, cooldown) for out in (True, False)):
        return
    beyond = _newest(here, alarm, at) - float(alarm.given["Threshold"])
    steps = [item for item in policy.config["StepAdjustments"] if _holds(item, beyond)]
    if not steps:
        return
    change, kind = int(steps[0]["ScalingAdjustment"]), policy.config["AdjustmentType"]
    if kind == "ExactCapacity":
        wanted = change
    elif kind == "ChangeInCapacity":
        wanted = capacity.wanted + change
    else:
        size = max(int(abs(change) / 100 * capacity.wanted), int(policy.config.get("MinAdjustmentMagnitude", 1)))
        wanted = capacity.wanted + (size if change > 0 else -size)
    _move(here, target, policy, alarm, wanted, capacity.wanted, at, cooldown)


def _holds(step: dict[str, Any], beyond: float) -> bool:
    low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
    return (low is None or beyond >= low) and (high is None or beyond < high)


def _move(
    here: Standing, target: Target, policy: Policy, alarm: Alarm, wanted: int, before: int, at: datetime, cooldown: int
) -> None:
    """Scale within the target's limits, unless it is suspended or cools down."""
    wanted = min(max(wanted, target.least), target.most)
    if wanted == before or not _may_move(here, target, wanted > before, before, at, cooldown):
        return
    why = f"monitor alarm {alarm.name} in state ALARM triggered policy {policy.name}"
    if _scale(here, target, wanted, before, at, why):
        if wanted > before:
            target.last_out = at
        else:
            target.last_in = at


def _may_move(here: Standing, target: Target, out: bool, before: int, at: datetime, cooldown: int) -> bool:
    """Whether there is room, no suspension and no cooldown."""
    if before >= target.most if out else before <= target.least:
        _not_scaled(here, target, before, at, out)
        return False
    if target.suspended.get("DynamicScalingOutSuspended" if out else "DynamicScalingInSuspended"):
        return False
    # More is not held back by an earlier scale-in; less waits for both.
    since = target.last_out if out else max(target.last_out, target.last_in)
    return since == NEVER or at >= since + timedelta(seconds=cooldown)


def _scale(here: Standing, target: Target, wanted: int, before: int, at: datetime, why: str) -> bool:
    refusal = set_capacity(here, target.place, wanted, at)
    noun = NOUNS[target.place.dimension]
    row = _activity(here, target, at) | {
        "Description": f"Setting {noun} to {wanted}.",
        "Cause": why,
        "EndTime": at + timedelta(seconds=1 if refusal else 22),
        "StatusCode": "Failed" if refusal else "Successful",
        "StatusMessage": f"Failed to set {noun} to {wanted}. Reason: {refusal}"
        if refusal
        else f"Successfully set {noun} to {wanted}. Change successfully fulfilled by sagemaker.",
    }
    here.scaling.activities.append(row)
    here.scaling.activities = [item for item in here.scaling.activities if item["StartTime"] > at - KEPT]
    here.version += wanted != before
    return not refusal


def _not_scaled(here: Standing, target: Target, capacity: int, at: datetime, most: bool) -> None:
    """A note that an alarm asked for more, or less, than the limit; one for each stay there."""
    mine = [row for row in here.scaling.activities if row["ResourceId"] == target.place.resource]
    if mine and mine[-1].get("NotScaledReasons"):
        return
    code, key = ("AlreadyAtMaxCapacity", "MaxCapacity") if most else ("AlreadyAtMinCapacity", "MinCapacity")
    reason = {"Code": code, key: target.most if most else target.least, "CurrentCapacity": capacity}
    here.scaling.activities.append(
        _activity(here, target, at)
        | {
            "Description": "Attempting to scale due to alarm triggered",
            "Cause": "monitor alarm in state ALARM triggered policy",
            "EndTime": at,
            "StatusCode": "Unfulfilled",
            "NotScaledReasons": [reason],
        }
    )


def _activity(here: Standing, target: Target, at: datetime) -> dict[str, Any]:
    number = len(here.scaling.activities)
    mark = uuid5(ACTIVITIES, "/".join((here.account, here.region, *target.place, at.isoformat(), str(number))))
    return {
        "ActivityId": str(mark),
        "ServiceNamespace": target.place.service,
        "ResourceId": target.place.resource,
        "ScalableDimension": target.place.dimension,
        "StartTime": at,
    }


def _no_way_in(policy: Policy) -> bool:
    return bool(policy.config.get("DisableScaleIn"))


def _low(here: Standing, policy: Policy) -> bool:
    names = [item["AlarmName"] for item in policy.alarms if "-AlarmLow-" in item["AlarmName"]]
    return all(here.watch.alarms.alarms[name].state == "ALARM" for name in names)


def _newest(here: Standing, alarm: Alarm, at: datetime) -> float:
    """The last datapoint of an alarm's metric before a moment; 0 where there is none."""
    given = alarm.given
    if "Metrics" in given:
        plain = [item["MetricStat"] for item in given["Metrics"] if "MetricStat" in item]
        if not plain:
            return 0.0
        metric, stat, period = plain[0]["Metric"], plain[0]["Stat"], int(plain[0]["Period"])
        key = published(here, metric["Namespace"], metric["MetricName"], metric.get("Dimensions") or [])
    else:
        stat, period = given.get("Statistic") or given["ExtendedStatistic"], int(given["Period"])
        key = published(here, given["Namespace"], given["MetricName"], given.get("Dimensions") or [])
    end = at - timedelta(seconds=at.timestamp() % max(period, 60))
    found = points_of(here, key, stat, max(period, 60), end - timedelta(seconds=max(period, 60)), end, at)
    return float(found.values[-1]) if len(found.values) else 0.0
