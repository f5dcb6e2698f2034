"""SageMaker's models, endpoint configurations and endpoints, with the life cycle and the errors of the real service."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.world import SETTLE, Deployed, Life, Scaled, Traffic


def status_of(life: Life, now: datetime) -> str:
    """Creating or Updating until settled, then InService."""
    if life.settled is not None and now < life.settled:
        return "Updating" if len(life.deployed) > 1 else "Creating"
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
        if ask.params.get("NameContains", "") in item["EndpointConfigName"]
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
    document = _found(ask.here.configs, config, "endpoint configuration", ask)
    if ask.here.life(name) is not None:
        raise Refused("ValidationException", f'Cannot create already existing endpoint "{arn}".')
    life = Life(ask.now, [Deployed(ask.now, config, document)], modified=ask.now, settled=ask.now + SETTLE)
    ask.here.lives.setdefault(name, []).append(life)
    ask.here.traffic.setdefault(name, Traffic())
    ask.here.tags[arn] = life.tags  # The bill of the life before keeps the tags of that life.
    _tag(ask, arn)
    return {"EndpointArn": arn}


def update_endpoint(ask: Ask) -> dict[str, Any]:
    name, config = ask.params["EndpointName"], ask.params["EndpointConfigName"]
    life = _life(ask, name)
    document = _found(ask.here.configs, config, "endpoint configuration", ask)
    _refuse_in_progress(ask, name, life)
    before = describe_endpoint(ask)["ProductionVariants"]
    life.deployed.append(Deployed(ask.now, config, document))
    life.modified, life.settled = ask.now, ask.now + SETTLE
    life.deployment = ask.params.get("DeploymentConfig")
    if ask.params.get("RetainAllVariantProperties"):
        life.scaled += [
            Scaled(ask.now, item["VariantName"], item.get("CurrentInstanceCount"), item["CurrentWeight"])
            for item in before
        ]
    return {"EndpointArn": ask.here.arn("endpoint", name)}


def delete_endpoint(ask: Ask) -> dict[str, Any]:
    life = _life(ask, ask.params["EndpointName"])
    _refuse_in_progress(ask, ask.params["EndpointName"], life)
    life.deleted = ask.now
    ask.here.tags.pop(ask.here.arn("endpoint", ask.params["EndpointName"]), None)
    return {}


def describe_endpoint(ask: Ask) -> dict[str, Any]:
    name = ask.params["EndpointName"]
    life = _life(ask, name)
    status = status_of(life, ask.now)
    serving = life.deployed[-2] if status == "Updating" else life.deployed[-1]
    config = serving.config
    answer: dict[str, Any] = {
        "EndpointName": name,
        "EndpointArn": ask.here.arn("endpoint", name),
        "EndpointConfigName": serving.name,
        "EndpointStatus": status,
        "CreationTime": life.created,
        "LastModifiedTime": life.modified or life.created,
        "ProductionVariants": [_variant(ask, item, life, serving) for item in config["ProductionVariants"]],
    }
    if status == "Updating":
        coming = life.deployed[-1]
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": coming.name,
            "ProductionVariants": [
                {"VariantName": item["VariantName"], "DesiredInstanceCount": life.count(item, ask.now)}
                if "InstanceType" in item
                else {"VariantName": item["VariantName"]}
                for item in coming.config["ProductionVariants"]
            ],
            "StartTime": coming.at,
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
    """A new count or weight goes into the history, so that meter and metrics follow it."""
    name = ask.params["EndpointName"]
    life = _life(ask, name)
    _refuse_in_progress(ask, name, life)
    known = {item["VariantName"] for item in life.deployed[-1].config["ProductionVariants"]}
    for item in ask.params["DesiredWeightsAndCapacities"]:
        if item["VariantName"] not in known:
            raise Refused("ValidationException", f'The variant name(s) "{item["VariantName"]}" is/are not present.')
        life.scaled.append(
            Scaled(ask.now, item["VariantName"], item.get("DesiredInstanceCount"), item.get("DesiredWeight"))
        )
    life.modified = ask.now
    return {"EndpointArn": ask.here.arn("endpoint", name)}


def _variant(ask: Ask, item: dict[str, Any], life: Life, serving: Deployed) -> dict[str, Any]:
    # What serves during an update is what served just before it.
    at = ask.now if serving is life.deployed[-1] else life.deployed[-1].at - timedelta(microseconds=1)
    weight = life.weight(item, at)
    found: dict[str, Any] = {"VariantName": item["VariantName"], "CurrentWeight": weight, "DesiredWeight": weight}
    image = _image(ask, item)
    if image:
        found["DeployedImages"] = [{"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": serving.at}]
    if "ServerlessConfig" in item:
        return found | {
            "CurrentServerlessConfig": item["ServerlessConfig"],
            "DesiredServerlessConfig": item["ServerlessConfig"],
        }
    count = life.count(item, at)
    return found | {"CurrentInstanceCount": count, "DesiredInstanceCount": count}


def _image(ask: Ask, variant: dict[str, Any]) -> str | None:
    model = ask.here.models.get(variant.get("ModelName", ""), {})
    image: str | None = model.get("PrimaryContainer", {}).get("Image")
    return image


def _refuse_in_progress(ask: Ask, name: str, life: Life) -> None:
    if status_of(life, ask.now) != "InService":
        raise Refused("ValidationException", f'Cannot update in-progress endpoint "{ask.here.arn("endpoint", name)}".')


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
