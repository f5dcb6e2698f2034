"""Each lever pulled through boto3 moves the bill by what the price book says, to the cent, and nothing else moves.

Two accounts of one seed stand side by side; one of them pulls every lever, each on an endpoint, job or notebook of its own. A
day later than all of it, and closed on the bill, is compared line by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest

from sagekeeper.core.prices import Component, PriceBook
from sagekeeper.simulator.commitments import offered_rate
from sagekeeper.simulator.process import start

from .hosted import Hosted
from .levers import jobs, nights, pull, stand

pytestmark = pytest.mark.integration

BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC)
DAY = date(2026, 11, 23)
CLOSED = datetime(2026, 11, 28, 8, tzinfo=UTC)
COMMITMENT = 0.4
CENT = Decimal("0.005")
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


def test_compiling_costs_nothing_and_the_smaller_machine_its_price(pair: Pair) -> None:
    assert pair.moved("endpoint/compiled") == {
        ("endpoint/compiled", "USE1-Host:ml.c5.2xlarge"): -24 * price("ml.c5.2xlarge"),
        ("endpoint/compiled", "USE1-Host:ml.c5.xlarge"): 24 * price("ml.c5.xlarge"),
    }
    assert not [resource for resource, _ in pair.pulled if "compilation" in resource]


def test_an_asynchronous_endpoint_scaled_to_zero_costs_no_instance(pair: Pair) -> None:
    assert pair.moved("endpoint/asked-later") == {
        ("endpoint/asked-later", "USE1-Host:ml.g4dn.xlarge"): -24 * price("ml.g4dn.xlarge"),
    }


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
        *(f"endpoint/{name}" for name in ("nights", "idle", "scaled", "compiled", "asked-later")),
        "notebook-instance/bench",
        "training-job/spot",
        "training-job/warm",
    }
    others = {resource for resource, _ in (*pair.without, *pair.pulled)} - touched
    assert len(others) > 5
    moved = {resource: pair.moved(resource) for resource in others}
    # Stored bytes are measured when the clock arrives, and the two clocks did not arrive at the same moments.
    assert {name: lines for name, lines in moved.items() if any(abs(cost) >= CENT for cost in lines.values())} == {}


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
