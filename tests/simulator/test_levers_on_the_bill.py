"""Each lever pulled through boto3 moves the bill by what the price book says, to the cent, and nothing else moves.

Two accounts of one seed stand side by side; one of them pulls every lever, each on an endpoint, job or notebook of its own. A
day later than all of it, and closed on the bill, is compared line by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from sagekeeper.core.prices import Component, PriceBook
from sagekeeper.simulator.commitments import offered_rate
from sagekeeper.simulator.process import start

from .hosted import IMAGE, ROLE, Hosted

pytestmark = pytest.mark.integration

BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC)
NIGHT_BEGINS, NIGHT_ENDS = datetime(2026, 11, 22, 20, tzinfo=UTC), datetime(2026, 11, 23, 6, tzinfo=UTC)
DAY = date(2026, 11, 23)
CLOSED = datetime(2026, 11, 28, 8, tzinfo=UTC)
REQUESTS_AN_HOUR = 1800
COMMITMENT = 0.4
Lines = dict[tuple[str, str], Decimal]


class Pair(NamedTuple):
    """What DAY cost by (end of the resource's ARN, usage type), without the levers and with them."""

    without: Lines
    pulled: Lines
    aws: Hosted

    def moved(self, resource: str) -> Lines:
        """How much each usage type of the resource moved."""
        keys = {key for key in (*self.without, *self.pulled) if key[0] == resource}
        moves = {key: self.pulled.get(key, Decimal(0)) - self.without.get(key, Decimal(0)) for key in keys}
        return {key: amount for key, amount in moves.items() if amount}


def price(instance_type: str, component: Component = "Hosting") -> Decimal:
    return Decimal(str(PriceBook.bundled().hourly(instance_type, component, "us-east-1").usd))


def training(aws: Hosted, name: str, spot: bool = False, keep: int = 0) -> None:
    cluster: dict[str, Any] = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 50}
    aws.sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://somewhere/models"},
        ResourceConfig=cluster | ({"KeepAlivePeriodInSeconds": keep} if keep else {}),
        StoppingCondition={"MaxRuntimeInSeconds": 7200} | ({"MaxWaitTimeInSeconds": 80_000} if spot else {}),
        HyperParameters={"sagekeeper_run_seconds": "3600"},
        EnableManagedSpotTraining=spot,
    )


def stand(aws: Hosted) -> None:
    """What both accounts have."""
    for name, kind, count in (
        ("right-size", "ml.m5.xlarge", 1),
        ("inferentia", "ml.g4dn.xlarge", 1),
        ("fewer", "ml.m5.large", 3),
        ("tenant-a", "ml.m5.large", 1),
        ("tenant-b", "ml.m5.large", 1),
        ("serverless", "ml.m5.large", 1),
        ("nights", "ml.m5.large", 1),
        ("idle", "ml.c5.xlarge", 2),
        ("scaled", "ml.m5.large", 4),
    ):
        aws.config(name, kind, count)
        aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    aws.sagemaker.create_notebook_instance(
        NotebookInstanceName="bench", InstanceType="ml.t3.medium", RoleArn=ROLE, VolumeSizeInGB=20
    )
    aws.running.advance(hours=1)
    aws.running.set_hosting("traffic", endpoint="serverless", per_hour=REQUESTS_AN_HOUR)


def another_config(aws: Hosted, endpoint: str, name: str, **variant: Any) -> None:
    given = {"VariantName": "main", "ModelName": endpoint, "InitialInstanceCount": 1} | variant
    if "ServerlessConfig" in given:
        del given["InitialInstanceCount"]
    aws.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[given])


def pull(aws: Hosted) -> None:
    """Every lever that is pulled once and holds."""
    sagemaker = aws.sagemaker
    another_config(aws, "right-size", "right-size-2", InstanceType="ml.m5.large")
    sagemaker.update_endpoint(EndpointName="right-size", EndpointConfigName="right-size-2")
    another_config(aws, "inferentia", "inferentia-2", InstanceType="ml.inf2.xlarge")
    sagemaker.update_endpoint(EndpointName="inferentia", EndpointConfigName="inferentia-2")
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="fewer", DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 1}]
    )
    sagemaker.create_model(
        ModelName="tenants",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://bucket/tenants/"},
    )
    another_config(aws, "tenants", "tenants", InstanceType="ml.m5.large")
    sagemaker.update_endpoint(EndpointName="tenant-a", EndpointConfigName="tenants")
    sagemaker.delete_endpoint(EndpointName="tenant-b")
    sagemaker.delete_endpoint(EndpointName="serverless")
    another_config(aws, "serverless", "serverless-2", ServerlessConfig={"MemorySizeInMB": 2048, "MaxConcurrency": 5})
    aws.running.advance(hours=1)
    sagemaker.create_endpoint(EndpointName="serverless", EndpointConfigName="serverless-2")
    aws.running.set_hosting("traffic", endpoint="serverless", per_hour=REQUESTS_AN_HOUR)
    sagemaker.delete_endpoint(EndpointName="idle")
    sagemaker.stop_notebook_instance(NotebookInstanceName="bench")
    scaling = aws.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/scaled/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=4, **target)
    scaling.put_scaling_policy(
        PolicyName="requests",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 100.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
        **target,
    )


def nights(aws: Hosted) -> None:
    """Deleted in the evening, made again in the morning."""
    aws.running.advance_until(NIGHT_BEGINS)
    aws.sagemaker.delete_endpoint(EndpointName="nights")
    aws.running.advance_until(NIGHT_ENDS)
    aws.sagemaker.create_endpoint(EndpointName="nights", EndpointConfigName="nights")


def jobs(aws: Hosted, pulled: bool) -> None:
    """On DAY: one job that may be on spot, and one whose warm pool may be off."""
    aws.running.advance_until(NIGHT_ENDS + timedelta(hours=1))
    training(aws, "spot", spot=pulled)
    training(aws, "warm", keep=0 if pulled else 3600)


def bill(aws: Hosted) -> Lines:
    answer = aws.client("ce").get_cost_and_usage_with_resources(
        TimePeriod={"Start": str(DAY), "End": str(DAY + timedelta(days=1))},
        Granularity="DAILY",
        Metrics=["UnblendedCost"],
        GroupBy=[{"Type": "DIMENSION", "Key": "RESOURCE_ID"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        Filter={"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Usage", "SavingsPlanCoveredUsage"]}},
    )
    assert "NextPageToken" not in answer
    return {
        (group["Keys"][0].rpartition(":")[2], group["Keys"][1]): Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
        for group in answer["ResultsByTime"][0]["Groups"]
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with ExitStack() as both:
        folder = tmp_path_factory.mktemp("levers")
        control, treated = (
            Hosted(both.enter_context(start(folder / name, scale="small", speed=0, now=BEGIN)))
            for name in ("without", "pulled")
        )
        for aws in (control, treated):
            stand(aws)
        pull(treated)
        nights(treated)
        for aws in (control, treated):
            jobs(aws, aws is treated)
            aws.running.advance_until(CLOSED)
        yield Pair(bill(control), bill(treated), treated)


def test_a_smaller_instance_saves_the_difference_of_the_prices(pair: Pair) -> None:
    assert pair.moved("endpoint/right-size") == {
        ("endpoint/right-size", "USE1-Host:ml.m5.xlarge"): -24 * price("ml.m5.xlarge"),
        ("endpoint/right-size", "USE1-Host:ml.m5.large"): 24 * price("ml.m5.large"),
    }


def test_an_inferentia_instance_costs_its_own_price(pair: Pair) -> None:
    assert pair.moved("endpoint/inferentia") == {
        ("endpoint/inferentia", "USE1-Host:ml.g4dn.xlarge"): -24 * price("ml.g4dn.xlarge"),
        ("endpoint/inferentia", "USE1-Host:ml.inf2.xlarge"): 24 * price("ml.inf2.xlarge"),
    }


def test_two_instances_fewer_save_two_prices(pair: Pair) -> None:
    assert pair.moved("endpoint/fewer") == {("endpoint/fewer", "USE1-Host:ml.m5.large"): -48 * price("ml.m5.large")}


def test_two_tenants_on_one_multi_model_endpoint_save_the_other_endpoint(pair: Pair) -> None:
    assert pair.moved("endpoint/tenant-a") == {}
    assert pair.moved("endpoint/tenant-b") == {
        ("endpoint/tenant-b", "USE1-Host:ml.m5.large"): -24 * price("ml.m5.large")
    }


def test_serverless_is_billed_by_gigabyte_seconds_instead_of_hours(pair: Pair) -> None:
    moved = pair.moved("endpoint/serverless")
    assert moved.pop(("endpoint/serverless", "USE1-Host:ml.m5.large")) == -24 * price("ml.m5.large")
    seconds = pair.aws.client("ce").get_cost_and_usage(
        TimePeriod={"Start": str(DAY), "End": str(DAY + timedelta(days=1))},
        Granularity="DAILY",
        Metrics=["UsageQuantity", "UnblendedCost"],
        GroupBy=[{"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        Filter={"Dimensions": {"Key": "USAGE_TYPE", "Values": ["USE1-ServerlessInf:Mem-2GB"]}},
    )["ResultsByTime"][0]["Groups"][0]["Metrics"]
    rate = Decimal(str(PriceBook.bundled().unit("serverless_compute", "us-east-1").usd)) * 2
    billed = moved.pop(("endpoint/serverless", "USE1-ServerlessInf:Mem-2GB"))
    assert billed == Decimal(seconds["UnblendedCost"]["Amount"]) > 0
    assert float(billed) == pytest.approx(float(seconds["UsageQuantity"]["Amount"]) * float(rate), abs=1e-6)
    # What goes out costs the same under either name.
    assert sum(moved.values()) == pytest.approx(Decimal(0), abs=Decimal("1e-6"))


def test_nights_off_save_the_hours_of_the_night(pair: Pair) -> None:
    assert pair.moved("endpoint/nights") == {
        ("endpoint/nights", "USE1-Host:ml.m5.large"): -6 * price("ml.m5.large"),
    }


def test_a_deleted_idle_endpoint_costs_nothing_more(pair: Pair) -> None:
    assert pair.moved("endpoint/idle") == {("endpoint/idle", "USE1-Host:ml.c5.xlarge"): -48 * price("ml.c5.xlarge")}


def test_a_stopped_notebook_keeps_only_its_volume(pair: Pair) -> None:
    moved = pair.moved("notebook-instance/bench")
    assert moved == {
        ("notebook-instance/bench", "USE1-Notebk:ml.t3.medium"): -24 * price("ml.t3.medium", "Notebook"),
    }
    assert pair.pulled["notebook-instance/bench", "USE1-Notebk:VolumeUsage.gp2"] > 0


def test_scaling_in_saves_what_was_idle(pair: Pair) -> None:
    assert pair.moved("endpoint/scaled") == {("endpoint/scaled", "USE1-Host:ml.m5.large"): -72 * price("ml.m5.large")}


def test_managed_spot_bills_only_the_billable_seconds(pair: Pair) -> None:
    job = pair.aws.sagemaker.describe_training_job(TrainingJobName="spot")
    assert 0 < job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
    hours = Decimal(job["BillableTimeInSeconds"]) / 3600
    billed = pair.pulled["training-job/spot", "USE1-Train:ml.m5.xlarge"]
    assert float(billed) == pytest.approx(float(2 * hours * price("ml.m5.xlarge", "Training")), abs=1e-6)
    assert pair.moved("training-job/spot")["training-job/spot", "USE1-Train:ml.m5.xlarge"] < 0


def test_without_its_warm_pool_a_job_costs_only_its_own_time(pair: Pair) -> None:
    moved = pair.moved("training-job/warm")
    assert len(moved) > 0
    assert all("arm" in usage for _, usage in moved), moved
    assert float(sum(moved.values())) == pytest.approx(-2 * float(price("ml.m5.xlarge", "Training")), rel=0.1)


def test_nothing_else_on_the_bill_moves(pair: Pair) -> None:
    touched = {
        *(f"endpoint/{name}" for name in ("right-size", "inferentia", "fewer", "tenant-a", "tenant-b", "serverless")),
        *(f"endpoint/{name}" for name in ("nights", "idle", "scaled")),
        "notebook-instance/bench",
        "training-job/spot",
        "training-job/warm",
    }
    others = {resource for resource, _ in (*pair.without, *pair.pulled)} - touched
    assert len(others) > 5
    assert {resource: pair.moved(resource) for resource in others if pair.moved(resource)} == {}


def test_a_savings_plan_bills_its_commitment_and_takes_what_it_covers_off(pair: Pair) -> None:
    """Bought at the end, on the account with the levers: a later day, closed again, by record type."""
    plans = pair.aws.client("savingsplans")
    (offering,) = plans.describe_savings_plans_offerings(
        planTypes=["SageMaker"], paymentOptions=["No Upfront"], durations=[365 * 86_400]
    )["searchResults"]
    plans.create_savings_plan(savingsPlanOfferingId=offering["offeringId"], commitment=str(COMMITMENT))
    pair.aws.running.advance_until(CLOSED + timedelta(days=7))
    day = CLOSED.date() + timedelta(days=2)
    answer = pair.aws.client("ce").get_cost_and_usage(
        TimePeriod={"Start": str(day), "End": str(day + timedelta(days=1))},
        Granularity="DAILY",
        Metrics=["UnblendedCost", "AmortizedCost"],
        GroupBy=[{"Type": "DIMENSION", "Key": "RECORD_TYPE"}],
    )
    groups = {group["Keys"][0]: group["Metrics"] for group in answer["ResultsByTime"][0]["Groups"]}
    unblended = {kind: Decimal(metrics["UnblendedCost"]["Amount"]) for kind, metrics in groups.items()}
    amortized = {kind: Decimal(metrics["AmortizedCost"]["Amount"]) for kind, metrics in groups.items()}
    assert float(unblended["SavingsPlanRecurringFee"]) == pytest.approx(24 * COMMITMENT, abs=1e-6)
    assert float(unblended["SavingsPlanCoveredUsage"] + unblended["SavingsPlanNegation"]) == pytest.approx(0, abs=1e-6)
    used = amortized["SavingsPlanCoveredUsage"]
    assert float(used + amortized["SavingsPlanRecurringFee"]) == pytest.approx(24 * COMMITMENT, abs=1e-6)
    # Every type's rate is the same share of its list price here, so what is covered follows from what is used.
    share = offered_rate("MachineLearning", 1, "No Upfront", 1.0)
    assert float(unblended["SavingsPlanCoveredUsage"]) == pytest.approx(float(used) / share, rel=1e-4)
