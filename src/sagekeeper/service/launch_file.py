"""A file with what somebody is about to launch -> requests, each checked against AWS's own model of the operation.

In: a JSON or YAML file with one request or a list of them: the parameters as boto3 takes them, bare or under the operation's name
(``{"CreateTrainingJob": {...}}``), or a pipeline definition. Out: `Request`s. Raises BadInput, with the member's name, for what
AWS's model does not have or has in another type; a required member that says nothing about the price (a role, an output path)
may be absent, and is named in a note.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from botocore.loaders import create_loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from sagekeeper.analyzers.launch_operations import (
    ALIASES,
    PIPELINE,
    PIPELINE_REQUEST,
    SCALING,
    SEEN_FROM,
    STEP_OPERATIONS,
)
from sagekeeper.core.errors import BadInput

MOST_BYTES = 10_000_000


@dataclass(frozen=True)
class Request:
    """One request of the file. ``where``: its place in it, for messages."""

    operation: str
    parameters: dict[str, Any]
    where: str
    notes: tuple[str, ...] = ()


def read(path: Path) -> list[Request]:
    """The requests of the file, in order. Raises BadInput."""
    documents = _documents(path)
    if not documents:
        raise BadInput(f"{path.name} holds no request. Give the JSON of a CreateTrainingJob request, for example.")
    several = len(documents) > 1
    return [
        _request(item, f"{path.name}, document {number}" if several else path.name)
        for number, item in enumerate(documents, start=1)
    ]


def _documents(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(
                f"{path} is larger than {MOST_BYTES // 1_000_000} MB: that is no request. Give another file."
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}. Give a JSON or YAML file.") from error
    try:
        if path.suffix.lower() in (".yaml", ".yml"):
            found = [item for item in yaml.safe_load_all(text) if item is not None]
        else:
            found = [json.loads(text)]
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        kind = "YAML" if path.suffix.lower() in (".yaml", ".yml") else "JSON"
        raise BadInput(f"{path.name} is not {kind}: {' '.join(str(error).split())}.") from error
    return [one for item in found for one in (item if isinstance(item, list) else [item])]


def _request(document: Any, where: str) -> Request:
    if not isinstance(document, dict):
        raise BadInput(f"{where}: a request is an object with members, and this is {type(document).__name__}.")
    known = {*SEEN_FROM, *ALIASES}
    if len(document) == 1 and next(iter(document)) in known:
        named, inner = next(iter(document.items()))
        if not isinstance(inner, dict):
            raise BadInput(f"{where}: {named} must hold the request's parameters.")
        return _checked(ALIASES.get(str(named), str(named)), inner, where)
    told: list[str] = [name for name, (members, _) in SEEN_FROM.items() if members <= set(document)]
    told += [name for name, (_, members) in SEEN_FROM.items() if members & set(document)]
    if not told:
        raise BadInput(
            f"{where}: what this requests cannot be told from its members ({', '.join(map(str, list(document)[:6]))}). "
            f'Name it, like {{"{next(iter(SEEN_FROM))}": {{...}}}}. Known: {", ".join(sorted(known))}.'
        )
    return _checked(told[0], document, where)


def _checked(operation: str, parameters: dict[str, Any], where: str) -> Request:
    if operation == PIPELINE:
        _check_steps(parameters.get("Steps"), where)
        return Request(operation, parameters, where)
    if operation == PIPELINE_REQUEST:
        return _pipeline(parameters, where)
    wrong, missing = _problems(operation, parameters)
    if wrong:
        raise BadInput(f"{where}: {operation} does not take this: {'; '.join(wrong)}.")
    note = f"AWS wants more before it starts this: {', '.join(missing)}."
    return Request(operation, parameters, where, (note,) if missing else ())


def _pipeline(parameters: dict[str, Any], where: str) -> Request:
    definition = parameters.get("PipelineDefinition")
    if not isinstance(definition, str):
        raise BadInput(f"{where}: CreatePipeline needs PipelineDefinition, the definition as a JSON text.")
    try:
        inner = json.loads(definition)
    except ValueError as error:
        raise BadInput(f"{where}: PipelineDefinition is not JSON: {error}.") from error
    if not isinstance(inner, dict):
        raise BadInput(f"{where}: PipelineDefinition must be an object with Steps.")
    _check_steps(inner.get("Steps"), where)
    own = {key: parameters[key] for key in ("Tags", "RoleArn", "PipelineName") if key in parameters}
    return Request(PIPELINE, inner | own, where)


def _check_steps(steps: Any, where: str) -> None:
    for step in steps if isinstance(steps, list) else []:
        arguments = step.get("Arguments") if isinstance(step, dict) else None
        if not isinstance(arguments, dict):
            continue
        for branch in ("IfSteps", "ElseSteps"):
            if step.get("Type") == "Condition":
                _check_steps(arguments.get(branch), where)
        operation = STEP_OPERATIONS.get(str(step.get("Type")))
        if operation is not None:
            # References stand where AWS's model has texts and numbers: of a step only its members can be checked.
            wrong = [item for item in _problems(operation, arguments)[0] if item.startswith("Unknown parameter")]
            wrong = [item for item in wrong if '"Get"' not in item and '"Std:' not in item]
            if wrong:
                raise BadInput(f"{where}, step {step.get('Name')}: {operation} does not take this: {'; '.join(wrong)}.")


def _problems(operation: str, parameters: dict[str, Any]) -> tuple[list[str], list[str]]:
    """([what is wrong], [required members that are absent])."""
    service = "application-autoscaling" if operation == SCALING else "sagemaker"
    shape = _model(service).operation_model(operation).input_shape
    assert shape is not None
    lines = ParamValidator().validate(parameters, shape).generate_report().splitlines()
    absent = "Missing required parameter in "
    missing = [
        line.removeprefix(absent).removeprefix("input: ").replace(": ", ".").replace('"', "")
        for line in lines
        if line.startswith(absent)
    ]
    wrong = [_shortened(line) for line in lines if not line.startswith(absent)]
    return wrong, missing


def _shortened(line: str) -> str:
    """Without the list of everything that would be allowed, which is a page long."""
    return line.split(", must be one of:")[0] if len(line) > 300 else line


@lru_cache(maxsize=2)
def _model(service: str) -> ServiceModel:
    return ServiceModel(create_loader().load_service_model(service, "service-2"), service)
