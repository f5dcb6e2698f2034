"""What a request will use, read from its parameters: hours, machines, spot, pools, tuning jobs, pipelines with branches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagekeeper.analyzers.launch import Range, Work
from sagekeeper.analyzers.launch_jobs import Assumptions, processing, training, transform, tuning
from sagekeeper.analyzers.launch_past import Past
from sagekeeper.analyzers.launch_pipeline import combined, read
from sagekeeper.core.errors import BadInput
from sagekeeper.core.tables import JOBS

START = datetime(2026, 11, 1, tzinfo=UTC)
NOTHING = Past(JOBS.empty())
ASSUMED = Assumptions()
CLUSTER = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}
LIMIT = {"MaxRuntimeInSeconds": 7200}


def past(*runs: dict[str, Any]) -> Past:
    rows = [
        dict.fromkeys(JOBS.columns)
        | {"kind": "training_job", "status": "Completed", "started_at": START, "instance_type": "ml.g5.xlarge"}
        | {"instance_count": 1}
        | {key: value for key, value in run.items() if key != "hours"}
        | {"ended_at": START + timedelta(hours=run["hours"]), "run_seconds": int(run["hours"] * 3600)}
        for run in runs
    ]
    return Past(pl.DataFrame(rows, schema=JOBS.columns))


def hours(work: Work, usage: str = "Train:ml.g5.xlarge") -> Range:
    """Machine-hours of one usage type."""
    return sum((use.size * (use.hours or Range.of(0)) for use in work.uses if use.usage_type == usage), Range.of(0))


def test_spot_of_a_family_is_billed_as_its_runs_were_and_at_most_in_full() -> None:
    ran = past(*({"name": f"a-{n}", "hours": 1.0, "spot": True, "billable_seconds": 1080} for n in (1, 2, 3)))
    job = {"TrainingJobName": "a-4", "ResourceConfig": CLUSTER, "StoppingCondition": LIMIT}
    assert hours(training(job, ran, ASSUMED)) == Range(1, 1, 2)
    assert hours(training(job | {"EnableManagedSpotTraining": True}, ran, ASSUMED)) == Range(0.3, 0.3, 2)


def test_failed_and_stopped_runs_do_not_say_how_long_a_whole_one_takes() -> None:
    ran = past({"name": "a-1", "hours": 1.0}, {"name": "a-2", "hours": 0.1, "status": "Failed"})
    job = {"TrainingJobName": "a-3", "ResourceConfig": CLUSTER, "StoppingCondition": LIMIT}
    assert hours(training(job, ran, ASSUMED)).low == 1.0


def test_a_warm_pool_costs_as_long_as_it_is_kept_or_nothing() -> None:
    cluster = CLUSTER | {"KeepAlivePeriodInSeconds": 1800}
    work = training({"TrainingJobName": "a", "ResourceConfig": cluster, "StoppingCondition": LIMIT}, NOTHING, ASSUMED)
    assert hours(work, "WarmPool:ml.g5.xlarge") == Range(0, 0.5, 0.5)


def test_every_group_of_a_heterogeneous_cluster_is_counted() -> None:
    groups = [
        {"InstanceGroupName": "gpu", "InstanceType": "ml.g5.xlarge", "InstanceCount": 2},
        {"InstanceGroupName": "cpu", "InstanceType": "ml.c5.xlarge", "InstanceCount": 3},
    ]
    cluster = {"InstanceGroups": groups, "VolumeSizeInGB": 10}
    work = training({"TrainingJobName": "a", "ResourceConfig": cluster, "StoppingCondition": LIMIT}, NOTHING, ASSUMED)
    assert hours(work).high == 4
    assert hours(work, "Train:ml.c5.xlarge").high == 6
    assert hours(work, "Train:VolumeUsage.gp2").high == 100


def test_a_job_without_a_limit_is_stopped_by_aws_after_a_day() -> None:
    work = training({"TrainingJobName": "a", "ResourceConfig": CLUSTER}, NOTHING, Assumptions(0.5))
    assert (hours(work).expected, hours(work).high) == (12, 24)
    assert "default of 1 day" in work.notes[0]


def test_a_transform_job_without_past_runs_is_unknown_because_aws_has_no_limit_for_it() -> None:
    job = {"TransformJobName": "t", "TransformResources": CLUSTER}
    assert "no MaxRuntimeInSeconds" in transform(job, NOTHING, ASSUMED).unknown[0]
    ran = past({"name": "t-1", "kind": "transform_job", "hours": 3.0})
    assert hours(transform(job, ran, ASSUMED), "Tsform:ml.g5.xlarge") == Range.of(3)


def test_a_tuning_job_costs_as_many_jobs_as_it_may_start_within_its_own_time() -> None:
    limits: dict[str, Any] = {"MaxNumberOfTrainingJobs": 10, "MaxParallelTrainingJobs": 2}
    one = {"ResourceConfig": CLUSTER, "StoppingCondition": LIMIT}
    job = {"HyperParameterTuningJobName": "tune-1", "TrainingJobDefinition": one}
    whole = tuning(job | {"HyperParameterTuningJobConfig": {"ResourceLimits": limits}}, NOTHING, ASSUMED)
    assert hours(whole).high == 20
    capped = limits | {"MaxRuntimeInSeconds": 3600 * 5}
    assert (
        hours(tuning(job | {"HyperParameterTuningJobConfig": {"ResourceLimits": capped}}, NOTHING, ASSUMED)).high == 10
    )
    parent = "arn:aws:sagemaker:us-east-1:1:hyper-parameter-tuning-job/tune-0"
    ran = past({"name": "tune-0-001-x", "hours": 0.5, "parent_arn": parent})
    assert (
        hours(tuning(job | {"HyperParameterTuningJobConfig": {"ResourceLimits": limits}}, ran, ASSUMED)).expected == 5
    )


def test_a_processing_job_is_billed_by_its_cluster() -> None:
    cluster = {"ClusterConfig": CLUSTER | {"VolumeSizeInGB": 30}}
    job = {"ProcessingJobName": "p", "ProcessingResources": cluster, "StoppingCondition": LIMIT}
    assert hours(processing(job, NOTHING, ASSUMED), "Processing:ml.g5.xlarge").high == 2


def step(name: str, kind: str = "Training", **more: Any) -> dict[str, Any]:
    arguments = {"ResourceConfig": CLUSTER, "StoppingCondition": LIMIT} | more
    return {"Name": name, "Type": kind, "Arguments": arguments}


def pipeline(*steps: dict[str, Any], parameters: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"Version": "2020-12-01", "Parameters": list(parameters), "Steps": list(steps)}


def test_a_pipelines_parameters_stand_where_they_are_referred_to() -> None:
    count = {"Name": "Count", "Type": "Integer", "DefaultValue": 3}
    cluster = {"InstanceType": "ml.g5.xlarge", "InstanceCount": {"Get": "Parameters.Count"}}
    defined = pipeline(step("Train", ResourceConfig=cluster), parameters=(count,))
    assert hours(read(defined, {}, NOTHING, ASSUMED)[0]).high == 6
    assert hours(read(defined, {"Count": "5"}, NOTHING, ASSUMED)[0]).high == 10
    with pytest.raises(BadInput, match="of type Integer"):
        read(defined, {"Count": "many"}, NOTHING, ASSUMED)
    with pytest.raises(BadInput, match="no parameter Size"):
        read(defined, {"Size": "1"}, NOTHING, ASSUMED)


def test_a_parameter_without_a_value_is_named_as_unknown() -> None:
    cluster = {"InstanceType": {"Get": "Parameters.Machine"}, "InstanceCount": 1}
    machine = {"Name": "Machine", "Type": "String"}
    work = read(pipeline(step("Train", ResourceConfig=cluster), parameters=(machine,)), {}, NOTHING, ASSUMED)[0]
    assert work.uses == ()
    assert work.unknown == ("InstanceType: parameter Machine has no default; give it with --parameter Machine=...",)


def test_what_a_step_gets_from_another_matters_only_where_a_price_depends_on_it() -> None:
    artefact = {"Get": "Steps.Other.ModelArtifacts.S3ModelArtifacts"}
    assert read(pipeline(step("Train", HyperParameters={"x": artefact})), {}, NOTHING, ASSUMED)[0].unknown == ()


def test_of_a_condition_one_branch_runs() -> None:
    branches = {"Conditions": [], "IfSteps": [step("A"), step("B")], "ElseSteps": [step("C")]}
    works = read(
        pipeline(step("First"), {"Name": "If", "Type": "Condition", "Arguments": branches}), {}, NOTHING, ASSUMED
    )
    whole = combined([(work.branch, hours(work)) for work in works])
    least = 60 / 3600
    assert whole == Range(pytest.approx(2 * least), pytest.approx(6), pytest.approx(6))  # type: ignore[arg-type]


def test_a_steps_past_runs_are_found_by_the_name_that_sagemaker_gives_its_jobs() -> None:
    ran = past({"name": "pipelines-abc123def456-Train-Xy12AbCdEf", "hours": 1.5})
    assert hours(read(pipeline(step("Train")), {}, ran, ASSUMED)[0]).expected == 1.5


def test_a_cached_step_may_cost_nothing_and_a_step_of_another_service_is_unknown() -> None:
    cached = step("Train") | {"CacheConfig": {"Enabled": True, "ExpireAfter": "7d"}}
    works = read(pipeline(cached, {"Name": "Spark", "Type": "EMR", "Arguments": {}}), {}, NOTHING, ASSUMED)
    assert hours(works[0]).low == 0
    assert "EMR" in works[1].unknown[0]


@given(
    limit=st.integers(1, 28 * 86_400),
    took=st.lists(st.floats(0.01, 500.0), max_size=5),
    share=st.floats(0.01, 1.0),
    spot=st.booleans(),
)
def test_low_is_never_above_expected_nor_expected_above_the_ceiling(
    limit: int, took: list[float], share: float, spot: bool
) -> None:
    job = {"TrainingJobName": "a-9", "ResourceConfig": CLUSTER, "StoppingCondition": {"MaxRuntimeInSeconds": limit}}
    ran = past(*({"name": f"a-{n}", "hours": value} for n, value in enumerate(took)))
    found = hours(training(job | {"EnableManagedSpotTraining": spot}, ran, Assumptions(share)))
    assert 0 <= found.low <= found.expected <= found.high <= limit / 3600 * (1 + 1e-9)


X = {"Get": "Parameters.X"}
ONE = {"VariantName": "v", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
MOST_TWO = {"HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxNumberOfTrainingJobs": 2}}}


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Training", {"ResourceConfig": X}),
        ("Training", {"ResourceConfig": {"InstanceGroups": X}}),
        ("Training", {"ResourceConfig": {"InstanceGroups": [X]}}),
        ("Training", {"ResourceConfig": {"InstancePreferences": X}}),
        ("Processing", {"ProcessingResources": X}),
        ("Tuning", MOST_TWO | {"TrainingJobDefinitions": X}),
        ("Tuning", MOST_TWO | {"TrainingJobDefinitions": [X]}),
        ("EndpointConfig", {"ProductionVariants": X}),
        ("EndpointConfig", {"ProductionVariants": [X]}),
        ("EndpointConfig", {"ProductionVariants": [{"VariantName": "v", "ServerlessConfig": X}]}),
        ("EndpointConfig", {"ProductionVariants": [ONE | {"ManagedInstanceScaling": X}]}),
    ],
)
def test_what_only_the_run_knows_is_named_wherever_in_a_request_it_stands(kind: str, arguments: dict[str, Any]) -> None:
    definition = {"Parameters": [{"Name": "X"}], "Steps": [{"Name": "step", "Type": kind, "Arguments": arguments}]}
    (work,) = read(definition, {}, NOTHING, ASSUMED)
    assert any("parameter X has no default" in why for why in work.unknown)


@pytest.mark.parametrize("tags", [X, [X], [{"Key": "owner", "Value": X}], [{"Key": "owner"}]])
def test_a_tag_that_only_the_run_knows_is_nobodys(tags: Any) -> None:
    arguments = {"ResourceConfig": CLUSTER, "StoppingCondition": LIMIT, "Tags": tags}
    definition = {
        "Parameters": [{"Name": "X"}],
        "Steps": [{"Name": "step", "Type": "Training", "Arguments": arguments}],
    }
    (work,) = read(definition, {}, NOTHING, ASSUMED)
    assert (work.tags, work.unknown) == ({}, ())
