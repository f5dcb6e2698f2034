"""Pipelines in the simulated account: their definitions run, in order, through branches, with caches and retries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start

from .flows import begin, condition, fail, job_of, make, run, states, status, steps, training
from .hosted import refused
from .workplace import Workplace, cents

pytestmark = pytest.mark.integration
HOUR = PriceBook.bundled().hourly("ml.m5.xlarge", "Training", "us-east-1").usd
MODEL = {"Get": "Steps.First.ModelArtifacts.S3ModelArtifacts"}
CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P2d"}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("pipelines"), scale="small") as running:
        yield Workplace(running)


def checkpoint(value: Any) -> dict[str, Any]:
    return {"CheckpointConfig": {"S3Uri": value}}


def numbers(*names: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Type": "Float", "DefaultValue": 0.5} for name in names]


def test_steps_run_one_after_the_other_where_one_refers_to_the_other(place: Workplace) -> None:
    make(place, "chain", training("Second", arguments=checkpoint(MODEL)), training("First"))
    arn = begin(place, "chain")
    assert status(place, arn) == "Executing"
    place.running.advance(seconds=60)
    assert states(place, arn) == {"First": "Executing"}
    place.running.advance(hours=1)
    found = steps(place, arn)
    assert status(place, arn) == "Succeeded"
    assert found["Second"]["StartTime"] >= found["First"]["EndTime"]
    first, second = job_of(place, found["First"]), job_of(place, found["Second"])
    assert second["CheckpointConfig"]["S3Uri"] == first["ModelArtifacts"]["S3ModelArtifacts"]
    assert first["TrainingEndTime"] == found["First"]["EndTime"]


def test_the_jobs_of_a_pipeline_are_on_the_bill(place: Workplace) -> None:
    make(place, "billed", training("First", 3600), training("Second", 1800, DependsOn=["First"]))
    day = place.running.now().date()
    arn = run(place, "billed")
    place.running.advance(days=4)
    for name, seconds in (("First", 3650), ("Second", 1850)):
        bill = place.bill(steps(place, arn)[name]["Metadata"]["TrainingJob"]["Arn"], day=day)
        assert cents(bill["USE1-Train:ml.m5.xlarge"]) == cents(seconds / 3600 * HOUR)


def test_parameters_and_joins_come_to_the_job(place: Workplace) -> None:
    joined = {
        "Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.Where"}, {"Get": "Execution.PipelineName"}, 7]}
    }
    cluster = {
        "InstanceType": {"Get": "Parameters.Kind"},
        "InstanceCount": {"Get": "Parameters.Count"},
        "VolumeSizeInGB": 30,
    }
    parameters = [
        {"Name": "Where", "Type": "String", "DefaultValue": "usual"},
        {
            "Name": "Kind",
            "Type": "String",
            "DefaultValue": "ml.m5.large",
            "EnumValues": ["ml.m5.large", "ml.c5.xlarge"],
        },
        {"Name": "Count", "Type": "Integer"},
    ]
    step = training("Only", arguments=checkpoint(joined) | {"ResourceConfig": cluster})
    make(place, "told", step, parameters=parameters)
    arn = run(place, "told", {"Count": "3", "Where": "other"})
    job = job_of(place, steps(place, arn)["Only"])
    assert job["CheckpointConfig"]["S3Uri"] == "s3://other/told/7"
    assert (job["ResourceConfig"]["InstanceCount"], job["ResourceConfig"]["InstanceType"]) == (3, "ml.m5.large")
    shown = place.ask("ListPipelineParametersForExecution", PipelineExecutionArn=arn)["PipelineParameters"]
    assert {item["Name"]: item["Value"] for item in shown} == {"Count": "3", "Where": "other", "Kind": "ml.m5.large"}
    for given, text in (
        ({}, "undefined"),
        ({"Count": "many"}, "Integer"),
        ({"Count": "1", "New": "x"}, "Unknown"),
        ({"Count": "1", "Kind": "ml.p3.2xlarge"}, "one of"),
    ):
        refused("ValidationException", lambda sent=given: begin(place, "told", sent), match=text)


@pytest.mark.parametrize(
    ("kind", "values", "yes"),
    [
        ("Equals", (0.5, 0.5), True),
        ("GreaterThan", (0.5, 0.5), False),
        ("GreaterThanOrEqualTo", (0.5, 0.5), True),
        ("LessThan", (0.4, 0.5), True),
        ("LessThanOrEqualTo", (0.6, 0.5), False),
        ("In", (0.5, [0.1, 0.5]), True),
        ("Not", (0.5, 0.5), False),
        ("Or", (0.1, 0.5), True),
    ],
)
def test_a_condition_takes_one_branch_and_skips_the_other(
    place: Workplace, kind: str, values: tuple[Any, Any], yes: bool
) -> None:
    left = {"Get": "Parameters.Score"}
    equal = {"Type": "Equals", "LeftValue": left, "RightValue": values[1]}
    told: dict[str, Any] = {"Type": kind, "LeftValue": left, "RightValue": values[1]}
    if kind == "In":
        told = {"Type": "In", "QueryValue": left, "Values": values[1]}
    elif kind == "Not":
        told = {"Type": "Not", "Condition": equal}
    elif kind == "Or":
        told = {"Type": "Or", "Conditions": [equal, {"Type": "LessThan", "LeftValue": left, "RightValue": 0.2}]}
    branches = ([training("Good")], [training("Bad")])
    after = training("After", DependsOn=["Bad"])
    make(place, f"branch-{kind}", condition("Check", [told], *branches), after, parameters=numbers("Score"))
    arn = run(place, f"branch-{kind}", {"Score": str(values[0])})
    found = steps(place, arn)
    assert set(found) == ({"Check", "Good"} if yes else {"Check", "Bad", "After"})
    assert found["Check"]["Metadata"] == {"Condition": {"Outcome": str(yes)}}
    assert status(place, arn) == "Succeeded"


def test_a_fail_step_fails_the_execution_with_its_message(place: Workplace) -> None:
    message = {"Std:Join": {"On": " ", "Values": ["Score", {"Get": "Parameters.Score"}]}}
    never = {"Type": "Equals", "LeftValue": 1, "RightValue": 2}
    check = condition("Check", [never], [], [fail("Stop", message)])
    make(place, "failing", check, parameters=numbers("Score"))
    arn = run(place, "failing")
    described = place.ask("DescribePipelineExecution", PipelineExecutionArn=arn)
    assert (described["PipelineExecutionStatus"], described["FailureReason"]) == (
        "Failed",
        "Step failure: One or multiple steps failed.",
    )
    stop = steps(place, arn)["Stop"]
    assert (stop["FailureReason"], stop["Metadata"]["Fail"]["ErrorMessage"]) == ("Score 0.5", "Score 0.5")


def test_a_failed_job_fails_what_waits_for_it_but_not_its_neighbour(place: Workplace) -> None:
    bad = training("Bad", hyper={"sagekeeper_failure": "AlgorithmError: exit code 1"})
    make(place, "partly", bad, training("After", DependsOn=["Bad"]), training("Beside", 3600))
    arn = run(place, "partly")
    assert states(place, arn) == {"Bad": "Failed", "Beside": "Succeeded"}
    assert steps(place, arn)["Bad"]["FailureReason"] == "AlgorithmError: exit code 1"
    assert status(place, arn) == "Failed"


def test_a_retry_does_again_what_had_not_succeeded(place: Workplace) -> None:
    bad = training("Bad", hyper={"sagekeeper_failure": "AlgorithmError: exit code 1"}, DependsOn=["Good"])
    make(place, "again", training("Good"), bad)
    arn = run(place, "again")
    first = steps(place, arn)
    place.ask("RetryPipelineExecution", PipelineExecutionArn=arn)
    refused("ConflictException", place.sagemaker.retry_pipeline_execution, PipelineExecutionArn=arn)
    assert status(place, arn) == "Executing"
    place.running.advance(hours=2)
    second = steps(place, arn)
    assert status(place, arn) == "Failed"
    assert second["Good"]["Metadata"] == first["Good"]["Metadata"]
    assert second["Bad"]["Metadata"] != first["Bad"]["Metadata"]


def test_a_retry_policy_tries_again_with_growing_pauses(place: Workplace) -> None:
    policy = {
        "ExceptionType": ["SageMaker.CAPACITY_ERROR"],
        "IntervalSeconds": 60,
        "BackoffRate": 2.0,
        "MaxAttempts": 2,
    }
    broken = {"sagekeeper_failure": "CapacityError: Unable to provision requested ML compute capacity."}
    make(place, "stubborn", training("Try", hyper=broken, RetryPolicies=[policy]))
    arn = run(place, "stubborn")
    found = steps(place, arn)["Try"]
    assert (found["StepStatus"], found["AttemptCount"]) == ("Failed", 3)
    jobs = place.ask("ListTrainingJobs", NameContains=arn.rpartition("/")[2], SortOrder="Ascending")
    rows = jobs["TrainingJobSummaries"]
    pauses = [b["CreationTime"] - a["TrainingEndTime"] for a, b in pairwise(rows)]
    assert pauses == [timedelta(seconds=60), timedelta(seconds=120)]
    plain = training("Try", hyper={"sagekeeper_failure": "AlgorithmError: no"}, RetryPolicies=[policy])
    make(place, "hopeless", plain)
    assert steps(place, run(place, "hopeless"))["Try"]["AttemptCount"] == 1


def test_a_cached_step_takes_over_what_an_earlier_execution_made_until_it_expires(place: Workplace) -> None:
    second = training("Second", arguments=checkpoint(MODEL))
    make(place, "cached", training("First", **CACHED), second)
    first = run(place, "cached")
    again = run(place, "cached")
    found = steps(place, again)
    assert found["First"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    assert found["First"]["Metadata"] == steps(place, first)["First"]["Metadata"]
    assert "CacheHitResult" not in found["Second"]
    job = place.ask("ListTrainingJobs", NameContains=again.rpartition("/")[2])["TrainingJobSummaries"]
    assert len(job) == 1
    model = job_of(place, steps(place, first)["First"])["ModelArtifacts"]["S3ModelArtifacts"]
    assert job_of(place, found["Second"])["CheckpointConfig"]["S3Uri"] == model
    place.running.advance(days=3)
    assert "CacheHitResult" not in steps(place, run(place, "cached"))["First"]


def test_other_arguments_miss_the_cache(place: Workplace) -> None:
    deep = {"HyperParameters": {"depth": {"Get": "Parameters.Depth"}, "sagekeeper_run_seconds": "60"}}
    parameters = [{"Name": "Depth", "Type": "String", "DefaultValue": "3"}]
    make(place, "depths", training("First", arguments=deep, **CACHED), parameters=parameters)
    run(place, "depths")
    assert "CacheHitResult" not in steps(place, run(place, "depths", {"Depth": "4"}))["First"]
    assert "CacheHitResult" in steps(place, run(place, "depths", {"Depth": "4"}))["First"]


def test_no_more_steps_run_at_once_than_the_execution_allows(place: Workplace) -> None:
    make(place, "narrow", *(training(f"S{number}") for number in range(3)))
    arn = begin(place, "narrow", ParallelismConfiguration={"MaxParallelExecutionSteps": 2})
    place.running.advance(seconds=60)
    assert states(place, arn) == {"S0": "Executing", "S1": "Executing"}
    place.running.advance(hours=2)
    found = steps(place, arn)
    assert found["S2"]["StartTime"] == min(found["S0"]["EndTime"], found["S1"]["EndTime"])


def test_a_stopped_execution_stops_its_jobs(place: Workplace) -> None:
    make(place, "halted", training("First", 3600), training("Second", DependsOn=["First"]))
    arn = begin(place, "halted")
    place.running.advance(seconds=600)
    place.ask("StopPipelineExecution", PipelineExecutionArn=arn)
    assert (status(place, arn), states(place, arn)) == ("Stopping", {"First": "Stopping"})
    refused("ConflictException", place.sagemaker.delete_pipeline, PipelineName="halted")
    place.running.advance(seconds=120)
    assert (status(place, arn), states(place, arn)) == ("Stopped", {"First": "Stopped"})
    assert job_of(place, steps(place, arn)["First"])["TrainingJobStatus"] == "Stopped"
    refused("ConflictException", place.sagemaker.stop_pipeline_execution, PipelineExecutionArn=arn)


def test_a_selective_execution_takes_the_results_of_other_steps_from_its_source(place: Workplace) -> None:
    make(place, "chosen", training("First"), training("Second", arguments=checkpoint(MODEL)), training("Third"))
    source = run(place, "chosen")
    arn = run(place, "chosen", SelectiveExecutionConfig={"SelectedSteps": [{"StepName": "Second"}]})
    found = steps(place, arn)
    assert set(found) == {"First", "Second"}
    assert found["First"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": source}
    model = job_of(place, steps(place, source)["First"])["ModelArtifacts"]["S3ModelArtifacts"]
    assert job_of(place, found["Second"])["CheckpointConfig"]["S3Uri"] == model
    wrong = {"SelectedSteps": [{"StepName": "Nothing"}]}
    refused("ValidationException", lambda: begin(place, "chosen", SelectiveExecutionConfig=wrong))


def test_a_callback_step_asks_a_queue_and_waits_for_the_answer(place: Workplace) -> None:
    queue = place.client("sqs").create_queue(QueueName="asked")["QueueUrl"]
    step = {
        "Name": "Ask",
        "Type": "Callback",
        "SqsQueueUrl": queue,
        "Arguments": {"model": MODEL},
        "OutputParameters": [{"OutputName": "where", "OutputType": "String"}],
    }
    where = {"Get": "Steps.Ask.OutputParameters['where']"}
    make(place, "asking", training("First"), step, training("Last", arguments=checkpoint(where)))
    arn = run(place, "asking", hours=24)
    assert states(place, arn) == {"First": "Succeeded", "Ask": "Executing"}
    message = place.client("sqs").receive_message(QueueUrl=queue)["Messages"][0]
    body = json.loads(message["Body"])
    assert body["pipelineExecutionArn"] == arn and body["arguments"]["model"].endswith("model.tar.gz")
    answer = [{"Name": "where", "Value": "s3://answered/here"}]
    place.ask("SendPipelineExecutionStepSuccess", CallbackToken=body["token"], OutputParameters=answer)
    place.running.advance(hours=1)
    assert job_of(place, steps(place, arn)["Last"])["CheckpointConfig"]["S3Uri"] == "s3://answered/here"
    again = place.sagemaker.send_pipeline_execution_step_failure
    refused("ConflictException", again, CallbackToken=body["token"])
    refused("ResourceNotFound", again, CallbackToken="abcdefghij")


def test_a_restarted_account_has_run_the_same(tmp_path: Any) -> None:
    with start(tmp_path, scale="small") as running:
        place = Workplace(running)
        make(place, "kept", training("First", **CACHED), training("Second", arguments=checkpoint(MODEL)))
        arns = [run(place, "kept", hours=1), run(place, "kept", hours=1), begin(place, "kept")]
        running.advance(seconds=300)
        before = [(steps(place, arn), status(place, arn)) for arn in arns]
    with start(tmp_path, scale="small") as running:
        place = Workplace(running)
        assert [(steps(place, arn), status(place, arn)) for arn in arns] == before
        running.advance(hours=1)
        assert status(place, arns[2]) == "Succeeded"
