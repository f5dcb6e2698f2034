"""The model registry of the simulated account: groups, versions, approval, policies, and models made of packages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagekeeper.simulator.process import start

from .flows import IMAGE, condition, make, run, states, steps, training
from .hosted import refused
from .workplace import ROLE, Workplace

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("registry"), scale="small") as running:
        yield Workplace(running)


def inference(data: Any = "s3://flows/model.tar.gz") -> dict[str, Any]:
    return {
        "Containers": [{"Image": IMAGE, "ModelDataUrl": data}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }


def group(place: Workplace, name: str, versions: int = 0, **more: Any) -> list[str]:
    """A group and so many versions in it; their ARNs."""
    place.ask("CreateModelPackageGroup", ModelPackageGroupName=name, **more)
    return [
        place.ask("CreateModelPackage", ModelPackageGroupName=name, InferenceSpecification=inference())[
            "ModelPackageArn"
        ]
        for _ in range(versions)
    ]


def test_versions_count_up_and_are_not_used_again(place: Workplace) -> None:
    arns = group(place, "counted", 2)
    assert [arn.rpartition("/")[2] for arn in arns] == ["1", "2"]
    place.ask("DeleteModelPackage", ModelPackageName=arns[1])
    refused("ValidationException", place.sagemaker.describe_model_package, ModelPackageName=arns[1])
    third = place.ask("CreateModelPackage", ModelPackageGroupName="counted", InferenceSpecification=inference())
    assert third["ModelPackageArn"].endswith("counted/3")


def test_a_version_waits_for_approval_and_gets_it(place: Workplace) -> None:
    (arn,) = group(place, "approved", 1)
    found = place.ask("DescribeModelPackage", ModelPackageName=arn)
    assert (found["ModelApprovalStatus"], found["ModelPackageStatus"]) == ("PendingManualApproval", "Completed")
    place.ask(
        "UpdateModelPackage",
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="Good",
        CustomerMetadataProperties={"owner": "ann", "stage": "one"},
    )
    place.ask("UpdateModelPackage", ModelPackageArn=arn, CustomerMetadataPropertiesToRemove=["stage"])
    found = place.ask("DescribeModelPackage", ModelPackageName=arn)
    assert (found["ModelApprovalStatus"], found["ApprovalDescription"]) == ("Approved", "Good")
    assert found["CustomerMetadataProperties"] == {"owner": "ann"}
    listed = place.ask("ListModelPackages", ModelPackageGroupName="approved", ModelApprovalStatus="Rejected")
    assert listed["ModelPackageSummaryList"] == []


def test_versions_and_packages_of_their_own_are_listed_apart_in_pages(place: Workplace) -> None:
    arns = group(place, "paged", 3)
    single = place.ask("CreateModelPackage", ModelPackageName="single", InferenceSpecification=inference())
    first = place.ask("ListModelPackages", ModelPackageGroupName="paged", MaxResults=2)
    rest = place.ask("ListModelPackages", ModelPackageGroupName="paged", MaxResults=2, NextToken=first["NextToken"])
    rows = first["ModelPackageSummaryList"] + rest["ModelPackageSummaryList"]
    assert [row["ModelPackageArn"] for row in rows] == arns[::-1]
    alone = place.ask("ListModelPackages")["ModelPackageSummaryList"]
    assert [row["ModelPackageArn"] for row in alone] == [single["ModelPackageArn"]]
    again = place.sagemaker.create_model_package
    refused("ConflictException", again, ModelPackageName="single", InferenceSpecification=inference())
    many = place.ask("BatchDescribeModelPackage", ModelPackageArnList=[arns[0], f"{arns[0]}99"])
    assert set(many["ModelPackageSummaries"]) == {arns[0]}
    assert set(many["BatchDescribeModelPackageErrorMap"]) == {f"{arns[0]}99"}


def test_a_package_that_is_validated_is_completed_later(place: Workplace) -> None:
    profile = {
        "ProfileName": "check",
        "TransformJobDefinition": {
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://flows/in"}}},
            "TransformOutput": {"S3OutputPath": "s3://flows/out"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        },
    }
    arn = place.ask(
        "CreateModelPackage",
        ModelPackageName="validated",
        InferenceSpecification=inference(),
        ValidationSpecification={"ValidationRole": ROLE, "ValidationProfiles": [profile]},
    )["ModelPackageArn"]
    given = {"ModelName": "early", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"ModelPackageName": arn}}
    refused("ValidationException", place.sagemaker.create_model, match="Completed", **given)
    place.running.advance(seconds=700)
    found = place.ask("DescribeModelPackage", ModelPackageName="validated")
    statuses = found["ModelPackageStatusDetails"]["ValidationStatuses"]
    assert (found["ModelPackageStatus"], statuses[0]["Status"]) == ("Completed", "Completed")
    place.ask("CreateModel", **given)


def test_a_model_is_made_of_a_version_and_serves(place: Workplace) -> None:
    (arn,) = group(place, "served", 1)
    container = {"ModelPackageName": arn}
    place.ask("CreateModel", ModelName="of-package", ExecutionRoleArn=ROLE, Containers=[container])
    assert place.ask("DescribeModel", ModelName="of-package")["Containers"] == [container]
    missing = {"ModelPackageName": f"{arn}7"}
    again = place.sagemaker.create_model
    refused("ValidationException", again, ModelName="x", ExecutionRoleArn=ROLE, PrimaryContainer=missing)


def test_a_group_is_deleted_only_when_it_is_empty(place: Workplace) -> None:
    (arn,) = group(place, "emptied", 1)
    call = place.sagemaker.delete_model_package_group
    refused("ConflictException", call, ModelPackageGroupName="emptied")
    place.ask("DeleteModelPackage", ModelPackageName=arn)
    call(ModelPackageGroupName="emptied")
    refused("ValidationException", call, match="does not exist", ModelPackageGroupName="emptied")
    refused("ValidationException", lambda: [group(place, "twice"), group(place, "twice")], match="already exists")


def test_groups_are_listed_by_name(place: Workplace) -> None:
    for name in ("sorted-b", "sorted-a"):
        group(place, name, Tags=[{"Key": "team", "Value": "a"}])
    found = place.ask("ListModelPackageGroups", NameContains="sorted", SortBy="Name")["ModelPackageGroupSummaryList"]
    assert [row["ModelPackageGroupName"] for row in found] == ["sorted-a", "sorted-b"]
    tags = place.ask("ListTags", ResourceArn=found[0]["ModelPackageGroupArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]


def test_a_group_has_the_policy_that_it_was_given(place: Workplace) -> None:
    group(place, "shared")
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    which = {"ModelPackageGroupName": "shared"}
    refused("ValidationException", place.sagemaker.get_model_package_group_policy, match="Cannot find", **which)
    place.ask("PutModelPackageGroupPolicy", **which, ResourcePolicy=policy)
    assert place.ask("GetModelPackageGroupPolicy", **which)["ResourcePolicy"] == policy
    place.sagemaker.delete_model_package_group_policy(**which)
    refused("ValidationException", place.sagemaker.delete_model_package_group_policy, **which)


def test_a_pipeline_registers_the_model_that_it_trained_and_makes_a_model(place: Workplace) -> None:
    data = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {"ModelPackageGroupName": "by-pipeline", "InferenceSpecification": inference(data)},
    }
    model = {
        "Name": "Model",
        "Type": "Model",
        "Arguments": {
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": {"ModelPackageName": {"Get": "Steps.Register.ModelPackageArn"}},
        },
    }
    always = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
    make(
        place,
        "registering",
        training("Train"),
        condition("Check", [always], [register, model], [], DependsOn=["Train"]),
    )
    arn = run(place, "registering")
    assert set(states(place, arn).values()) == {"Succeeded"}
    found = steps(place, arn)
    package = found["Register"]["Metadata"]["RegisterModel"]["Arn"]
    described = place.ask("DescribeModelPackage", ModelPackageName=package)
    job = found["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    assert described["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == (
        f"s3://flows/models/{job}/output/model.tar.gz"
    )
    name = found["Model"]["Metadata"]["Model"]["Arn"].rpartition("/")[2]
    assert place.ask("DescribeModel", ModelName=name)["PrimaryContainer"]["ModelPackageName"] == package
