"""Delete an idle endpoint, so that it can be brought back as it was (rule R01, aws-facts 2.14).

Calls: monitoring schedules off, scaling off, DeleteEndpoint. The endpoint configuration and the models stay, they cost nothing.
Undo: CreateEndpoint with the same name, configuration and tags, then scaling and monitoring again; clients need no change.
Models and configuration are made again from the snapshot where somebody has cleaned them up meanwhile.
Refused when a request came since the evidence ended, or when that cannot be known (asynchronous endpoints publish no
``Invocations``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sagekeeper.core.errors import PlanRefused
from sagekeeper.core.types import Call, DeleteEndpoint, Plan, Step
from sagekeeper.lifecycle.actuator import Actuator, Reads
from sagekeeper.lifecycle.snapshot import PERMISSIONS, describe_endpoint, endpoint_snapshot, settable
from sagekeeper.lifecycle.surroundings import (
    counts_back,
    monitoring_off,
    monitoring_on,
    parts_back,
    scaling_off,
    scaling_on,
)
from sagekeeper.lifecycle.unchanged import refuse_if_changed

LONGEST_LOOK_BACK = timedelta(days=14)
PERIOD_SECONDS = 3600


def plan(change: DeleteEndpoint, reads: Reads, now: datetime) -> Plan:
    """The calls that delete the endpoint and those that bring it back. Reads only."""
    name = change.endpoint.name
    snapshot = endpoint_snapshot(reads, name)
    config = snapshot["endpoint_config"]
    if any(not item.get("ModelName") for item in config.get("ProductionVariants", [])):
        raise PlanRefused(
            f"Endpoint {name} hosts inference components: deleting it needs them deleted first, which this change does not do."
        )
    create = Call(
        service="sagemaker",
        operation="CreateEndpoint",
        parameters={
            "EndpointName": name,
            "EndpointConfigName": config["EndpointConfigName"],
            "Tags": settable(snapshot["tags"]),
        },
    )
    delete = Step(
        name=f"Delete endpoint {name}",
        call=Call(service="sagemaker", operation="DeleteEndpoint", parameters={"EndpointName": name}),
        undo=create,
        done_when="endpoint gone",
        wait_seconds=3600,
    )
    again = Step(name=f"Create endpoint {name} again", call=create, done_when="endpoint created", wait_seconds=7200)
    return Plan(
        change=change,
        account=reads.account,
        region=reads.region,
        snapshot=snapshot,
        steps=[*monitoring_off(snapshot), *scaling_off(snapshot), delete],
        undo_steps=[
            *parts_back(snapshot, reads.sagemaker.meta.service_model),
            again,
            *counts_back(snapshot),
            *scaling_on(snapshot),
            *monitoring_on(snapshot),
        ],
        made_at=now,
    )


def still_as_planned(plan: Plan, reads: Reads, evidence_end: datetime, now: datetime) -> None:
    """Raise PlanRefused when the endpoint changed, or is not idle any more."""
    refuse_if_changed(plan, reads)
    endpoint = plan.snapshot["endpoint"]
    name = endpoint["EndpointName"]
    if endpoint.get("AsyncInferenceConfig") or plan.snapshot["endpoint_config"].get("AsyncInferenceConfig"):
        raise PlanRefused(
            f"Endpoint {name} is asynchronous: AWS publishes no Invocations for it, so whether it is idle cannot be known."
        )
    start = min(max(evidence_end, now - LONGEST_LOOK_BACK), now - timedelta(seconds=PERIOD_SECONDS))
    requests = _requests(plan, reads, start, now)
    if requests:
        raise PlanRefused(
            f"Endpoint {name} got {requests:,.0f} requests since {start:%Y-%m-%d %H:%M} UTC: it is not idle. Nothing was changed."
        )


def _requests(plan: Plan, reads: Reads, start: datetime, end: datetime) -> float:
    """Requests since ``start``. The endpoint was in service all the time (same creation, last change and status as planned)
    and real-time endpoints publish ``Invocations`` with each request: no data point is no request (aws-facts 1)."""
    config = plan.snapshot["endpoint_config"]
    variants = config.get("ProductionVariants", []) + config.get("ShadowProductionVariants", [])
    whole_hour = start.replace(minute=0, second=0, microsecond=0)
    answer = reads.cloudwatch.get_metric_data(
        MetricDataQueries=[
            _invocations(f"v{number}", plan.snapshot["endpoint"]["EndpointName"], item["VariantName"])
            for number, item in enumerate(variants)
        ],
        StartTime=whole_hour,
        EndTime=end,
    )
    return float(sum(sum(result["Values"]) for result in answer["MetricDataResults"]))


def _invocations(query: str, endpoint: str, variant: str) -> dict[str, Any]:
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Dimensions": dimensions}
    return {"Id": query, "MetricStat": {"Metric": metric, "Period": PERIOD_SECONDS, "Stat": "Sum"}}


def undo_possible(plan: Plan, reads: Reads) -> None:
    """Raise PlanRefused when the name is taken again."""
    name = plan.snapshot["endpoint"]["EndpointName"]
    found = describe_endpoint(reads, name)
    if found is not None and found["CreationTime"] != plan.snapshot["endpoint"]["CreationTime"]:
        raise PlanRefused(
            f"Somebody has created an endpoint {name} since: it is left alone, there is nothing to bring back."
        )


ACTUATOR = Actuator(
    kind="delete_endpoint",
    description="Deletes an endpoint; configuration and models stay, so that it can be brought back under the same name.",
    permissions=(
        "sagemaker:DeleteEndpoint",
        "sagemaker:CreateEndpoint",
        "sagemaker:CreateEndpointConfig",
        "sagemaker:CreateModel",
        "sagemaker:UpdateEndpointWeightsAndCapacities",
        "sagemaker:AddTags",
        "sagemaker:DeleteMonitoringSchedule",
        "sagemaker:CreateMonitoringSchedule",
        "sagemaker:StopMonitoringSchedule",
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
    watch=lambda _: None,
)
