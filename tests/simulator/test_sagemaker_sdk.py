"""The SageMaker SDK, unmodified, on the simulated account: pipelines upserted and run, monitors read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError

from sagekeeper.simulator.process import RunningSimulator, start

from .flows import IMAGE

pytestmark = [
    pytest.mark.scale,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("sagemaker") is None, reason="the sagemaker extra is not installed"),
]
QUIET = "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"
ROLE = "arn:aws:iam::123456789012:role/Flows"
SCHEDULE = "house-price-regression-data-quality"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """Nothing but environment variables points the SDK at the account."""
    settings = tmp_path_factory.mktemp("settings") / "config.yaml"
    settings.write_text(QUIET)
    with start(tmp_path_factory.mktemp("sdk")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": running.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(settings),
        }.items():
            patch.setenv(name, value)
        trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        may = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        iam = boto3.client("iam")
        iam.create_role(RoleName="Flows", AssumeRolePolicyDocument=_policy(trust))
        iam.put_role_policy(RoleName="Flows", PolicyName="all", PolicyDocument=_policy(may))
        yield running


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def pipeline(running: RunningSimulator) -> Any:
    """A pipeline that trains, checks a score and fails when it is too high."""
    from sagemaker.core.workflow.conditions import ConditionLessThan
    from sagemaker.core.workflow.functions import Join
    from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import CacheConfig, TrainingStep
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import Compute

    session = PipelineSession(default_bucket="flows-sdk")
    count, score = ParameterInteger("Count", default_value=1), ParameterFloat("Score", default_value=0.5)
    trainer = ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        sagemaker_session=session,
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=count),
        hyperparameters={"sagekeeper_run_seconds": "300"},
        base_job_name="sdk",
    )
    train = TrainingStep(
        "Train",
        step_args=trainer.train(wait=False),
        cache_config=CacheConfig(enable_caching=True, expire_after="P1d"),
    )
    check = ConditionStep(
        "Check",
        conditions=[ConditionLessThan(left=score, right=0.9)],
        if_steps=[],
        else_steps=[FailStep("Bad", error_message=Join(on=" ", values=["Score", score]))],
        depends_on=["Train"],
    )
    return Pipeline("sdk-flow", parameters=[count, score], steps=[train, check], sagemaker_session=session)


def test_a_pipeline_is_upserted_started_described_and_its_steps_listed(
    running: RunningSimulator, pipeline: Any
) -> None:
    made = pipeline.upsert(role_arn=ROLE, tags=[{"Key": "a", "Value": "b"}])
    again = pipeline.upsert(role_arn=ROLE, tags=[{"Key": "c", "Value": "d"}])
    assert made["PipelineArn"] == again["PipelineArn"]
    tags = boto3.client("sagemaker").list_tags(ResourceArn=made["PipelineArn"])["Tags"]
    assert {tag["Key"] for tag in tags} == {"a", "c"}
    execution = pipeline.start(parameters={"Count": 2})
    assert execution.describe()["PipelineExecutionStatus"] == "Executing"
    running.advance(hours=1)
    execution.wait(delay=1, max_attempts=2)
    steps = {row["StepName"]: row for row in execution.list_steps()}
    assert {name: row["StepStatus"] for name, row in steps.items()} == {"Train": "Succeeded", "Check": "Succeeded"}
    job = steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    found = boto3.client("sagemaker").describe_training_job(TrainingJobName=job)
    assert found["ResourceConfig"]["InstanceCount"] == 2
    assert pipeline.describe()["PipelineStatus"] == "Active" and pipeline.latest_pipeline_version_id == 1


def test_the_sdk_waits_for_a_failure_and_sees_the_cache(running: RunningSimulator, pipeline: Any) -> None:
    pipeline.upsert(role_arn=ROLE)
    pipeline.start(parameters={"Count": 3})
    running.advance(hours=1)
    execution = pipeline.start(parameters={"Count": 3, "Score": 0.95})
    running.advance(hours=1)
    with pytest.raises(WaiterError, match="Failed"):
        execution.wait(delay=1, max_attempts=2)
    steps = {row["StepName"]: row for row in execution.list_steps()}
    assert steps["Bad"]["FailureReason"] == "Score 0.95" and "CacheHitResult" in steps["Train"]


def test_a_monitor_is_attached_and_its_reports_are_read(running: RunningSimulator) -> None:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.model_monitor.model_monitoring import DefaultModelMonitor

    running.advance(hours=1)
    monitor = DefaultModelMonitor.attach(SCHEDULE, sagemaker_session=Session(default_bucket="flows-sdk"))
    assert monitor.describe_schedule()["MonitoringScheduleStatus"] == "Scheduled"
    assert len(monitor.list_executions()) > 5
    statistics = monitor.latest_monitoring_statistics()
    violations = monitor.latest_monitoring_constraint_violations()
    assert {feature["name"] for feature in statistics.body_dict["features"]} > {"median_income"}
    assert violations.body_dict["violations"]


def test_a_role_may_do_what_its_policies_say(running: RunningSimulator) -> None:
    iam = boto3.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="Narrow", AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:Get*", "s3:PutObject"], "Resource": "arn:aws:s3:::flows/*"},
            {"Effect": "Deny", "Action": "s3:GetObjectAcl", "Resource": "*"},
        ],
    }
    iam.put_role_policy(RoleName="Narrow", PolicyName="few", PolicyDocument=json.dumps(document))
    asked = {"ActionNames": ["s3:GetObject", "s3:GetObjectAcl", "s3:DeleteObject"]}
    found = iam.simulate_principal_policy(PolicySourceArn=role, ResourceArns=["arn:aws:s3:::flows/a"], **asked)
    decisions = [row["EvalDecision"] for row in found["EvaluationResults"]]
    assert decisions == ["allowed", "explicitDeny", "implicitDeny"]
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.simulate_principal_policy(PolicySourceArn=f"{role}-gone", **asked)
