"""Search and tags in the simulated account: every type, every operator, and what does not stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagekeeper.simulator.process import start

from .flows import IMAGE, make, run, training
from .hosted import refused
from .workplace import ROLE, Workplace

pytestmark = pytest.mark.integration
TYPES = (
    *("TrainingJob", "Experiment", "ExperimentTrial", "ExperimentTrialComponent", "Endpoint", "Model"),
    *("ModelPackage", "ModelPackageGroup", "Pipeline", "PipelineExecution", "PipelineVersion", "FeatureGroup"),
    "FeatureMetadata",
)
DEPTHS = (3, 5, 7, 9)
TEAM = [{"Key": "team", "Value": "flows"}]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("search")) as running:
        place = Workplace(running)
        fill(place)
        yield place


def fill(place: Workplace) -> None:
    """One or more of each type."""
    text = {
        "Version": "2020-12-01",
        "PipelineExperimentConfig": {"ExperimentName": "found", "TrialName": {"Get": "Execution.PipelineExecutionId"}},
        "Steps": [training("Train", 60)],
    }
    place.ask("CreatePipeline", PipelineName="found", PipelineDefinition=json.dumps(text), RoleArn=ROLE, Tags=TEAM)
    run(place, "found", hours=1)
    place.ask("CreateModelPackageGroup", ModelPackageGroupName="found", Tags=TEAM)
    place.ask("CreateModelPackage", ModelPackageGroupName="found", ModelPackageDescription="one")
    place.ask(
        "CreateFeatureGroup",
        FeatureGroupName="found",
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[
            {"FeatureName": "id", "FeatureType": "Integral"},
            {"FeatureName": "at", "FeatureType": "Fractional"},
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )
    for depth in DEPTHS:
        channel = {"S3DataType": "S3Prefix", "S3Uri": f"s3://flows/train/{depth}"}
        other = {"S3DataType": "S3Prefix", "S3Uri": "s3://flows/other"}
        given = training("x", 60, hyper={"depth": str(depth)})["Arguments"]
        inputs = [("train", channel), ("test", other)] if depth < 6 else [("train", other), ("test", channel)]
        given["InputDataConfig"] = [
            {"ChannelName": name, "DataSource": {"S3DataSource": source}} for name, source in inputs
        ]
        place.ask("CreateTrainingJob", TrainingJobName=f"deep-{depth}", Tags=TEAM, **given)
    place.running.advance(hours=1)


def filters(*rows: tuple[str, ...], **more: Any) -> dict[str, Any]:
    keys = ("Name", "Operator", "Value")
    return {"Filters": [dict(zip(keys, row, strict=False)) for row in rows]} | more


def depths(place: Workplace, expression: dict[str, Any]) -> list[int]:
    """The depths of the jobs that are found, in order."""
    found = place.ask("Search", Resource="TrainingJob", SearchExpression=expression, MaxResults=100)
    jobs = [row["TrainingJob"] for row in found["Results"]]
    return sorted(int(job["HyperParameters"]["depth"]) for job in jobs if job["TrainingJobName"].startswith("deep-"))


@pytest.mark.parametrize("resource", TYPES)
def test_every_type_is_found_with_its_own_shape(place: Workplace, resource: str) -> None:
    found = place.ask("Search", Resource=resource, MaxResults=5)
    assert 0 < len(found["Results"]) <= 5
    assert found["TotalHits"]["Value"] >= len(found["Results"])


@pytest.mark.parametrize(
    ("operator", "value", "answer"),
    [
        ("Equals", "5", [5]),
        ("NotEquals", "5", [3, 7, 9]),
        ("GreaterThan", "5", [7, 9]),
        ("GreaterThanOrEqualTo", "5", [5, 7, 9]),
        ("LessThan", "5", [3]),
        ("LessThanOrEqualTo", "5.5", [3, 5]),
        ("In", "3,9", [3, 9]),
        ("Contains", "7", [7]),
    ],
)
def test_operators_compare_as_they_are_called(place: Workplace, operator: str, value: str, answer: list[int]) -> None:
    named = ("TrainingJobName", "Contains", "deep-") if operator != "Contains" else ("Tags.team", "Equals", "flows")
    assert depths(place, filters(named, ("HyperParameters.depth", operator, value))) == answer


def test_properties_may_be_asked_to_exist(place: Workplace) -> None:
    named = ("TrainingJobName", "Contains", "deep-")
    assert depths(place, filters(named, ("CheckpointConfig.S3Uri", "NotExists"))) == [*DEPTHS]
    assert depths(place, filters(named, ("CheckpointConfig.S3Uri", "Exists"))) == []
    assert depths(place, filters(named, ("BillableTimeInSeconds", "GreaterThan", "100"))) == [*DEPTHS]


def test_a_nested_filter_asks_for_one_item_that_satisfies_all(place: Workplace) -> None:
    asked = [
        {"Name": "InputDataConfig.ChannelName", "Operator": "Equals", "Value": "train"},
        {"Name": "InputDataConfig.DataSource.S3DataSource.S3Uri", "Operator": "Contains", "Value": "flows/train"},
    ]
    nested = {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": asked}]}
    assert depths(place, nested) == [3, 5]
    assert depths(place, {"Filters": asked}) == [*DEPTHS]


def test_sub_expressions_are_joined_by_and_or_or(place: Workplace) -> None:
    low, high = filters(("HyperParameters.depth", "LessThan", "4")), filters(("HyperParameters.depth", "Equals", "9"))
    assert depths(place, {"SubExpressions": [low, high], "Operator": "Or"}) == [3, 9]
    assert depths(place, {"SubExpressions": [low, high], "Operator": "And"}) == []


def test_results_are_sorted_and_come_in_pages(place: Workplace) -> None:
    asked: dict[str, Any] = {
        "Resource": "TrainingJob",
        "SearchExpression": filters(("TrainingJobName", "Contains", "deep-")),
        "SortBy": "TrainingJobName",
        "MaxResults": 3,
    }
    first = place.ask("Search", **asked, SortOrder="Ascending")
    rest = place.ask("Search", **asked, SortOrder="Ascending", NextToken=first["NextToken"])
    names = [row["TrainingJob"]["TrainingJobName"] for row in first["Results"] + rest["Results"]]
    assert names == [f"deep-{depth}" for depth in DEPTHS]
    assert first["TotalHits"] == {"Value": 4, "Relation": "EqualTo"} and "NextToken" not in rest
    turned = place.ask("Search", **asked)["Results"][0]["TrainingJob"]["TrainingJobName"]
    assert turned == "deep-9"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (filters(("Colour", "Equals", "red")), "Unknown property name"),
        (filters(("TrainingJobName", "Equals")), "must have a Value"),
        (filters(("TrainingJobName", "Exists", "x")), "must not have a Value"),
        (filters(("TrainingJobName", "Contains", "a"), ("RoleArn", "Contains", "b")), "limit of 1 exceeded"),
        (filters(("TrainingJobName", "GreaterThan", "abc")), "not supported for the text property"),
        (
            filters(*[("TrainingJobName", "Equals", "a")] * 15, SubExpressions=[filters(*[("RoleArn", "Exists")] * 6)]),
            "20",
        ),
        ({}, "at least one element"),
    ],
)
def test_wrong_expressions_are_refused(place: Workplace, expression: dict[str, Any], reason: str) -> None:
    call = place.sagemaker.search
    refused("ValidationException", call, match=reason, Resource="TrainingJob", SearchExpression=expression)


def test_what_the_account_has_none_of_is_not_found(place: Workplace) -> None:
    for resource in ("Image", "ImageVersion", "Project", "HubContent"):
        assert place.ask("Search", Resource=resource)["Results"] == []


def test_records_carry_tags_parents_and_parameters(place: Workplace) -> None:
    tagged = filters(("Tags.team", "Equals", "flows"))
    (pipeline,) = place.ask("Search", Resource="Pipeline", SearchExpression=tagged)["Results"]
    assert pipeline["Pipeline"]["PipelineName"] == "found"
    (package,) = place.ask("Search", Resource="ModelPackage", SearchExpression=tagged)["Results"]
    assert package["ModelPackage"]["Tags"] == TEAM
    inside = filters(("Parents.ExperimentName", "Equals", "found"))
    (part,) = place.ask("Search", Resource="ExperimentTrialComponent", SearchExpression=inside)["Results"]
    assert part["TrialComponent"]["TrialComponentName"].endswith("-aws-training-job")
    done = filters(("PipelineExecutionStatus", "Equals", "Succeeded"), ("PipelineArn", "Contains", "/found"))
    assert len(place.ask("Search", Resource="PipelineExecution", SearchExpression=done)["Results"]) == 1
    config = place.sagemaker.describe_endpoint(EndpointName="house-price-regression")["EndpointConfigName"]
    variants = place.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    served = filters(("ModelName", "Equals", variants[0]["ModelName"]))
    (model,) = place.ask("Search", Resource="Model", SearchExpression=served)["Results"]
    assert [row["EndpointName"] for row in model["Model"]["Endpoints"]] == ["house-price-regression"]


def test_names_of_properties_are_suggested(place: Workplace) -> None:
    query = {"PropertyNameQuery": {"PropertyNameHint": "HyperParameters.de"}}
    found = place.ask("GetSearchSuggestions", Resource="TrainingJob", SuggestionQuery=query)
    assert {"PropertyName": "HyperParameters.depth"} in found["PropertyNameSuggestions"]
    query = {"PropertyNameQuery": {"PropertyNameHint": "ResourceConfig.Inst"}}
    found = place.ask("GetSearchSuggestions", Resource="TrainingJob", SuggestionQuery=query)
    assert {"PropertyName": "ResourceConfig.InstanceType"} in found["PropertyNameSuggestions"]


def test_everything_that_stands_takes_tags_and_nothing_else_does(place: Workplace) -> None:
    api = place.sagemaker
    (endpoint,) = api.list_endpoints(MaxResults=1)["Endpoints"]
    arns = [
        endpoint["EndpointArn"],
        api.list_endpoint_configs(MaxResults=1)["EndpointConfigs"][0]["EndpointConfigArn"],
        api.list_models(MaxResults=1)["Models"][0]["ModelArn"],
        api.list_training_jobs(MaxResults=1)["TrainingJobSummaries"][0]["TrainingJobArn"],
        api.list_processing_jobs(MaxResults=1)["ProcessingJobSummaries"][0]["ProcessingJobArn"],
        api.list_notebook_instances(MaxResults=1)["NotebookInstances"][0]["NotebookInstanceArn"],
        api.list_monitoring_schedules(MaxResults=1)["MonitoringScheduleSummaries"][0]["MonitoringScheduleArn"],
        api.list_pipelines()["PipelineSummaries"][0]["PipelineArn"],
        api.list_pipeline_executions(PipelineName="found")["PipelineExecutionSummaries"][0]["PipelineExecutionArn"],
        api.list_model_package_groups()["ModelPackageGroupSummaryList"][0]["ModelPackageGroupArn"],
        api.list_experiments()["ExperimentSummaries"][0]["ExperimentArn"],
        api.list_trials()["TrialSummaries"][0]["TrialArn"],
        api.list_trial_components()["TrialComponentSummaries"][0]["TrialComponentArn"],
        api.list_feature_groups()["FeatureGroupSummaries"][0]["FeatureGroupArn"],
    ]
    for arn in arns:
        place.ask("AddTags", ResourceArn=arn, Tags=[{"Key": "seen", "Value": "yes"}, {"Key": "old", "Value": "1"}])
        place.ask("DeleteTags", ResourceArn=arn, TagKeys=["old"])
        tags = place.ask("ListTags", ResourceArn=arn)["Tags"]
        assert {"Key": "seen", "Value": "yes"} in tags and "old" not in {item["Key"] for item in tags}
        refused("ResourceNotFound", api.list_tags, ResourceArn=f"{arn}-gone")
        refused("ResourceNotFound", api.add_tags, ResourceArn=f"{arn}-gone", Tags=TEAM)
        refused("ResourceNotFound", api.delete_tags, ResourceArn=f"{arn}-gone", TagKeys=["team"])


def test_tags_have_their_limits(place: Workplace) -> None:
    arn = place.sagemaker.list_pipelines()["PipelineSummaries"][0]["PipelineArn"]
    refused("ValidationException", place.sagemaker.add_tags, ResourceArn=arn, Tags=[{"Key": "aws:x", "Value": "1"}])
    many = [{"Key": f"k{number}", "Value": "1"} for number in range(50)]
    refused("ValidationException", place.sagemaker.add_tags, match="50", ResourceArn=arn, Tags=many)


def test_a_deleted_resource_has_no_tags(place: Workplace) -> None:
    make(place, "passing", training("First"), Tags=TEAM)
    container = {"Image": IMAGE, "ModelDataUrl": "s3://flows/m"}
    place.ask("CreateModel", ModelName="passing", ExecutionRoleArn=ROLE, PrimaryContainer=container, Tags=TEAM)
    arns = [place.ask("DescribePipeline", PipelineName="passing")["PipelineArn"]]
    arns.append(place.ask("DescribeModel", ModelName="passing")["ModelArn"])
    place.ask("DeletePipeline", PipelineName="passing")
    place.sagemaker.delete_model(ModelName="passing")
    for arn in arns:
        refused("ResourceNotFound", place.sagemaker.list_tags, ResourceArn=arn)
