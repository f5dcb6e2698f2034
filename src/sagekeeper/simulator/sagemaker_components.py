"""SageMaker's inference components: models that share an endpoint's instances, each with a number of copies."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.components import per_instance, set_copies, settle
from sagekeeper.simulator.hosting import Component
from sagekeeper.simulator.listing import listed
from sagekeeper.simulator.lives import LEAVING, SETTLE, status_of
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.rollouts import NO_CAPACITY
from sagekeeper.simulator.sagemaker_models import found, tag


def create_inference_component(ask: Ask) -> dict[str, Any]:
    params, hosting = ask.params, ask.here.hosting
    name, endpoint = params["InferenceComponentName"], params["EndpointName"]
    arn = ask.here.arn("inference-component", name)
    if hosting.component(name) is not None:
        raise Refused("ValidationException", f'Cannot create already existing inference component "{arn}".')
    variant = _variant(ask, endpoint)
    told = params.get("Specification") or next(iter(params.get("Specifications", [])), None)
    if told is None:
        _refuse("Either Specification or Specifications is required to create an inference component.")
        return {}
    if told.get("ModelName"):
        found(ask.here.models, told["ModelName"], "model", ask)
    base = told.get("BaseInferenceComponentName")
    if base and hosting.component(base) is None:
        _refuse(f'Could not find inference component "{ask.here.arn("inference-component", base)}".')
    if not base and "ComputeResourceRequirements" not in told:
        _refuse("ComputeResourceRequirements is required unless BaseInferenceComponentName is given.")
    made = Component(
        name,
        endpoint,
        params["VariantName"],
        {"Specification": told} | {key: params[key] for key in ("Specifications",) if key in params},
        ask.now,
        ask.now,
        ask.now + SETTLE,
    )
    if not per_instance(made, variant["InstanceType"]):
        _refuse(f"The compute resource requirements do not fit onto one instance of type {variant['InstanceType']}.")
    hosting.components.setdefault(name, []).append(made)
    set_copies(ask.here, made, int(params.get("RuntimeConfig", {}).get("CopyCount", 1)), ask.now)
    made.modified = ask.now
    tag(ask, arn)
    return {"InferenceComponentArn": arn}


def describe_inference_component(ask: Ask) -> dict[str, Any]:
    component = _shown(ask, ask.params["InferenceComponentName"])
    copies, status = component.count(ask.now), _status(ask, component)
    told = dict(component.told["Specification"])
    if "Container" in told:
        container = dict(told["Container"])
        image = container.pop("Image", None)
        if image:
            container["DeployedImage"] = {
                "SpecifiedImage": image,
                "ResolvedImage": image,
                "ResolutionTime": component.created,
            }
        told["Container"] = container
    answer = _summary(ask, component) | {
        "Specification": told,
        "RuntimeConfig": {"DesiredCopyCount": copies.wanted, "CurrentCopyCount": copies.placed},
    }
    if status == "Failed":
        answer["FailureReason"] = NO_CAPACITY
    if component.told.get("LastDeploymentConfig"):
        answer["LastDeploymentConfig"] = component.told["LastDeploymentConfig"]
    return answer


def list_inference_components(ask: Ask) -> dict[str, Any]:
    rows = [
        _summary(ask, lives[-1])
        for lives in ask.here.hosting.components.values()
        if lives and not _gone(lives[-1], ask.now)
        if ask.params.get("EndpointNameEquals") in (None, lives[-1].endpoint)
        and ask.params.get("VariantNameEquals") in (None, lives[-1].variant)
    ]
    part, more = listed(rows, ask.params, "InferenceComponentName", "InferenceComponentStatus")
    return {"InferenceComponents": part} | more


def update_inference_component(ask: Ask) -> dict[str, Any]:
    component = _changeable(ask)
    told = ask.params.get("Specification")
    if told is not None:
        if told.get("ModelName"):
            found(ask.here.models, told["ModelName"], "model", ask)
        component.told = component.told | {"Specification": component.told["Specification"] | told}
    if "DeploymentConfig" in ask.params:
        component.told = component.told | {"LastDeploymentConfig": ask.params["DeploymentConfig"]}
    wanted = ask.params.get("RuntimeConfig", {}).get("CopyCount", component.count(ask.now).wanted)
    set_copies(ask.here, component, int(wanted), ask.now)
    return {"InferenceComponentArn": ask.here.arn("inference-component", component.name)}


def update_inference_component_runtime_config(ask: Ask) -> dict[str, Any]:
    component = _changeable(ask)
    set_copies(ask.here, component, int(ask.params["DesiredRuntimeConfig"]["CopyCount"]), ask.now)
    return {"InferenceComponentArn": ask.here.arn("inference-component", component.name)}


def delete_inference_component(ask: Ask) -> dict[str, Any]:
    component = _changeable(ask, also="Failed")
    component.deleted = ask.now
    ask.here.tags.pop(ask.here.arn("inference-component", component.name), None)
    settle(ask.here, component.endpoint, component.variant, ask.now)
    return {}


def _variant(ask: Ask, endpoint: str) -> dict[str, Any]:
    life, arn = ask.here.life(endpoint), ask.here.arn("endpoint", endpoint)
    if life is None:
        raise Refused("ValidationException", f'Could not find endpoint "{arn}".')
    if status_of(life, ask.now) != "InService":
        _refuse(f'Endpoint "{arn}" must be InService to create an inference component.')
    config = life.deployed[life.serving(ask.now)].config
    name = ask.params.get("VariantName")
    told = [item for item in config["ProductionVariants"] if name in (None, item["VariantName"])]
    if not told:
        _refuse(f"The variant {name} is not on the endpoint.")
    if told[0].get("ModelName") or "InstanceType" not in told[0]:
        _refuse(f"Variant {told[0]['VariantName']} does not host inference components: it has a model of its own.")
    ask.params["VariantName"] = told[0]["VariantName"]
    return told[0]


def _summary(ask: Ask, component: Component) -> dict[str, Any]:
    return {
        "InferenceComponentName": component.name,
        "InferenceComponentArn": ask.here.arn("inference-component", component.name),
        "EndpointName": component.endpoint,
        "EndpointArn": ask.here.arn("endpoint", component.endpoint),
        "VariantName": component.variant,
        "InferenceComponentStatus": _status(ask, component),
        "CreationTime": component.created,
        "LastModifiedTime": component.modified,
    }


def _status(ask: Ask, component: Component) -> str:
    if component.deleted is not None:
        return "Deleting"
    if ask.now < component.ready:
        return "Creating" if component.ready - component.created <= SETTLE else "Updating"
    copies = component.count(ask.now)
    if copies.wanted and not copies.placed and ask.now - component.ready > timedelta(minutes=1):
        return "Failed"
    return "InService"


def _changeable(ask: Ask, also: str = "") -> Component:
    component = _shown(ask, ask.params["InferenceComponentName"])
    status = _status(ask, component)
    if status not in ("InService", also):
        arn = ask.here.arn("inference-component", component.name)
        _refuse(f'Cannot update inference component "{arn}" in status {status}.')
    return component


def _shown(ask: Ask, name: str) -> Component:
    lives = ask.here.hosting.components.get(name)
    if not lives or _gone(lives[-1], ask.now):
        arn = ask.here.arn("inference-component", name)
        raise Refused("ValidationException", f'Could not find inference component "{arn}".')
    return lives[-1]


def _gone(component: Component, now: datetime) -> bool:
    return component.deleted is not None and component.deleted + LEAVING <= now


def _refuse(message: str) -> None:
    raise Refused("ValidationException", message)


HANDLERS: dict[str, Handler] = {
    "CreateInferenceComponent": create_inference_component,
    "DescribeInferenceComponent": describe_inference_component,
    "ListInferenceComponents": list_inference_components,
    "UpdateInferenceComponent": update_inference_component,
    "UpdateInferenceComponentRuntimeConfig": update_inference_component_runtime_config,
    "DeleteInferenceComponent": delete_inference_component,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete"))}
