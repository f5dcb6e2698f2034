"""A pipeline's definition (schema 2020-12-01): read, checked, and flattened to steps that know what they wait for.

In: the JSON text that CreatePipeline sends. Out: `Definition`. A step waits for what it names in DependsOn, for every
step that its arguments refer to ({"Get": "Steps.X..."}), and, inside a branch, for the condition. What is wrong with a
definition is refused as AWS refuses it, when the pipeline is made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sagekeeper.simulator.operations import Refused

VERSION = "2020-12-01"
TYPES = (
    *("Training", "Processing", "Transform", "Tuning", "AutoML", "Model", "RegisterModel", "Condition", "Fail"),
    *("Lambda", "Callback", "QualityCheck", "ClarifyCheck", "EMR", "EMRServerless", "Endpoint", "EndpointConfig"),
    *("ForEach", "Lineage", "InferenceComponent", "Cleanup", "NotebookJob"),
)
PARAMETER_TYPES = ("String", "Integer", "Float", "Boolean")
BRANCHES = {"IfSteps": True, "ElseSteps": False}
STEP_REFERENCE = re.compile(r"Steps\.([A-Za-z0-9_-]+)")
MOST_STEPS = 100
"""Steps in a pipeline (SageMaker's quotas: "Maximum number of steps allowed in a pipeline": 100)."""


class Node(NamedTuple):
    """One step of the definition."""

    name: str
    kind: str
    given: dict[str, Any]
    waits_for: frozenset[str]
    branch: tuple[str, bool] | None
    """The condition it stands under and the outcome that lets it run."""

    @property
    def arguments(self) -> Any:
        """Its request, with references; a condition's branches are steps of their own."""
        found = self.given.get("Arguments", {})
        return (
            {key: value for key, value in found.items() if key not in BRANCHES} if self.kind == "Condition" else found
        )


@dataclass(frozen=True)
class Definition:
    """A definition that can be run."""

    parameters: tuple[dict[str, Any], ...]
    nodes: dict[str, Node]
    experiment: dict[str, Any] | None


@lru_cache(maxsize=256)
def parsed(text: str) -> Definition:
    """The definition, or a refusal that says what is wrong with it."""
    try:
        found = json.loads(text)
    except ValueError as broken:
        raise _wrong(f"Invalid JSON: {broken}") from broken
    if not isinstance(found, dict) or not isinstance(found.get("Steps"), list) or not found["Steps"]:
        raise _wrong("The pipeline definition must have at least one step.")
    if found.get("Version") != VERSION:
        raise _wrong(f"Unsupported pipeline definition version '{found.get('Version')}'. Supported: [{VERSION}]")
    nodes: dict[str, Node] = {}
    for node in _flat(found["Steps"], None):
        if node.name in nodes:
            raise _wrong(f"Step names must be unique within a pipeline, found duplicate step name '{node.name}'.")
        nodes[node.name] = node
    if len(nodes) > MOST_STEPS:
        raise _wrong(f"The pipeline has {len(nodes)} steps, at most {MOST_STEPS} are allowed.")
    parameters = tuple(found.get("Parameters") or ())
    _check_parameters(parameters)
    _check_references(found["Steps"], {item["Name"] for item in parameters}, nodes)
    _check_order(nodes)
    return Definition(parameters, nodes, found.get("PipelineExperimentConfig"))


def values_of(definition: Definition, given: list[dict[str, str]]) -> dict[str, Any]:
    """The parameters of an execution: what it was given in the place of defaults, in the types of the definition."""
    sent = {item["Name"]: item["Value"] for item in given}
    known = {item["Name"]: item for item in definition.parameters}
    unknown = sorted(set(sent) - set(known))
    if unknown:
        raise Refused("ValidationException", f"Unknown parameters: [{', '.join(unknown)}] in the pipeline execution.")
    missing = sorted(name for name, item in known.items() if name not in sent and "DefaultValue" not in item)
    if missing:
        raise Refused("ValidationException", f"Parameters [{', '.join(missing)}] are undefined.")
    found = {}
    for name, item in known.items():
        value = _converted(name, sent[name], item["Type"]) if name in sent else item["DefaultValue"]
        if item.get("EnumValues") and value not in item["EnumValues"]:
            raise Refused("ValidationException", f"Parameter [{name}] must be one of {item['EnumValues']}.")
        found[name] = value
    return found


def referred(found: Any) -> Iterator[str]:
    """Everything that an expression gets: "Steps.X.Y", "Parameters.Z", "Execution.W"."""
    if isinstance(found, dict):
        if set(found) == {"Get"} and isinstance(found["Get"], str):
            yield found["Get"]
        for value in found.values():
            yield from referred(value)
    elif isinstance(found, list):
        for value in found:
            yield from referred(value)


def _flat(steps: list[Any], branch: tuple[str, bool] | None) -> Iterator[Node]:
    for given in steps:
        if not isinstance(given, dict) or not isinstance(given.get("Name"), str):
            raise _wrong("Every step must have a Name.")
        name, kind = given["Name"], given.get("Type")
        if kind not in TYPES:
            raise _wrong(f"Unknown step type '{kind}' of step '{name}'.")
        node = Node(name, kind, given, frozenset(), branch)
        if kind == "Condition" and not isinstance(node.arguments.get("Conditions"), list):
            raise _wrong(f"Condition step '{name}' must have Conditions.")
        told = {key: value for key, value in given.items() if key not in ("Arguments", "PropertyFiles")}
        waits = {
            match.group(1) for text in referred([told, node.arguments]) if (match := STEP_REFERENCE.match(text))
        } | {str(item) for item in given.get("DependsOn") or ()}
        yield node._replace(waits_for=frozenset(waits | ({branch[0]} if branch else set())))
        for key, outcome in BRANCHES.items():
            if kind == "Condition":
                yield from _flat(given["Arguments"].get(key) or [], (name, outcome))


def _check_parameters(parameters: tuple[dict[str, Any], ...]) -> None:
    names = [item.get("Name") for item in parameters]
    if len(set(names)) < len(names):
        raise _wrong("Parameter names must be unique within a pipeline.")
    for item in parameters:
        if not isinstance(item.get("Name"), str) or item.get("Type") not in PARAMETER_TYPES:
            raise _wrong(f"Parameter '{item.get('Name')}' must have a Name and a Type of {list(PARAMETER_TYPES)}.")


def _check_references(steps: list[Any], parameters: set[str], nodes: dict[str, Node]) -> None:
    for text in referred(steps):
        sort, _, rest = text.partition(".")
        if sort not in ("Parameters", "Steps", "Execution") or not rest:
            raise _wrong(f"Invalid property reference '{text}'.")
        if sort == "Parameters" and rest not in parameters:
            raise _wrong(f"Reference to undefined parameter '{rest}'.")
    for node in nodes.values():
        unknown = sorted(node.waits_for - set(nodes))
        if unknown:
            raise _wrong(f"Step '{node.name}' depends on undefined step '{unknown[0]}'.")


def _check_order(nodes: dict[str, Node]) -> None:
    left = dict(nodes)
    while left:
        free = [name for name, node in left.items() if not node.waits_for & set(left)]
        if not free:
            raise _wrong(f"The steps [{', '.join(sorted(left))}] depend on each other in a cycle.")
        for name in free:
            del left[name]


def _converted(name: str, text: str, kind: str) -> Any:
    try:
        if kind == "Integer":
            return int(text)
        if kind == "Float":
            return float(text)
    except ValueError as broken:
        raise Refused("ValidationException", f"Parameter [{name}] must be of type {kind}: '{text}'.") from broken
    if kind == "Boolean":
        if text.lower() not in ("true", "false"):
            raise Refused("ValidationException", f"Parameter [{name}] must be of type Boolean: '{text}'.")
        return text.lower() == "true"
    return text


def _wrong(what: str) -> Refused:
    return Refused("ValidationException", f"Unable to parse pipeline definition. {what}")
