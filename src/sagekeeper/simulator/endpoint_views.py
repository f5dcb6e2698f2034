"""What DescribeEndpoint says of an endpoint's life at a moment, in every state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sagekeeper.simulator.lives import LEAVING, Deployed, Life, status_of
from sagekeeper.simulator.sagemaker_models import containers
from sagekeeper.simulator.world import Standing

PASSED_ON = ("AsyncInferenceConfig", "ExplainerConfig", "MetricsConfig", "CrossRegionTrafficConfig")
PASSED_ON_OF_VARIANT = ("ManagedInstanceScaling", "RoutingConfig", "CapacityReservationConfig")


def leaving(here: Standing, name: str, now: datetime) -> Life | None:
    """A life that was ended moments ago and still shows as Deleting."""
    lives = here.lives.get(name)
    deleted = lives[-1].deleted if lives else None
    return lives[-1] if lives and deleted is not None and deleted <= now < deleted + LEAVING else None


def described(here: Standing, name: str, life: Life, now: datetime) -> dict[str, Any]:
    """The answer of DescribeEndpoint."""
    status, number = status_of(life, now), life.serving(now)
    serving = life.deployed[number]
    answer: dict[str, Any] = {
        "EndpointName": name,
        "EndpointArn": here.arn("endpoint", name),
        "EndpointConfigName": serving.name,
        "EndpointStatus": status,
        "CreationTime": life.created,
        "LastModifiedTime": life.modified or life.created,
    }
    if status not in ("Creating", "Failed"):
        answer |= _variants(here, life, number, now)
    coming = serving if status == "Creating" else life.coming(now)
    if coming is not None:
        answer["PendingDeploymentSummary"] = _pending(here, life, coming, now)
    if "DataCaptureConfig" in serving.config:
        answer["DataCaptureConfig"] = _capture(serving.config["DataCaptureConfig"], status)
    answer |= {key: serving.config[key] for key in PASSED_ON if key in serving.config}
    if life.deployment:
        answer["LastDeploymentConfig"] = life.deployment
    reason = _reason(life, now)
    if reason:
        answer["FailureReason"] = reason
    return answer


def _variants(here: Standing, life: Life, number: int, now: datetime) -> dict[str, Any]:
    serving = life.deployed[number]
    # Of what serves during an update, the last setting before the update counts.
    coming = life.coming(now)
    at = now if coming is None or coming is serving else coming.at
    keys = [key for key in ("ProductionVariants", "ShadowProductionVariants") if key in serving.config]
    return {key: [_variant(here, item, life, number, at) for item in serving.config[key]] for key in keys}


def _variant(here: Standing, item: dict[str, Any], life: Life, number: int, at: datetime) -> dict[str, Any]:
    setting = life.setting(number, item, at)
    made: dict[str, Any] = {
        "VariantName": item["VariantName"],
        "CurrentWeight": setting.weight,
        "DesiredWeight": setting.weight,
    }
    images = _images(here, item, life.deployed[number].at)
    if images:
        made["DeployedImages"] = images
    if setting.serverless is not None:
        return made | {"CurrentServerlessConfig": setting.serverless, "DesiredServerlessConfig": setting.serverless}
    made |= {"CurrentInstanceCount": setting.serving, "DesiredInstanceCount": setting.wanted}
    if setting.serving > setting.wanted:
        made["CurrentInstanceCount"] = setting.wanted
    if "InstancePools" in item:
        made["InstancePools"] = [
            {
                "InstanceType": pool["InstanceType"],
                "CurrentInstanceCount": setting.serving if pool["InstanceType"] == item["InstanceType"] else 0,
            }
            for pool in item["InstancePools"]
        ]
    return made | {key: item[key] for key in PASSED_ON_OF_VARIANT if key in item}


def _images(here: Standing, variant: dict[str, Any], at: datetime) -> list[dict[str, Any]]:
    model = here.models.get(variant.get("ModelName", ""), {})
    return [
        {"SpecifiedImage": item["Image"], "ResolvedImage": item["Image"], "ResolutionTime": at}
        for item in containers(model)
        if item.get("Image")
    ]


def _pending(here: Standing, life: Life, coming: Deployed, now: datetime) -> dict[str, Any]:
    number = life.deployed.index(coming)
    step = [step for step in (coming.plan.steps if coming.plan else []) if step.at <= now][-1:]
    traffic = step[0].traffic if step else 0.0
    phase = "Creating" if not traffic else "ActivatingTraffic" if traffic < 1 else "Baking"
    begun = step[0].at if step else coming.at

    def summary(item: dict[str, Any]) -> dict[str, Any]:
        setting = life.setting(number, item, now)
        made: dict[str, Any] = {
            "VariantName": item["VariantName"],
            "CurrentWeight": setting.weight * traffic,
            "DesiredWeight": setting.weight,
            "VariantStatus": [{"Status": phase, "StartTime": begun}],
        }
        images = _images(here, item, coming.at)
        if images:
            made["DeployedImages"] = images
        if setting.serverless is not None:
            return made | {"DesiredServerlessConfig": setting.serverless}
        there = setting.serving if traffic else 0
        return made | {
            "InstanceType": item["InstanceType"],
            "CurrentInstanceCount": there,
            "DesiredInstanceCount": setting.wanted,
        }

    answer: dict[str, Any] = {
        "EndpointConfigName": coming.name,
        "ProductionVariants": [summary(item) for item in coming.config["ProductionVariants"]],
        "StartTime": coming.at,
    }
    if "ShadowProductionVariants" in coming.config:
        answer["ShadowProductionVariants"] = [summary(item) for item in coming.config["ShadowProductionVariants"]]
    return answer


def _capture(wish: dict[str, Any], status: str) -> dict[str, Any]:
    on = wish.get("EnableCapture", False)
    return {
        "EnableCapture": on,
        "CaptureStatus": "Started" if on and status != "Failed" else "Stopped",
        "CurrentSamplingPercentage": wish["InitialSamplingPercentage"],
        "DestinationS3Uri": wish["DestinationS3Uri"],
        "KmsKeyId": wish.get("KmsKeyId", ""),
    }


def _reason(life: Life, now: datetime) -> str:
    if life.failed is not None and life.failed[0] <= now:
        return life.failed[1]
    plan = life.deployed[-1].plan
    if plan is not None and plan.turned is not None and plan.turned <= now:
        return plan.reason
    return life.trouble[1] if life.trouble is not None and life.trouble[0] + LEAVING <= now else ""
