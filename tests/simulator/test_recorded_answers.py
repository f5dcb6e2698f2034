"""Real answers of AWS (recorded by Cloud Custodian's authors) beside ours: the same members, of the same types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import start

pytestmark = pytest.mark.integration
ENDPOINT, CONFIG, MODEL, NOTEBOOK = (
    "sentiment-bert",
    "sentiment-bert-config-1",
    "sentiment-bert-model",
    "ana-exploration",
)
ASKED: dict[str, dict[str, Any]] = {
    "DescribeEndpoint": {"EndpointName": ENDPOINT},
    "DescribeEndpointConfig": {"EndpointConfigName": CONFIG},
    "DescribeModel": {"ModelName": MODEL},
    "DescribeNotebookInstance": {"NotebookInstanceName": NOTEBOOK},
    "DescribeTrainingJob": {},
    "DescribeProcessingJob": {},
    "ListEndpointConfigs": {},
    "ListEndpoints": {},
    "ListModels": {},
    "ListNotebookInstances": {},
    "ListProcessingJobs": {},
    "ListTags": {"ResourceArn": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{ENDPOINT}"},
    "ListTrainingJobs": {},
}
DEPENDS = {
    "DescribeModel": {"VpcConfig", "PrimaryContainer.Environment", "Containers", "EnableNetworkIsolation"},
    "DescribeNotebookInstance": {
        "NetworkInterfaceId",
        "SubnetId",
        "SecurityGroups",
        "KmsKeyId",
        "Url",
        "FailureReason",
    },
    "DescribeEndpointConfig": {"KmsKeyId"},
    "DescribeTrainingJob": {
        "InputDataConfig",
        "HyperParameters",
        "ModelArtifacts",
        "VpcConfig",
        "OutputDataConfig.KmsKeyId",
        "TuningJobArn",
        "ResourceConfig.VolumeKmsKeyId",
    },
    "DescribeProcessingJob": {
        "ProcessingInputs",
        "ProcessingOutputConfig",
        "Environment",
        "NetworkConfig",
        "AppSpecification.ContainerEntrypoint",
        "AppSpecification.ContainerArguments",
        "ExitMessage",
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId",
    },
}
"""Members that are there only where whoever made the resource gave them, as nobody did here; as FailureReason where
nothing failed."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with start(tmp_path_factory.mktemp("account")) as account:
        yield boto3.client(
            "sagemaker",
            endpoint_url=account.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def recorded(shared_data: Path, operation: str) -> list[dict[str, Any]]:
    files = sorted((shared_data / "api").rglob(f"*sagemaker.{operation}_*.json"))
    assert files, f"no recording of {operation}"
    return [json.loads(file.read_text()) for file in files]


def members(answer: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """(path, type) of each member; places in lists are one."""
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


def answered(client: Any, operation: str) -> dict[str, Any]:
    given = ASKED[operation]
    if operation == "DescribeTrainingJob":
        given = {"TrainingJobName": client.list_training_jobs()["TrainingJobSummaries"][0]["TrainingJobName"]}
    if operation == "DescribeProcessingJob":
        given = {"ProcessingJobName": client.list_processing_jobs()["ProcessingJobSummaries"][0]["ProcessingJobName"]}
    return dict(client._make_api_call(operation, given))


@pytest.mark.parametrize("operation", ASKED)
def test_our_answer_has_the_members_of_the_real_one_and_their_types(
    client: Any, shared_data: Path, operation: str
) -> None:
    ours = dict(members(answered(client, operation)))
    theirs: dict[str, str] = {}
    for item in recorded(shared_data, operation):
        if item["status_code"] == 200:
            theirs |= dict(members(item["data"]))
    assert theirs
    numbers = {"int": "number", "float": "number"}
    differ = {
        path: (kind, ours[path])
        for path, kind in theirs.items()
        if path in ours and numbers.get(kind, kind) != numbers.get(ours[path], ours[path])
    }
    assert differ == {}
    optional = tuple(DEPENDS.get(operation, ()))
    absent = {
        path
        for path in theirs
        if path not in ours and not path.startswith((*optional, "NextToken")) and not path.endswith("FailureReason")
    }
    assert absent == set()


def test_a_model_that_is_not_there_is_refused_as_aws_refuses(client: Any, shared_data: Path) -> None:
    said = [item["data"]["Error"] for item in recorded(shared_data, "DescribeModel") if item["status_code"] == 400]
    (theirs,) = {(error["Code"], error["Message"].split(' "')[0]) for error in said}
    with pytest.raises(ClientError) as refused:
        client.describe_model(ModelName="sagemaker-model")
    ours = refused.value.response["Error"]
    assert (ours["Code"], ours["Message"].split(' "')[0]) == theirs
