"""Every usage type has a family, or is shown as having none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers.attribution import attribute
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.usage import AROUND, KEY, SAGEMAKER, UNKNOWN, with_usage

BILL = Path(__file__).parents[3] / "shared" / "data" / "billing" / "sagemaker_bill" / "lines.csv"
SERVICE = "Amazon SageMaker"


PREFIXES = ("", "USE1-", "USW2-", "EU-", "EUC1-", "APN1-", "EUW1-", "UGW1-")


def told(
    usage_type: str | None, service: str | None = SERVICE, description: str | None = None, category: str = "Usage"
) -> dict[str, Any]:
    line = pl.DataFrame(
        [(service, usage_type, description, category)], schema=dict.fromkeys(KEY, pl.String), orient="row"
    )
    return with_usage(line).row(0, named=True)


@pytest.mark.parametrize(
    ("rest", "family", "component", "machine"),
    [
        ("Host:ml.g5.xlarge", "hosting", "Host", "ml.g5.xlarge"),
        ("Host:VolumeUsage.gp2", "hosting", "Host", "VolumeUsage"),
        ("AsyncInf:ml.g6e.2xlarge", "async_inference", "AsyncInf", "ml.g6e.2xlarge"),
        ("ServerlessInf:Mem-3GB", "serverless", "ServerlessInf", None),
        ("Train:ml.p3.2xlarge", "training", "Train", "ml.p3.2xlarge"),
        ("WarmPool:ml.m5.xlarge", "warm_pool", "WarmPool", "ml.m5.xlarge"),
        ("Train:WarmPool-ml.m5.xlarge", "warm_pool", "WarmPool", "ml.m5.xlarge"),
        ("TrainingPlanUpfrontFee:ml.p5.48xlarge", "training_plan", None, "ml.p5.48xlarge"),
        ("Processing:ml.m5.xlarge", "processing", "Processing", "ml.m5.xlarge"),
        ("DataWrangler:ml.m5.4xlarge", "data_wrangler", None, "ml.m5.4xlarge"),
        ("Tsform:ml.c5.9xlarge", "transform", "Tsform", "ml.c5.9xlarge"),
        ("Notebk:ml.t3.medium", "notebook", "Notebk", "ml.t3.medium"),
        ("Studio:JupyterLab-ml.t3.medium", "studio", "Studio", "ml.t3.medium"),
        ("Studio:KernelGateway-ml.m5.large", "studio", "Studio", "ml.m5.large"),
        ("Studio:CodeEditor-ml.m5.large", "studio", "Studio", "ml.m5.large"),
        ("Studio:VolumeUsage.gp3", "studio", "Studio", "VolumeUsage"),
        ("RStudio:RSessionGateway-ml.t3.medium", "rstudio", None, "ml.t3.medium"),
        ("Rstudio:Rsession-ml.t3.medium", "rstudio", None, "ml.t3.medium"),
        ("Canvas:Session-Hrs", "canvas", None, None),
        ("MLflow:TrackingServerCompute-Small", "mlflow", None, None),
        ("FeatureStore:WriteRequestUnits", "feature_store", None, None),
        ("Cluster:ml.p4d.24xlarge", "cluster", "Cluster", "ml.p4d.24xlarge"),
        ("ReservedCluster:ml.p5.48xlarge", "cluster", "Cluster", "ml.p5.48xlarge"),
        ("Hst:Data-Bytes-Out", "endpoint_data", None, None),
        ("ServerlessInf:Data-Bytes-In", "endpoint_data", None, None),
        ("DataTransfer-Out-Bytes", "data_transfer", None, None),
        ("InferenceRecommender:Job", "inference_recommender", None, None),
        ("Geospatial:TimedStorage", "geospatial", None, None),
        ("LabeledObject", "labeling", None, None),
    ],
)
def test_a_usage_type_of_sagemaker_is_read_with_and_without_its_regions_prefix(
    rest: str, family: str, component: str | None, machine: str | None
) -> None:
    lines = [(SERVICE, prefix + rest, None, "Usage") for prefix in PREFIXES]
    found = with_usage(pl.DataFrame(lines, schema=dict.fromkeys(KEY, pl.String), orient="row"))
    assert set(found.select("usage_family", "component", "machine").rows()) == {(family, component, machine)}


@pytest.mark.parametrize(
    ("service", "usage_type", "family"),
    [
        ("Amazon Simple Storage Service", "USW2-TimedStorage-ByteHrs", "s3"),
        ("AmazonS3", "Requests-Tier1", "s3"),
        ("Amazon Simple Storage Service", "USE1-EUC1-AWS-Out-Bytes", "data_transfer"),
        ("Amazon Kinesis", "EU-Storage-ShardHour", "kinesis"),
        ("AWS Glue", "USE1-ETL-DPU-Hour", "glue"),
        ("AWS Glue", "USE1-DataBrew-Node-Hour", "databrew"),
        ("AWS Glue DataBrew", "USE1-Interactive-Session", "databrew"),
        ("AWS Lambda", "Lambda-GB-Second", "lambda"),
        ("Amazon Elastic Container Service", "USE1-Fargate-vCPU-Hours:perCPU", "ecs"),
        ("Amazon EC2 Container Service", "Fargate-GB-Hours", "ecs"),
        ("Amazon EC2 Container Registry (ECR)", "TimedStorage-ByteHrs", "ecr"),
        ("Amazon Elastic Compute Cloud - Compute", "BoxUsage:m5.large", "ec2"),
        ("EC2 - Other", "EBS:VolumeUsage.gp3", "ec2"),
        ("Amazon Relational Database Service", "InstanceUsage:db.t3.medium", "rds"),
        ("Amazon DynamoDB", "ReadCapacityUnit-Hrs", "dynamodb"),
        ("AWS Step Functions", "USE1-StateTransition", "step_functions"),
        ("AmazonCloudWatch", "CW:MetricMonitorUsage", "cloudwatch"),
        ("Savings Plans for AWS Machine Learning", "MachineLearningSP:1yrNoUpfront", "commitment"),
    ],
)
def test_services_around_have_a_family_each(service: str, usage_type: str, family: str) -> None:
    assert told(usage_type, service)["usage_family"] == family


@pytest.mark.parametrize(
    ("usage_type", "service"),
    [
        ("SomethingNew:ml.m5.xlarge", SERVICE),
        ("Trainium:ml.trn9.large", SERVICE),
        ("DPU-Hour", SERVICE),
        ("Host:ml.m5.xlarge", "A service nobody knows"),
        (None, None),
    ],
)
def test_what_no_rule_fits_is_unattributed_and_runs_nothing(usage_type: str | None, service: str | None) -> None:
    found = told(usage_type, service)
    assert (found["usage_family"], found["component"]) == (UNKNOWN, None)


@pytest.mark.parametrize(
    ("category", "family"),
    [("Tax", "tax"), ("Credit", "credit"), ("Adjustment", "adjustment"), ("Purchase", "purchase")],
)
def test_a_charge_without_usage_is_its_own_kind_whatever_its_service(category: str, family: str) -> None:
    assert told(None, SERVICE, category=category)["usage_family"] == family
    assert told(None, "Amazon Simple Storage Service", category=category)["usage_family"] == family
    assert told("Host:ml.m5.xlarge", SERVICE, category=category)["usage_family"] == "hosting"


def test_a_warm_pool_that_the_usage_type_does_not_tell_is_known_by_the_lines_words() -> None:
    found = told("EU-Train:ml.m5.xlarge", description="$0.257 per Training Warm Pool ml.m5.xlarge hour in EU (Ireland)")
    assert (found["usage_family"], found["component"]) == ("warm_pool", "WarmPool")


def test_no_family_is_named_twice_over_and_none_is_the_word_for_unknown() -> None:
    names = [rule.family for rule in (*SAGEMAKER, *AROUND)]
    assert len(names) == len(set(names))
    assert UNKNOWN not in names


FAMILIES = {
    "Debugger": "debugger",
    "Processing ML storage": "processing",
    "Endpoint ML storage": "hosting",
    "Notebook Instance ML storage": "notebook",
    "Training Job ML storage": "training",
    "Warm Pool": "warm_pool",
    "Endpoint Data": "endpoint_data",
    "per Notebook": "notebook",
    "Studio": "studio",
    "BatchTransform": "transform",
    "per Hosting": "hosting",
    "per Processing": "processing",
    "per Training ml": "training",
    "for Training job": "training",
    "for Endpoint ml": "hosting",
    "Advanced Instance": "systems_manager",
}


@pytest.mark.skipif(not BILL.is_file(), reason="../shared/data/billing is not here: the bill that AWS published")
def test_the_bill_that_aws_published_is_given_to_families_line_by_line_with_nothing_left(rows: SimpleNamespace) -> None:
    told_lines = pl.read_csv(BILL)
    costs = rows.costs(
        *(
            rows.bill_line(None, line["usd"], line["qty"], ChargeDescription=line["description"])
            for line in told_lines.iter_rows(named=True)
        )
    )
    for line in told_lines.iter_rows(named=True):
        (expected,) = {family for words, family in FAMILIES.items() if words in line["description"]}
        daily = attribute(
            costs.filter(pl.col("ChargeDescription") == line["description"]), *nothing(rows), OwnerRules()
        )
        assert daily["usage_family"].to_list() == [expected], line["description"]
        assert daily["billed_cost"].to_list() == [line["usd"]]
    whole = attribute(costs, *nothing(rows), OwnerRules())
    by_family = dict(whole.group_by("usage_family").agg(pl.col("billed_cost").sum().round(2)).iter_rows())
    assert UNKNOWN not in by_family
    ours = {family: cost for family, cost in by_family.items() if family != "systems_manager"}
    assert round(sum(ours.values()), 2) == 886.66  # the rest, 28.49, is the bill of Systems Manager
    assert ours["warm_pool"] == round(70.62 + 1.04, 2)  # hours and storage


def nothing(rows: SimpleNamespace) -> tuple[pl.DataFrame, pl.DataFrame]:
    return rows.inventory(), rows.jobs()
