"""Pipelines as resources of the account: definitions checked, versions, lists, metrics, and those that the world has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from sagekeeper.simulator.process import start

from .flows import definition, job_of, make, run, states, steps, training
from .hosted import refused
from .workplace import ROLE, Workplace

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("pipeline-resources"), scale="small") as running:
        yield Workplace(running)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Invalid JSON"),
        (json.dumps({"Version": "2019-01-01", "Steps": [training("A")]}), "version"),
        (definition(training("A"), training("A")), "duplicate"),
        (definition(training("A", DependsOn=["B"])), "undefined step 'B'"),
        (definition(training("A", DependsOn=["B"]), training("B", DependsOn=["A"])), "cycle"),
        (
            definition(training("A", DisplayName={"Get": "Parameters.X"})),
            "undefined parameter 'X'",
        ),
        (definition({"Name": "A", "Type": "Magic"}), "Unknown step type"),
        (definition(), "at least one step"),
    ],
)
def test_a_wrong_definition_is_refused_when_it_is_uploaded(place: Workplace, text: str, reason: str) -> None:
    refused(
        "ValidationException",
        place.sagemaker.create_pipeline,
        match=reason,
        PipelineName="wrong",
        PipelineDefinition=text,
        RoleArn=ROLE,
    )


def test_a_pipeline_is_made_updated_listed_and_deleted(place: Workplace) -> None:
    for number in range(3):
        make(place, f"kept-{number}", training("First"), Tags=[{"Key": "team", "Value": "a"}])
    refused("ValidationException", lambda: make(place, "kept-0", training("First")), match="must be unique within")
    asked = {"PipelineNamePrefix": "kept", "SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 2}
    first = place.ask("ListPipelines", **asked)
    rest = place.ask("ListPipelines", **asked, NextToken=first["NextToken"])
    names = [row["PipelineName"] for row in first["PipelineSummaries"] + rest["PipelineSummaries"]]
    assert names == ["kept-0", "kept-1", "kept-2"]
    other = definition(training("Other"))
    answer = place.ask("UpdatePipeline", PipelineName="kept-0", PipelineDefinition=other, PipelineDescription="new")
    assert answer["PipelineVersionId"] == 2
    described = place.ask("DescribePipeline", PipelineName=answer["PipelineArn"])
    assert (described["PipelineDefinition"], described["PipelineDescription"]) == (other, "new")
    old = place.ask("DescribePipeline", PipelineName="kept-0", PipelineVersionId=1)
    assert json.loads(old["PipelineDefinition"])["Steps"][0]["Name"] == "First"
    versions = place.ask("ListPipelineVersions", PipelineName="kept-0")["PipelineVersionSummaries"]
    assert [row["PipelineVersionId"] for row in versions] == [2, 1]
    place.ask("DeletePipeline", PipelineName="kept-0")
    refused("ResourceNotFound", place.sagemaker.describe_pipeline, PipelineName="kept-0")
    refused("ResourceNotFound", place.sagemaker.start_pipeline_execution, PipelineName="kept-0")


def test_executions_are_listed_in_pages_and_renamed(place: Workplace) -> None:
    make(place, "listed", training("First", 60))
    arns = [run(place, "listed", hours=1) for _ in range(3)]
    first = place.ask("ListPipelineExecutions", PipelineName="listed", MaxResults=2)
    rest = place.ask("ListPipelineExecutions", PipelineName="listed", MaxResults=2, NextToken=first["NextToken"])
    rows = first["PipelineExecutionSummaries"] + rest["PipelineExecutionSummaries"]
    assert [row["PipelineExecutionArn"] for row in rows] == arns[::-1]
    place.ask("UpdatePipelineExecution", PipelineExecutionArn=arns[0], PipelineExecutionDisplayName="nightly")
    described = place.ask("DescribePipelineExecution", PipelineExecutionArn=arns[0])
    assert described["PipelineExecutionDisplayName"] == "nightly"
    shown = place.ask("DescribePipelineDefinitionForExecution", PipelineExecutionArn=arns[0])
    assert json.loads(shown["PipelineDefinition"])["Steps"][0]["Name"] == "First"
    missing = arns[0][:-3] + "000"
    refused("ResourceNotFound", place.sagemaker.describe_pipeline_execution, PipelineExecutionArn=missing)


def test_executions_and_steps_are_metrics(place: Workplace) -> None:
    make(place, "measured", training("First", 600))
    begun = place.running.now()
    run(place, "measured")
    found = place.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Sagemaker/ModelBuildingPipeline",
        MetricName="StepDuration",
        Dimensions=[{"Name": "PipelineName", "Value": "measured"}, {"Name": "StepName", "Value": "First"}],
        StartTime=begun,
        EndTime=begun + timedelta(hours=3),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(row["Sum"] for row in found) == (120 + 30 + 600 + 20 + 2) * 1000
    for name in ("ExecutionStarted", "ExecutionSucceeded"):
        counted = place.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Sagemaker/ModelBuildingPipeline",
            MetricName=name,
            Dimensions=[{"Name": "PipelineName", "Value": "measured"}],
            StartTime=begun - timedelta(minutes=1),
            EndTime=begun + timedelta(hours=3),
            Period=86400,
            Statistics=["Sum"],
        )["Datapoints"]
        assert sum(row["Sum"] for row in counted) == 1


def test_the_organisation_has_pipelines_that_ran_the_jobs_it_has(place: Workplace) -> None:
    found = place.ask("ListPipelineExecutions", PipelineName="fraud-retraining")["PipelineExecutionSummaries"]
    assert len(found) == 8
    done = [row["PipelineExecutionArn"] for row in found if row["PipelineExecutionStatus"] == "Succeeded"]
    rows = steps(place, done[0])
    job = job_of(place, rows["Train"])
    assert job["TrainingJobName"].startswith("fraud-xgb-train") and job["TrainingEndTime"] == rows["Train"]["EndTime"]
    package = place.ask("DescribeModelPackage", ModelPackageName=rows["Register"]["Metadata"]["RegisterModel"]["Arn"])
    assert package["ModelApprovalStatus"] == "Approved"
    inside = place.ask("ListTrialComponents", ExperimentName="fraud-retraining", MaxResults=100)
    assert len(inside["TrialComponentSummaries"]) == 8
    again = run(place, "fraud-retraining", hours=24)
    assert set(states(place, again).values()) == {"Succeeded"}
