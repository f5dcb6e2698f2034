"""Monitoring job definitions of all four kinds: data quality, model quality, bias, explainability.

They are never changed: created, described, listed, deleted. What a schedule without a definition says inline is brought
into the same form (`definition_of`), so that a run knows one shape only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagekeeper.simulator.keeping import chosen, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.world import Standing

KINDS = {
    "DataQuality": "data-quality-job-definition",
    "ModelQuality": "model-quality-job-definition",
    "ModelBias": "model-bias-job-definition",
    "ModelExplainability": "model-explainability-job-definition",
}
MEMBERS = ("BaselineConfig", "AppSpecification", "JobInput", "JobOutputConfig")
COMMON = ("JobResources", "NetworkConfig", "RoleArn", "StoppingCondition")
SORTS = {"Name": "MonitoringJobDefinitionName"}
LONGEST_SECONDS = 3600
"""MaxRuntimeInSeconds of a definition that names none."""


def create(ask: Ask, kind: str) -> dict[str, Any]:
    params, name = ask.params, ask.params["JobDefinitionName"]
    if key(kind, name) in ask.here.job_definitions:
        raise Refused("ResourceInUse", f"Job definition {name} already exists.")
    given = params[f"{kind}JobInput"]
    if ("EndpointInput" in given) == ("BatchTransformInput" in given):
        raise Refused("ValidationException", "Exactly one of EndpointInput and BatchTransformInput must be specified.")
    arn = ask.here.arn(KINDS[kind], name)
    about = picked(params, *(f"{kind}{member}" for member in MEMBERS), *COMMON)
    about.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": LONGEST_SECONDS})
    made = {"JobDefinitionName": name, "JobDefinitionArn": arn, "CreationTime": ask.now}
    ask.here.job_definitions[key(kind, name)] = made | about
    ask.here.tags[arn] = {item["Key"]: item["Value"] for item in params.get("Tags", [])}
    return {"JobDefinitionArn": arn}


def describe(ask: Ask, kind: str) -> dict[str, Any]:
    return dict(_found(ask, kind))


def delete(ask: Ask, kind: str) -> dict[str, Any]:
    found, name = _found(ask, kind), ask.params["JobDefinitionName"]
    for schedule in ask.here.schedules.values():
        config = schedule["MonitoringScheduleConfig"]
        if config.get("MonitoringJobDefinitionName") == name and schedule["MonitoringType"] == kind:
            used = f"Job definition {name} is used by monitoring schedule {schedule['MonitoringScheduleName']}."
            raise Refused("ValidationException", used)
    del ask.here.job_definitions[key(kind, found["JobDefinitionName"])]
    return {}


def listed(ask: Ask, kind: str) -> dict[str, Any]:
    rows = [
        {
            "MonitoringJobDefinitionName": item["JobDefinitionName"],
            "MonitoringJobDefinitionArn": item["JobDefinitionArn"],
            "CreationTime": item["CreationTime"],
            "EndpointName": endpoint_of(item, kind) or "",
        }
        for name, item in ask.here.job_definitions.items()
        if name == key(kind, item["JobDefinitionName"])
    ]
    rows = [row for row in rows if ask.params.get("EndpointName") in (None, row["EndpointName"])]
    part, more = chosen(ask, rows, "MonitoringJobDefinitionName", SORTS)
    return {"JobDefinitionSummaries": part} | more


def key(kind: str, name: str) -> str:
    """Under what a definition is kept: names are unique within a kind only."""
    return name if kind == "DataQuality" else f"{kind}/{name}"


def endpoint_of(definition: dict[str, Any], kind: str) -> str | None:
    """The endpoint that a definition watches; None for batch transform."""
    found = definition.get(f"{kind}JobInput", {}).get("EndpointInput", {}).get("EndpointName")
    return str(found) if found else None


def definition_of(here: Standing, config: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The definition that a schedule's configuration names, or says inline; None when it is not there (any more)."""
    inline = config.get("MonitoringJobDefinition")
    if inline is None:
        return here.job_definitions.get(key(kind, config.get("MonitoringJobDefinitionName", "")))
    parts = {
        "BaselineConfig": inline.get("BaselineConfig", {}),
        "AppSpecification": inline["MonitoringAppSpecification"],
        "JobInput": inline["MonitoringInputs"][0],
        "JobOutputConfig": inline["MonitoringOutputConfig"],
    }
    longest = inline.get("StoppingCondition", {"MaxRuntimeInSeconds": LONGEST_SECONDS})
    common = {"JobResources": inline["MonitoringResources"], "RoleArn": inline["RoleArn"], "StoppingCondition": longest}
    return {f"{kind}{name}": part for name, part in parts.items()} | common


def _found(ask: Ask, kind: str) -> dict[str, Any]:
    name = ask.params["JobDefinitionName"]
    if key(kind, name) not in ask.here.job_definitions:
        raise Refused("ResourceNotFound", f"Job definition {name} not found.")
    return ask.here.job_definitions[key(kind, name)]


def _of_kind(work: Callable[[Ask, str], dict[str, Any]], kind: str) -> Handler:
    return lambda ask: work(ask, kind)


def _handlers() -> dict[str, Handler]:
    verbs = {"Create": create, "Describe": describe, "Delete": delete}
    found: dict[str, Handler] = {}
    for kind in KINDS:
        found |= {f"{verb}{kind}JobDefinition": _of_kind(work, kind) for verb, work in verbs.items()}
        found[f"List{kind}JobDefinitions"] = _of_kind(listed, kind)
    return found


HANDLERS: dict[str, Handler] = _handlers()
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Delete"))}
