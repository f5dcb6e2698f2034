"""The steps around an endpoint that every change of it shares: taking scaling and monitoring off, and putting them back.

Order when taking off: monitoring schedules (or they fail every hour), then scaling; when putting back: scaling, its policies
and scheduled actions, then monitoring. Deregistering a scalable target deletes its policies and scheduled actions with it, so
putting back means all three (aws-facts 2.10, 2.14).
"""

from __future__ import annotations

from typing import Any

from botocore.model import ServiceModel

from sagekeeper.core.types import Call, Step
from sagekeeper.lifecycle.snapshot import settable

AUTOSCALING = "application-autoscaling"
SERVICE_LINKED = ":role/aws-service-role/"


def scaling_off(snapshot: dict[str, Any], done_when: str = "target gone") -> list[Step]:
    """Deregister every scalable target of the endpoint's variants."""
    return [
        Step(
            name=f"Take automatic scaling off {item['target']['ResourceId']}",
            call=Call(service=AUTOSCALING, operation="DeregisterScalableTarget", parameters=_identity(item["target"])),
            undo=_register(item["target"]),
            done_when=done_when,
        )
        for item in snapshot["scaling"]
    ]


def scaling_on(snapshot: dict[str, Any]) -> list[Step]:
    """Register the scalable targets again, with their policies and scheduled actions."""
    steps: list[Step] = []
    for item in snapshot["scaling"]:
        resource = item["target"]["ResourceId"]
        steps.append(
            Step(
                name=f"Put automatic scaling back on {resource}",
                call=_register(item["target"]),
                done_when="target there",
            )
        )
        steps += [
            Step(
                name=f"Put scaling policy {policy['PolicyName']} back",
                call=_call("PutScalingPolicy", policy, _POLICY_FIELDS),
                done_when="policy there",
            )
            for policy in item["policies"]
        ]
        steps += [
            Step(
                name=f"Put scheduled action {action['ScheduledActionName']} back",
                call=_call("PutScheduledAction", action, _ACTION_FIELDS),
                done_when="scheduled action there",
            )
            for action in item["scheduled_actions"]
        ]
    return steps


def monitoring_off(snapshot: dict[str, Any]) -> list[Step]:
    """Delete the endpoint's monitoring schedules; their job definitions and past results stay."""
    return [
        Step(
            name=f"Delete monitoring schedule {item['schedule']['MonitoringScheduleName']}",
            call=Call(
                service="sagemaker",
                operation="DeleteMonitoringSchedule",
                parameters={"MonitoringScheduleName": item["schedule"]["MonitoringScheduleName"]},
            ),
            undo=_create_schedule(item),
            done_when="schedule gone",
        )
        for item in snapshot["monitoring_schedules"]
    ]


def monitoring_on(snapshot: dict[str, Any]) -> list[Step]:
    """Create the monitoring schedules again; one that was stopped is stopped again."""
    steps: list[Step] = []
    for item in snapshot["monitoring_schedules"]:
        name = item["schedule"]["MonitoringScheduleName"]
        steps.append(
            Step(
                name=f"Create monitoring schedule {name} again",
                call=_create_schedule(item),
                done_when="schedule there",
                wait_seconds=900,
            )
        )
        if item["schedule"].get("MonitoringScheduleStatus") == "Stopped":
            stop = Call(
                service="sagemaker",
                operation="StopMonitoringSchedule",
                parameters={"MonitoringScheduleName": name},
            )
            steps.append(Step(name=f"Stop monitoring schedule {name} again", call=stop, done_when="schedule stopped"))
    return steps


def parts_back(snapshot: dict[str, Any], model: ServiceModel) -> list[Step]:
    """Models and configuration, made again where somebody has cleaned them up; there already, nothing is called."""
    config = snapshot["endpoint_config"]
    tags = settable(snapshot["endpoint_config_tags"])
    return [
        *(
            Step(
                name=f"See that model {name} is there",
                call=_create(model, "CreateModel", described, []),
                done_when="model there",
            )
            for name, described in snapshot["models"].items()
        ),
        Step(
            name=f"See that endpoint configuration {config['EndpointConfigName']} is there",
            call=_create(model, "CreateEndpointConfig", config, tags),
            done_when="config there",
        ),
    ]


def _create(model: ServiceModel, operation: str, described: dict[str, Any], tags: list[dict[str, str]]) -> Call:
    parameters = accepted(model, operation, described) | ({"Tags": tags} if tags else {})
    return Call(service="sagemaker", operation=operation, parameters=parameters)


def accepted(model: ServiceModel, operation: str, described: dict[str, Any]) -> dict[str, Any]:
    """What ``operation`` takes of a described thing, by AWS's own model: without read-only fields and empty ones."""
    shape = model.operation_model(operation).input_shape
    takes = shape.members if shape is not None else {}
    return {key: value for key, value in described.items() if key in takes and value not in ({}, [], None)}


def counts_back(snapshot: dict[str, Any]) -> list[Step]:
    """Set weights and instance counts to what they were, where the configuration starts its variants with others."""
    starts = {item["VariantName"]: item for item in snapshot["endpoint_config"].get("ProductionVariants", [])}
    wanted = []
    for item in snapshot["endpoint"].get("ProductionVariants", []):
        start = starts.get(item["VariantName"], {})
        pairs = (("DesiredWeight", "InitialVariantWeight"), ("DesiredInstanceCount", "InitialInstanceCount"))
        if any(item.get(now) is not None and start.get(first) not in (None, item[now]) for now, first in pairs):
            wanted.append(
                {"VariantName": item["VariantName"]} | {now: item[now] for now, _ in pairs if item.get(now) is not None}
            )
    if not wanted:
        return []
    name = snapshot["endpoint"]["EndpointName"]
    call = Call(
        service="sagemaker",
        operation="UpdateEndpointWeightsAndCapacities",
        parameters={"EndpointName": name, "DesiredWeightsAndCapacities": wanted},
    )
    return [
        Step(
            name=f"Give {name} the instance counts it had", call=call, done_when="variants as before", wait_seconds=3600
        )
    ]


_POLICY_FIELDS = (
    "PolicyName",
    "PolicyType",
    "StepScalingPolicyConfiguration",
    "TargetTrackingScalingPolicyConfiguration",
    "PredictiveScalingPolicyConfiguration",
)
_ACTION_FIELDS = ("ScheduledActionName", "Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")


def _identity(item: dict[str, Any]) -> dict[str, Any]:
    return {key: item[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")}


def _call(operation: str, item: dict[str, Any], fields: tuple[str, ...]) -> Call:
    kept = {key: item[key] for key in fields if item.get(key) not in (None, {})}
    return Call(service=AUTOSCALING, operation=operation, parameters=_identity(item) | kept)


def _register(target: dict[str, Any]) -> Call:
    fields: tuple[str, ...] = ("MinCapacity", "MaxCapacity", "SuspendedState")
    if SERVICE_LINKED not in target.get("RoleARN", SERVICE_LINKED):
        fields += ("RoleARN",)  # AWS fills in the service-linked role by itself
    return _call("RegisterScalableTarget", target, fields)


def _create_schedule(item: dict[str, Any]) -> Call:
    schedule = item["schedule"]
    return Call(
        service="sagemaker",
        operation="CreateMonitoringSchedule",
        parameters={
            "MonitoringScheduleName": schedule["MonitoringScheduleName"],
            "MonitoringScheduleConfig": schedule["MonitoringScheduleConfig"],
            "Tags": settable(item["tags"]),
        },
    )
