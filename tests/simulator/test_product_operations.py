"""Every AWS operation that the product calls: the right request is answered in AWS's shape, a wrong one with AWS's error code.

Which operations those are is read from the product's own code, so that a new call without its checks here fails.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

import sagekeeper
from sagekeeper.simulator.process import RunningSimulator, start

from .conformance import check_shape
from .hosted import IMAGE, ROLE

pytestmark = pytest.mark.integration

ROOMS = ("core", "collector", "lifecycle", "recommender", "service")
SERVICES = (
    "cloudtrail",  # first: other services' operations of the same name are theirs
    "budgets",
    "sagemaker",
    "ce",
    "cloudwatch",
    "s3",
    "sts",
    "iam",
    "application-autoscaling",
    "organizations",
    "pricing",
    "savingsplans",
)
ENDPOINT, CONFIG, MODEL, NOTEBOOK = (
    "sentiment-bert",
    "sentiment-bert-config-1",
    "sentiment-bert-model",
    "ana-exploration",
)
SCHEDULE, MONITORED, BUCKET = (
    "house-price-regression-data-quality",
    "house-price-regression",
    "ml-monitoring-123456789012-us-east-1",
)
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{ENDPOINT}/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
DAYS = {
    "TimePeriod": {"Start": "2026-11-10", "End": "2026-11-12"},
    "Granularity": "DAILY",
    "Metrics": ["UnblendedCost"],
}
NOTIFICATION = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
VARIANT = {"VariantName": "AllTraffic", "ModelName": MODEL, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
METRIC = {
    "Id": "m1",
    "MetricStat": {
        "Metric": {
            "Namespace": "AWS/SageMaker",
            "MetricName": "Invocations",
            "Dimensions": [{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": "AllTraffic"}],
        },
        "Period": 3600,
        "Stat": "Sum",
    },
}
WINDOW = {"StartTime": "2026-11-18T00:00:00Z", "EndTime": "2026-11-19T00:00:00Z"}


@dataclass(frozen=True)
class Checks:
    """A right request, and wrong ones with AWS's code for each."""

    right: dict[str, Any]
    wrong: list[tuple[dict[str, Any], str]] = field(default_factory=list)


def named(parameter: str, there: str, code: str, absent: str = "not-there", **more: Any) -> Checks:
    """An operation on one thing by its name: missing, malformed and not found."""
    return Checks(
        {parameter: there} | more,
        [
            (dict(more), "ValidationException"),
            ({parameter: "a name" * 50} | more, "ValidationException"),
            ({parameter: absent} | more, code),
        ],
    )


def listed(**more: Any) -> Checks:
    """A list: a page too large, and an order that does not exist."""
    return Checks(
        {"MaxResults": 5} | more,
        [({"MaxResults": 1000}, "ValidationException"), ({"SortOrder": "Sideways"}, "ValidationException")],
    )


CHECKS: dict[tuple[str, str], Checks] = {
    ("application-autoscaling", "DescribeScalableTargets"): Checks(
        {"ServiceNamespace": "sagemaker"},
        [({}, "ValidationException"), ({"ServiceNamespace": "tea"}, "ValidationException")],
    ),
    ("application-autoscaling", "DescribeScalingPolicies"): Checks(
        {"ServiceNamespace": "sagemaker"}, [({}, "ValidationException")]
    ),
    ("application-autoscaling", "DescribeScheduledActions"): Checks(
        {"ServiceNamespace": "sagemaker"}, [({}, "ValidationException")]
    ),
    ("application-autoscaling", "RegisterScalableTarget"): Checks(
        TARGET | {"MinCapacity": 1, "MaxCapacity": 2},
        [
            ({}, "ValidationException"),
            (TARGET | {"MinCapacity": 3, "MaxCapacity": 2}, "ValidationException"),
            (
                TARGET | {"ResourceId": "endpoint/not-there/variant/AllTraffic", "MinCapacity": 1, "MaxCapacity": 2},
                "ValidationException",
            ),
        ],
    ),
    ("application-autoscaling", "PutScalingPolicy"): Checks(
        TARGET
        | {
            "PolicyName": "checked",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 10.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
            },
        },
        [
            ({}, "ValidationException"),
            (
                TARGET
                | {
                    "ResourceId": "endpoint/not-there/variant/AllTraffic",
                    "PolicyName": "p",
                    "PolicyType": "TargetTrackingScaling",
                },
                "ObjectNotFoundException",
            ),
        ],
    ),
    ("application-autoscaling", "PutScheduledAction"): Checks(
        TARGET
        | {
            "ScheduledActionName": "night",
            "Schedule": "cron(0 20 * * ? *)",
            "ScalableTargetAction": {"MinCapacity": 1},
        },
        [
            ({}, "ValidationException"),
            (TARGET | {"ScheduledActionName": "night", "Schedule": "at night"}, "ValidationException"),
        ],
    ),
    ("application-autoscaling", "DeregisterScalableTarget"): Checks(
        TARGET,
        [
            ({}, "ValidationException"),
            (TARGET | {"ResourceId": "endpoint/not-there/variant/AllTraffic"}, "ObjectNotFoundException"),
        ],
    ),
    ("budgets", "DescribeBudgets"): Checks(
        {"AccountId": "123456789012", "ShowFilterExpression": True},
        [
            ({}, "InvalidParameterException"),
            ({"AccountId": "123456789012", "NextToken": "no token"}, "InvalidNextTokenException"),
        ],
    ),
    ("budgets", "DescribeBudgetNotificationsForAccount"): Checks(
        {"AccountId": "123456789012"}, [({}, "InvalidParameterException")]
    ),
    ("budgets", "DescribeSubscribersForNotification"): Checks(
        {"AccountId": "123456789012", "BudgetName": "checked", "Notification": NOTIFICATION},
        [({"AccountId": "123456789012", "BudgetName": "not-there", "Notification": NOTIFICATION}, "NotFoundException")],
    ),
    ("pricing", "GetAttributeValues"): Checks(
        {"ServiceCode": "AmazonSageMaker", "AttributeName": "component"},
        [
            ({}, "InvalidParameterException"),
            ({"ServiceCode": "Tea", "AttributeName": "component"}, "NotFoundException"),
        ],
    ),
    ("pricing", "GetProducts"): Checks(
        {
            "ServiceCode": "AmazonSageMaker",
            "Filters": [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}],
        },
        [
            ({}, "InvalidParameterException"),
            ({"ServiceCode": "Tea"}, "NotFoundException"),
            ({"ServiceCode": "AmazonSageMaker", "NextToken": "no token"}, "InvalidNextTokenException"),
        ],
    ),
    ("ce", "GetCostAndUsage"): Checks(
        DAYS,
        [
            ({}, "ValidationException"),
            (DAYS | {"TimePeriod": {"Start": "2026-11-12", "End": "2026-11-10"}}, "ValidationException"),
            (DAYS | {"Metrics": ["Money"]}, "ValidationException"),
            (DAYS | {"GroupBy": [{"Type": "DIMENSION", "Key": "MOON"}]}, "ValidationException"),
            (DAYS | {"NextPageToken": "made up"}, "InvalidNextTokenException"),
            (DAYS | {"TimePeriod": {"Start": "2019-01-01", "End": "2019-01-02"}}, "ValidationException"),
        ],
    ),
    ("ce", "GetCostAndUsageWithResources"): Checks(
        DAYS
        | {
            "GroupBy": [{"Type": "DIMENSION", "Key": "RESOURCE_ID"}],
            "Filter": {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}},
        },
        [({}, "ValidationException"), (DAYS, "ValidationException")],
    ),
    ("cloudtrail", "LookupEvents"): Checks(
        {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "UpdateEndpoint"}]},
        [
            (
                {"StartTime": "2026-11-19T00:00:00Z", "EndTime": "2026-11-18T00:00:00Z"},
                "InvalidTimeRangeException",
            ),
            (
                {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2},
                "InvalidLookupAttributesException",
            ),
            ({"NextToken": "no token"}, "InvalidNextTokenException"),
        ],
    ),
    ("cloudwatch", "DescribeAlarms"): Checks({"MaxRecords": 5}, [({"MaxRecords": 1000}, "ValidationError")]),
    ("cloudwatch", "GetMetricData"): Checks(
        {"MetricDataQueries": [METRIC]} | WINDOW,
        [
            (WINDOW, "ValidationError"),
            ({"MetricDataQueries": [METRIC, METRIC]} | WINDOW, "ValidationError"),
            ({"MetricDataQueries": [METRIC | {"Id": "Upper"}]} | WINDOW, "ValidationError"),
            (
                {"MetricDataQueries": [METRIC], "StartTime": WINDOW["EndTime"], "EndTime": WINDOW["StartTime"]},
                "ValidationError",
            ),
        ],
    ),
    ("cloudwatch", "ListMetrics"): Checks(
        {"Namespace": "AWS/SageMaker"}, [({"RecentlyActive": "PT9H"}, "ValidationError")]
    ),
    ("cloudwatch", "PutMetricData"): Checks(
        {"Namespace": "checked", "MetricData": [{"MetricName": "drift", "Value": 1.0}]},
        [({"Namespace": "checked"}, "MissingParameter"), ({"Namespace": "AWS/EC2"}, "InvalidParameterValue")],
    ),
    ("s3", "GetObject"): Checks(
        {"Bucket": BUCKET, "Key": f"baseline/{MONITORED}/statistics.json"},
        [
            ({"Bucket": BUCKET, "Key": "not-there"}, "NoSuchKey"),
            ({"Bucket": "not-there-at-all", "Key": "x"}, "NoSuchBucket"),
        ],
    ),
    ("s3", "ListObjectsV2"): Checks(
        {"Bucket": BUCKET, "MaxKeys": 3}, [({"Bucket": "not-there-at-all"}, "NoSuchBucket")]
    ),
    ("sts", "AssumeRole"): Checks(
        {"RoleArn": "arn:aws:iam::123456789012:role/SagekeeperReader", "RoleSessionName": "checks"},
        [({"RoleArn": "arn:aws:iam::123456789012:role/SagekeeperReader"}, "ValidationError")],
    ),
    ("sts", "GetCallerIdentity"): Checks({}),
    ("sagemaker", "CreateModel"): Checks(
        {"ModelName": "checked", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}},
        [
            ({"ExecutionRoleArn": ROLE}, "ValidationException"),
            ({"ModelName": "a b", "ExecutionRoleArn": ROLE}, "ValidationException"),
            (
                {"ModelName": MODEL, "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}},
                "ValidationException",
            ),
        ],
    ),
    ("sagemaker", "CreateEndpointConfig"): Checks(
        {"EndpointConfigName": "checked", "ProductionVariants": [VARIANT]},
        [
            ({"EndpointConfigName": "checked-2"}, "ValidationException"),
            ({"EndpointConfigName": CONFIG, "ProductionVariants": [VARIANT]}, "ValidationException"),
            (
                {"EndpointConfigName": "checked-3", "ProductionVariants": [VARIANT | {"ModelName": "not-there"}]},
                "ValidationException",
            ),
            (
                {"EndpointConfigName": "checked-4", "ProductionVariants": [VARIANT | {"InstanceType": "ml.tea.large"}]},
                "ValidationException",
            ),
        ],
    ),
    ("sagemaker", "CreateEndpoint"): Checks(
        {"EndpointName": "checked", "EndpointConfigName": "checked"},
        [
            ({"EndpointName": "checked-2"}, "ValidationException"),
            ({"EndpointName": "checked-2", "EndpointConfigName": "not-there"}, "ValidationException"),
            ({"EndpointName": ENDPOINT, "EndpointConfigName": CONFIG}, "ValidationException"),
        ],
    ),
    ("sagemaker", "UpdateEndpoint"): Checks(
        {"EndpointName": "price-elasticity", "EndpointConfigName": "checked"},
        [
            ({"EndpointName": "not-there", "EndpointConfigName": CONFIG}, "ValidationException"),
            ({"EndpointName": "price-elasticity", "EndpointConfigName": "not-there"}, "ValidationException"),
            (
                {"EndpointName": "price-elasticity", "EndpointConfigName": CONFIG},
                "ValidationException",
            ),  # it is being updated
        ],
    ),
    ("sagemaker", "UpdateEndpointWeightsAndCapacities"): Checks(
        {
            "EndpointName": MONITORED,
            "DesiredWeightsAndCapacities": [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}],
        },
        [
            ({"EndpointName": MONITORED}, "ValidationException"),
            (
                {
                    "EndpointName": "not-there",
                    "DesiredWeightsAndCapacities": [{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}],
                },
                "ValidationException",
            ),
        ],
    ),
    ("sagemaker", "DeleteEndpoint"): Checks(
        {"EndpointName": "hackathon-demo"},
        [({}, "ValidationException"), ({"EndpointName": "not-there"}, "ValidationException")],
    ),
    ("sagemaker", "CreateMonitoringSchedule"): Checks(
        {
            "MonitoringScheduleName": "checked",
            "MonitoringScheduleConfig": {
                "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
                "MonitoringJobDefinitionName": "checked",
                "MonitoringType": "DataQuality",
            },
        },
        [
            ({"MonitoringScheduleName": "checked-2"}, "ValidationException"),
            (
                {
                    "MonitoringScheduleName": "checked-3",
                    "MonitoringScheduleConfig": {"ScheduleConfig": {"ScheduleExpression": "every day"}},
                },
                "ValidationException",
            ),
        ],
    ),
    ("sagemaker", "StopMonitoringSchedule"): named("MonitoringScheduleName", "checked", "ResourceNotFound"),
    ("sagemaker", "DeleteMonitoringSchedule"): named("MonitoringScheduleName", "checked", "ResourceNotFound"),
    ("sagemaker", "DescribeMonitoringSchedule"): named("MonitoringScheduleName", SCHEDULE, "ResourceNotFound"),
    **{
        ("sagemaker", f"Describe{kind}JobDefinition"): named("JobDefinitionName", "checked", "ResourceNotFound")
        for kind in ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")
    },
    ("sagemaker", "DescribeEndpoint"): named("EndpointName", ENDPOINT, "ValidationException"),
    ("sagemaker", "DescribeEndpointConfig"): named("EndpointConfigName", CONFIG, "ValidationException"),
    ("sagemaker", "DescribeModel"): named("ModelName", MODEL, "ValidationException"),
    ("sagemaker", "DescribeNotebookInstance"): named("NotebookInstanceName", NOTEBOOK, "ValidationException"),
    ("sagemaker", "DescribeProcessingJob"): named("ProcessingJobName", "", "ValidationException"),
    ("sagemaker", "DescribeTransformJob"): named("TransformJobName", "checked", "ValidationException"),
    ("sagemaker", "DescribeApp"): Checks(
        {"AppType": "KernelGateway", "AppName": "checked", "UserProfileName": "ana"},
        [
            ({}, "ValidationException"),
            (
                {"DomainId": "d-none", "UserProfileName": "ana", "AppType": "JupyterLab", "AppName": "none"},
                "ResourceNotFound",
            ),
        ],
    ),
    ("sagemaker", "DescribeSpace"): Checks(
        {"SpaceName": "checked"},
        [({}, "ValidationException"), ({"DomainId": "d-none", "SpaceName": "none"}, "ResourceNotFound")],
    ),
    ("sagemaker", "DescribeUserProfile"): Checks(
        {"UserProfileName": "ana"},
        [({}, "ValidationException"), ({"DomainId": "d-none", "UserProfileName": "none"}, "ResourceNotFound")],
    ),
    ("sagemaker", "DescribeInferenceComponent"): named("InferenceComponentName", "checked", "ValidationException"),
    ("sagemaker", "DescribePipeline"): named("PipelineName", "fraud-retraining", "ResourceNotFound"),
    ("sagemaker", "ListPipelineExecutionSteps"): Checks({}, [({}, "ValidationException")]),
    ("sagemaker", "ListInferenceComponents"): listed(),
    ("sagemaker", "ListPipelines"): listed(),
    ("sagemaker", "ListUserProfiles"): listed(),
    ("iam", "ListRoleTags"): Checks({"RoleName": "Checked"}, [({"RoleName": "not-there"}, "NoSuchEntity")]),
    ("sagemaker", "ListApps"): listed(),
    ("sagemaker", "ListSpaces"): listed(),
    ("sagemaker", "ListTransformJobs"): listed(),
    ("sagemaker", "ListEndpoints"): listed(),
    ("sagemaker", "ListEndpointConfigs"): listed(),
    ("sagemaker", "ListModels"): listed(),
    ("sagemaker", "ListNotebookInstances"): listed(),
    ("sagemaker", "ListProcessingJobs"): listed(),
    ("sagemaker", "ListMonitoringSchedules"): listed(),
    ("sagemaker", "ListMonitoringExecutions"): listed(),
    ("sagemaker", "ListTags"): Checks(
        {"ResourceArn": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{ENDPOINT}"},
        [({}, "ValidationException"), ({"ResourceArn": "not an arn"}, "ValidationException")],
    ),
    ("sagemaker", "Search"): Checks(
        {"Resource": "TrainingJob", "MaxResults": 5},
        [
            ({}, "ValidationException"),
            ({"Resource": "Moon"}, "ValidationException"),
            ({"Resource": "TrainingJob", "MaxResults": 500}, "ValidationException"),
        ],
    ),
}
ORDER = list(CHECKS)


@cache
def called() -> set[tuple[str, str]]:
    """Operations whose name, in either spelling, stands in the product's code."""
    known: dict[str, tuple[str, str]] = {}
    for service in SERVICES:
        for operation in botocore.session.get_session().get_service_model(service).operation_names:
            known[xform_name(operation)] = known[operation] = (service, operation)
    found = set()
    root = Path(sagekeeper.__file__).parent
    for path in (path for room in ROOMS for path in (root / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            word = (
                node.attr if isinstance(node, ast.Attribute) else node.value if isinstance(node, ast.Constant) else None
            )
            if (isinstance(word, str) and word in known and word.lower() != word.replace("_", "")) or word in (
                "search",
            ):
                found.add(known[str(word)])
    return found


class Account:
    """Clients of one account that check nothing before they ask."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, service: str, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        client: Any = boto3.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            endpoint_url=self._url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(parameter_validation=False, retries={"max_attempts": 1}),
        )
        answer: dict[str, Any] = getattr(client, xform_name(operation))(**given)
        return answer


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with start(tmp_path_factory.mktemp("operations"), speed=0) as running:
        account = Account(running.url)
        for kind in ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability"):
            account.ask("sagemaker", f"Create{kind}JobDefinition", definition(kind))
        open_studio(account, running)
        account.ask("sagemaker", "CreateTransformJob", transform("checked"))
        host_component(account, running)
        budget = {"BudgetName": "checked", "BudgetType": "COST", "TimeUnit": "MONTHLY"}
        told = [
            {"Notification": NOTIFICATION, "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}]}
        ]
        given = {"Budget": budget | {"BudgetLimit": {"Amount": "5", "Unit": "USD"}}}
        account.ask(
            "budgets", "CreateBudget", {"AccountId": "123456789012", "NotificationsWithSubscribers": told} | given
        )
        trust = '{"Version": "2012-10-17", "Statement": []}'
        account.ask("iam", "CreateRole", {"RoleName": "Checked", "AssumeRolePolicyDocument": trust})
        yield account


def open_studio(account: Account, running: RunningSimulator) -> None:
    """A domain with a user, an app and a space, all named in `CHECKS`."""
    made = {"DomainName": "checked", "AuthMode": "IAM", "DefaultUserSettings": {"ExecutionRole": ROLE}}
    domain = {"DomainId": account.ask("sagemaker", "CreateDomain", made)["DomainId"]}
    running.advance(seconds=200)
    account.ask("sagemaker", "CreateUserProfile", domain | {"UserProfileName": "ana"})
    account.ask("sagemaker", "CreateSpace", domain | {"SpaceName": "checked"})
    running.advance(seconds=30)
    account.ask("sagemaker", "CreateApp", domain | CHECKS["sagemaker", "DescribeApp"].right)


def host_component(account: Account, running: RunningSimulator) -> None:
    """An endpoint for inference components, with one."""
    place = {"EndpointName": "shared", "VariantName": "AllTraffic"}
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}
    variant = {key: value for key, value in VARIANT.items() if key != "ModelName"} | {"ManagedInstanceScaling": scaling}
    config = {"EndpointConfigName": "shared", "ExecutionRoleArn": ROLE, "ProductionVariants": [variant]}
    account.ask("sagemaker", "CreateEndpointConfig", config)
    account.ask("sagemaker", "CreateEndpoint", {"EndpointName": "shared", "EndpointConfigName": "shared"})
    running.advance(seconds=25)
    needs = {"ModelName": MODEL, "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 256}}
    component = {"InferenceComponentName": "checked", "Specification": needs, "RuntimeConfig": {"CopyCount": 1}}
    account.ask("sagemaker", "CreateInferenceComponent", place | component)


def transform(name: str) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in"}}
    return {
        "TransformJobName": name,
        "ModelName": MODEL,
        "TransformInput": {"DataSource": source},
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }


def definition(kind: str) -> dict[str, Any]:
    job_input: dict[str, Any] = {"EndpointInput": {"EndpointName": MONITORED, "LocalPath": "/in"}}
    if kind in ("ModelQuality", "ModelBias"):
        job_input["GroundTruthS3Input"] = {"S3Uri": f"s3://{BUCKET}/truth"}
    program = {"ImageUri": IMAGE} | (
        {"ConfigUri": f"s3://{BUCKET}/c.json"} if kind in ("ModelBias", "ModelExplainability") else {}
    )
    return {
        "JobDefinitionName": "checked",
        f"{kind}AppSpecification": program | ({"ProblemType": "Regression"} if kind == "ModelQuality" else {}),
        f"{kind}JobInput": job_input,
        f"{kind}JobOutputConfig": {
            "MonitoringOutputs": [{"S3Output": {"S3Uri": f"s3://{BUCKET}/runs", "LocalPath": "/out"}}]
        },
        "JobResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}},
        "RoleArn": ROLE,
    }


def test_every_operation_that_the_product_calls_is_checked_here() -> None:
    assert len(called()) > 30
    assert called() - set(CHECKS) == set()


@pytest.mark.parametrize(
    ("service", "operation"), ORDER, ids=[f"{service}-{operation}" for service, operation in ORDER]
)
def test_it_answers_in_shape_and_refuses_as_aws(account: Account, service: str, operation: str) -> None:
    checks = CHECKS[service, operation]
    right = dict(checks.right)
    if operation == "DescribeProcessingJob":
        newest = account.ask("sagemaker", "ListProcessingJobs", {"MaxResults": 1})["ProcessingJobSummaries"][0]
        right = {"ProcessingJobName": newest["ProcessingJobName"]}
    if operation in ("DescribeApp", "DescribeSpace", "DescribeUserProfile"):
        right |= {"DomainId": account.ask("sagemaker", "ListDomains", {})["Domains"][0]["DomainId"]}
    if operation == "ListPipelineExecutionSteps":
        runs = account.ask("sagemaker", "ListPipelineExecutions", {"PipelineName": "fraud-retraining"})
        right = {"PipelineExecutionArn": runs["PipelineExecutionSummaries"][0]["PipelineExecutionArn"]}
    check_shape(service, operation, account.ask(service, operation, right))
    codes = []
    for given, code in checks.wrong:
        with pytest.raises(ClientError) as caught:
            account.ask(service, operation, given)
        error = caught.value.response
        codes.append((given, code, error["Error"]["Code"]))
        assert 400 <= error["ResponseMetadata"]["HTTPStatusCode"] < 500
        assert error["Error"]["Message"]
    assert [item for item in codes if item[1] != item[2]] == []
