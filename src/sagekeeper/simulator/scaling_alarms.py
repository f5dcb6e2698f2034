"""The CloudWatch alarms that Application Auto Scaling makes for a target tracking policy, and takes away with it.

High: three minutes above the target, scale out. Low: fifteen minutes below nine tenths of it, scale in. Traffic that
stops counts as low: SageMaker then emits zeros for a scaled variant (SageMaker developer guide, autoscaling overview).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sagekeeper.simulator import alarms
from sagekeeper.simulator.operations import Ask
from sagekeeper.simulator.scaling_rules import COMPONENT, VARIANT
from sagekeeper.simulator.scaling_state import Place, Policy
from sagekeeper.simulator.world import Standing

HIGH_MINUTES, LOW_MINUTES, LOW_SHARE = 3, 15, 0.9
PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": ("InvocationsPerInstance", "Sum"),
    "SageMakerVariantProvisionedConcurrencyUtilization": ("ServerlessProvisionedConcurrencyUtilization", "Maximum"),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": ("ConcurrentRequestsPerModel", "Maximum"),
    "SageMakerInferenceComponentInvocationsPerCopy": ("InvocationsPerCopy", "Sum"),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": ("ConcurrentRequestsPerCopy", "Maximum"),
}


def keep_alarms(ask: Ask, policy: Policy) -> list[dict[str, str]]:
    """Put the alarms of a policy into CloudWatch; their names and ARNs. Only target tracking has alarms of its own."""
    metric = _metric(policy) if policy.kind == "TargetTrackingScaling" else None
    if metric is None:
        return []
    target, made = float(policy.config["TargetValue"]), []
    high = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": HIGH_MINUTES, "Threshold": target}
    low = {
        "ComparisonOperator": "LessThanThreshold",
        "EvaluationPeriods": LOW_MINUTES,
        "Threshold": target * LOW_SHARE,
        "TreatMissingData": "breaching" if _stops(policy) else "missing",
    }
    for side, rule in (("High", high), ("Low", low)):
        if side == "Low" and policy.config.get("DisableScaleIn"):
            continue
        mark = uuid5(UUID(policy.arn.split(":")[6]), side)
        name = f"TargetTracking-{policy.place.resource}-Alarm{side}-{mark}"
        told = f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}."
        given = metric | rule | {"AlarmName": name, "AlarmDescription": told, "AlarmActions": [policy.arn]}
        kept = alarms.put_metric(ask.here, given | {"ActionsEnabled": True}, ask.now)
        made.append({"AlarmName": name, "AlarmARN": kept.arn})
    return made


def forget_alarms(here: Standing, policy: Policy, ask: Ask) -> None:
    """Take the alarms of a policy away."""
    for alarm in policy.alarms:
        if alarm["AlarmName"] in here.watch.alarms.alarms:
            alarms.delete(here, alarm["AlarmName"], ask.now)
    policy.alarms = []


def dimensions_of(place: Place) -> list[dict[str, str]]:
    """CloudWatch's dimensions of what is scaled."""
    variant, component = VARIANT.fullmatch(place.resource), COMPONENT.fullmatch(place.resource)
    if component:
        return [{"Name": "InferenceComponentName", "Value": component[1]}]
    if variant:
        return [{"Name": "EndpointName", "Value": variant[1]}, {"Name": "VariantName", "Value": variant[2]}]
    return []


def _metric(policy: Policy) -> dict[str, Any] | None:
    told = policy.config.get("CustomizedMetricSpecification")
    if told and told.get("Metrics"):
        return {"Metrics": [{"ReturnData": True} | dict(item) for item in told["Metrics"]]}
    if told:
        kept = {key: told[key] for key in ("Namespace", "MetricName", "Statistic", "Unit") if told.get(key)}
        return kept | {"Dimensions": told.get("Dimensions", []), "Period": 60}
    kind = policy.config["PredefinedMetricSpecification"]["PredefinedMetricType"]
    if kind not in PREDEFINED:
        return None
    name, statistic = PREDEFINED[kind]
    return {
        "Namespace": "AWS/SageMaker",
        "MetricName": name,
        "Dimensions": dimensions_of(policy.place),
        "Statistic": statistic,
        "Period": 60,
    }


def _stops(policy: Policy) -> bool:
    return "PredefinedMetricSpecification" in policy.config
