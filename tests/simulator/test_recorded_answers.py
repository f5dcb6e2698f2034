"""Real answers of AWS (recorded by Cloud Custodian's authors) beside ours: the same members, of the same types.

All 33 flows, every operation in them. What the answers describe is made again in an account of ours by the same words, so
that nothing is missing only because nobody gave it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import start

from .conformance import check_shape
from .recordings import MADE_FROM, Account, Recording, given_to, members, recordings

pytestmark = pytest.mark.integration
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
NOTEBOOK, ROLE = "c7n-ni-test", "arn:aws:iam::123456789012:role/SageMakerExecution"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
ANYBODY = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
LEFT_OUT = {
    "DescribeEndpoint": {"FailureReason"},
    "ListAliases": {"Aliases[].CreationDate", "Aliases[].LastUpdatedDate"},
}
"""No endpoint fails here (test_capacity_shortage.py has one that does); KMS is moto's own, and the product never asks it."""
Answers = dict[tuple[str, str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> tuple[Recording, ...]:
    return recordings(shared_data)


@pytest.fixture(scope="module")
def ours(recorded: tuple[Recording, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    """What our account answers to each operation, early and late in what it describes."""
    with start(tmp_path_factory.mktemp("recorded"), speed=0) as running:
        account, found = Account(running), defaultdict(list)

        def ask(service: str, operation: str, **given: Any) -> dict[str, Any]:
            answer = account.ask(service, operation, **given)
            check_shape(service, operation, answer)
            found[service, operation].append(answer)
            return answer

        needed(account, recorded)
        made = {
            describe: [account.make(create, item.said) for item in by_operation(recorded, describe)]
            for describe, create in MADE_FROM.items()
        }
        looked(ask, made)
        running.advance(seconds=25)
        changed(ask, account)
        running.advance(days=2)
        looked(ask, made)
        removed(ask, recorded, found)
        yield found


def by_operation(recorded: tuple[Recording, ...], operation: str) -> list[Recording]:
    return [item for item in recorded if item.operation == operation and item.status == 200]


def needed(account: Account, recorded: tuple[Recording, ...]) -> None:
    """Models and configurations that what was recorded names."""
    configs = by_operation(recorded, "DescribeEndpointConfig")
    models = {variant["ModelName"] for item in configs for variant in item.said["ProductionVariants"]}
    models |= {item.said["ModelName"] for item in by_operation(recorded, "DescribeTransformJob")}
    for name in sorted(models):
        account.make("CreateModel", {"ModelName": name, "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}})
    told = configs[0].said
    for item in by_operation(recorded, "DescribeEndpoint"):
        account.make("CreateEndpointConfig", told | {"EndpointConfigName": item.said["EndpointConfigName"]})


def looked(ask: Any, made: dict[str, list[dict[str, Any]]]) -> None:
    """Every List, and every Describe of what was made."""
    for service, operation in operations():
        if service == "sagemaker" and operation.startswith("List") and operation != "ListTags":
            ask(service, operation)
    domains = ask("sagemaker", "ListDomains")["Domains"]
    for operation, things in made.items():
        for thing in things if operation != "DescribeDomain" else domains:
            ask("sagemaker", operation, **given_to(operation, thing))


def changed(ask: Any, account: Account) -> None:
    """Tags put and taken, and what can be stopped while it runs."""
    arn = ask("sagemaker", "DescribeNotebookInstance", NotebookInstanceName=NOTEBOOK)["NotebookInstanceArn"]
    ask("sagemaker", "AddTags", ResourceArn=arn, Tags=[{"Key": "JobTag", "Value": "JobTagValue"}])
    ask("sagemaker", "ListTags", ResourceArn=arn)
    ask("resourcegroupstaggingapi", "TagResources", ResourceARNList=[arn], Tags={"owner": "policy"})
    ask("resourcegroupstaggingapi", "GetResources", ResourceTypeFilters=["sagemaker:notebook-instance"])
    ask("resourcegroupstaggingapi", "UntagResources", ResourceARNList=[arn], TagKeys=["owner"])
    ask("sagemaker", "DeleteTags", ResourceArn=arn, TagKeys=["JobTag"])
    key = account.ask("kms", "CreateKey", KeyUsage="ENCRYPT_DECRYPT", MultiRegion=False)["KeyMetadata"]["KeyId"]
    account.ask("kms", "CreateAlias", AliasName="alias/sagemaker", TargetKeyId=key)
    ask("kms", "ListAliases")
    ask("kms", "DescribeKey", KeyId=key)
    group = ask("ec2", "DescribeSecurityGroups")["SecurityGroups"][0]["GroupId"]
    account.ask("ec2", "CreateTags", Resources=[group], Tags=[{"Key": "Owner", "Value": "c7n"}])
    account.ask("ec2", "AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[ANYBODY])
    ask("ec2", "DescribeSecurityGroups", GroupIds=[group])
    training = account.ask("sagemaker", "ListTrainingJobs", StatusEquals="InProgress")["TrainingJobSummaries"]
    ask("sagemaker", "StopTrainingJob", TrainingJobName=training[0]["TrainingJobName"])
    transforms = account.ask("sagemaker", "ListTransformJobs", StatusEquals="InProgress")["TransformJobSummaries"]
    ask("sagemaker", "StopTransformJob", TransformJobName=transforms[0]["TransformJobName"])
    ask("sagemaker", "StopAutoMLJob", AutoMLJobName="Canvas-c7n-test")


def removed(ask: Any, recorded: tuple[Recording, ...], found: Answers) -> None:
    ask("sagemaker", "StopNotebookInstance", NotebookInstanceName=NOTEBOOK)
    endpoint = by_operation(recorded, "DescribeEndpoint")[0].said
    ask("sagemaker", "DeleteEndpoint", EndpointName=endpoint["EndpointName"])
    ask("sagemaker", "DeleteEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"])
    ask("sagemaker", "DeleteModel", ModelName=by_operation(recorded, "DescribeModel")[0].said["ModelName"])
    with pytest.raises(ClientError) as refused:
        ask("sagemaker", "DescribeModel", ModelName="sagemaker-model")
    found["sagemaker", "refusal"].append(refused.value.response["Error"])
    for kind in ("ModelQuality", "ModelBias"):
        name = by_operation(recorded, f"Describe{kind}JobDefinition")[0].said["JobDefinitionName"]
        ask("sagemaker", f"Delete{kind}JobDefinition", JobDefinitionName=name)


@cache
def operations() -> list[tuple[str, str]]:
    return sorted({(item.service, item.operation) for item in recordings(SHARED) if item.status == 200})


def test_every_flow_and_operation_of_the_recordings_is_looked_at(recorded: tuple[Recording, ...]) -> None:
    assert len({item.file.partition("/")[0] for item in recorded}) == 33
    assert len(operations()) == 50


@pytest.mark.parametrize(("service", "operation"), operations(), ids=[name for _, name in operations()])
def test_our_answer_has_the_members_of_the_real_one_and_their_types(
    ours: Answers, recorded: tuple[Recording, ...], service: str, operation: str
) -> None:
    said = dict(pair for answer in ours[service, operation] for pair in members(answer))
    theirs = dict(pair for item in by_operation(recorded, operation) for pair in members(item.said))
    assert ours[service, operation], f"{operation} is never asked here"
    numbers = {"int": "number", "float": "number"}
    differ = {
        path: (kind, said[path])
        for path, kind in theirs.items()
        if path in said and numbers.get(kind, kind) != numbers.get(said[path], said[path])
    }
    assert differ == {}
    assert {path for path in theirs if path not in said} == LEFT_OUT.get(operation, set())


def test_a_model_that_is_not_there_is_refused_in_aws_words(ours: Answers, recorded: tuple[Recording, ...]) -> None:
    (theirs,) = [item.said["Error"] for item in recorded if item.status != 200]
    (refused,) = ours["sagemaker", "refusal"]
    assert (refused["Code"], refused["Message"].split(' "')[0]) == (theirs["Code"], theirs["Message"].split(' "')[0])
