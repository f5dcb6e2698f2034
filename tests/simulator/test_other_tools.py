"""Tools that know nothing of us, unmodified, given the address alone: AWS's command line and Cloud Custodian."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sagekeeper.simulator.process import RunningSimulator, start

pytestmark = [pytest.mark.scale, pytest.mark.timeout(600)]
TOOLS = ("awscli==1.46.3", "c7n==0.9.53")
METRIC = "--namespace AWS/SageMaker --metric-name Invocations"
NOVEMBER = "--time-period Start=2026-11-01,End=2026-11-15"
COMMANDS = f"""
sts get-caller-identity
sagemaker list-endpoints
sagemaker describe-endpoint --endpoint-name sentiment-bert
sagemaker describe-endpoint-config --endpoint-config-name sentiment-bert-config-1
sagemaker list-endpoint-configs
sagemaker list-models
sagemaker describe-model --model-name sentiment-bert-model
sagemaker list-training-jobs --max-results 3
sagemaker list-notebook-instances
sagemaker list-processing-jobs --max-results 2
sagemaker list-monitoring-schedules
sagemaker describe-monitoring-schedule --monitoring-schedule-name house-price-regression-data-quality
sagemaker list-monitoring-executions --monitoring-schedule-name house-price-regression-data-quality
sagemaker list-tags --resource-arn arn:aws:sagemaker:us-east-1:123456789012:endpoint/sentiment-bert
sagemaker add-tags --resource-arn arn:aws:sagemaker:us-east-1:123456789012:endpoint/sentiment-bert --tags Key=a,Value=b
sagemaker search --resource TrainingJob --max-results 2
sagemaker list-domains
sagemaker list-pipelines
sagemaker stop-notebook-instance --notebook-instance-name ana-exploration
sagemaker update-endpoint-weights-and-capacities --endpoint-name sentiment-bert \
--desired-weights-and-capacities VariantName=AllTraffic,DesiredInstanceCount=2
ce get-cost-and-usage {NOVEMBER} --granularity MONTHLY --metrics UnblendedCost --group-by Type=DIMENSION,Key=SERVICE
ce get-dimension-values {NOVEMBER} --dimension SERVICE
cloudwatch list-metrics {METRIC}
cloudwatch get-metric-statistics {METRIC} --start-time 2026-11-19T00:00:00Z --end-time 2026-11-20T00:00:00Z \
--period 3600 --statistics Sum --dimensions Name=EndpointName,Value=sentiment-bert Name=VariantName,Value=AllTraffic
cloudwatch put-metric-data --namespace app --metric-name jobs --value 1
cloudwatch describe-alarms
s3 ls
s3 ls s3://ml-monitoring-123456789012-us-east-1/baseline/ --recursive
s3api list-buckets
logs describe-log-groups
application-autoscaling describe-scalable-targets --service-namespace sagemaker
savingsplans describe-savings-plans
budgets describe-budgets --account-id 123456789012
cur describe-report-definitions
bcm-data-exports list-exports
freetier get-free-tier-usage
lambda list-functions
ecs list-clusters
ec2 describe-instances
dynamodb list-tables
kinesis list-streams
glue get-jobs
stepfunctions list-state-machines
databrew list-jobs
""".strip().splitlines()
POLICIES = {
    "policies": [
        {
            "name": "endpoints-without-owner",
            "resource": "aws.sagemaker-endpoint",
            "filters": [{"tag:owner": "absent"}],
            "actions": [{"type": "tag", "key": "owner", "value": "nobody"}],
        },
        {
            "name": "notebooks-running",
            "resource": "aws.sagemaker-notebook",
            "filters": [{"type": "value", "key": "NotebookInstanceStatus", "value": "InService"}],
        },
        {"name": "configs", "resource": "aws.sagemaker-endpoint-config"},
        {"name": "models", "resource": "aws.sagemaker-model"},
    ]
}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment with the tools: they want another botocore than ours."""
    folder = tmp_path_factory.mktemp("tools") / "env"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        str(folder / "bin" / "python"),
        *TOOLS,
    ]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"awscli and c7n cannot be installed here: {installed.stderr[-300:]}")
    return folder / "bin"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account")) as running:
        yield running


def environment(account: RunningSimulator, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": account.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }


def test_the_aws_command_line_works_unmodified(tools: Path, account: RunningSimulator, tmp_path: Path) -> None:
    assert len(COMMANDS) >= 40
    script = Path(__file__).with_name("aws_commands.py")
    ran = subprocess.run(
        [str(tools / "python"), str(script)],
        input=json.dumps(COMMANDS),
        capture_output=True,
        text=True,
        check=True,
        env=environment(account, tmp_path),
        cwd=tmp_path,
    )
    answers: list[dict[str, Any]] = json.loads(ran.stdout)
    assert {item["command"]: item["complained"][-300:] for item in answers if item["code"] != 0} == {}
    said = {item["command"].split(" --")[0]: item["said"] for item in answers}
    assert json.loads(said["sts get-caller-identity"])["Account"] == "123456789012"
    assert "sentiment-bert" in said["sagemaker list-endpoints"]
    assert "Amazon SageMaker" in said["ce get-cost-and-usage"]
    assert "statistics.json" in said["s3 ls s3://ml-monitoring-123456789012-us-east-1/baseline/"]


def test_cloud_custodian_finds_and_tags_unmodified(tools: Path, account: RunningSimulator, tmp_path: Path) -> None:
    (tmp_path / "policies.json").write_text(json.dumps(POLICIES))
    ran = subprocess.run(
        [str(tools / "custodian"), "run", "-s", "out", "--cache-period", "0", "policies.json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(account, tmp_path),
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = {
        folder.parent.name: [next(iter(item.values())) for item in json.loads(folder.read_text())]
        for folder in (tmp_path / "out").glob("*/resources.json")
    }
    assert found["endpoints-without-owner"] == ["hackathon-demo"]
    assert len(found["configs"]) == len(found["models"]) == 7
    client = boto3.client(
        "sagemaker",
        endpoint_url=account.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    tags = client.list_tags(ResourceArn="arn:aws:sagemaker:us-east-1:123456789012:endpoint/hackathon-demo")["Tags"]
    assert {"Key": "owner", "Value": "nobody"} in tags
