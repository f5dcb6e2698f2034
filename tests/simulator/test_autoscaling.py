"""Application Auto Scaling in the simulated account: it scales with the traffic, and the bill follows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.simulator.conformance import check_shape
from tests.simulator.hosted import Hosted, refused

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start
from sagekeeper.simulator.schedules import next_run

SERVICE = "application-autoscaling"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """One account; time stands still but for what tests advance."""
    with start(tmp_path_factory.mktemp("scaling"), speed=0.001) as running:
        yield Hosted(running)


def place(name: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/main",
        "ScalableDimension": INSTANCES,
    }


def tracked(aws: Hosted, name: str, target: float, least: int = 1, most: int = 6, **config: Any) -> Any:
    """Target tracking by invocations per instance and minute."""
    scaling = aws.client(SERVICE)
    scaling.register_scalable_target(**place(name), MinCapacity=least, MaxCapacity=most)
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    told = {"TargetValue": target, "PredefinedMetricSpecification": metric} | config
    answer = scaling.put_scaling_policy(
        **place(name),
        PolicyName=f"{name}-policy",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=told,
    )
    check_shape(SERVICE, "PutScalingPolicy", answer)
    return scaling


def traffic(aws: Hosted, name: str, per_hour: float) -> None:
    """The same number of requests in every hour, but for chance."""
    aws.running.set_hosting("traffic", endpoint=name, per_hour=per_hour, daily_swing=0, weekend_share=1)


@pytest.mark.integration
def test_traffic_above_the_target_brings_instances_and_less_takes_them_away(aws: Hosted) -> None:
    aws.endpoint("breathing", "ml.m5.large")
    traffic(aws, "breathing", 12_000)
    scaling = tracked(aws, "breathing", target=60)
    aws.running.advance(hours=1)
    assert aws.count("breathing") in (3, 4, 5)
    traffic(aws, "breathing", 1_200)
    aws.running.advance(hours=2)
    assert aws.count("breathing") == 1
    found = scaling.describe_scaling_activities(
        ServiceNamespace="sagemaker", ResourceId=place("breathing")["ResourceId"]
    )
    check_shape(SERVICE, "DescribeScalingActivities", found)
    texts = [item["Description"] for item in found["ScalingActivities"]]
    assert texts[0] == "Setting desired instance count to 1."
    assert "AlarmHigh" in found["ScalingActivities"][-1]["Cause"]
    assert found["ScalingActivities"][-1]["StatusCode"] == "Successful"


@pytest.mark.integration
def test_scaling_stays_within_its_limits(aws: Hosted) -> None:
    aws.endpoint("limited", "ml.m5.large")
    traffic(aws, "limited", 60_000)
    scaling = tracked(aws, "limited", target=60, least=2, most=3)
    aws.running.advance(hours=1)
    assert aws.count("limited") == 3
    rows = scaling.describe_scaling_activities(
        ServiceNamespace="sagemaker", ResourceId=place("limited")["ResourceId"], IncludeNotScaledActivities=True
    )["ScalingActivities"]
    assert rows[0]["NotScaledReasons"][0]["Code"] == "AlreadyAtMaxCapacity"


@pytest.mark.integration
def test_the_bill_is_that_of_the_instances_that_scaling_asked_for(aws: Hosted) -> None:
    aws.endpoint("billed", "ml.c5.xlarge")
    now = aws.running.now()
    aws.running.advance(seconds=86_400 - (now.hour * 3600 + now.minute * 60 + now.second) + 1)
    day = aws.running.now()
    traffic(aws, "billed", 18_000)
    scaling = tracked(aws, "billed", target=100, most=8)
    aws.running.advance(days=5)
    pages = scaling.get_paginator("describe_scaling_activities").paginate(
        ServiceNamespace="sagemaker", ResourceId=place("billed")["ResourceId"]
    )
    rows = [row for page in pages for row in page["ScalingActivities"]]
    end = day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() + 86_400
    changes = sorted(
        (row["StartTime"].timestamp(), int(row["Description"].rstrip(".").split()[-1]))
        for row in rows
        if row["StartTime"].timestamp() < end
    )
    assert changes
    hours, count, since = Decimal(0), 1, end - 86_400
    for moment, wanted in [*changes, (end, 0)]:
        hours += Decimal(count * (moment - since)) / 3600
        count, since = wanted, moment
    price = Decimal(str(PriceBook.bundled().hourly("ml.c5.xlarge", "Hosting", "us-east-1").usd))
    assert hours > 30
    assert abs(aws.bill("billed", f"{day:%Y-%m-%d}", "Host:ml") - price * hours) < CENT


@pytest.mark.integration
def test_what_scaling_did_over_days_is_the_same_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("again")
    seen = []
    for _ in range(2):
        with start(folder, speed=0.001) as running:
            aws = Hosted(running)
            if not seen:
                aws.endpoint("lasting", "ml.m5.large")
                aws.running.set_hosting("traffic", endpoint="lasting", per_hour=20_000)
                tracked(aws, "lasting", target=80)
                running.advance(days=2)
            rows = aws.client(SERVICE).describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
            seen.append([(row["ActivityId"], row["StartTime"], row["Description"]) for row in rows])
    assert seen[0] == seen[1]
    assert len(seen[0]) > 3


@pytest.mark.integration
def test_a_schedule_keeps_an_endpoint_small_at_night(aws: Hosted) -> None:
    aws.endpoint("office", "ml.m5.large")
    scaling = aws.client(SERVICE)
    scaling.register_scalable_target(**place("office"), MinCapacity=1, MaxCapacity=4)
    for name, hour, count in (("day", 8, 3), ("night", 20, 1)):
        scaling.put_scheduled_action(
            **place("office"),
            ScheduledActionName=name,
            Schedule=f"cron(0 {hour} * * ? *)",
            Timezone="Europe/Berlin",
            ScalableTargetAction={"MinCapacity": count, "MaxCapacity": count},
        )
    described = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")
    check_shape(SERVICE, "DescribeScheduledActions", described)
    now = aws.running.now()
    aws.running.advance(seconds=86_400 - (now.hour * 3600 + now.minute * 60 + now.second) + 1)
    day = f"{aws.running.now():%Y-%m-%d}"
    aws.running.advance(hours=12)
    assert aws.count("office") == 3
    aws.running.advance(hours=10)
    assert aws.count("office") == 1
    aws.running.advance(days=4)
    price = Decimal(str(PriceBook.bundled().hourly("ml.m5.large", "Hosting", "us-east-1").usd))
    # From 7:00 to 19:00 UTC three, else one.
    assert abs(aws.bill("office", day, "Host:ml") - price * (12 * 3 + 12)) < CENT


@pytest.mark.integration
def test_an_alarm_of_the_users_own_moves_a_step_policy(aws: Hosted) -> None:
    aws.endpoint("stepped", "ml.m5.large")
    traffic(aws, "stepped", 30_000)
    scaling = aws.client(SERVICE)
    scaling.register_scalable_target(**place("stepped"), MinCapacity=1, MaxCapacity=10)
    steps = [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 100, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 100, "ScalingAdjustment": 3},
    ]
    arn = scaling.put_scaling_policy(
        **place("stepped"),
        PolicyName="steps",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": steps,
            "Cooldown": 600,
        },
    )["PolicyARN"]
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="stepped-busy",
        Namespace="AWS/SageMaker",
        MetricName="InvocationsPerInstance",
        Dimensions=[{"Name": "EndpointName", "Value": "stepped"}, {"Name": "VariantName", "Value": "main"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=2,
        Threshold=150,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[arn],
    )
    aws.running.advance(seconds=300)
    assert aws.count("stepped") == 4
    aws.running.advance(hours=1)
    assert aws.count("stepped") == 4


@pytest.mark.integration
def test_a_suspended_target_does_not_scale_out(aws: Hosted) -> None:
    aws.endpoint("suspended", "ml.m5.large")
    traffic(aws, "suspended", 60_000)
    scaling = tracked(aws, "suspended", target=60)
    scaling.register_scalable_target(**place("suspended"), SuspendedState={"DynamicScalingOutSuspended": True})
    aws.running.advance(hours=1)
    assert aws.count("suspended") == 1
    described = scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[place("suspended")["ResourceId"]]
    )
    check_shape(SERVICE, "DescribeScalableTargets", described)
    assert described["ScalableTargets"][0]["MaxCapacity"] == 6
    assert described["ScalableTargets"][0]["SuspendedState"]["DynamicScalingOutSuspended"]


@pytest.mark.integration
def test_a_target_takes_its_policies_and_their_alarms_along(aws: Hosted) -> None:
    aws.endpoint("gone", "ml.m5.large")
    scaling = tracked(aws, "gone", target=60)
    found = scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=place("gone")["ResourceId"])
    check_shape(SERVICE, "DescribeScalingPolicies", found)
    names = [alarm["AlarmName"] for alarm in found["ScalingPolicies"][0]["Alarms"]]
    cloudwatch = aws.client("cloudwatch")
    assert len(cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]) == 2
    scaling.deregister_scalable_target(**place("gone"))
    assert cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"] == []
    refused("ObjectNotFoundException", scaling.deregister_scalable_target, **place("gone"))
    refused("ObjectNotFoundException", scaling.delete_scaling_policy, PolicyName="x", **place("gone"))


@pytest.mark.integration
def test_wrong_requests_are_refused_as_aws_refuses_them(aws: Hosted) -> None:
    aws.endpoint("picky", "ml.t2.medium")
    scaling = aws.client(SERVICE)
    nothing = place("nothing-there") | {"MinCapacity": 1, "MaxCapacity": 2}
    refused("ValidationException", scaling.register_scalable_target, "Could not find endpoint", **nothing)
    refused(
        "ValidationException",
        scaling.register_scalable_target,
        "burstable",
        **place("picky"),
        MinCapacity=1,
        MaxCapacity=2,
    )
    aws.endpoint("picky-2", "ml.m5.large")
    refused(
        "ValidationException",
        scaling.register_scalable_target,
        "Minimum",
        **place("picky-2"),
        MinCapacity=3,
        MaxCapacity=2,
    )
    refused("ValidationException", scaling.register_scalable_target, "MaxCapacity", **place("picky-2"), MinCapacity=3)
    refused(
        "ObjectNotFoundException",
        scaling.put_scaling_policy,
        "No scalable target registered",
        **place("picky-2"),
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 1.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
    )
    scaling.register_scalable_target(**place("picky-2"), MinCapacity=1, MaxCapacity=2)
    refused(
        "ValidationException",
        scaling.put_scheduled_action,
        "schedule",
        **place("picky-2"),
        ScheduledActionName="a",
        Schedule="cron(61 * * * ? *)",
        ScalableTargetAction={"MinCapacity": 1},
    )


@pytest.mark.parametrize(
    ("schedule", "zone", "expected"),
    [
        ("cron(0 8 ? * MON-FRI *)", None, datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("cron(30 6,18 * * ? *)", "Europe/Berlin", datetime(2026, 11, 20, 17, 30, tzinfo=UTC)),
        ("cron(0 0 1 * ? *)", None, datetime(2026, 12, 1, tzinfo=UTC)),
        ("cron(0/15 * * * ? *)", None, datetime(2026, 11, 20, 12, 15, tzinfo=UTC)),
        ("at(2026-11-21T09:00:00)", "America/New_York", datetime(2026, 11, 21, 14, tzinfo=UTC)),
        ("at(2026-11-19T09:00:00)", None, None),
        ("rate(6 hours)", None, datetime(2026, 11, 20, 18, tzinfo=UTC)),
    ],
)
def test_schedules_run_when_aws_would_run_them(schedule: str, zone: str | None, expected: datetime | None) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert next_run(schedule, zone, noon, noon) == expected
