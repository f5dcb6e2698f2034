"""Serverless, asynchronous, shadow and inference-component endpoints: what they publish, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.simulator.conformance import check_shape
from tests.simulator.hosted import ROLE, Hosted, refused

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start

pytestmark = pytest.mark.integration
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """One account; time stands still but for what tests advance."""
    with start(tmp_path_factory.mktemp("kinds"), speed=0.001) as running:
        yield Hosted(running)


def series(
    aws: Hosted, metric: str, stat: str, hours: float, space: str = "AWS/SageMaker", **names: str
) -> list[float]:
    """The metric's values by minute over the last hours, oldest first."""
    now = aws.running.now()
    found = aws.client("cloudwatch").get_metric_statistics(
        Namespace=space,
        MetricName=metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in names.items()],
        StartTime=now - timedelta(hours=hours),
        EndTime=now,
        Period=60,
        Statistics=[stat],
    )["Datapoints"]
    return [row[stat] for row in sorted(found, key=lambda row: row["Timestamp"])]


def midnight(aws: Hosted) -> str:
    now = aws.running.now()
    past = now.hour * 3600 + now.minute * 60 + now.second
    return f"{aws.running.advance(seconds=86_400 - past + 1):%Y-%m-%d}"


def hourly(kind: str) -> Decimal:
    return Decimal(str(PriceBook.bundled().hourly(kind, "Hosting", "us-east-1").usd))


def unit(item: str) -> Decimal:
    return Decimal(str(PriceBook.bundled().unit(item, "us-east-1").usd))


def steady(aws: Hosted, name: str, per_hour: float, **more: float) -> None:
    aws.running.set_hosting("traffic", endpoint=name, per_hour=per_hour, daily_swing=0, weekend_share=1, **more)


def test_serverless_costs_by_the_second_of_use_and_nothing_when_idle(aws: Hosted) -> None:
    wish = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 10}}
    aws.endpoint("moved", "ml.m5.large")
    aws.endpoint("moved-serverless", "", variant=wish)
    before = midnight(aws)
    after = midnight(aws)
    steady(aws, "moved-serverless", 2000)
    aws.sagemaker.delete_endpoint(EndpointName="moved")
    aws.running.advance(days=5)
    assert abs(aws.bill("moved", before, "Host:ml") - hourly("ml.m5.large") * 24) < CENT
    assert aws.bill("moved-serverless", before) == 0
    found = aws.client("ce").get_cost_and_usage_with_resources(
        TimePeriod={"Start": after, "End": f"{after[:8]}{int(after[8:]) + 1:02d}"},
        Granularity="DAILY",
        Metrics=["UnblendedCost", "UsageQuantity"],
        GroupBy=[{"Type": "DIMENSION", "Key": "RESOURCE_ID"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        Filter={"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}},
    )["ResultsByTime"][0]["Groups"]
    [row] = [item for item in found if "moved-serverless" in item["Keys"][0] and "Mem-2GB" in item["Keys"][1]]
    seconds = Decimal(row["Metrics"]["UsageQuantity"]["Amount"])
    assert seconds > 3000
    assert abs(Decimal(row["Metrics"]["UnblendedCost"]["Amount"]) - seconds * 2 * unit("serverless_compute")) < CENT


def test_provisioned_concurrency_is_paid_for_while_it_is_allocated(aws: Hosted) -> None:
    wish = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 10, "ProvisionedConcurrency": 4}}
    aws.endpoint("allocated", "", variant=wish)
    day = midnight(aws)
    aws.running.advance(hours=12)
    aws.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="allocated",
        DesiredWeightsAndCapacities=[
            {"VariantName": "main", "ServerlessUpdateConfig": {"MaxConcurrency": 10, "ProvisionedConcurrency": 2}}
        ],
    )
    aws.running.advance(days=4)
    described = aws.sagemaker.describe_endpoint(EndpointName="allocated")["ProductionVariants"][0]
    assert described["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 2
    paid = aws.bill("allocated", day, "ProvisionedConcurrency")
    assert abs(paid - (12 * 4 + 12 * 2) * 3600 * unit("serverless_compute") / 4) < CENT


def test_serverless_has_cold_starts_and_no_instance_metrics(aws: Hosted) -> None:
    wish = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 5}}
    aws.endpoint("cold", "", variant=wish)
    steady(aws, "cold", 3)
    aws.running.advance(hours=6)
    names = {"EndpointName": "cold", "VariantName": "main"}
    assert sum(series(aws, "ModelSetupTime", "SampleCount", 6, **names)) > 1
    assert min(series(aws, "ModelSetupTime", "Average", 6, **names)) > 1e6
    assert series(aws, "CPUUtilization", "Average", 6, "/aws/sagemaker/Endpoints", **names) == []
    assert series(aws, "ServerlessConcurrentExecutionsUtilization", "Maximum", 6, **names)


def test_an_asynchronous_endpoint_scales_to_none_and_wakes_when_work_comes(aws: Hosted) -> None:
    output = {"OutputConfig": {"S3OutputPath": "s3://anywhere/out"}}
    aws.endpoint("queued", "ml.g5.xlarge", AsyncInferenceConfig=output)
    scaling = aws.client("application-autoscaling")
    where = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/queued/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**where, MinCapacity=0, MaxCapacity=3)
    names = [{"Name": "EndpointName", "Value": "queued"}]
    scaling.put_scaling_policy(
        **where,
        PolicyName="backlog",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "CustomizedMetricSpecification": {
                "MetricName": "ApproximateBacklogSizePerInstance",
                "Namespace": "AWS/SageMaker",
                "Dimensions": names,
                "Statistic": "Average",
            },
        },
    )
    wake = scaling.put_scaling_policy(
        **where,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )["PolicyARN"]
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="queued-wake",
        Namespace="AWS/SageMaker",
        MetricName="HasBacklogWithoutCapacity",
        Dimensions=names,
        Statistic="Average",
        Period=60,
        EvaluationPeriods=2,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
        AlarmActions=[wake],
    )
    aws.running.advance(hours=1)
    assert aws.count("queued") == 0
    day = midnight(aws)
    aws.running.advance(hours=10)
    steady(aws, "queued", 600, model_latency_us=5_000_000)
    aws.running.advance(hours=2)
    assert aws.count("queued") >= 1
    assert max(series(aws, "ApproximateBacklogSize", "Maximum", 2, EndpointName="queued")) >= 1
    assert series(aws, "Invocations", "Sum", 2, EndpointName="queued", VariantName="main") == []
    assert sum(series(aws, "InvocationsProcesssed", "Sum", 2, EndpointName="queued", VariantName="main")) > 500
    scaling.delete_scaling_policy(**where, PolicyName="backlog")
    aws.running.advance(days=4)
    bill = aws.bill("queued", day, "AsyncInf:ml")
    # Nothing in the first ten hours of the day, one instance or more in the other fourteen.
    assert hourly("ml.g5.xlarge") * 13 < bill < hourly("ml.g5.xlarge") * 14 * 3


def test_a_shadow_variant_is_paid_for_and_sees_copies_of_the_requests(aws: Hosted) -> None:
    aws.config("shadow-model")
    shadow = {
        "VariantName": "shadow",
        "ModelName": "shadow-model",
        "InstanceType": "ml.c5.xlarge",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 0.5,
    }
    aws.endpoint("shadowed", "ml.m5.xlarge", ShadowProductionVariants=[shadow])
    described = aws.sagemaker.describe_endpoint(EndpointName="shadowed")
    check_shape("sagemaker", "DescribeEndpoint", described)
    assert described["ShadowProductionVariants"][0]["CurrentInstanceCount"] == 1
    day = midnight(aws)
    steady(aws, "shadowed", 4000)
    aws.running.advance(hours=3)
    real = sum(series(aws, "Invocations", "Sum", 2, EndpointName="shadowed", VariantName="main"))
    copied = sum(series(aws, "Invocations", "Sum", 2, EndpointName="shadowed", VariantName="shadow"))
    assert real > 6000
    assert copied == pytest.approx(real / 2, rel=0.02)
    aws.running.advance(days=4)
    assert abs(aws.bill("shadowed", day, "Host:ml") - 24 * (hourly("ml.m5.xlarge") + hourly("ml.c5.xlarge"))) < CENT


def component(aws: Hosted, name: str, endpoint: str, copies: int, **needs: Any) -> None:
    required = {"NumberOfCpuCoresRequired": 2, "MinMemoryRequiredInMb": 1024} | needs
    aws.sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName=endpoint,
        VariantName="main",
        Specification={"ModelName": endpoint, "ComputeResourceRequirements": required},
        RuntimeConfig={"CopyCount": copies},
    )
    aws.running.advance(seconds=25)


def hosting(aws: Hosted, name: str, least: int = 0, most: int = 4) -> None:
    """An endpoint for inference components on ml.m5.xlarge, four cores each."""
    aws.config(name)
    scaling = {"Status": "ENABLED", "MinInstanceCount": least, "MaxInstanceCount": most}
    variant = {
        "VariantName": "main",
        "InstanceType": "ml.m5.xlarge",
        "InitialInstanceCount": 1,
        "ManagedInstanceScaling": scaling | {"ScaleInPolicy": {"Strategy": "IDLE_RELEASE", "CooldownInMinutes": 5}},
    }
    aws.sagemaker.create_endpoint_config(
        EndpointConfigName=f"{name}-shared", ExecutionRoleArn=ROLE, ProductionVariants=[variant]
    )
    aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-shared")
    aws.running.advance(seconds=25)


def test_copies_of_a_component_bring_instances_and_take_them_away(aws: Hosted) -> None:
    hosting(aws, "shared")
    component(aws, "first", "shared", 3)
    described = aws.sagemaker.describe_inference_component(InferenceComponentName="first")
    check_shape("sagemaker", "DescribeInferenceComponent", described)
    assert described["InferenceComponentStatus"] == "InService"
    assert described["RuntimeConfig"] == {"DesiredCopyCount": 3, "CurrentCopyCount": 3}
    assert aws.count("shared") == 2
    refused("ValidationException", aws.sagemaker.delete_endpoint, "inference components", EndpointName="shared")
    day = midnight(aws)
    aws.running.advance(hours=6)
    aws.sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="first", DesiredRuntimeConfig={"CopyCount": 0}
    )
    aws.running.advance(seconds=600)
    assert aws.count("shared") == 0
    aws.running.advance(days=4)
    # Two instances for six hours and the five minutes of the cooldown.
    assert abs(aws.bill("shared", day, "Host:ml") - hourly("ml.m5.xlarge") * 2 * (6 + Decimal(5) / 60)) < CENT
    listed = aws.sagemaker.list_inference_components(EndpointNameEquals="shared")
    check_shape("sagemaker", "ListInferenceComponents", listed)
    aws.sagemaker.delete_inference_component(InferenceComponentName="first")
    aws.running.advance(seconds=10)
    assert aws.sagemaker.list_inference_components(EndpointNameEquals="shared")["InferenceComponents"] == []
    aws.sagemaker.delete_endpoint(EndpointName="shared")


def test_a_component_at_zero_fails_requests_and_an_alarm_wakes_it(aws: Hosted) -> None:
    hosting(aws, "sleeping")
    component(aws, "dozer", "sleeping", 0)
    runtime, scaling = aws.client("sagemaker-runtime"), aws.client("application-autoscaling")
    refused("ValidationError", runtime.invoke_endpoint, "header is required", EndpointName="sleeping", Body=b"1")
    where = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "inference-component/dozer",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    scaling.register_scalable_target(**where, MinCapacity=0, MaxCapacity=4)
    metric = {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"}
    scaling.put_scaling_policy(
        **where,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 50.0, "PredefinedMetricSpecification": metric},
    )
    arn = scaling.put_scaling_policy(
        **where,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )["PolicyARN"]
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="dozer-wake",
        Namespace="AWS/SageMaker",
        MetricName="NoCapacityInvocationFailures",
        Dimensions=[{"Name": "InferenceComponentName", "Value": "dozer"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[arn],
    )
    aws.running.advance(hours=1)
    assert aws.count("sleeping") == 0
    refused(
        "ValidationError",
        runtime.invoke_endpoint,
        "no capacity",
        EndpointName="sleeping",
        Body=b"1",
        InferenceComponentName="dozer",
    )
    aws.running.advance(seconds=300)
    runtime.invoke_endpoint(EndpointName="sleeping", Body=b"1", InferenceComponentName="dozer")
    assert aws.count("sleeping") == 1
    steady(aws, "component:dozer", 9000)
    aws.running.advance(hours=1)
    copies = aws.sagemaker.describe_inference_component(InferenceComponentName="dozer")["RuntimeConfig"]
    assert copies["CurrentCopyCount"] in (3, 4)
    assert sum(series(aws, "Invocations", "Sum", 1, InferenceComponentName="dozer")) > 8000
    steady(aws, "component:dozer", 0)
    aws.running.advance(hours=2)
    assert aws.count("sleeping") == 0
