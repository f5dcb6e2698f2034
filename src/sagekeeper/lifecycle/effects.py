"""Is the effect of a step there in AWS? One named check per kind of effect; a step names its check in ``done_when``.

In: the step, its plan, the reader's clients, whether the call may have gone out already. Out: an `Effect`. A worker that does not
know whether a call went out before it died asks here, so a check must tell our own effect from somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sagekeeper.core.types import Plan, Step
from sagekeeper.lifecycle.actuator import Effect, Reads
from sagekeeper.lifecycle.snapshot import describe_endpoint, not_found

Check = Callable[[Step, Plan, Reads, bool], Effect]

AT_WORK = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


def effect_of(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:
    """Run the check that ``step`` names. AWS errors other than "not found" are the caller's."""
    return CHECKS[step.done_when](step, plan, reads, called)


def _endpoint_gone(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    name = step.call.parameters["EndpointName"]
    found = describe_endpoint(reads, name)
    if found is None:
        return Effect("done", f"Endpoint {name} is not found any more.")
    if found["CreationTime"] != plan.snapshot["endpoint"]["CreationTime"]:
        return Effect("done", f"The planned endpoint {name} is gone; another of that name was created since.")
    status = found["EndpointStatus"]
    if status in AT_WORK:
        return Effect("under way", f"Endpoint {name} is {status}.")
    return Effect("absent", f"Endpoint {name} is {status}.")


def _endpoint_created(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    name, config = step.call.parameters["EndpointName"], step.call.parameters["EndpointConfigName"]
    found = describe_endpoint(reads, name)
    if found is None:
        return Effect("absent", f"There is no endpoint {name}.")
    status = found["EndpointStatus"]
    if status == "Deleting":
        return Effect("under way", f"Endpoint {name} is still {status}.")
    if found["EndpointConfigName"] != config:
        return Effect(
            "blocked", f"Endpoint {name} stands with configuration {found['EndpointConfigName']}, not {config}."
        )
    if status == "InService":
        return Effect("done", f"Endpoint {name} is InService with configuration {config}.")
    if status in AT_WORK:
        return Effect("under way", f"Endpoint {name} is {status}.")
    return Effect("blocked", f"Endpoint {name} is {status}: {found.get('FailureReason', 'AWS gives no reason')}.")


def _endpoint_on_config(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:
    name, config = step.call.parameters["EndpointName"], step.call.parameters["EndpointConfigName"]
    found = describe_endpoint(reads, name)
    if found is None:
        return Effect("blocked", f"Endpoint {name} is gone: somebody deleted it meanwhile.")
    status = found["EndpointStatus"]
    if status in AT_WORK and status != "Deleting":
        return Effect("under way", f"Endpoint {name} is {status}.")
    if status != "InService":
        return Effect("blocked", f"Endpoint {name} is {status}: {found.get('FailureReason', 'AWS gives no reason')}.")
    if found["EndpointConfigName"] == config:
        return Effect("done", f"Endpoint {name} is InService with configuration {config}.")
    before = plan.snapshot["endpoint"]
    forth = config != before["EndpointConfigName"]
    if called and forth and found["LastModifiedTime"] != before["LastModifiedTime"]:
        reason = found.get("FailureReason") or "AWS gives no reason"
        return Effect("blocked", f"AWS took endpoint {name} back to {found['EndpointConfigName']}: {reason}.")
    return Effect("absent", f"Endpoint {name} is InService with configuration {found['EndpointConfigName']}.")


def _variants_as_before(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    name = step.call.parameters["EndpointName"]
    found = describe_endpoint(reads, name)
    if found is None:
        return Effect("blocked", f"Endpoint {name} is gone: somebody deleted it meanwhile.")
    if found["EndpointStatus"] in AT_WORK:
        return Effect("under way", f"Endpoint {name} is {found['EndpointStatus']}.")
    now = {item["VariantName"]: item for item in found.get("ProductionVariants", [])}
    wanted = step.call.parameters["DesiredWeightsAndCapacities"]
    same = all(
        now.get(item["VariantName"], {}).get(key) == item[key]
        for item in wanted
        for key in ("DesiredWeight", "DesiredInstanceCount")
        if key in item
    )
    counts = ", ".join(f"{key}: {item.get('DesiredInstanceCount')}" for key, item in sorted(now.items()))
    return Effect("done" if same else "absent", f"Instances wanted by variant: {counts}.")


def _config_there(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    name = step.call.parameters["EndpointConfigName"]
    try:
        found = reads.sagemaker.describe_endpoint_config(EndpointConfigName=name)
    except ClientError as error:
        if not_found(error):
            return Effect("absent", f"There is no endpoint configuration {name}.")
        raise
    if _hardware(found) != _hardware(step.call.parameters):
        return Effect("blocked", f"Endpoint configuration {name} exists with other content. Delete it, then ask again.")
    return Effect("done", f"Endpoint configuration {name} is there.")


def _model_there(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    name = step.call.parameters["ModelName"]
    try:
        reads.sagemaker.describe_model(ModelName=name)
    except ClientError as error:
        if not_found(error):
            return Effect("absent", f"There is no model {name}.")
        raise
    return Effect("done", f"Model {name} is there.")


def _hardware(config: dict[str, Any]) -> list[tuple[Any, ...]]:
    keys = ("VariantName", "ModelName", "InstanceType", "InitialInstanceCount")
    return sorted(tuple(item.get(key) for key in keys) for item in config.get("ProductionVariants", []))


def _target_gone(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    found = _target(step, reads)
    return Effect("done" if found is None else "absent", _said("Scalable target", _resource(step), found is not None))


def _target_gone_or_endpoint_back(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:
    """For an undo: while the endpoint is already back on the old configuration its scaling need not be lifted off."""
    endpoint = describe_endpoint(reads, plan.snapshot["endpoint"]["EndpointName"])
    before = plan.snapshot["endpoint"]["EndpointConfigName"]
    if endpoint and endpoint["EndpointStatus"] == "InService" and endpoint["EndpointConfigName"] == before:
        return Effect("done", f"The endpoint is back on {before}.")
    return _target_gone(step, plan, reads, called)


def _target_there(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    found, wanted = _target(step, reads), step.call.parameters
    same = found is not None and all(found[key] == wanted[key] for key in ("MinCapacity", "MaxCapacity"))
    return Effect("done" if same else "absent", _said("Scalable target", _resource(step), same))


def _target(step: Step, reads: Reads) -> dict[str, Any] | None:
    answer = reads.autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[_resource(step)])
    return next(iter(answer.get("ScalableTargets", [])), None)


def _policy_there(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    answer = reads.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=_resource(step))
    name = step.call.parameters["PolicyName"]
    there = any(item["PolicyName"] == name for item in answer.get("ScalingPolicies", []))
    return Effect("done" if there else "absent", _said("Scaling policy", name, there))


def _scheduled_action_there(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    answer = reads.autoscaling.describe_scheduled_actions(ServiceNamespace="sagemaker", ResourceId=_resource(step))
    name = step.call.parameters["ScheduledActionName"]
    there = any(item["ScheduledActionName"] == name for item in answer.get("ScheduledActions", []))
    return Effect("done" if there else "absent", _said("Scheduled action", name, there))


def _schedule_gone(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    name = step.call.parameters["MonitoringScheduleName"]
    status = _schedule_status(reads, name)
    return Effect("done" if status is None else "absent", _said("Monitoring schedule", name, status is not None))


def _schedule_there(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    name = step.call.parameters["MonitoringScheduleName"]
    status = _schedule_status(reads, name)
    if status == "Failed":
        return Effect("blocked", f"Monitoring schedule {name} is Failed.")
    if status == "Pending":
        return Effect("under way", f"Monitoring schedule {name} is Pending.")
    return Effect("absent" if status is None else "done", _said("Monitoring schedule", name, status is not None))


def _schedule_stopped(step: Step, plan: Plan, reads: Reads, called: bool) -> Effect:  # noqa: ARG001
    name = step.call.parameters["MonitoringScheduleName"]
    status = _schedule_status(reads, name)
    if status is None:
        return Effect("blocked", f"Monitoring schedule {name} is gone: somebody deleted it meanwhile.")
    return Effect("done" if status == "Stopped" else "absent", f"Monitoring schedule {name} is {status}.")


def _schedule_status(reads: Reads, name: str) -> str | None:
    try:
        answer = reads.sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name)
    except ClientError as error:
        if not_found(error):
            return None
        raise
    return str(answer["MonitoringScheduleStatus"])


def _resource(step: Step) -> str:
    return str(step.call.parameters["ResourceId"])


def _said(kind: str, name: str, there: bool) -> str:
    return f"{kind} {name} is {'there' if there else 'not there'}."


CHECKS: dict[str, Check] = {
    "endpoint gone": _endpoint_gone,
    "endpoint created": _endpoint_created,
    "endpoint on config": _endpoint_on_config,
    "variants as before": _variants_as_before,
    "config there": _config_there,
    "model there": _model_there,
    "target gone": _target_gone,
    "target gone or endpoint back": _target_gone_or_endpoint_back,
    "target there": _target_there,
    "policy there": _policy_there,
    "scheduled action there": _scheduled_action_there,
    "schedule gone": _schedule_gone,
    "schedule there": _schedule_there,
    "schedule stopped": _schedule_stopped,
}
