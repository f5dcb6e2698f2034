"""Application Auto Scaling's operations: targets, policies, scheduled actions, activities, tags.

What they scale by is in `scaling_run.py`. Other services' targets are kept and described, only SageMaker's really
scale. Errors and limits as AWS words them; a target must exist, a policy's alarms stand in CloudWatch (aws-facts 2.10).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.scaling_alarms import forget_alarms, keep_alarms
from sagekeeper.simulator.scaling_rules import refuse_place, refuse_policy, refuse_schedule
from sagekeeper.simulator.scaling_state import Action, Place, Policy, Target

NAMES = UUID("5f0c1d6e-0000-4000-8000-000000000000")
MOST_POLICIES, MOST_ACTIONS = 50, 200
SERVICE_ROLE = (
    "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)


def register_scalable_target(ask: Ask) -> dict[str, Any]:
    place, held = _place(ask), ask.here.scaling.targets
    refuse_place(ask.here, place)
    before = held.get(place)
    least = ask.params.get("MinCapacity", before.least if before else None)
    most = ask.params.get("MaxCapacity", before.most if before else None)
    if least is None or most is None:
        missing = "MinCapacity" if least is None else "MaxCapacity"
        raise Refused("ValidationException", f"{missing} is required to register a new scalable target.")
    if not 0 <= least <= most:
        _refuse("Minimum capacity must be less than or equal to maximum capacity, and neither may be negative.")
    mark = uuid5(NAMES, "/".join((ask.account, ask.region, *place))).hex[:26]
    arn = f"arn:aws:application-autoscaling:{ask.region}:{ask.account}:scalable-target/0ec5{mark}"
    role = ask.params.get("RoleARN") or (before.role if before else f"arn:aws:iam::{ask.account}:role/{SERVICE_ROLE}")
    target = before or Target(place, arn, least, most, role, ask.now, ask.now)
    target.least, target.most, target.role = least, most, role
    target.suspended |= ask.params.get("SuspendedState", {})
    target.tags |= ask.params.get("Tags", {})
    held[place] = target
    return {"ScalableTargetARN": arn}


def describe_scalable_targets(ask: Ask) -> dict[str, Any]:
    wanted = ask.params.get("ResourceIds")
    rows = [
        _place_of(item.place)
        | {
            "MinCapacity": item.least,
            "MaxCapacity": item.most,
            "RoleARN": item.role,
            "CreationTime": item.created,
            "SuspendedState": {
                f"{kind}Suspended": item.suspended.get(f"{kind}Suspended", False)
                for kind in ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling")
            },
            "ScalableTargetARN": item.arn,
        }
        for item in ask.here.scaling.targets.values()
        if _asked(ask, item.place) and (not wanted or item.place.resource in wanted)
    ]
    return _page(ask, "ScalableTargets", rows)


def deregister_scalable_target(ask: Ask) -> dict[str, Any]:
    place, scaling = _place(ask), ask.here.scaling
    _target(ask, place)
    for key in [key for key in scaling.policies if key[0] == place]:
        forget_alarms(ask.here, scaling.policies.pop(key), ask)
    for key in [key for key in scaling.actions if key[0] == place]:
        del scaling.actions[key]
    del scaling.targets[place]
    return {}


def put_scaling_policy(ask: Ask) -> dict[str, Any]:
    place, name, scaling = _place(ask), ask.params["PolicyName"], ask.here.scaling
    _target(ask, place)
    before = scaling.policies.get((place, name))
    kind = ask.params.get("PolicyType") or (before.kind if before else "StepScaling")
    config = refuse_policy(ask.params, kind, place)
    if before is None and sum(key[0] == place for key in scaling.policies) >= MOST_POLICIES:
        raise Refused("LimitExceededException", f"Only {MOST_POLICIES} scaling policies are allowed for a target.")
    mark = uuid5(NAMES, "/".join((ask.account, ask.region, *place, name)))
    arn = (
        f"arn:aws:autoscaling:{ask.region}:{ask.account}:scalingPolicy:{mark}:resource/"
        f"{place.service}/{place.resource}:policyName/{name}"
    )
    if before is not None:
        forget_alarms(ask.here, before, ask)
    policy = Policy(name, place, arn, kind, config, before.created if before else ask.now)
    policy.alarms = keep_alarms(ask, policy)
    scaling.policies[place, name] = policy
    return {"PolicyARN": arn, "Alarms": policy.alarms}


def describe_scaling_policies(ask: Ask) -> dict[str, Any]:
    wanted = ask.params.get("PolicyNames")
    rows = [
        {"PolicyARN": item.arn, "PolicyName": item.name}
        | _place_of(item.place)
        | {
            "PolicyType": item.kind,
            f"{item.kind}PolicyConfiguration": item.config,
            "Alarms": item.alarms,
            "CreationTime": item.created,
        }
        for item in ask.here.scaling.policies.values()
        if _asked(ask, item.place) and (not wanted or item.name in wanted)
    ]
    return _page(ask, "ScalingPolicies", rows)


def delete_scaling_policy(ask: Ask) -> dict[str, Any]:
    place, name = _place(ask), ask.params["PolicyName"]
    policy = ask.here.scaling.policies.pop((place, name), None)
    if policy is None:
        raise Refused(
            "ObjectNotFoundException",
            f"No scaling policy found for service namespace: {place.service}, resource ID: {place.resource}, "
            f"scalable dimension: {place.dimension}, policy name: {name}",
        )
    forget_alarms(ask.here, policy, ask)
    return {}


def put_scheduled_action(ask: Ask) -> dict[str, Any]:
    place, name, scaling = _place(ask), ask.params["ScheduledActionName"], ask.here.scaling
    _target(ask, place)
    before = scaling.actions.get((place, name))
    keys = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
    told = (before.told if before else {}) | {key: ask.params[key] for key in keys if key in ask.params}
    refuse_schedule(told, ask.now)
    if before is None and sum(key[0] == place for key in scaling.actions) >= MOST_ACTIONS:
        raise Refused("LimitExceededException", f"Only {MOST_ACTIONS} scheduled actions are allowed for a target.")
    mark = uuid5(NAMES, "/".join((ask.account, ask.region, *place, name)))
    arn = (
        f"arn:aws:autoscaling:{ask.region}:{ask.account}:scheduledAction:{mark}:resource/"
        f"{place.service}/{place.resource}:scheduledActionName/{name}"
    )
    scaling.actions[place, name] = Action(name, place, arn, told, before.created if before else ask.now, ask.now)
    return {}


def describe_scheduled_actions(ask: Ask) -> dict[str, Any]:
    wanted = ask.params.get("ScheduledActionNames")
    rows = [
        {"ScheduledActionName": item.name, "ScheduledActionARN": item.arn, "CreationTime": item.created}
        | _place_of(item.place)
        | item.told
        for item in ask.here.scaling.actions.values()
        if _asked(ask, item.place) and (not wanted or item.name in wanted)
    ]
    return _page(ask, "ScheduledActions", rows)


def delete_scheduled_action(ask: Ask) -> dict[str, Any]:
    place, name = _place(ask), ask.params["ScheduledActionName"]
    if ask.here.scaling.actions.pop((place, name), None) is None:
        raise Refused(
            "ObjectNotFoundException",
            f"No scheduled action found for service namespace: {place.service}, resource ID: {place.resource}, "
            f"scalable dimension: {place.dimension}, scheduled action name: {name}",
        )
    return {}


def describe_scaling_activities(ask: Ask) -> dict[str, Any]:
    rows = [
        {key: value for key, value in row.items() if key != "NotScaledReasons" or value}
        for row in reversed(ask.here.scaling.activities)
        if _asked(ask, Place(row["ServiceNamespace"], row["ResourceId"], row["ScalableDimension"]))
        and (ask.params.get("IncludeNotScaledActivities") or not row.get("NotScaledReasons"))
    ]
    return _page(ask, "ScalingActivities", rows)


def list_tags_for_resource(ask: Ask) -> dict[str, Any]:
    return {"Tags": dict(_by_arn(ask).tags)}


def tag_resource(ask: Ask) -> dict[str, Any]:
    target = _by_arn(ask)
    target.tags |= ask.params["Tags"]
    return {}


def untag_resource(ask: Ask) -> dict[str, Any]:
    target = _by_arn(ask)
    target.tags = {key: value for key, value in target.tags.items() if key not in ask.params["TagKeys"]}
    return {}


def _place(ask: Ask) -> Place:
    return Place(*(ask.params[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")))


def _place_of(place: Place) -> dict[str, Any]:
    return {
        "ServiceNamespace": place.service,
        "ResourceId": place.resource,
        "ScalableDimension": place.dimension,
    }


def _asked(ask: Ask, place: Place) -> bool:
    if ask.params.get("ScalableDimension") and not ask.params.get("ResourceId") and "ResourceIds" not in ask.params:
        _refuse("ScalableDimension can not be specified without ResourceId.")
    wanted = (ask.params["ServiceNamespace"], ask.params.get("ResourceId"), ask.params.get("ScalableDimension"))
    return all(one in (None, two) for one, two in zip(wanted, place, strict=True))


def _page(ask: Ask, key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    token = ask.params.get("NextToken")
    if token and not token.isdigit():
        raise Refused("InvalidNextTokenException", "The next token supplied was invalid.")
    part, more = page(rows, ask.params, most=50)
    return {key: part} | more


def _target(ask: Ask, place: Place) -> Target:
    target = ask.here.scaling.targets.get(place)
    if target is None:
        raise Refused(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: {place.service}, resource ID: {place.resource}, "
            f"scalable dimension: {place.dimension}",
        )
    return target


def _by_arn(ask: Ask) -> Target:
    arn = ask.params["ResourceARN"]
    found = [item for item in ask.here.scaling.targets.values() if item.arn == arn]
    if not found:
        raise Refused("ResourceNotFoundException", f"The resource {arn} was not found.")
    return found[0]


def _refuse(message: str) -> None:
    raise Refused("ValidationException", message)


HANDLERS: dict[str, Handler] = {
    "RegisterScalableTarget": register_scalable_target,
    "DescribeScalableTargets": describe_scalable_targets,
    "DeregisterScalableTarget": deregister_scalable_target,
    "PutScalingPolicy": put_scaling_policy,
    "DescribeScalingPolicies": describe_scaling_policies,
    "DeleteScalingPolicy": delete_scaling_policy,
    "PutScheduledAction": put_scheduled_action,
    "DescribeScheduledActions": describe_scheduled_actions,
    "DeleteScheduledAction": delete_scheduled_action,
    "DescribeScalingActivities": describe_scaling_activities,
    "ListTagsForResource": list_tags_for_resource,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
}
MUTATING = {name for name in HANDLERS if not name.startswith(("Describe", "List"))}
