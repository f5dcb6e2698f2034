"""Savings Plans as the simulated account offers, rates, sells, queues and takes them back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.commitments import SavingsPlan, covers, offered_rate
from sagekeeper.simulator.process import RunningSimulator, start

from .conformance import check_shape

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account"), now=NOW) as running:
        yield running


@pytest.fixture(scope="module")
def plans(account: RunningSimulator) -> Any:
    return client(account.url)


def client(url: str) -> Any:
    return boto3.client(
        "savingsplans",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def offering(plans: Any, plan_type: str = "SageMaker", years: int = 1, payment: str = "No Upfront") -> str:
    answer = plans.describe_savings_plans_offerings(
        planTypes=[plan_type], paymentOptions=[payment], durations=[years * 365 * 86_400]
    )
    check_shape("savingsplans", "DescribeSavingsPlansOfferings", answer)
    assert len(answer["searchResults"]) == 1
    return str(answer["searchResults"][0]["offeringId"])


def described(plans: Any, identifier: str) -> dict[str, Any]:
    answer = plans.describe_savings_plans(savingsPlanIds=[identifier])
    check_shape("savingsplans", "DescribeSavingsPlans", answer)
    return dict(answer["savingsPlans"][0])


def refused(call: Any, **asked: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**asked)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)
    return str(error.value.response["Error"]["Code"])


@pytest.mark.integration
def test_an_offered_rate_is_the_list_price_less_the_offerings_discount(plans: Any) -> None:
    answer = plans.describe_savings_plans_offering_rates(
        savingsPlanTypes=["SageMaker"],
        savingsPlanPaymentOptions=["All Upfront"],
        serviceCodes=["AmazonSageMaker"],
        usageTypes=["USE1-Host:ml.m5.xlarge"],
    )
    check_shape("savingsplans", "DescribeSavingsPlansOfferingRates", answer)
    rates = {
        row["savingsPlanOffering"]["durationSeconds"] // 86_400: float(row["rate"]) for row in answer["searchResults"]
    }
    listed = PriceBook.bundled().hourly("ml.m5.xlarge", "Hosting", "us-east-1").usd
    assert rates == {
        365: offered_rate("MachineLearning", 1, "All Upfront", listed),
        1095: offered_rate("MachineLearning", 3, "All Upfront", listed),
    }
    assert rates[1095] < rates[365] < listed


@pytest.mark.integration
def test_no_plan_has_a_rate_for_serverless_storage_or_hyperpod(plans: Any) -> None:
    seen: set[str] = set()
    asked: dict[str, Any] = {
        "savingsPlanOfferingIds": [offering(plans)],
        "filters": [{"name": "region", "values": ["eu-west-1"]}],
    }
    while True:
        answer = plans.describe_savings_plans_offering_rates(**asked)
        seen |= {row["usageType"] for row in answer["searchResults"]}
        if "nextToken" not in answer:
            break
        asked["nextToken"] = answer["nextToken"]
    families = {usage.split("-", 1)[1].split(":")[0] for usage in seen}
    assert families == {"Host", "AsyncInf", "Train", "Processing", "Tsform", "Notebk", "Studio"}
    assert len(seen) > 1000


@pytest.mark.integration
def test_compute_plans_cover_no_sagemaker(plans: Any) -> None:
    answer = plans.describe_savings_plans_offering_rates(savingsPlanTypes=["Compute"], products=["SageMaker"])
    assert answer["searchResults"] == []


@pytest.mark.integration
def test_a_plan_bought_is_pending_then_active_and_has_its_own_rates(plans: Any, account: RunningSimulator) -> None:
    identifier = plans.create_savings_plan(
        savingsPlanOfferingId=offering(plans, payment="Partial Upfront"), commitment="2.5", tags={"team": "ml"}
    )["savingsPlanId"]
    bought = described(plans, identifier)
    assert (bought["state"], bought["commitment"], bought["tags"]) == ("payment-pending", "2.500", {"team": "ml"})
    assert float(bought["upfrontPaymentAmount"]) == 2.5 * 8760 / 2
    assert float(bought["recurringPaymentAmount"]) == 1.25
    account.advance(hours=1)
    assert described(plans, identifier)["state"] == "active"
    rates = plans.describe_savings_plan_rates(
        savingsPlanId=identifier,
        filters=[
            {"name": "instanceType", "values": ["ml.g5.xlarge"]},
            {"name": "region", "values": ["us-east-1"]},
            {"name": "usageType", "values": ["USE1-Train:ml.g5.xlarge"]},
        ],
    )
    check_shape("savingsplans", "DescribeSavingsPlanRates", rates)
    listed = PriceBook.bundled().hourly("ml.g5.xlarge", "Training", "us-east-1").usd
    assert [float(row["rate"]) for row in rates["searchResults"]] == [pytest.approx(listed * 0.76)]


@pytest.mark.integration
def test_a_queued_plan_can_be_deleted_and_an_active_one_cannot(plans: Any, account: RunningSimulator) -> None:
    later = account.now() + timedelta(days=10)
    queued = plans.create_savings_plan(
        savingsPlanOfferingId=offering(plans), commitment="1.0", purchaseTime=later, clientToken="once"
    )["savingsPlanId"]
    again = plans.create_savings_plan(
        savingsPlanOfferingId=offering(plans), commitment="1.0", purchaseTime=later, clientToken="once"
    )["savingsPlanId"]
    assert queued == again
    assert described(plans, queued)["state"] == "queued"
    plans.delete_queued_savings_plan(savingsPlanId=queued)
    assert described(plans, queued)["state"] == "queued-deleted"
    assert refused(plans.delete_queued_savings_plan, savingsPlanId=queued) == "ValidationException"
    assert refused(plans.delete_queued_savings_plan, savingsPlanId="nobody") == "ResourceNotFoundException"


@pytest.mark.integration
def test_a_plan_can_be_returned_within_a_week_but_not_later_nor_when_large(
    plans: Any, account: RunningSimulator
) -> None:
    one, large = (
        plans.create_savings_plan(savingsPlanOfferingId=offering(plans), commitment=usd)["savingsPlanId"]
        for usd in ("1.0", "100.5")
    )
    account.advance(hours=1)
    assert refused(plans.return_savings_plan, savingsPlanId=large) == "ValidationException"
    plans.return_savings_plan(savingsPlanId=one)
    assert described(plans, one)["state"] == "returned"
    late = plans.create_savings_plan(savingsPlanOfferingId=offering(plans), commitment="1.0")["savingsPlanId"]
    account.advance(days=8)
    assert refused(plans.return_savings_plan, savingsPlanId=late) == "ValidationException"


@pytest.mark.integration
def test_what_breaks_the_rules_of_buying_is_refused(plans: Any) -> None:
    whole = offering(plans, payment="All Upfront")
    assert refused(plans.create_savings_plan, savingsPlanOfferingId="a-1", commitment="1.0") == (
        "ResourceNotFoundException"
    )
    for wrong in (
        {"commitment": "none"},
        {"commitment": "0"},
        {"commitment": "1.0", "upfrontPaymentAmount": "5"},
        {"commitment": "1.0", "purchaseTime": datetime(2020, 1, 1, tzinfo=UTC)},
    ):
        assert refused(plans.create_savings_plan, savingsPlanOfferingId=whole, **wrong) == "ValidationException"


@pytest.mark.integration
def test_tags_come_and_go(plans: Any) -> None:
    identifier = plans.create_savings_plan(savingsPlanOfferingId=offering(plans), commitment="0.5")["savingsPlanId"]
    arn = described(plans, identifier)["savingsPlanArn"]
    plans.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    plans.untag_resource(resourceArn=arn, tagKeys=["a"])
    answer = plans.list_tags_for_resource(resourceArn=arn)
    check_shape("savingsplans", "ListTagsForResource", answer)
    assert answer["tags"] == {"b": "2"}


@pytest.mark.integration
def test_plans_survive_a_restart(tmp_path: Path) -> None:
    with start(tmp_path, now=NOW) as running:
        api = client(running.url)
        identifier = api.create_savings_plan(
            savingsPlanOfferingId=offering(api), commitment="1.0", purchaseTime=NOW + timedelta(days=3)
        )["savingsPlanId"]
        before = described(api, identifier)
    with start(tmp_path, now=NOW) as running:
        assert described(client(running.url), identifier) == before


def test_a_plan_costs_its_commitment_however_it_is_paid() -> None:
    bought = datetime(2026, 1, 1, tzinfo=UTC)
    plan = SavingsPlan("arn", "MachineLearning", 2.0, bought, 1, "Partial Upfront", 8760.0)
    assert plan.total == 17_520
    assert plan.recurring_per_hour == 1.0
    assert plan.active(bought)
    assert not plan.active(plan.end)


def test_only_instances_of_sagemaker_are_covered() -> None:
    assert covers("MachineLearning", "USE1-Studio:JupyterLab-ml.t3.medium")
    assert not covers("MachineLearning", "USE1-Host:VolumeUsage.gp2")
    assert not covers("MachineLearning", "USE1-ServerlessInf:Mem-3GB")
    assert not covers("MachineLearning", "USE1-Cluster:ml.p4d.24xlarge")
    assert not covers("Compute", "USE1-Host:ml.m5.xlarge")
