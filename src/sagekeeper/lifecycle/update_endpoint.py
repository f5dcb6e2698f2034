"""Run an endpoint's variants on other instances: blue/green, watched, and back to the old configuration when health falls.

Calls: a copy of the endpoint configuration with the changed variants (its name follows from its content, so a retry does not
make a second one), scaling off, UpdateEndpoint, scaling on (rule R03, aws-facts 2.10 and 2.13). Undo: UpdateEndpoint back to the
old configuration, which is never deleted. Alarms that already guard the endpoint make AWS itself roll back while it deploys.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from sagekeeper.core.errors import PlanRefused
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.types import Call, Gate, Plan, Step, UpdateEndpoint, VariantTarget, fingerprint
from sagekeeper.lifecycle.actuator import Actuator, Reads, Watch
from sagekeeper.lifecycle.snapshot import PERMISSIONS, describe_endpoint, endpoint_snapshot, settable
from sagekeeper.lifecycle.surroundings import accepted, counts_back, scaling_off, scaling_on
from sagekeeper.lifecycle.unchanged import refuse_if_changed

LONGEST_CONFIG_NAME = 63  # botocore: EndpointConfigName
MOST_ALARMS = 10  # botocore: AutoRollbackConfig.Alarms
DEPLOY_SECONDS = 3600  # after that AWS takes the new fleet back by itself (600 to 28,800)
SCALING_ALARM = "TargetTracking-"
"""Prefix of the alarms that Application Auto Scaling makes for itself: they are in ALARM whenever traffic is low."""


def plan(change: UpdateEndpoint, reads: Reads, now: datetime) -> Plan:
    """The calls that move the variants to other instances and those that move them back. Reads only."""
    name = change.endpoint.name
    snapshot = endpoint_snapshot(reads, name)
    targets = {target.variant_name: target for target in change.variants}
    _refuse_what_cannot_be_moved(name, snapshot, targets)
    new_count = _changes_count(snapshot, targets)
    new_config = _new_config(reads, snapshot, targets, new_count=new_count)
    old_name, new_name = snapshot["endpoint_config"]["EndpointConfigName"], new_config["EndpointConfigName"]
    guarded, unguarded = _deployment(snapshot, targets, alarms=True), _deployment(snapshot, targets, alarms=False)
    back = _update(name, old_name, unguarded, new_count=new_count)
    forth = Step(
        name=f"Update endpoint {name} to {new_name}",
        call=_update(name, new_name, guarded, new_count=new_count),
        undo=back,
        done_when="endpoint on config",
        wait_seconds=2 * DEPLOY_SECONDS,
    )
    copy = Step(
        name=f"Create endpoint configuration {new_name}",
        call=Call(service="sagemaker", operation="CreateEndpointConfig", parameters=new_config),
        done_when="config there",
    )
    return Plan(
        change=change,
        account=reads.account,
        region=reads.region,
        snapshot=snapshot,
        steps=[copy, *scaling_off(snapshot), forth, *scaling_on(snapshot)],
        undo_steps=[
            *scaling_off(snapshot, "target gone or endpoint back"),
            Step(
                name=f"Update endpoint {name} back to {old_name}",
                call=back,
                done_when="endpoint on config",
                wait_seconds=2 * DEPLOY_SECONDS,
            ),
            *(counts_back(snapshot) if new_count else []),
            *scaling_on(snapshot),
        ],
        checks=_alarm_checks(snapshot),
        made_at=now,
    )


def _refuse_what_cannot_be_moved(name: str, snapshot: dict[str, Any], targets: dict[str, VariantTarget]) -> None:
    variants = {item["VariantName"]: item for item in snapshot["endpoint_config"].get("ProductionVariants", [])}
    for variant in targets:
        found = variants.get(variant)
        if found is None:
            raise PlanRefused(f"Endpoint {name} has no variant {variant} any more. Collect and look again.")
        for key in ("ServerlessConfig", "InstancePools", "ManagedInstanceScaling"):
            if found.get(key):
                raise PlanRefused(
                    f"Variant {variant} of endpoint {name} has {key}: its instances are not set one by one."
                )
    if snapshot["scaling"] and any(target.instance_type.startswith("ml.t") for target in targets.values()):
        raise PlanRefused(f"Endpoint {name} scales automatically, and burstable instance types cannot be scaled.")
    same = all(
        variants[variant].get("InstanceType") == target.instance_type for variant, target in targets.items()
    ) and not _changes_count(snapshot, targets)
    if same:
        raise PlanRefused(f"Endpoint {name} already runs on what is proposed. Nothing to change.")


def _running(snapshot: dict[str, Any], variant: str) -> int | None:
    """Instances that the variant is meant to have now; scaling moves this away from the configuration's first number."""
    for item in snapshot["endpoint"].get("ProductionVariants", []):
        if item["VariantName"] == variant:
            count = item.get("DesiredInstanceCount", item.get("CurrentInstanceCount"))
            return None if count is None else int(count)
    return None


def _changes_count(snapshot: dict[str, Any], targets: dict[str, VariantTarget]) -> bool:
    return any(
        target.instance_count is not None and _running(snapshot, variant) != target.instance_count
        for variant, target in targets.items()
    )


def _new_config(
    reads: Reads, snapshot: dict[str, Any], targets: dict[str, VariantTarget], *, new_count: bool
) -> dict[str, Any]:
    """The old configuration with the changed variants, without what CreateEndpointConfig does not take (by AWS's own model)."""
    old = snapshot["endpoint_config"]
    kept = accepted(reads.sagemaker.meta.service_model, "CreateEndpointConfig", old)
    kept["ProductionVariants"] = [_variant(snapshot, item, targets, new_count) for item in old["ProductionVariants"]]
    tags = settable(snapshot["endpoint_config_tags"])
    if tags:
        kept["Tags"] = tags
    base = re.sub(r"-sk-[0-9a-f]{10}$", "", old["EndpointConfigName"])
    mark = fingerprint(
        snapshot["endpoint"]["EndpointArn"], snapshot["endpoint"]["LastModifiedTime"], json.dumps(kept, sort_keys=True)
    )[:10]
    kept["EndpointConfigName"] = f"{base[: LONGEST_CONFIG_NAME - 14].rstrip('-')}-sk-{mark}"
    return kept


def _variant(
    snapshot: dict[str, Any], item: dict[str, Any], targets: dict[str, VariantTarget], new_count: bool
) -> dict[str, Any]:
    kept = {key: value for key, value in item.items() if value not in ({}, [], None)}
    target = targets.get(item["VariantName"])
    if target is not None:
        kept["InstanceType"] = target.instance_type
        if target.instance_count is not None:
            return kept | {"InitialInstanceCount": target.instance_count}
    running = _running(snapshot, item["VariantName"])
    if new_count and running is not None and "InitialInstanceCount" in kept:
        # Counts are then taken from the new configuration: those that are not to change must be what runs.
        return kept | {"InitialInstanceCount": running}
    return kept


def _update(name: str, config: str, deployment: dict[str, Any] | None, *, new_count: bool) -> Call:
    """UpdateEndpoint that keeps weights and, unless the change is about them, the instance counts that run now.

    Without RetainAllVariantProperties a scaled-out variant would snap back to the configuration's first count (aws-facts 2.10).
    """
    parameters: dict[str, Any] = {
        "EndpointName": name,
        "EndpointConfigName": config,
        "RetainAllVariantProperties": True,
    }
    if new_count:
        parameters["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": "DesiredInstanceCount"}]
    if deployment is not None:
        parameters["DeploymentConfig"] = deployment
    return Call(service="sagemaker", operation="UpdateEndpoint", parameters=parameters)


def _deployment(snapshot: dict[str, Any], targets: dict[str, VariantTarget], *, alarms: bool) -> dict[str, Any] | None:
    types = [item.get("InstanceType", "") for item in snapshot["endpoint_config"]["ProductionVariants"]]
    types += [target.instance_type for target in targets.values()]
    if any(item.startswith("ml.inf1.") for item in types):
        return None  # Inf1 cannot use deployment guardrails (aws-facts 2.2): AWS's default is all at once
    policy: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
            "TerminationWaitInSeconds": 0,
            "MaximumExecutionTimeoutInSeconds": DEPLOY_SECONDS,
        }
    }
    quiet = [item["AlarmName"] for item in _guards(snapshot) if item["StateValue"] == "OK"]
    if alarms and quiet:
        policy["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": item} for item in sorted(quiet)[:MOST_ALARMS]]}
        # AWS watches the alarms while the old fleet is still there to go back to.
        policy["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] = 300
    return policy


def _guards(snapshot: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in snapshot["alarms"] if not item["AlarmName"].startswith(SCALING_ALARM)]


def _alarm_checks(snapshot: dict[str, Any]) -> list[Gate]:
    ringing = sorted(item["AlarmName"] for item in _guards(snapshot) if item["StateValue"] == "ALARM")
    why = f"in ALARM: {', '.join(ringing)}" if ringing else "no alarm on this endpoint is in ALARM"
    return [Gate(name="alarms quiet", state="fail" if ringing else "pass", why=why)]


def still_as_planned(plan: Plan, reads: Reads, evidence_end: datetime, now: datetime) -> None:  # noqa: ARG001
    """Raise PlanRefused when the endpoint changed or an alarm that guards it rings."""
    refuse_if_changed(plan, reads)
    names = [item["AlarmName"] for item in _guards(plan.snapshot)]
    if names:
        answer = reads.cloudwatch.describe_alarms(AlarmNames=names[:100], AlarmTypes=["MetricAlarm"])
        ringing = sorted(item["AlarmName"] for item in answer["MetricAlarms"] if item["StateValue"] == "ALARM")
        if ringing:
            raise PlanRefused(f"In ALARM: {', '.join(ringing)}. Nothing was changed. Ask again when it is quiet.")


def undo_possible(plan: Plan, reads: Reads) -> None:
    """Raise PlanRefused when the endpoint is gone or runs on a configuration that this plan knows nothing of."""
    name = plan.snapshot["endpoint"]["EndpointName"]
    found = describe_endpoint(reads, name)
    if found is None:
        raise PlanRefused(f"Endpoint {name} is gone: somebody deleted it since, there is nothing to move back.")
    ours = {plan.snapshot["endpoint"]["EndpointConfigName"], plan.steps[0].call.parameters["EndpointConfigName"]}
    if found["EndpointConfigName"] not in ours:
        raise PlanRefused(
            f"Endpoint {name} has configuration {found['EndpointConfigName']}: somebody changed it since, and that is kept."
        )


def watch(plan: Plan) -> Watch:
    """The endpoint's variants on the instance types of the new configuration."""
    specs = PriceBook.bundled()
    variants = plan.steps[0].call.parameters["ProductionVariants"]
    return Watch(
        endpoint=plan.snapshot["endpoint"]["EndpointName"],
        vcpu_of_variant={item["VariantName"]: _vcpu(specs, item["InstanceType"]) for item in variants},
    )


def _vcpu(specs: PriceBook, instance_type: str) -> int | None:
    spec = specs.spec(instance_type)
    return None if spec is None else spec.vcpu


ACTUATOR = Actuator(
    kind="update_endpoint",
    description="Moves an endpoint's variants to other instances, blue/green; goes back by itself when health falls.",
    permissions=(
        "sagemaker:CreateEndpointConfig",
        "sagemaker:UpdateEndpoint",
        "sagemaker:UpdateEndpointWeightsAndCapacities",
        "sagemaker:AddTags",
        "application-autoscaling:DeregisterScalableTarget",
        "application-autoscaling:RegisterScalableTarget",
        "application-autoscaling:PutScalingPolicy",
        "application-autoscaling:PutScheduledAction",
        "iam:PassRole",
    ),
    reads=(*PERMISSIONS, "cloudwatch:GetMetricData"),
    plan=plan,
    still_as_planned=still_as_planned,
    undo_possible=undo_possible,
    watch=watch,
)
