"""Hyperparameter tuning in the simulated account: children, strategies, early ends, refusals, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start

from .hosted import refused
from .workplace import ROLE, Workplace, cents

pytestmark = pytest.mark.integration
HOUR = PriceBook.bundled().hourly("ml.m5.xlarge", "Training", "us-east-1").usd
ETA = {"Name": "eta", "MinValue": "0.01", "MaxValue": "0.5", "ScalingType": "Logarithmic"}
DEPTH = {"Name": "max_depth", "MinValue": "2", "MaxValue": "10"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("tuning"), scale="small") as running:
        yield Workplace(running)


def request(name: str, most: int = 6, at_once: int = 2, **more: Any) -> dict[str, Any]:
    definition = {
        "AlgorithmSpecification": {
            "TrainingImage": "team/forecaster:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "validation:auc", "Regex": "auc=(.*)"}, {"Name": "loss", "Regex": "l=(.*)"}],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://somewhere/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
        "StaticHyperParameters": {"sagekeeper_run_seconds": "600"} | more.pop("static", {}),
    } | more.pop("definition", {})
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": at_once},
        "ParameterRanges": {"ContinuousParameterRanges": [ETA], "IntegerParameterRanges": [DEPTH]},
    } | more.pop("config", {})
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": definition,
    } | more


def tune(place: Workplace, name: str, **more: Any) -> None:
    place.ask("CreateHyperParameterTuningJob", **request(name, **more))


def seen(place: Workplace, name: str) -> dict[str, Any]:
    return place.ask("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)


def children(place: Workplace, name: str, **more: Any) -> list[dict[str, Any]]:
    asked = {"HyperParameterTuningJobName": name, "MaxResults": 100} | more
    rows: list[dict[str, Any]] = place.ask("ListTrainingJobsForHyperParameterTuningJob", **asked)[
        "TrainingJobSummaries"
    ]
    return rows


def test_children_start_as_places_become_free_and_the_best_is_named(place: Workplace) -> None:
    tune(place, "plain", Tags=[{"Key": "team", "Value": "risk"}])
    place.running.advance(seconds=60)
    begun = seen(place, "plain")
    assert begun["HyperParameterTuningJobStatus"] == "InProgress" and "BestTrainingJob" not in begun
    assert begun["TrainingJobStatusCounters"]["InProgress"] == begun["ObjectiveStatusCounters"]["Pending"] == 2
    place.running.advance(hours=2)
    done, rows = seen(place, "plain"), children(place, "plain")
    assert done["HyperParameterTuningJobStatus"] == "Completed"
    assert done["TrainingJobStatusCounters"]["Completed"] == len(rows) == 6
    assert [row["TrainingJobName"][:10] for row in rows] == [f"plain-{number:03d}-" for number in range(1, 7)]
    values = [row["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for row in rows]
    assert done["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == max(values)
    assert len(set(values)) == 6
    for row in rows:
        assert 0.01 <= float(row["TunedHyperParameters"]["eta"]) <= 0.5
        assert 2 <= int(row["TunedHyperParameters"]["max_depth"]) <= 10
    running = [sum(one["CreationTime"] <= row["CreationTime"] < one["TrainingEndTime"] for one in rows) for row in rows]
    assert max(running) == 2
    assert done["ConsumedResources"]["RuntimeInSeconds"] > 3 * 600


def test_a_child_is_a_training_job_that_names_its_tuning_job(place: Workplace) -> None:
    best = seen(place, "plain")["BestTrainingJob"]
    child = place.ask("DescribeTrainingJob", TrainingJobName=best["TrainingJobName"])
    assert child["TuningJobArn"] == seen(place, "plain")["HyperParameterTuningJobArn"]
    assert child["HyperParameters"]["_tuning_objective_metric"] == "validation:auc"
    assert child["HyperParameters"]["max_depth"] == best["TunedHyperParameters"]["max_depth"]
    metrics = {item["MetricName"]: item["Value"] for item in child["FinalMetricDataList"]}
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert metrics["ObjectiveMetric"] == metrics["validation:auc"] == pytest.approx(value)
    assert "loss" in metrics
    tags = place.ask("ListTags", ResourceArn=child["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "risk"}]


def test_children_are_what_a_tuning_job_costs(place: Workplace) -> None:
    tune(place, "billed", most=3, at_once=3)
    day = place.running.now().date()
    place.running.advance(days=4)
    rows = children(place, "billed")
    costs = [place.bill(row["TrainingJobArn"], day=day)["USE1-Train:ml.m5.xlarge"] for row in rows]
    assert cents(sum(costs)) == cents(3 * 650 / 3600 * HOUR)
    assert place.bill(seen(place, "billed")["HyperParameterTuningJobArn"], day=day) == {}


def test_spot_children_bill_less_than_they_train(place: Workplace) -> None:
    limits = {"MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": 20_000}
    tune(place, "spot", most=2, definition={"EnableManagedSpotTraining": True, "StoppingCondition": limits})
    place.running.advance(hours=6)
    for row in children(place, "spot"):
        child = place.ask("DescribeTrainingJob", TrainingJobName=row["TrainingJobName"])
        assert child["BillableTimeInSeconds"] <= 0.46 * child["TrainingTimeInSeconds"]


def test_early_stopping_ends_what_does_worse_than_the_median(place: Workplace) -> None:
    tune(place, "early", most=20, at_once=4, config={"TrainingJobEarlyStoppingType": "Auto", "Strategy": "Random"})
    place.running.advance(hours=3)
    counted = seen(place, "early")["TrainingJobStatusCounters"]
    assert counted["Stopped"] >= 2 and counted["Completed"] + counted["Stopped"] == 20
    stopped = children(place, "early", StatusEquals="Stopped")
    spans = [(row["TrainingEndTime"] - row["TrainingStartTime"]).total_seconds() for row in stopped]
    assert all(seconds < 450 for seconds in spans)
    best = children(place, "early", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    values = [row["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for row in best]
    assert values == sorted(values, reverse=True) and len(values) == 20


def test_hyperband_gives_most_of_the_time_to_the_best_third(place: Workplace) -> None:
    tune(place, "band", most=20, at_once=4, config={"Strategy": "Hyperband"})
    place.running.advance(hours=3)
    stopped, completed = (children(place, "band", StatusEquals=status) for status in ("Stopped", "Completed"))
    assert len(stopped) >= 6 and len(stopped) + len(completed) == 20
    spans = [(row["TrainingEndTime"] - row["TrainingStartTime"]).total_seconds() for row in stopped]
    assert all(seconds < 650 / 2 for seconds in spans)


def test_a_grid_tries_every_combination_once(place: Workplace) -> None:
    grid = [{"Name": "booster", "Values": ["gbtree", "dart"]}, {"Name": "tree", "Values": ["hist", "exact", "approx"]}]
    limits = {"MaxParallelTrainingJobs": 3}
    ranges = {"CategoricalParameterRanges": grid}
    tune(place, "grid", config={"Strategy": "Grid", "ResourceLimits": limits, "ParameterRanges": ranges})
    place.running.advance(hours=2)
    tried = {tuple(sorted(row["TunedHyperParameters"].items())) for row in children(place, "grid")}
    assert len(tried) == 6


def test_a_reached_target_ends_the_search(place: Workplace) -> None:
    criteria = {"TargetObjectiveMetricValue": 0.01}
    tune(place, "target", most=50, config={"TuningJobCompletionCriteria": criteria})
    place.running.advance(hours=3)
    found = seen(place, "target")
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert sum(found["TrainingJobStatusCounters"].values()) <= 3
    assert found["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] >= 0


def test_the_longest_runtime_ends_the_search(place: Workplace) -> None:
    limits = {"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 1, "MaxRuntimeInSeconds": 2000}
    tune(place, "short", config={"ResourceLimits": limits})
    place.running.advance(hours=12)
    found = seen(place, "short")
    assert 2000 <= found["ConsumedResources"]["RuntimeInSeconds"] <= 2060
    assert found["TrainingJobStatusCounters"]["Stopped"] == 1


def test_a_search_without_any_success_fails(place: Workplace) -> None:
    tune(place, "hopeless", most=20, static={"sagekeeper_failure": "AlgorithmError: no such column"})
    place.running.advance(hours=4)
    found = seen(place, "hopeless")
    assert found["HyperParameterTuningJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("No training job succeeded after 5 attempts.")
    assert 5 <= found["TrainingJobStatusCounters"]["NonRetryableError"] <= 6
    assert {row["FailureReason"] for row in children(place, "hopeless")} == {"AlgorithmError: no such column"}


def test_a_stopped_search_starts_no_more_children(place: Workplace) -> None:
    tune(place, "halted", most=20)
    place.running.advance(seconds=300)
    place.ask("StopHyperParameterTuningJob", HyperParameterTuningJobName="halted")
    assert seen(place, "halted")["HyperParameterTuningJobStatus"] == "Stopping"
    place.running.advance(hours=5)
    found = seen(place, "halted")
    assert found["HyperParameterTuningJobStatus"] == "Stopped"
    assert found["TrainingJobStatusCounters"]["Stopped"] == sum(found["TrainingJobStatusCounters"].values()) == 2
    stop = place.sagemaker.stop_hyper_parameter_tuning_job
    refused("ValidationException", stop, HyperParameterTuningJobName="halted")
    listed = place.ask("ListTrainingJobs", NameContains="halted-")["TrainingJobSummaries"]
    assert len(listed) == 2


def test_a_warm_start_knows_the_best_of_its_parents(place: Workplace) -> None:
    parents = [{"HyperParameterTuningJobName": "plain"}]
    warm = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": "IdenticalDataAndAlgorithm"}
    tune(place, "warm", most=1, at_once=1, WarmStartConfig=warm)
    place.running.advance(hours=1)
    found, before = seen(place, "warm"), seen(place, "plain")["BestTrainingJob"]
    key = "FinalHyperParameterTuningJobObjectiveMetric"
    best = max((found["BestTrainingJob"], before), key=lambda row: row[key]["Value"])
    assert found["OverallBestTrainingJob"]["TrainingJobName"] == best["TrainingJobName"]


def test_several_definitions_share_the_children(place: Workplace) -> None:
    wish = request("several", most=4)
    one = wish.pop("TrainingJobDefinition")
    config = wish["HyperParameterTuningJobConfig"]
    told = {
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    definitions = [one | told | {"DefinitionName": name} for name in ("cpu", "gpu")]
    place.ask("CreateHyperParameterTuningJob", **wish, TrainingJobDefinitions=definitions)
    place.running.advance(hours=2)
    assert [row["TrainingJobDefinitionName"] for row in children(place, "several")] == ["cpu", "gpu", "cpu", "gpu"]


def test_lists_are_filtered_and_paged_and_what_ended_can_be_deleted(place: Workplace) -> None:
    rows = place.ask("ListHyperParameterTuningJobs", StatusEquals="Failed")["HyperParameterTuningJobSummaries"]
    assert [(row["HyperParameterTuningJobName"], row["Strategy"]) for row in rows] == [("hopeless", "Bayesian")]
    first = place.ask("ListHyperParameterTuningJobs", MaxResults=2, SortBy="Name", SortOrder="Ascending")
    assert [row["HyperParameterTuningJobName"] for row in first["HyperParameterTuningJobSummaries"]] == [
        "band",
        "billed",
    ]
    assert first["NextToken"]
    place.ask("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="hopeless")
    describe = place.sagemaker.describe_hyper_parameter_tuning_job
    refused("ResourceNotFound", describe, HyperParameterTuningJobName="hopeless")


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("ResourceInUse", {"name": "plain"}),
        ("ResourceLimitExceeded", {"most": 500, "at_once": 101}),
        ("ResourceLimitExceeded", {"most": 800}),
        ("ValidationException", {"most": 1, "at_once": 2}),
        ("ValidationException", {"name": "a-name-that-is-longer-than-thirty-two-letters"}),
        ("ValidationException", {"config": {"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"}}),
        ("ValidationException", {"config": {"Strategy": "Grid"}}),
        ("ValidationException", {"config": {"Strategy": "Guessing"}}),
        ("ValidationException", {"config": {"ParameterRanges": {}}}),
        ("ValidationException", {"static": {"eta": "0.3"}}),
        ("ValidationException", {"definition": {"EnableManagedSpotTraining": True}}),
        (
            "ValidationException",
            {"config": {"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "unknown"}}},
        ),
        (
            "ResourceNotFound",
            {
                "WarmStartConfig": {
                    "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "nobody"}],
                    "WarmStartType": "TransferLearning",
                }
            },
        ),
    ],
)
def test_wrong_requests_are_refused(place: Workplace, code: str, wrong: dict[str, Any]) -> None:
    refused(code, place.sagemaker.create_hyper_parameter_tuning_job, **request(**({"name": "wrong"} | wrong)))


def test_what_is_not_there_is_not_found(place: Workplace) -> None:
    for ask in (
        place.sagemaker.describe_hyper_parameter_tuning_job,
        place.sagemaker.stop_hyper_parameter_tuning_job,
        place.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
        place.sagemaker.delete_hyper_parameter_tuning_job,
    ):
        refused("ResourceNotFound", ask, match="can't find a tuning job called", HyperParameterTuningJobName="nobody")
