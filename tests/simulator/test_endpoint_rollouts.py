"""How updates come onto an endpoint in the simulated account: blue/green, canary, linear, rolling, and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.simulator.hosted import Hosted, conforms, refused

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.lives import Deployed, Life, status_of, stretches
from sagekeeper.simulator.process import start
from sagekeeper.simulator.rollouts import creation, plan_of, turn, watch

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """One account; time stands still but for what tests advance."""
    with start(tmp_path_factory.mktemp("rollouts"), speed=0.001) as running:
        yield Hosted(running)


def blue_green(kind: str, wait: int, termination: int = 0, **more: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait} | more
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": termination,
            "MaximumExecutionTimeoutInSeconds": 14_400,
        }
    }


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def rolling(batch: int, wait: int) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": percent(batch), "WaitIntervalInSeconds": wait}}


def updated(policy: dict[str, Any], count: int = 4) -> Life:
    """An endpoint that has stood for a day and is updated at noon."""
    made = {
        name: {"ProductionVariants": [{"VariantName": "main", "InstanceType": kind, "InitialInstanceCount": count}]}
        for name, kind in (("old", "ml.m5.large"), ("new", "ml.m5.xlarge"))
    }
    yesterday = NOON - timedelta(days=1)
    life = Life(yesterday, [Deployed(yesterday, "old", made["old"], creation(yesterday))])
    life.deployed.append(Deployed(NOON, "new", made["new"], plan_of(policy, NOON, count)))
    return life


def fleets(life: Life, seconds: float) -> dict[str, tuple[int, float]]:
    """Instances and share of the requests, by type, so long after noon."""
    moment = NOON + timedelta(seconds=seconds)
    return {
        item.variant["InstanceType"]: (item.instances, round(item.share, 3))
        for item in stretches(life)
        if item.start <= moment < item.stop
    }


def test_a_canary_takes_its_share_bakes_and_takes_the_rest() -> None:
    life = updated(blue_green("CANARY", 300, 600, CanarySize=percent(25)))
    assert fleets(life, 10) == {"ml.m5.large": (4, 1.0), "ml.m5.xlarge": (4, 0.0)}
    assert fleets(life, 30) == {"ml.m5.large": (4, 0.75), "ml.m5.xlarge": (4, 0.25)}
    assert fleets(life, 330) == {"ml.m5.large": (4, 0.0), "ml.m5.xlarge": (4, 1.0)}
    assert fleets(life, 925) == {"ml.m5.xlarge": (4, 1.0)}
    assert status_of(life, NOON + timedelta(seconds=915)) == "Updating"
    assert status_of(life, NOON + timedelta(seconds=925)) == "InService"


def test_a_linear_update_shifts_step_by_step() -> None:
    life = updated(blue_green("LINEAR", 60, LinearStepSize=percent(25)))
    shares = [fleets(life, 25 + 60 * step)["ml.m5.xlarge"][1] for step in range(4)]
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_a_rolling_update_never_stands_twice() -> None:
    life = updated(rolling(25, 60))
    totals = [sum(count for count, _ in fleets(life, second).values()) for second in range(0, 400, 5)]
    assert max(totals) == 5
    assert min(totals) == 4
    assert fleets(life, 330) == {"ml.m5.xlarge": (4, 1.0)}


def test_an_alarm_while_baking_takes_the_endpoint_back() -> None:
    life = updated(
        blue_green("ALL_AT_ONCE", 0, 600) | {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "bad"}]}}
    )
    rings = NOON + timedelta(seconds=140)
    assert watch(life, NOON + timedelta(days=1), lambda _, moment: moment >= rings)
    turned = life.deployed[-1].plan.turned if life.deployed[-1].plan else None
    assert turned == rings
    assert status_of(life, rings) == "RollingBack"
    assert status_of(life, rings + timedelta(seconds=25)) == "InService"
    assert fleets(life, 145)["ml.m5.large"] == (4, 1.0)
    assert fleets(life, 200) == {"ml.m5.large": (4, 1.0)}
    assert life.deployed[life.serving(NOON + timedelta(hours=1))].name == "old"


def test_an_update_that_takes_longer_than_its_timeout_goes_back() -> None:
    policy = blue_green("LINEAR", 500, LinearStepSize=percent(10))
    policy["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    life = updated(policy)
    assert watch(life, NOON + timedelta(hours=2), lambda _name, _moment: False)
    assert status_of(life, NOON + timedelta(seconds=605)) == "RollingBack"


def test_a_rolling_update_without_instances_for_the_way_back_stays_half_way() -> None:
    life = updated(rolling(25, 60))
    turn(life, NOON + timedelta(seconds=170), "no capacity", capacity=False)
    later = NOON + timedelta(minutes=30)
    assert status_of(life, later) == "UpdateRollbackFailed"
    assert fleets(life, 1800) == {"ml.m5.large": (2, 0.5), "ml.m5.xlarge": (3, 0.5)}


@pytest.mark.integration
def test_both_fleets_are_on_the_bill_while_both_stand(aws: Hosted) -> None:
    aws.endpoint("doubled", "ml.m5.xlarge", 2)
    aws.config("doubled-2", "ml.m5.2xlarge", 2)
    now = aws.running.now()
    aws.running.advance(seconds=86_400 - (now.hour * 3600 + now.minute * 60 + now.second) + 1)
    day = f"{aws.running.now():%Y-%m-%d}"
    begun = aws.running.now()
    aws.sagemaker.update_endpoint(
        EndpointName="doubled", EndpointConfigName="doubled-2", DeploymentConfig=blue_green("ALL_AT_ONCE", 0, 3600)
    )
    answer = aws.sagemaker.describe_endpoint(EndpointName="doubled")
    conforms("sagemaker", "DescribeEndpoint", answer)
    assert answer["EndpointConfigName"] == "doubled"
    assert answer["PendingDeploymentSummary"]["EndpointConfigName"] == "doubled-2"
    assert answer["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] == 3600
    aws.running.advance(days=4)
    assert aws.sagemaker.describe_endpoint(EndpointName="doubled")["EndpointConfigName"] == "doubled-2"
    old, new = (
        Decimal(str(PriceBook.bundled().hourly(kind, "Hosting", "us-east-1").usd))
        for kind in ("ml.m5.xlarge", "ml.m5.2xlarge")
    )
    since = (begun - begun.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    old_hours = Decimal(since + 3620) / 3600
    new_hours = 24 - Decimal(since) / 3600
    assert abs(aws.bill("doubled", day, "Host:ml") - 2 * (old * old_hours + new * new_hours)) < CENT


@pytest.mark.integration
def test_errors_of_the_new_fleet_ring_the_alarm_and_the_old_one_serves_again(aws: Hosted) -> None:
    aws.endpoint("guarded", "ml.m5.xlarge", 2)
    aws.running.set_hosting("traffic", endpoint="guarded", per_hour=6000)
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="guarded-5xx",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": "EndpointName", "Value": "guarded"}, {"Name": "VariantName", "Value": "main"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=2,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    aws.running.advance(hours=1)
    aws.running.set_fault("guarded", "errors_after_update")
    aws.config("guarded-2", "ml.m5.xlarge", 2)
    policy = blue_green("ALL_AT_ONCE", 0, 900)
    policy["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": "guarded-5xx"}]}
    aws.sagemaker.update_endpoint(EndpointName="guarded", EndpointConfigName="guarded-2", DeploymentConfig=policy)
    aws.running.advance(seconds=60)
    assert aws.status("guarded") == "Updating"
    aws.running.advance(hours=1)
    after = aws.sagemaker.describe_endpoint(EndpointName="guarded")
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "guarded")
    assert "guarded-5xx" in after["FailureReason"]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("policy", "match"),
    [
        (blue_green("CANARY", 60, CanarySize=percent(60)), "CanarySize"),
        (blue_green("CANARY", 60), "CanarySize is required"),
        (blue_green("LINEAR", 60, LinearStepSize=percent(5)), "LinearStepSize"),
        (rolling(80, 60), "MaximumBatchSize"),
        (blue_green("ALL_AT_ONCE", 0) | rolling(20, 60), "at the same time"),
        (blue_green("CANARY", 60, CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}), "CanarySize"),
    ],
)
def test_a_deployment_that_aws_does_not_take_is_refused(aws: Hosted, policy: dict[str, Any], match: str) -> None:
    if "wrongly-deployed" not in str(aws.sagemaker.list_endpoints(NameContains="wrongly")["Endpoints"]):
        aws.endpoint("wrongly-deployed")
    refused(
        "ValidationException",
        aws.sagemaker.update_endpoint,
        match,
        EndpointName="wrongly-deployed",
        EndpointConfigName="wrongly-deployed",
        DeploymentConfig=policy,
    )
