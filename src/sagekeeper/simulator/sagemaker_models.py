"""SageMaker's models and endpoint configurations, with the rules that AWS checks when they are made."""

from __future__ import annotations

from typing import Any

from sagekeeper.simulator.listing import listed
from sagekeeper.simulator.operations import Ask, Handler, Refused

SERVERLESS_SIZES = (1024, 2048, 3072, 4096, 5120, 6144)
CONTAINERS = ("PrimaryContainer", "Containers")


def create_model(ask: Ask) -> dict[str, Any]:
    name = ask.params["ModelName"]
    arn = ask.here.arn("model", name)
    if name in ask.here.models:
        raise Refused("ValidationException", f'Cannot create already existing model "{arn}".')
    if all(key in ask.params for key in CONTAINERS):
        raise Refused("ValidationException", "Both PrimaryContainer and Containers can not be specified.")
    for container in containers(ask.params):
        _refuse_package(ask, container.get("ModelPackageName", ""))
    ask.here.models[name] = {key: value for key, value in ask.params.items() if key != "Tags"} | {
        "ModelArn": arn,
        "CreationTime": ask.now,
    }
    tag(ask, arn)
    return {"ModelArn": arn}


def describe_model(ask: Ask) -> dict[str, Any]:
    return dict(found(ask.here.models, ask.params["ModelName"], "model", ask))


def list_models(ask: Ask) -> dict[str, Any]:
    rows = [{key: item[key] for key in ("ModelName", "ModelArn", "CreationTime")} for item in ask.here.models.values()]
    part, more = listed(rows, ask.params, "ModelName")
    return {"Models": part} | more


def delete_model(ask: Ask) -> dict[str, Any]:
    model = found(ask.here.models, ask.params["ModelName"], "model", ask)
    del ask.here.models[ask.params["ModelName"]]
    ask.here.tags.pop(model["ModelArn"], None)
    return {}


def create_endpoint_config(ask: Ask) -> dict[str, Any]:
    name = ask.params["EndpointConfigName"]
    arn = ask.here.arn("endpoint-config", name)
    if name in ask.here.configs:
        raise Refused("ValidationException", f'Cannot create already existing endpoint configuration "{arn}".')
    _refuse_wrong(ask)
    ask.here.configs[name] = {key: value for key, value in ask.params.items() if key != "Tags"} | {
        "EndpointConfigArn": arn,
        "CreationTime": ask.now,
    }
    tag(ask, arn)
    return {"EndpointConfigArn": arn}


def describe_endpoint_config(ask: Ask) -> dict[str, Any]:
    return dict(found(ask.here.configs, ask.params["EndpointConfigName"], "endpoint configuration", ask))


def list_endpoint_configs(ask: Ask) -> dict[str, Any]:
    keys = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
    rows = [{key: item[key] for key in keys} for item in ask.here.configs.values()]
    part, more = listed(rows, ask.params, "EndpointConfigName")
    return {"EndpointConfigs": part} | more


def delete_endpoint_config(ask: Ask) -> dict[str, Any]:
    config = found(ask.here.configs, ask.params["EndpointConfigName"], "endpoint configuration", ask)
    del ask.here.configs[ask.params["EndpointConfigName"]]
    ask.here.tags.pop(config["EndpointConfigArn"], None)
    return {}


def found(things: dict[str, dict[str, Any]], name: str, kind: str, ask: Ask) -> dict[str, Any]:
    """The thing of that name, or AWS's refusal."""
    if name not in things:
        arn = ask.here.arn(kind.replace(" configuration", "-config"), name)
        raise Refused("ValidationException", f'Could not find {kind} "{arn}".')
    return things[name]


def tag(ask: Ask, arn: str) -> None:
    """Put the request's tags onto the resource."""
    ask.here.tags.setdefault(arn, {}).update({item["Key"]: item["Value"] for item in ask.params.get("Tags", [])})


def containers(model: dict[str, Any]) -> list[dict[str, Any]]:
    """A model's containers, however it was told of them."""
    primary = model.get("PrimaryContainer")
    return [primary] if primary else list(model.get("Containers", []))


def multi_model(model: dict[str, Any]) -> bool:
    """Whether the model serves whatever lies under its prefix (aws-facts 2.4)."""
    return any(item.get("Mode") == "MultiModel" for item in containers(model))


def _refuse_package(ask: Ask, package: str) -> None:
    """A package of this account must be there and valid; others (marketplaces) are taken at their word."""
    arn = package if package.startswith("arn:") else ask.here.arn("model-package", package)
    if not package or not arn.startswith(ask.here.arn("model-package", "")):
        return
    known = ask.here.flows.packages.get(arn)
    if known is None:
        _refuse(f"ModelPackage {arn} does not exist.")
    elif ask.now < known["x_ready"]:
        _refuse(f"ModelPackage {arn} is not in Completed status.")


def _refuse_wrong(ask: Ask) -> None:
    variants, shadows = ask.params["ProductionVariants"], ask.params.get("ShadowProductionVariants", [])
    names = [item["VariantName"] for item in [*variants, *shadows]]
    if len(set(names)) < len(names):
        _refuse(f"Variant names must be unique within an endpoint configuration: {sorted(names)}.")
    if shadows and (len(variants) > 1 or len(shadows) > 1):
        _refuse(
            "Only one production variant and one shadow variant are supported when ShadowProductionVariants is set."
        )
    if shadows and "AsyncInferenceConfig" in ask.params:
        _refuse("ShadowProductionVariants are not supported with AsyncInferenceConfig.")
    for number, variant in enumerate([*variants, *shadows], 1):
        _refuse_variant(ask, variant, number)
    if any("ServerlessConfig" in item for item in variants):
        if len(names) > 1:
            _refuse("A serverless endpoint supports only one production variant.")
        for key in ("DataCaptureConfig", "AsyncInferenceConfig", "VpcConfig"):
            if key in ask.params:
                _refuse(f"{key} is not supported for serverless endpoints.")


def _refuse_variant(ask: Ask, variant: dict[str, Any], number: int) -> None:
    name = variant["VariantName"]
    if variant.get("ModelName"):
        model = found(ask.here.models, variant["ModelName"], "model", ask)
        if multi_model(model) and "ServerlessConfig" in variant:
            _refuse(f"Multi-model mode is not supported for serverless endpoints. Variant: {name}.")
    elif "ExecutionRoleArn" not in ask.params:
        _refuse(f"ModelName or, for inference components, ExecutionRoleArn is required. Variant: {name}.")
    if "ServerlessConfig" in variant:
        _refuse_serverless(variant, number)
        return
    if not variant.get("InstanceType") and not variant.get("InstancePools"):
        _refuse(f"InstanceType or ServerlessConfig is required for variant {name}.")
    if variant.get("InstanceType") and variant.get("InstancePools"):
        _refuse(f"InstanceType and InstancePools can not both be specified for variant {name}.")
    scaling = variant.get("ManagedInstanceScaling", {})
    if "InitialInstanceCount" not in variant and scaling.get("Status") != "ENABLED":
        _refuse(f"InitialInstanceCount is required for variant {name}.")
    if scaling and variant.get("ModelName"):
        _refuse(f"ManagedInstanceScaling is only supported for variants without ModelName. Variant: {name}.")
    if scaling.get("MinInstanceCount", 0) > scaling.get("MaxInstanceCount", 10**6):
        _refuse(f"MinInstanceCount must not be greater than MaxInstanceCount for variant {name}.")


def _refuse_serverless(variant: dict[str, Any], number: int) -> None:
    wish, at = variant["ServerlessConfig"], f"productionVariants.{number}.member.serverlessConfig"
    if variant.get("InstanceType") or variant.get("InitialInstanceCount"):
        _refuse("InstanceType and InitialInstanceCount can not be specified together with ServerlessConfig.")
    if wish["MemorySizeInMB"] not in SERVERLESS_SIZES:
        _refuse(
            f"1 validation error detected: Value '{wish['MemorySizeInMB']}' at '{at}.memorySizeInMB' failed to satisfy "
            f"constraint: Member must satisfy enum value set: {list(SERVERLESS_SIZES)}"
        )
    if wish.get("ProvisionedConcurrency", 0) > wish["MaxConcurrency"]:
        _refuse("ProvisionedConcurrency must be less than or equal to MaxConcurrency.")


def _refuse(message: str) -> None:
    raise Refused("ValidationException", message)


HANDLERS: dict[str, Handler] = {
    "CreateModel": create_model,
    "DescribeModel": describe_model,
    "ListModels": list_models,
    "DeleteModel": delete_model,
    "CreateEndpointConfig": create_endpoint_config,
    "DescribeEndpointConfig": describe_endpoint_config,
    "ListEndpointConfigs": list_endpoint_configs,
    "DeleteEndpointConfig": delete_endpoint_config,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Delete"))}
