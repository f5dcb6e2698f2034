"""Experiments, trials, trial components, their metrics, and lineage in the simulated account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sagekeeper.simulator.process import start

from .conformance import check_shape
from .flows import begin, steps, training
from .hosted import refused
from .workplace import ROLE, Workplace

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("experiments"), scale="small") as running:
        yield Workplace(running)


def trial(place: Workplace, name: str, *trials: str) -> None:
    """An experiment with these trials."""
    place.ask("CreateExperiment", ExperimentName=name, Description="why")
    for each in trials:
        place.ask("CreateTrial", TrialName=each, ExperimentName=name)


def names(found: dict[str, Any], what: str) -> list[str]:
    return [row[f"{what}Name"] for row in found[f"{what}Summaries"]]


def test_an_experiment_is_made_described_updated_and_deleted(place: Workplace) -> None:
    trial(place, "first")
    refused("ValidationException", lambda: trial(place, "first"), match="must be unique")
    created = place.ask("DescribeExperiment", ExperimentName="first")
    assert (created["DisplayName"], created["Description"]) == ("first", "why")
    place.running.advance(seconds=60)
    place.ask("UpdateExperiment", ExperimentName="first", DisplayName="The-first")
    found = place.ask("DescribeExperiment", ExperimentName="first")
    assert found["DisplayName"] == "The-first" and found["LastModifiedTime"] > created["LastModifiedTime"]
    place.ask("DeleteExperiment", ExperimentName="first")
    refused("ResourceNotFound", place.sagemaker.describe_experiment, ExperimentName="first")


def test_nothing_goes_while_it_holds_something(place: Workplace) -> None:
    trial(place, "full", "full-trial")
    place.ask("CreateTrialComponent", TrialComponentName="full-part")
    pair = {"TrialName": "full-trial", "TrialComponentName": "full-part"}
    place.ask("AssociateTrialComponent", **pair)
    refused("ValidationException", place.sagemaker.delete_experiment, ExperimentName="full")
    refused("ValidationException", place.sagemaker.delete_trial, TrialName="full-trial")
    refused("ValidationException", place.sagemaker.delete_trial_component, TrialComponentName="full-part")
    place.ask("DisassociateTrialComponent", **pair)
    refused("ResourceNotFound", place.sagemaker.disassociate_trial_component, **pair)
    place.ask("DeleteTrialComponent", TrialComponentName="full-part")
    place.ask("DeleteTrial", TrialName="full-trial")
    place.ask("DeleteExperiment", ExperimentName="full")


def test_trials_are_listed_by_experiment_and_by_component(place: Workplace) -> None:
    trial(place, "listed", "l-1", "l-2", "l-3")
    place.ask("CreateTrialComponent", TrialComponentName="shared")
    for name in ("l-1", "l-3"):
        place.ask("AssociateTrialComponent", TrialName=name, TrialComponentName="shared")
    asked = {"ExperimentName": "listed", "SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 2}
    first = place.ask("ListTrials", **asked)
    rest = place.ask("ListTrials", **asked, NextToken=first["NextToken"])
    assert names(first, "Trial") + names(rest, "Trial") == ["l-1", "l-2", "l-3"]
    assert set(names(place.ask("ListTrials", TrialComponentName="shared"), "Trial")) == {"l-1", "l-3"}
    refused("ResourceNotFound", place.sagemaker.list_trials, ExperimentName="nowhere")
    refused("ResourceNotFound", place.sagemaker.create_trial, TrialName="x", ExperimentName="nowhere")


def test_a_component_keeps_what_it_is_told(place: Workplace) -> None:
    which = {"TrialComponentName": "told"}
    begun = place.running.now()
    place.ask(
        "CreateTrialComponent",
        **which,
        Status={"PrimaryStatus": "InProgress"},
        StartTime=begun,
        Parameters={"depth": {"NumberValue": 3.0}, "kind": {"StringValue": "tree"}},
        OutputArtifacts={"model": {"Value": "s3://flows/model"}},
    )
    place.ask(
        "UpdateTrialComponent",
        **which,
        Status={"PrimaryStatus": "Completed"},
        EndTime=begun + timedelta(hours=1),
        Parameters={"rate": {"NumberValue": 0.1}},
        ParametersToRemove=["kind"],
    )
    found = place.ask("DescribeTrialComponent", **which)
    assert found["Parameters"] == {"depth": {"NumberValue": 3.0}, "rate": {"NumberValue": 0.1}}
    assert found["Status"] == {"PrimaryStatus": "Completed"}
    assert found["EndTime"] - found["StartTime"] == timedelta(hours=1)


def test_a_job_has_a_component_and_is_in_the_trial_that_it_names(place: Workplace) -> None:
    trial(place, "jobs", "jobs-trial")
    given = training("x", 600)["Arguments"]
    config = {"ExperimentName": "jobs", "TrialName": "jobs-trial", "TrialComponentDisplayName": "Train"}
    missing = config | {"TrialName": "nowhere"}
    create = place.sagemaker.create_training_job
    refused("ResourceNotFound", create, TrainingJobName="seen", ExperimentConfig=missing, **given)
    job = place.ask("CreateTrainingJob", TrainingJobName="seen", ExperimentConfig=config, **given)
    which = {"TrialComponentName": "seen-aws-training-job"}
    begun = place.ask("DescribeTrialComponent", **which)
    assert (begun["Status"]["PrimaryStatus"], begun["DisplayName"]) == ("InProgress", "Train")
    assert names(place.ask("ListTrialComponents", TrialName="jobs-trial"), "TrialComponent") == [*which.values()]
    place.running.advance(hours=1)
    done = place.ask("DescribeTrialComponent", **which)
    assert done["Status"]["PrimaryStatus"] == "Completed" and "EndTime" not in begun
    assert done["OutputArtifacts"]["SageMaker.ModelArtifact"]["Value"].endswith("seen/output/model.tar.gz")
    assert done["Parameters"]["SageMaker.InstanceType"] == {"StringValue": "ml.m5.xlarge"}
    of_job = place.ask("ListTrialComponents", SourceArn=job["TrainingJobArn"])
    assert names(of_job, "TrialComponent") == [*which.values()]


def test_metrics_are_put_summarised_and_read_back(place: Workplace) -> None:
    metrics, now = place.client("sagemaker-metrics"), place.running.now()
    arn = place.ask("CreateTrialComponent", TrialComponentName="measured")["TrialComponentArn"]
    rows = [
        {"MetricName": "loss", "Timestamp": now + timedelta(seconds=step), "Step": step, "Value": value}
        for step, value in enumerate((0.9, 0.5, 0.7))
    ]
    late = {"MetricName": "loss", "Timestamp": now + timedelta(days=2), "Step": 9, "Value": 1.0}
    answer = metrics.batch_put_metrics(TrialComponentName="measured", MetricData=[*rows, late])
    check_shape("sagemaker-metrics", "BatchPutMetrics", answer)
    assert answer["Errors"] == [{"Code": "VALIDATION_ERROR", "MetricIndex": 3}]
    (found,) = place.ask("DescribeTrialComponent", TrialComponentName="measured")["Metrics"]
    assert (found["Min"], found["Max"], found["Last"], found["Count"]) == (0.5, 0.9, 0.7, 3)
    assert found["Avg"] == pytest.approx(0.7) and found["SourceArn"] == arn
    query = {
        "MetricName": "loss",
        "ResourceArn": arn,
        "MetricStat": "Last",
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
    }
    answer = metrics.batch_get_metrics(MetricQueries=[query])
    check_shape("sagemaker-metrics", "BatchGetMetrics", answer)
    assert answer["MetricQueryResults"][0]["MetricValues"] == [0.9, 0.5, 0.7]


def test_a_pipeline_makes_an_experiment_of_its_name_and_a_trial_of_each_execution(place: Workplace) -> None:
    text = {
        "Version": "2020-12-01",
        "PipelineExperimentConfig": {
            "ExperimentName": {"Get": "Execution.PipelineName"},
            "TrialName": {"Get": "Execution.PipelineExecutionId"},
        },
        "Steps": [training("Train", 60)],
    }
    place.ask("CreatePipeline", PipelineName="traced", PipelineDefinition=json.dumps(text), RoleArn=ROLE)
    arn = begin(place, "traced")
    place.running.advance(hours=1)
    key = arn.rpartition("/")[2]
    described = place.ask("DescribePipelineExecution", PipelineExecutionArn=arn)
    assert described["PipelineExperimentConfig"] == {"ExperimentName": "traced", "TrialName": key}
    assert place.ask("DescribeTrial", TrialName=key)["Source"]["SourceArn"] == arn
    found = place.ask("ListTrialComponents", ExperimentName="traced")["TrialComponentSummaries"]
    job = steps(place, arn)["Train"]["Metadata"]["TrainingJob"]["Arn"]
    assert [row["TrialComponentSource"]["SourceArn"] for row in found] == [job]


def test_lineage_entities_are_made_associated_listed_and_deleted(place: Workplace) -> None:
    source = {"SourceUri": "s3://flows/data", "SourceTypes": [{"SourceIdType": "S3ETag", "Value": "abc"}]}
    data = place.ask("CreateArtifact", ArtifactName="data", Source=source, ArtifactType="DataSet")["ArtifactArn"]
    place_ = {"Source": {"SourceUri": "arn:x"}}
    action = place.ask("CreateAction", ActionName="approve", ActionType="Approval", Status="Completed", **place_)
    context = place.ask("CreateContext", ContextName="house", ContextType="Project", **place_)["ContextArn"]
    pair = {"SourceArn": data, "DestinationArn": context}
    place.ask("AddAssociation", **pair, AssociationType="ContributedTo")
    place.ask("AddAssociation", SourceArn=action["ActionArn"], DestinationArn=context)
    found = place.ask("ListAssociations", DestinationArn=context, AssociationType="ContributedTo")
    (row,) = found["AssociationSummaries"]
    assert (row["SourceType"], row["SourceName"], row["DestinationType"]) == ("DataSet", "data", "Project")
    refused("ValidationException", place.sagemaker.delete_artifact, ArtifactArn=data)
    place.ask("DeleteAssociation", **pair)
    refused("ResourceNotFound", place.sagemaker.delete_association, **pair)
    place.ask("UpdateArtifact", ArtifactArn=data, Properties={"rows": "7", "old": "1"})
    place.ask("UpdateArtifact", ArtifactArn=data, PropertiesToRemove=["old"])
    assert place.ask("DescribeArtifact", ArtifactArn=data)["Properties"] == {"rows": "7"}
    assert names(place.ask("ListContexts", ContextType="Project"), "Context") == ["house"]
    assert names(place.ask("ListActions", SourceUri="arn:x"), "Action") == ["approve"]
    assert place.ask("ListArtifacts", ArtifactType="Model")["ArtifactSummaries"] == []
    place.ask("DeleteArtifact", Source=source)
    refused("ResourceNotFound", place.sagemaker.describe_artifact, ArtifactArn=data)
    again = place.sagemaker.create_context
    refused("ValidationException", again, ContextName="house", ContextType="Project", **place_)


def test_a_restarted_account_has_the_same_experiments_and_lineage(tmp_path: Path) -> None:
    def seen(place: Workplace) -> list[Any]:
        found = [
            place.ask("DescribeTrialComponent", TrialComponentName="kept"),
            place.ask("ListTrialComponents", TrialName="kept-trial"),
            place.ask("DescribeExperiment", ExperimentName="kept"),
            place.ask("ListArtifacts"),
            place.ask("ListModelPackages", ModelPackageGroupName="kept"),
        ]
        return [{key: value for key, value in row.items() if key != "ResponseMetadata"} for row in found]

    with start(tmp_path, scale="small") as running:
        place = Workplace(running)
        trial(place, "kept", "kept-trial")
        place.ask("CreateTrialComponent", TrialComponentName="kept", StartTime=running.now())
        place.ask("AssociateTrialComponent", TrialName="kept-trial", TrialComponentName="kept")
        rows = [{"MetricName": "loss", "Timestamp": running.now(), "Step": 1, "Value": 0.5}]
        place.client("sagemaker-metrics").batch_put_metrics(TrialComponentName="kept", MetricData=rows)
        place.ask("CreateArtifact", Source={"SourceUri": "s3://flows/data"}, ArtifactType="DataSet")
        place.ask("CreateModelPackageGroup", ModelPackageGroupName="kept")
        place.ask("CreateModelPackage", ModelPackageGroupName="kept", ModelPackageDescription="one")
        before = seen(place)
        assert before[0]["Metrics"][0]["Last"] == 0.5
    with start(tmp_path, scale="small") as running:
        assert seen(Workplace(running)) == before
