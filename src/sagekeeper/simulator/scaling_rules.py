"""What Application Auto Scaling refuses, and why."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from typing import Any

from sagekeeper.simulator.operations import Refused
from sagekeeper.simulator.scaling_state import Place
from sagekeeper.simulator.schedules import next_run
from sagekeeper.simulator.world import Standing

VARIANT = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
COMPONENT = re.compile(r"inference-component/([^/]+)")
FORMS = {
    "sagemaker:variant:DesiredInstanceCount": VARIANT,
    "sagemaker:variant:DesiredProvisionedConcurrency": VARIANT,
    "sagemaker:inference-component:DesiredCopyCount": COMPONENT,
}
MOST_STEPS = 20


def refuse_place(here: Standing, place: Place) -> None:
    """A target of SageMaker's must be there, and one that can be scaled."""
    if not place.dimension.startswith(f"{place.service}:"):
        _refuse(f"Unsupported service namespace and scalable dimension: {place.service}, {place.dimension}")
    form = FORMS.get(place.dimension)
    if form is None:
        return
    found = form.fullmatch(place.resource)
    if found is None:
        _refuse(f"Unsupported service namespace, resource type or scalable dimension: {place.resource}")
    elif form is COMPONENT:
        if here.hosting.component(found[1]) is None:
            _refuse(f"Inference component does not exist: {place.resource}")
    else:
        _refuse_variant(here, place, found[1], found[2])


def refuse_policy(params: dict[str, Any], kind: str, place: Place) -> dict[str, Any]:
    """The configuration of a policy of that kind, if AWS takes it."""
    keys = {
        name: f"{name}PolicyConfiguration" for name in ("StepScaling", "TargetTrackingScaling", "PredictiveScaling")
    }
    others = [key for name, key in keys.items() if name != kind and key in params]
    if others:
        _refuse(f"{others[0]} can not be specified for policy type {kind}.")
    config: dict[str, Any] | None = params.get(keys[kind])
    if config is None or kind == "PredictiveScaling":
        _refuse(f"{keys[kind]} is required for policy type {kind}, and {place.service} must support that type.")
    assert config is not None
    if kind == "StepScaling":
        _refuse_steps(config)
    else:
        _refuse_tracking(config, place)
    return config


def refuse_schedule(told: dict[str, Any], now: datetime) -> None:
    """A scheduled action needs an expression that AWS reads, and something to do."""
    if "Schedule" not in told:
        _refuse("Schedule is required to create a scheduled action.")
    try:
        next_run(told["Schedule"], told.get("Timezone"), now, now)
    except ValueError as wrong:
        _refuse(f"Invalid schedule expression. Details: {wrong}")
    if not told.get("ScalableTargetAction"):
        _refuse("ScalableTargetAction must specify a MinCapacity or MaxCapacity.")
    action = told["ScalableTargetAction"]
    if action.get("MinCapacity", 0) > action.get("MaxCapacity", 10**9):
        _refuse("Minimum capacity must be less than or equal to maximum capacity.")
    if told.get("StartTime") and told.get("EndTime") and told["StartTime"] >= told["EndTime"]:
        _refuse("The start time must be before the end time.")


def _refuse_variant(here: Standing, place: Place, endpoint: str, name: str) -> None:
    life = here.life(endpoint)
    config = life.deployed[-1].config if life else {}
    found = [item for item in config.get("ProductionVariants", []) if item["VariantName"] == name]
    if not found:
        arn = here.arn("endpoint", endpoint)
        _refuse(f'Could not find endpoint "{arn}".' if life is None else f"Variant {name} is not on endpoint {arn}.")
    kind = found[0].get("InstanceType", "")
    if kind.split(".")[1:2] in (["t2"], ["t3"]):
        _refuse(f"Auto scaling is not supported for burstable instance types such as {kind}.")
    if found[0].get("ManagedInstanceScaling", {}).get("Status") == "ENABLED":
        _refuse(f"Variant {name} is scaled by ManagedInstanceScaling: scale its inference components instead.")
    provisioned = place.dimension.endswith("ProvisionedConcurrency")
    if provisioned != ("ServerlessConfig" in found[0]):
        _refuse(f"{place.dimension} can not be scaled for variant {name}.")


def _refuse_steps(config: dict[str, Any]) -> None:
    steps = config.get("StepAdjustments", [])
    if not config.get("AdjustmentType") or not steps:
        _refuse("AdjustmentType and at least one step adjustment are required for a step scaling policy.")
    if len(steps) > MOST_STEPS:
        raise Refused("LimitExceededException", f"At most {MOST_STEPS} step adjustments are allowed.")
    if config.get("MinAdjustmentMagnitude") and config["AdjustmentType"] != "PercentChangeInCapacity":
        _refuse("MinAdjustmentMagnitude can only be specified for PercentChangeInCapacity.")
    bounds = [
        (item.get("MetricIntervalLowerBound", -1e300), item.get("MetricIntervalUpperBound", 1e300)) for item in steps
    ]
    if any(low >= high for low, high in bounds):
        _refuse("A step adjustment's lower bound must be less than its upper bound.")
    ranked = sorted(bounds)
    if any(one[1] > two[0] for one, two in pairwise(ranked)):
        _refuse("There is an overlap between the ranges of the step adjustments.")
    if any(one[1] < two[0] for one, two in pairwise(ranked)):
        _refuse("There is a gap between the ranges of the step adjustments.")


def _refuse_tracking(config: dict[str, Any], place: Place) -> None:
    specs = [key for key in ("PredefinedMetricSpecification", "CustomizedMetricSpecification") if key in config]
    if len(specs) != 1:
        _refuse("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified.")
    if config["TargetValue"] <= 0:
        _refuse("TargetValue must be greater than 0.")
    if specs[0].startswith("Customized"):
        told = config[specs[0]]
        plain = all(told.get(key) for key in ("MetricName", "Namespace", "Statistic"))
        if plain == bool(told.get("Metrics")):
            _refuse("Either MetricName, Namespace and Statistic, or Metrics must be specified.")
        return
    metric = config[specs[0]]["PredefinedMetricType"]
    sagemaker = metric.startswith("SageMaker")
    if sagemaker != (place.service == "sagemaker") or (
        sagemaker and metric.startswith("SageMakerInferenceComponent") != place.dimension.endswith("CopyCount")
    ):
        _refuse(f"Predefined metric type {metric} is not supported for scalable dimension {place.dimension}.")


def _refuse(message: str) -> None:
    raise Refused("ValidationException", message)
