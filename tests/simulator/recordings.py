"""Real answers of AWS as Cloud Custodian's authors recorded them, and the account made again from what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import botocore.session
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import RunningSimulator

SERVICES = {
    "api.sagemaker": "sagemaker",
    "tagging": "resourcegroupstaggingapi",
    "kms": "kms",
    "ec2": "ec2",
}
MADE_FROM = {
    "DescribeModel": "CreateModel",
    "DescribeEndpointConfig": "CreateEndpointConfig",
    "DescribeEndpoint": "CreateEndpoint",
    "DescribeNotebookInstance": "CreateNotebookInstance",
    "DescribeTrainingJob": "CreateTrainingJob",
    "DescribeProcessingJob": "CreateProcessingJob",
    "DescribeTransformJob": "CreateTransformJob",
    "DescribeHyperParameterTuningJob": "CreateHyperParameterTuningJob",
    "DescribeCompilationJob": "CreateCompilationJob",
    "DescribeDataQualityJobDefinition": "CreateDataQualityJobDefinition",
    "DescribeModelQualityJobDefinition": "CreateModelQualityJobDefinition",
    "DescribeModelBiasJobDefinition": "CreateModelBiasJobDefinition",
    "DescribeModelExplainabilityJobDefinition": "CreateModelExplainabilityJobDefinition",
    "DescribeDomain": "CreateDomain",
    "DescribeAutoMLJobV2": "CreateAutoMLJobV2",
    "DescribeCluster": "CreateCluster",
}
"""What tells enough of a resource to make it again, in an order in which what is needed is there."""


class Recording(NamedTuple):
    """One answer: its file, boto3's service, the operation, the status and what was said."""

    file: str
    service: str
    operation: str
    status: int
    said: dict[str, Any]


@lru_cache(maxsize=2)
def recordings(folder: Path) -> tuple[Recording, ...]:
    """All of them."""
    found = []
    for path in sorted((folder / "api").rglob("*.json")):
        service, _, rest = path.stem.rpartition(".")
        told = json.loads(path.read_text())
        name = f"{path.parent.name}/{path.name}"
        found.append(Recording(name, SERVICES[service], rest.rpartition("_")[0], told["status_code"], told["data"]))
    return tuple(found)


def given_to(operation: str, said: dict[str, Any]) -> dict[str, Any]:
    """The members of an answer that the operation which makes such a thing takes too."""
    if operation == "CreateCluster":
        groups = [item | {"InstanceCount": item["TargetCount"]} for item in said["InstanceGroups"]]
        said = said | {"InstanceGroups": groups}
    if operation == "CreateNotebookInstance":
        said = said | {"SecurityGroupIds": said.get("SecurityGroups", [])}
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model(operation).input_shape
    return _pruned(said, shape) if shape is not None else {}


def _pruned(value: Any, shape: Any) -> Any:
    if isinstance(value, dict) and shape.type_name == "structure":
        kept = {name: _pruned(item, shape.members[name]) for name, item in value.items() if name in shape.members}
        return {name: item for name, item in kept.items() if item not in ("", None, [])}
    if isinstance(value, list) and shape.type_name == "list":
        return [_pruned(item, shape.member) for item in value]
    return value


def members(answer: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """(path, type) of each member; places in lists are one, as are the keys of a map that people named."""
    if isinstance(answer, dict) and "__class__" in answer:
        yield at, answer["__class__"]
    elif isinstance(answer, dict):
        for name, value in answer.items():
            if name != "ResponseMetadata":
                yield from members(value, f"{at}.{name}".lstrip("."))
    elif isinstance(answer, list):
        yield at, "list"
        for item in answer:
            yield from members(item, at + "[]")
    else:
        yield at, type(answer).__name__


class Account:
    """An account of ours, asked by operation name."""

    def __init__(self, running: RunningSimulator) -> None:
        self.running = running
        self._clients: dict[str, Any] = {}

    def ask(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        known = self._clients.get(service) or self._clients.setdefault(
            service,
            boto3.client(service, region_name="us-east-1", endpoint_url=self.running.url, **keys),  # type: ignore[call-overload]
        )
        return dict(known._make_api_call(operation, given))

    def make(self, operation: str, said: dict[str, Any]) -> dict[str, Any]:
        """The resource that a recording describes; what it was made from."""
        given = given_to(operation, said) | _failing(operation, said)
        names = (f"{operation.removeprefix('Create')}Name", "AutoMLJobName", "JobDefinitionName")
        name = next(key for key in names if key in given)
        for again in range(9):
            try:
                self.ask("sagemaker", operation, **given)
            except ClientError as refused:
                told = refused.response["Error"]["Message"].lower()
                if not any(words in told for words in ("already exist", "must be unique", "duplicate")):
                    raise
                given |= {name: f"{said[name][:28]}-{again + 2}"}
            else:
                break
        return given


def _failing(operation: str, said: dict[str, Any]) -> dict[str, Any]:
    """What makes a job of ours fail where the recorded one did."""
    reason = said.get("FailureReason")
    if not reason:
        return {}
    if operation == "CreateTrainingJob":
        return {"HyperParameters": said["HyperParameters"] | {"sagekeeper_failure": reason[:2000]}}
    if operation == "CreateProcessingJob":
        return {"Environment": said.get("Environment", {}) | {"sagekeeper_failure": reason[:200]}}
    if operation == "CreateHyperParameterTuningJob":
        fails = [
            item | {"StaticHyperParameters": item["StaticHyperParameters"] | {"sagekeeper_failure": "It did."}}
            for item in given_to(operation, said)["TrainingJobDefinitions"]
        ]
        return {"TrainingJobDefinitions": fails}
    return {}
