"""A pipeline that is about to run: its steps as requests, with the parameters put in their places.

In: a definition (schema 2020-12-01, as CreatePipeline takes it), parameters given for this run, what ran before. Out: a `Work`
per step that costs, with the conditions it stands under. ``{"Get": "Parameters.X"}`` becomes the given value, else the default;
a parameter without either, and all that only the run knows (``Steps.``, ``Execution.``), stays unresolved and is named where a
price depends on it. A step with a cache may cost nothing. Raises BadInput for a definition that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sagekeeper.analyzers.launch import Range, Unresolved, Use, Work
from sagekeeper.analyzers.launch_jobs import Assumptions, processing, training
from sagekeeper.analyzers.launch_operations import JOB_READERS, STEP_OPERATIONS
from sagekeeper.analyzers.launch_past import Past
from sagekeeper.analyzers.launch_standing import endpoint_config
from sagekeeper.core.errors import BadInput

JOBS = {step: JOB_READERS[request] for step, request in STEP_OPERATIONS.items() if request in JOB_READERS} | {
    "NotebookJob": training,
    "QualityCheck": processing,
    "ClarifyCheck": processing,
}
FREE = ("Model", "RegisterModel", "Fail", "Lineage", "Cleanup", "Endpoint")
"""Steps that cost nothing by themselves; what an endpoint costs is that of its configuration."""
SMALL = {"Lambda": "a Lambda invocation", "Callback": "an SQS message"}
ELSEWHERE = ("AutoML", "EMR", "EMRServerless", "InferenceComponent")
BRANCHES = {"IfSteps": True, "ElseSteps": False}
Branch = tuple[tuple[str, bool], ...]


def read(definition: dict[str, Any], given: dict[str, Any], past: Past, assumed: Assumptions) -> list[Work]:
    """A `Work` per step, in the order of the definition."""
    steps = definition.get("Steps")
    if not isinstance(steps, list) or not steps:
        raise BadInput(
            "The pipeline definition has no Steps. Give the JSON that CreatePipeline takes as PipelineDefinition."
        )
    values = parameters(definition, given)
    found: list[Work] = []
    for step, branch in _flat(steps, ()):
        found += _step(step, branch, values, past, assumed)
    return found


def parameters(definition: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What each parameter is in this run. Raises BadInput for one that the definition does not have, or of another type."""
    listed = {str(item.get("Name")): item for item in definition.get("Parameters") or [] if isinstance(item, dict)}
    unknown = sorted(set(given) - set(listed))
    if unknown:
        raise BadInput(f"The pipeline has no parameter {', '.join(unknown)}. It has: {', '.join(listed) or 'none'}.")
    return {name: _value(name, item, given) for name, item in listed.items()}


def _value(name: str, item: dict[str, Any], given: dict[str, Any]) -> Any:
    if name not in given:
        missing = Unresolved(f"parameter {name} has no default; give it with --parameter {name}=...")
        return item.get("DefaultValue", missing)
    text, kind = given[name], item.get("Type", "String")
    try:
        value: Any = {"Integer": int, "Float": float}.get(kind, str)(text)
    except ValueError as error:
        raise BadInput(f"Parameter {name} is of type {kind}, and {text!r} is not.") from error
    allowed = item.get("EnumValues")
    if allowed and value not in allowed:
        raise BadInput(f"Parameter {name} must be one of {', '.join(map(str, allowed))}, and is {text!r}.")
    return value


def resolved(value: Any, values: dict[str, Any]) -> Any:
    """``value`` with its references replaced; what only the run knows becomes `Unresolved`."""
    if isinstance(value, list):
        return [resolved(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Get"} and isinstance(value["Get"], str):
        sort, _, name = value["Get"].partition(".")
        if sort == "Parameters" and name not in values:
            raise BadInput(f"The pipeline refers to a parameter {name} that it does not declare.")
        return values[name] if sort == "Parameters" else Unresolved(f"{value['Get']} is known when it runs only")
    if set(value) == {"Std:Join"}:
        parts = [resolved(item, values) for item in value["Std:Join"].get("Values", [])]
        open_parts = [item for item in parts if isinstance(item, Unresolved)]
        return open_parts[0] if open_parts else str(value["Std:Join"].get("On", "")).join(map(str, parts))
    if len(value) == 1 and next(iter(value)).startswith("Std:"):
        return Unresolved(f"{next(iter(value))} is worked out when it runs only")
    return {key: resolved(item, values) for key, item in value.items()}


def combined(works: list[tuple[Branch, Range]]) -> Range:
    """The sum over steps; of a condition one branch runs: at least the cheaper, at most (and expected) the dearer one."""
    whole = Range(0.0, 0.0, 0.0)
    conditions = list(dict.fromkeys(branch[0][0] for branch, _ in works if branch))
    for branch, amount in works:
        if not branch:
            whole = whole + amount
    for name in conditions:
        sides = [
            combined([(branch[1:], amount) for branch, amount in works if branch and branch[0] == (name, outcome)])
            for outcome in (True, False)
        ]
        low, high = (pick(getattr(side, part) for side in sides) for pick, part in ((min, "low"), (max, "high")))
        whole = whole + Range(low, max(side.expected for side in sides), high)
    return whole


def _flat(steps: list[Any], branch: Branch) -> Iterator[tuple[dict[str, Any], Branch]]:
    for step in steps:
        if not isinstance(step, dict) or not isinstance(step.get("Name"), str) or not isinstance(step.get("Type"), str):
            raise BadInput("Every step of the pipeline needs a Name and a Type.")
        yield step, branch
        arguments = step.get("Arguments")
        if step["Type"] == "Condition" and isinstance(arguments, dict):
            for key, outcome in BRANCHES.items():
                yield from _flat(arguments.get(key) or [], (*branch, (step["Name"], outcome)))


def _step(step: dict[str, Any], branch: Branch, values: dict[str, Any], past: Past, assumed: Assumptions) -> list[Work]:
    name, kind = step["Name"], step["Type"]
    if kind in ("Condition", *FREE):
        return []
    arguments = resolved(step.get("Arguments") or {}, values)
    if kind in JOBS and isinstance(arguments, dict):
        work = JOBS[kind](arguments, past, assumed, name)
    elif kind == "EndpointConfig" and isinstance(arguments, dict):
        work = endpoint_config(arguments, "", {})
    elif kind in SMALL:
        work = Work(kind, name, notes=(f"{SMALL[kind]} is not counted.",))
    elif kind in ELSEWHERE:
        work = Work(kind, name, unknown=(f"what a step of type {kind} costs: its machines are not in the definition",))
    else:
        work = Work(kind, name, unknown=(f"what a step of type {kind} costs: it is not a type known here",))
    return [replace(_cached(step, work), name=name, branch=branch)]


def _cached(step: dict[str, Any], work: Work) -> Work:
    cache = step.get("CacheConfig")
    if not isinstance(cache, dict) or cache.get("Enabled") is not True:
        return work
    uses = tuple(
        use if use.hours is None else Use(use.usage_type, use.size, replace(use.hours, low=0.0), use.basis)
        for use in work.uses
    )
    return replace(work, uses=uses, notes=(*work.notes, "Cached: costs nothing if an equal run is still in the cache."))
