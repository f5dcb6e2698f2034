"""SageMaker's models, endpoint configurations and endpoints, with the life cycle and the errors of the real service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.world import SETTLE, Life, Traffic


def status_of(life: Life, now: datetime) -> str:
    """Creating or Updating until settled, then InService."""
    if life.settled is not None and now < life.settled:
        return "Updating" if len(life.configs) > 1 else "Creating"
    return "InService"


def create_model(ask: Ask) -> dict[str, Any]:
    name = ask.params["ModelName"]
    if name in ask.here.models:
        raise Refused("ValidationException", f'Cannot create already existing model "{ask.here.arn("model", name)}".')
    arn = ask.here.arn("model", name)
    ask.here.models[name] = {key: value for key, value in ask.params.items() if key != "Tags"} | {
        "ModelArn": arn,
        "CreationTime": ask.now,
    }
    _tag(ask, arn)
    return {"ModelArn": arn}


def describe_model(ask: Ask) -> dict[str, Any]:
    return dict(_found(ask.here.models, ask.params["ModelName"], "model", ask))


def list_models(ask: Ask) -> dict[str, Any]:
    rows = [
        {key: model[key] for key in ("ModelName", "ModelArn", "CreationTime")} for model in _newest(ask.here.models)
    ]
    rows = [row for row in rows if ask.params.get("NameContains", "") in row["ModelName"]]
    part, more = page(rows, ask.params)
    return {"Models": part} | more


def delete_model(ask: Ask) -> dict[str, Any]:
    _found(ask.here.models, ask.params["ModelName"], "model", ask)
    del ask.here.models[ask.params["ModelName"]]
    return {}


def create_endpoint_config(ask: Ask) -> dict[str, Any]:
    name = ask.params["EndpointConfigName"]
    arn = ask.here.arn("endpoint-config", name)
    if name in ask.here.configs:
        raise Refused("ValidationException", f'Cannot create already existing endpoint configuration "{arn}".')
    for variant in ask.params["ProductionVariants"]:
        if variant.get("ModelName"):
            _found(ask.here.models, variant["ModelName"], "model", ask)
    ask.here.configs[name] = {key: value for key, value in ask.params.items() if key != "Tags"} | {
        "EndpointConfigArn": arn,
        "CreationTime": ask.now,
    }
    _tag(ask, arn)
    return {"EndpointConfigArn": arn}


def describe_endpoint_config(ask: Ask) -> dict[str, Any]:
    return dict(_found(ask.here.configs, ask.params["EndpointConfigName"], "endpoint configuration", ask))


def list_endpoint_configs(ask: Ask) -> dict[str, Any]:
    rows = [
        {key: item[key] for key in ("EndpointConfigName", "EndpointConfigArn", "CreationTime")}
        for item in _newest(ask.here.configs)
    ]
    part, more = page(rows, ask.params)
    return {"EndpointConfigs": part} | more


def delete_endpoint_config(ask: Ask) -> dict[str, Any]:
    _found(ask.here.configs, ask.params["EndpointConfigName"], "endpoint configuration", ask)
    del ask.here.configs[ask.params["EndpointConfigName"]]
    return {}


def create_endpoint(ask: Ask) -> dict[str, Any]:
    name, config = ask.params["EndpointName"], ask.params["EndpointConfigName"]
    arn = ask.here.arn("endpoint", name)
    _found(ask.here.configs, config, "endpoint configuration", ask)
    if ask.here.life(name) is not None:
        raise Refused("ValidationException", f'Cannot create already existing endpoint "{arn}".')
    ask.here.lives.setdefault(name, []).append(
        Life(ask.now, [(ask.now, config)], modified=ask.now, settled=ask.now + SETTLE)
    )
    ask.here.traffic.setdefault(name, Traffic())
    ask.here.tags[arn] = {}
    _tag(ask, arn)
    return {"EndpointArn": arn}


def update_endpoint(ask: Ask) -> dict[str, Any]:
    name, config = ask.params["EndpointName"], ask.params["EndpointConfigName"]
    life = _life(ask, name)
    _found(ask.here.configs, config, "endpoint configuration", ask)
    if status_of(life, ask.now) != "InService":
        raise Refused("ValidationException", f'Cannot update in-progress endpoint "{ask.here.arn("endpoint", name)}".')
    before = describe_endpoint(ask)["ProductionVariants"]
    life.configs.append((ask.now, config))
    life.modified, life.settled = ask.now, ask.now + SETTLE
    life.deployment = ask.params.get("DeploymentConfig")
    if ask.params.get("RetainAllVariantProperties"):
        kept = [
            (item["VariantName"], item["CurrentInstanceCount"]) for item in before if "CurrentInstanceCount" in item
        ]
        life.scaled += [(ask.now, name_, count) for name_, count in kept]
    return {"EndpointArn": ask.here.arn("endpoint", name)}


def delete_endpoint(ask: Ask) -> dict[str, Any]:
    life = _life(ask, ask.params["EndpointName"])
    life.deleted = ask.now
    return {}


def describe_endpoint(ask: Ask) -> dict[str, Any]:
    name = ask.params["EndpointName"]
    life = _life(ask, name)
    config = ask.here.configs.get(life.configs[-1][1], {"ProductionVariants": []})
    answer: dict[str, Any] = {
        "EndpointName": name,
        "EndpointArn": ask.here.arn("endpoint", name),
        "EndpointConfigName": life.configs[-1][1],
        "EndpointStatus": status_of(life, ask.now),
        "CreationTime": life.created,
        "LastModifiedTime": life.modified or life.created,
        "ProductionVariants": [_variant(item, life, ask.now) for item in config["ProductionVariants"]],
    }
    if "DataCaptureConfig" in config:
        wish = config["DataCaptureConfig"]
        answer["DataCaptureConfig"] = {
            "EnableCapture": wish.get("EnableCapture", False),
            "CaptureStatus": "Started",
            "CurrentSamplingPercentage": wish["InitialSamplingPercentage"],
            "DestinationS3Uri": wish["DestinationS3Uri"],
            "KmsKeyId": wish.get("KmsKeyId", ""),
        }
    if "AsyncInferenceConfig" in config:
        answer["AsyncInferenceConfig"] = config["AsyncInferenceConfig"]
    if life.deployment:
        answer["LastDeploymentConfig"] = life.deployment
    return answer


def list_endpoints(ask: Ask) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for name in ask.here.lives:
        life = ask.here.life(name)
        if life is not None and ask.params.get("NameContains", "") in name:
            rows.append(
                {
                    "EndpointName": name,
                    "EndpointArn": ask.here.arn("endpoint", name),
                    "CreationTime": life.created,
                    "LastModifiedTime": life.modified or life.created,
                    "EndpointStatus": status_of(life, ask.now),
                }
            )
    wanted = ask.params.get("StatusEquals")
    rows = sorted(
        (row for row in rows if wanted in (None, row["EndpointStatus"])),
        key=lambda row: row["CreationTime"],
        reverse=True,
    )
    part, more = page(rows, ask.params)
    return {"Endpoints": part} | more


def update_endpoint_weights_and_capacities(ask: Ask) -> dict[str, Any]:
    """A new count becomes a configuration of its own in the history, so that the meter follows it."""
    name = ask.params["EndpointName"]
    life = _life(ask, name)
    if status_of(life, ask.now) != "InService":
        raise Refused("ValidationException", f'Cannot update in-progress endpoint "{ask.here.arn("endpoint", name)}".')
    for item in ask.params["DesiredWeightsAndCapacities"]:
        if "DesiredInstanceCount" in item:
            life.scaled.append((ask.now, item["VariantName"], item["DesiredInstanceCount"]))
    life.modified = ask.now
    return {"EndpointArn": ask.here.arn("endpoint", name)}


def _variant(item: dict[str, Any], life: Life, now: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {
        "VariantName": item["VariantName"],
        "CurrentWeight": item.get("InitialVariantWeight", 1.0),
        "DesiredWeight": item.get("InitialVariantWeight", 1.0),
    }
    if "ServerlessConfig" in item:
        return found | {"CurrentServerlessConfig": item["ServerlessConfig"]}
    count = life.count(item, now)
    return found | {"CurrentInstanceCount": count, "DesiredInstanceCount": count}


def _life(ask: Ask, name: str) -> Life:
    life = ask.here.life(name)
    if life is None:
        raise Refused("ValidationException", f'Could not find endpoint "{ask.here.arn("endpoint", name)}".')
    return life


def _found(things: dict[str, dict[str, Any]], name: str, kind: str, ask: Ask) -> dict[str, Any]:
    if name not in things:
        raise Refused(
            "ValidationException",
            f'Could not find {kind} "{ask.here.arn(kind.replace(" configuration", "-config"), name)}".',
        )
    return things[name]


def _newest(things: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(things.values(), key=lambda item: item["CreationTime"], reverse=True)


def _tag(ask: Ask, arn: str) -> None:
    ask.here.tags.setdefault(arn, {}).update({item["Key"]: item["Value"] for item in ask.params.get("Tags", [])})


HANDLERS: dict[str, Handler] = {
    "CreateModel": create_model,
    "DescribeModel": describe_model,
    "ListModels": list_models,
    "DeleteModel": delete_model,
    "CreateEndpointConfig": create_endpoint_config,
    "DescribeEndpointConfig": describe_endpoint_config,
    "ListEndpointConfigs": list_endpoint_configs,
    "DeleteEndpointConfig": delete_endpoint_config,
    "CreateEndpoint": create_endpoint,
    "UpdateEndpoint": update_endpoint,
    "DeleteEndpoint": delete_endpoint,
    "DescribeEndpoint": describe_endpoint,
    "ListEndpoints": list_endpoints,
    "UpdateEndpointWeightsAndCapacities": update_endpoint_weights_and_capacities,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete"))}
