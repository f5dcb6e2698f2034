"""SageMaker's endpoints: their life cycle on the simulated clock, with AWS's states and refusals.

Create, update, scale and delete write into the endpoint's `Life`; every state in between (Creating, Updating,
RollingBack, Deleting ...) is computed from times. What an endpoint looks like is in `endpoint_views.py`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sagekeeper.simulator.capacity import is_short, kinds_of, refuse_over_quota, resolved
from sagekeeper.simulator.endpoint_views import described, leaving
from sagekeeper.simulator.listing import listed
from sagekeeper.simulator.lives import SETTLE, Deployed, Life, Scaled, Step, status_of
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.rollouts import NO_CAPACITY, creation, plan_of, refuse_wrong, turn
from sagekeeper.simulator.sagemaker_models import found, tag
from sagekeeper.simulator.scalable import scale
from sagekeeper.simulator.world import Traffic

RETAINED = {"DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig"}
CHANGEABLE = ("InService", "UpdateRollbackFailed")
DELETABLE = (*CHANGEABLE, "Failed", "OutOfService")


def create_endpoint(ask: Ask) -> dict[str, Any]:
    name, config = ask.params["EndpointName"], ask.params["EndpointConfigName"]
    arn = ask.here.arn("endpoint", name)
    document = resolved(ask.here, found(ask.here.configs, config, "endpoint configuration", ask), ask.now)
    if ask.here.life(name) is not None or leaving(ask.here, name, ask.now) is not None:
        raise Refused("ValidationException", f'Cannot create already existing endpoint "{arn}".')
    refuse_over_quota(ask, kinds_of(document))
    plan = creation(ask.now)
    life = Life(ask.now, [Deployed(ask.now, config, document, plan)], modified=ask.now)
    if is_short(ask.here, set(kinds_of(document)), ask.now):
        plan.steps = [Step(ask.now, 0, 0, 0), Step(ask.now + SETTLE, 0, 0, 0)]
        life.failed = ask.now + SETTLE, NO_CAPACITY
    life.deployment = ask.params.get("DeploymentConfig")
    ask.here.lives.setdefault(name, []).append(life)
    ask.here.traffic.setdefault(name, Traffic())
    ask.here.tags[arn] = life.tags  # The bill of the life before keeps the tags of that life.
    tag(ask, arn)
    return {"EndpointArn": arn}


def update_endpoint(ask: Ask) -> dict[str, Any]:
    name, config = ask.params["EndpointName"], ask.params["EndpointConfigName"]
    life = _life(ask, name)
    document = resolved(ask.here, found(ask.here.configs, config, "endpoint configuration", ask), ask.now)
    _refuse_in_progress(ask, name, life)
    number = life.serving(ask.now)
    old = life.deployed[number].config
    if _serverless(document) and not _serverless(old):
        raise Refused("ValidationException", "Cannot update an instance-based endpoint to a serverless endpoint.")
    policy = ask.params.get("DeploymentConfig")
    if policy is None and ask.params.get("RetainDeploymentConfig"):
        policy = life.deployment
    if policy:
        refuse_wrong(policy, document["ProductionVariants"])
    kept = RETAINED - {item["VariantPropertyType"] for item in ask.params.get("ExcludeRetainedVariantProperties", [])}
    kept = kept if ask.params.get("RetainAllVariantProperties") else set()
    if "DataCaptureConfig" in kept and "DataCaptureConfig" in old:
        document = document | {"DataCaptureConfig": old["DataCaptureConfig"]}
    retained = _retained(ask, life, number, document, kept)
    counts = _counts(document, retained)
    plan = plan_of(policy, ask.now, max(counts.values(), default=0))
    standing = max(step.new + step.old for step in plan.steps) - 1
    refuse_over_quota(ask, Counter({kind: round(count * min(standing, 1)) for kind, count in counts.items()}))
    life.deployed.append(Deployed(ask.now, config, document, plan))
    life.scaled += retained
    life.modified, life.settled, life.trouble = ask.now, None, None
    life.deployment = policy or life.deployment
    if is_short(ask.here, set(counts), ask.now):
        plan.steps = [Step(ask.now, 0, 1, 0)]
        turn(life, ask.now + SETTLE, NO_CAPACITY)
    ask.here.hosting.under_way.add(name)
    return {"EndpointArn": ask.here.arn("endpoint", name)}


def update_endpoint_weights_and_capacities(ask: Ask) -> dict[str, Any]:
    """A new count or weight goes into the history, so that meter and metrics follow it."""
    name = ask.params["EndpointName"]
    life = _life(ask, name)
    _refuse_in_progress(ask, name, life)
    number = life.serving(ask.now)
    variants = {item["VariantName"]: item for item in life.deployed[number].config["ProductionVariants"]}
    wishes = ask.params["DesiredWeightsAndCapacities"]
    unknown = [item["VariantName"] for item in wishes if item["VariantName"] not in variants]
    if unknown:
        raise Refused("ValidationException", f'The variant name(s) "{", ".join(unknown)}" is/are not present.')
    more: Counter[str] = Counter()
    for item in wishes:
        _refuse_wish(item, variants[item["VariantName"]], life, number)
        if item.get("DesiredInstanceCount") is not None:
            setting = life.setting(number, variants[item["VariantName"]], ask.now)
            more[variants[item["VariantName"]]["InstanceType"]] += item["DesiredInstanceCount"] - setting.wanted
    refuse_over_quota(ask, more)
    for item in wishes:
        _grant(ask, life, number, variants[item["VariantName"]], item)
    life.modified = ask.now
    return {"EndpointArn": ask.here.arn("endpoint", name)}


def delete_endpoint(ask: Ask) -> dict[str, Any]:
    name = ask.params["EndpointName"]
    life, arn = _life(ask, name), ask.here.arn("endpoint", name)
    if status_of(life, ask.now) not in DELETABLE:
        raise Refused("ValidationException", f'Cannot update in-progress endpoint "{arn}".')
    if any(item.endpoint == name for item in ask.here.hosting.standing_components()):
        raise Refused(
            "ValidationException", f'Cannot delete endpoint "{arn}" because it still hosts inference components.'
        )
    life.deleted = ask.now
    ask.here.tags.pop(arn, None)
    return {}


def describe_endpoint(ask: Ask) -> dict[str, Any]:
    name = ask.params["EndpointName"]
    life = ask.here.life(name) or leaving(ask.here, name, ask.now)
    return described(ask.here, name, life or _life(ask, name), ask.now)


def list_endpoints(ask: Ask) -> dict[str, Any]:
    rows = [
        {
            "EndpointName": name,
            "EndpointArn": ask.here.arn("endpoint", name),
            "CreationTime": life.created,
            "LastModifiedTime": life.modified or life.created,
            "EndpointStatus": status_of(life, ask.now),
        }
        for name in ask.here.lives
        if (life := ask.here.life(name) or leaving(ask.here, name, ask.now)) is not None
    ]
    part, more = listed(rows, ask.params, "EndpointName", "EndpointStatus")
    return {"Endpoints": part} | more


def _grant(ask: Ask, life: Life, number: int, variant: dict[str, Any], wish: dict[str, Any]) -> None:
    name, count = variant["VariantName"], wish.get("DesiredInstanceCount")
    setting = life.setting(number, variant, ask.now)
    if wish.get("ServerlessUpdateConfig"):
        told = (setting.serverless or {}) | wish["ServerlessUpdateConfig"]
        life.scaled.append(Scaled(ask.now, name, None, None, number, ask.now + SETTLE, told))
    if wish.get("DesiredWeight") is not None:
        life.scaled.append(Scaled(ask.now, name, None, wish["DesiredWeight"], number))
    if count is not None and count != setting.wanted:
        scale(ask.here, life, variant, count, ask.now)


def _retained(ask: Ask, life: Life, number: int, document: dict[str, Any], kept: set[str]) -> list[Scaled]:
    """RetainAllVariantProperties: variants of the new configuration begin as those of the old one stand."""
    old = {item["VariantName"]: item for item in life.deployed[number].config["ProductionVariants"]}
    found: list[Scaled] = []
    for variant in document["ProductionVariants"]:
        before = old.get(variant["VariantName"])
        if before is None or not kept:
            continue
        setting = life.setting(number, before, ask.now)
        counted = "DesiredInstanceCount" in kept and "InstanceType" in before and "InstanceType" in variant
        count = setting.wanted if counted else None
        weight = setting.weight if "DesiredWeight" in kept else None
        if count is not None or weight is not None:
            found.append(Scaled(ask.now, variant["VariantName"], count, weight, len(life.deployed)))
    return found


def _counts(document: dict[str, Any], retained: list[Scaled]) -> Counter[str]:
    counts = {item.variant: item.instances for item in retained if item.instances is not None}
    variants = [
        item | {"InitialInstanceCount": counts.get(item["VariantName"], item.get("InitialInstanceCount"))}
        for item in document["ProductionVariants"]
    ]
    return kinds_of(document | {"ProductionVariants": variants})


def _refuse_wish(wish: dict[str, Any], variant: dict[str, Any], life: Life, number: int) -> None:
    name = variant["VariantName"]
    if "ServerlessConfig" in variant and wish.get("DesiredInstanceCount") is not None:
        raise Refused("ValidationException", f"DesiredInstanceCount can not be set for the serverless variant {name}.")
    if "ServerlessConfig" not in variant and wish.get("ServerlessUpdateConfig"):
        raise Refused(
            "ValidationException", f"ServerlessUpdateConfig can not be set for variant {name}: it has instances."
        )
    asynchronous = "AsyncInferenceConfig" in life.deployed[number].config
    if wish.get("DesiredInstanceCount") == 0 and variant.get("ModelName") and not asynchronous:
        raise Refused("ValidationException", f"DesiredInstanceCount must be at least 1 for variant {name}.")


def _serverless(config: dict[str, Any]) -> bool:
    return any("ServerlessConfig" in item for item in config["ProductionVariants"])


def _refuse_in_progress(ask: Ask, name: str, life: Life) -> None:
    status, arn = status_of(life, ask.now), ask.here.arn("endpoint", name)
    if status == "Failed":
        raise Refused("ValidationException", f'Cannot update failed endpoint "{arn}".')
    if status not in CHANGEABLE:
        raise Refused("ValidationException", f'Cannot update in-progress endpoint "{arn}".')


def _life(ask: Ask, name: str) -> Life:
    life = ask.here.life(name)
    if life is not None:
        return life
    arn = ask.here.arn("endpoint", name)
    gone = leaving(ask.here, name, ask.now)
    if gone is not None:
        raise Refused("ValidationException", f'Cannot update in-progress endpoint "{arn}".')
    raise Refused("ValidationException", f'Could not find endpoint "{arn}".')


HANDLERS: dict[str, Handler] = {
    "CreateEndpoint": create_endpoint,
    "UpdateEndpoint": update_endpoint,
    "DeleteEndpoint": delete_endpoint,
    "DescribeEndpoint": describe_endpoint,
    "ListEndpoints": list_endpoints,
    "UpdateEndpointWeightsAndCapacities": update_endpoint_weights_and_capacities,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete"))}
