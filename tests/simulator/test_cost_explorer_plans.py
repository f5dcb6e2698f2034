"""Cost Explorer beside its sums: tags, categories, forecasts, anomalies, Savings Plans, and that all is the meter's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import polars as pl
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.clock import SimulatedClock
from sagekeeper.simulator.cost_explorer import get_cost_and_usage
from sagekeeper.simulator.cost_explorer_anomaly_finding import find
from sagekeeper.simulator.cost_explorer_forecast import forecast
from sagekeeper.simulator.cost_explorer_lines import METRICS
from sagekeeper.simulator.cost_explorer_plan_advice import best_commitment
from sagekeeper.simulator.journal import Journal
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.operations import Ask, House
from sagekeeper.simulator.process import RunningSimulator, start
from sagekeeper.simulator.world import PAYER, World
from sagekeeper.simulator.worlds import WORLDS

from .conformance import check_shape

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
PERIOD = {"Start": "2026-08-01", "End": "2026-11-20"}
TEAM_RULE = {
    "Value": "Risk",
    "Rule": {"Tags": {"Key": "team", "Values": ["RI"], "MatchOptions": ["STARTS_WITH", "CASE_INSENSITIVE"]}},
}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account"), now=NOW) as running:
        yield running


@pytest.fixture(scope="module")
def ce(account: RunningSimulator) -> Any:
    return boto3.client(
        "ce", region_name="us-east-1", endpoint_url=account.url, aws_access_key_id="test", aws_secret_access_key="test"
    )


def told(ce: Any, operation: str, **request: Any) -> dict[str, Any]:
    method = "".join("_" + letter.lower() if letter.isupper() else letter for letter in operation).strip("_")
    answer: dict[str, Any] = getattr(ce, method)(**request)
    check_shape("ce", operation, answer)
    return answer


def refusal(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**request)
    return str(refused.value.response["Error"]["Code"])


def by_group(ce: Any, kind: str, key: str) -> dict[str, Decimal]:
    answer = told(
        ce,
        "GetCostAndUsage",
        TimePeriod={"Start": "2026-10-01", "End": "2026-11-01"},
        Granularity="MONTHLY",
        Metrics=["UnblendedCost"],
        GroupBy=[{"Type": kind, "Key": key}],
    )
    groups = answer["ResultsByTime"][0]["Groups"]
    return {group["Keys"][0]: Decimal(group["Metrics"]["UnblendedCost"]["Amount"]) for group in groups}


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_the_meters_own_sum(tmp_path: Path, metric: str) -> None:
    world = World()
    WORLDS["small"](world, NOW, 7)
    clock = SimulatedClock(tmp_path / "clock.json", NOW, 0.0)
    house = House(world, clock, Meter(world), Journal(tmp_path / "journal.jsonl"))
    period = {"Start": "2026-09-01", "End": "2026-11-01"}
    asked = {"TimePeriod": period, "Granularity": "MONTHLY", "Metrics": [metric]}
    answer = get_cost_and_usage(Ask(house, PAYER, "us-east-1", asked, NOW))
    ours = sum(float(result["Total"][metric]["Amount"]) for result in answer["ResultsByTime"])
    lines = house.meter.lines(date(2026, 9, 1), date(2026, 10, 31), NOW)
    column = METRICS[metric]
    meters = float(lines[column].sum()) if column in lines.columns else 0.0
    assert ours == pytest.approx(meters, abs=1e-4)
    assert ours > 0 or metric == "NormalizedUsageAmount"


def test_a_forecast_of_a_steady_week_repeats_it_and_widens_with_the_days() -> None:
    week = np.array([100.0, 110, 120, 130, 140, 50, 40])
    first = date(2026, 6, 1)
    found = forecast(np.tile(week, 12), first, 14)
    assert found.mean == pytest.approx(np.tile(week, 2))
    noisy = forecast(np.tile(week, 12) + np.random.default_rng(1).normal(0, 5, 84), first, 60)
    assert noisy.variance[-1] > noisy.variance[0] > 0
    assert abs(noisy.mean[:7].sum() - week.sum()) < 60


def lines_of(costs: list[float]) -> pl.DataFrame:
    days = [date(2026, 9, 1) + timedelta(days=n) for n in range(len(costs))]
    return pl.DataFrame(
        {
            "day": days,
            "cost": [Decimal(str(cost)) for cost in costs],
            "SERVICE": "Amazon SageMaker",
            "REGION": "us-east-1",
            "LINKED_ACCOUNT": PAYER,
            "USAGE_TYPE": "USE1-Host:ml.m5.xlarge",
        }
    )


def test_a_jump_of_three_days_is_one_anomaly_with_its_cause_and_impact() -> None:
    costs = [100.0] * 40 + [180.0] * 3 + [100.0] * 5
    (found,) = find(lines_of(costs), pl.col("SERVICE"), date(2026, 10, 18))
    assert (found.first, found.last) == (date(2026, 10, 11), date(2026, 10, 13))
    assert found.impact == pytest.approx(240)
    assert found.causes[0]["impact"] == pytest.approx(240)


@pytest.mark.parametrize("costs", [[100.0] * 60, [100.0 + 3 * (n % 7) for n in range(60)], [5.0] * 5 + [500.0]])
def test_a_steady_a_weekly_and_a_new_series_have_no_anomaly(costs: list[float]) -> None:
    assert find(lines_of(costs), pl.col("SERVICE"), date(2026, 10, 30)) == []


def test_the_recommended_commitment_costs_no_more_than_any_other() -> None:
    spend, discount = np.random.default_rng(3).gamma(3, 10, 400), 0.27

    def cost(commitment: float) -> float:
        return float((commitment + np.clip(spend - commitment / (1 - discount), 0, None)).sum())

    best = best_commitment(spend, discount)
    assert cost(best) <= min(cost(candidate) for candidate in np.linspace(0, spend.max(), 300)) * 1.0005
    assert cost(best) < cost(0)


@pytest.mark.integration
def test_a_tag_key_shows_on_the_bill_only_while_it_is_active(ce: Any) -> None:
    listed = told(ce, "ListCostAllocationTags", Status="Active")["CostAllocationTags"]
    assert "env" in {item["TagKey"] for item in listed}
    before = by_group(ce, "TAG", "env")
    assert len(before) > 1
    answer = told(
        ce,
        "UpdateCostAllocationTagsStatus",
        CostAllocationTagsStatus=[{"TagKey": "env", "Status": "Inactive"}, {"TagKey": "colour", "Status": "Active"}],
    )
    assert [item["TagKey"] for item in answer["Errors"]] == ["colour"]
    # What was on the bill stays there, until a backfill takes the present state back in time.
    assert by_group(ce, "TAG", "env") == before
    told(ce, "StartCostAllocationTagBackfill", BackfillFrom="2026-10-01T00:00:00Z")
    assert set(by_group(ce, "TAG", "env")) == {"env$"}
    assert refusal(ce.start_cost_allocation_tag_backfill, BackfillFrom="2026-10-01T00:00:00Z") == (
        "BackfillLimitExceededException"
    )
    assert sum(by_group(ce, "TAG", "env").values()) == sum(before.values())


@pytest.mark.integration
def test_a_cost_category_divides_the_bill_by_its_rules_from_its_month_on(ce: Any) -> None:
    made = told(
        ce,
        "CreateCostCategoryDefinition",
        Name="Unit",
        RuleVersion="CostCategoryExpression.v1",
        Rules=[
            TEAM_RULE,
            {"Type": "INHERITED_VALUE", "InheritedValue": {"DimensionName": "TAG", "DimensionKey": "team"}},
        ],
        DefaultValue="Shared",
        EffectiveStart="2026-10-01T00:00:00Z",
    )
    arn = made["CostCategoryArn"]
    teams, units = by_group(ce, "TAG", "team"), by_group(ce, "COST_CATEGORY", "Unit")
    assert units["Unit$Risk"] == teams["team$risk"]
    assert units["Unit$Shared"] == teams["team$"]
    assert units["Unit$growth"] == teams["team$growth"]
    assert sum(units.values()) == sum(teams.values())
    values = told(ce, "GetCostCategories", TimePeriod=PERIOD, CostCategoryName="Unit")["CostCategoryValues"]
    assert "" in values, "before its first month a category has no value"
    assert told(ce, "DescribeCostCategoryDefinition", CostCategoryArn=arn)["CostCategory"]["DefaultValue"] == "Shared"
    told(
        ce,
        "UpdateCostCategoryDefinition",
        CostCategoryArn=arn,
        RuleVersion="CostCategoryExpression.v1",
        Rules=[TEAM_RULE],
    )
    (row,) = told(ce, "ListCostCategoryDefinitions")["CostCategoryReferences"]
    assert (row["NumberOfRules"], row["Values"], row["EffectiveStart"]) == (1, ["Risk"], "2026-11-01T00:00:00Z")
    told(ce, "DeleteCostCategoryDefinition", CostCategoryArn=arn)
    assert refusal(ce.describe_cost_category_definition, CostCategoryArn=arn) == "ResourceNotFoundException"
    assert set(by_group(ce, "COST_CATEGORY", "Unit")) == {"Unit$"}


@pytest.mark.integration
def test_a_forecast_adds_up_and_lies_within_its_interval(ce: Any) -> None:
    request: dict[str, Any] = {"Metric": "UNBLENDED_COST", "TimePeriod": {"Start": "2026-11-20", "End": "2027-01-01"}}
    days = told(ce, "GetCostForecast", Granularity="DAILY", **request)
    months = told(ce, "GetCostForecast", Granularity="MONTHLY", **request)
    assert len(days["ForecastResultsByTime"]) == 42
    assert float(days["Total"]["Amount"]) == pytest.approx(float(months["Total"]["Amount"]), rel=1e-6)
    for row in (*days["ForecastResultsByTime"], *months["ForecastResultsByTime"]):
        low, mean, high = (
            float(row[key]) for key in ("PredictionIntervalLowerBound", "MeanValue", "PredictionIntervalUpperBound")
        )
        assert low < mean < high
    wide = told(ce, "GetCostForecast", Granularity="MONTHLY", PredictionIntervalLevel=99, **request)
    assert float(wide["ForecastResultsByTime"][0]["PredictionIntervalUpperBound"]) > float(
        months["ForecastResultsByTime"][0]["PredictionIntervalUpperBound"]
    )


@pytest.mark.integration
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"TimePeriod": {"Start": "2026-11-01", "End": "2026-12-01"}}, "ValidationException"),
        ({"TimePeriod": {"Start": "2026-11-20", "End": "2027-04-01"}}, "ValidationException"),
        ({"Granularity": "HOURLY"}, "ValidationException"),
        ({"Metric": "USAGE_QUANTITY"}, "ValidationException"),
        ({"Filter": {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Braket"]}}}, "DataUnavailableException"),
    ],
)
def test_a_forecast_that_cannot_be_is_refused(ce: Any, changed: dict[str, Any], code: str) -> None:
    request: dict[str, Any] = {
        "Metric": "UNBLENDED_COST",
        "Granularity": "DAILY",
        "TimePeriod": {"Start": "2026-11-20", "End": "2026-12-01"},
    }
    assert refusal(ce.get_cost_forecast, **(request | changed)) == code


@pytest.mark.integration
def test_usage_is_forecast_in_its_unit_and_mixed_units_are_not(ce: Any) -> None:
    request: dict[str, Any] = {
        "Metric": "USAGE_QUANTITY",
        "Granularity": "MONTHLY",
        "TimePeriod": {"Start": "2026-11-20", "End": "2026-12-01"},
    }
    one = {"Dimensions": {"Key": "USAGE_TYPE", "Values": ["USE1-Host:ml.m5.xlarge"]}}
    assert told(ce, "GetUsageForecast", Filter=one, **request)["Total"]["Unit"] == "Hrs"
    assert refusal(ce.get_usage_forecast, **request) == "UnresolvableUsageUnitException"


@pytest.mark.integration
def test_monitors_and_subscriptions_live_as_on_aws(ce: Any) -> None:
    (first,) = told(ce, "GetAnomalyMonitors")["AnomalyMonitors"]
    assert first["MonitorDimension"] == "SERVICE"
    again = {"MonitorName": "all", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
    assert refusal(ce.create_anomaly_monitor, AnomalyMonitor=again) == "LimitExceededException"
    custom = {
        "MonitorName": "risk",
        "MonitorType": "CUSTOM",
        "MonitorSpecification": {"Tags": {"Key": "team", "Values": ["risk"]}},
    }
    arn = told(ce, "CreateAnomalyMonitor", AnomalyMonitor=custom, ResourceTags=[{"Key": "a", "Value": "b"}])[
        "MonitorArn"
    ]
    assert told(ce, "ListTagsForResource", ResourceArn=arn)["ResourceTags"] == [{"Key": "a", "Value": "b"}]
    told(ce, "UpdateAnomalyMonitor", MonitorArn=arn, MonitorName="risky")
    wish = {
        "SubscriptionName": "daily",
        "MonitorArnList": [arn],
        "Subscribers": [{"Address": "a@example.com", "Type": "EMAIL"}],
        "Frequency": "DAILY",
        "Threshold": 50.0,
    }
    subscription = told(ce, "CreateAnomalySubscription", AnomalySubscription=wish)["SubscriptionArn"]
    assert refusal(ce.create_anomaly_subscription, AnomalySubscription=wish | {"Frequency": "IMMEDIATE"}) == (
        "ValidationException"
    )
    told(ce, "UpdateAnomalySubscription", SubscriptionArn=subscription, Frequency="WEEKLY")
    (found,) = told(ce, "GetAnomalySubscriptions", MonitorArn=arn)["AnomalySubscriptions"]
    assert (found["Frequency"], found["Subscribers"][0]["Status"]) == ("WEEKLY", "CONFIRMED")
    told(ce, "DeleteAnomalySubscription", SubscriptionArn=subscription)
    assert refusal(ce.delete_anomaly_subscription, SubscriptionArn=subscription) == "UnknownSubscriptionException"
    told(ce, "DeleteAnomalyMonitor", MonitorArn=arn)
    assert refusal(ce.get_anomaly_monitors, MonitorArnList=[arn]) == "UnknownMonitorException"


@pytest.mark.integration
def test_a_recommendation_is_worth_its_money_and_nothing_is_reserved(ce: Any) -> None:
    request = {
        "SavingsPlansType": "SAGEMAKER_SP",
        "TermInYears": "ONE_YEAR",
        "PaymentOption": "NO_UPFRONT",
        "LookbackPeriodInDays": "THIRTY_DAYS",
    }
    answer = told(ce, "GetSavingsPlansPurchaseRecommendation", **request)["SavingsPlansPurchaseRecommendation"]
    (detail,) = answer["SavingsPlansPurchaseRecommendationDetails"]
    saved = float(detail["EstimatedSavingsAmount"])
    assert saved > 0
    assert float(detail["EstimatedOnDemandCostWithCurrentCommitment"]) == pytest.approx(
        saved + float(detail["EstimatedSPCost"]) + float(detail["EstimatedOnDemandCost"]), rel=1e-6
    )
    empty = told(ce, "GetSavingsPlansPurchaseRecommendation", **(request | {"SavingsPlansType": "COMPUTE_SP"}))
    assert "SavingsPlansPurchaseRecommendationDetails" not in empty["SavingsPlansPurchaseRecommendation"]
    covered = told(ce, "GetSavingsPlansCoverage", TimePeriod=PERIOD, GroupBy=[{"Type": "DIMENSION", "Key": "REGION"}])
    assert all(float(row["Coverage"]["OnDemandCost"]) > 0 for row in covered["SavingsPlansCoverages"])
    assert refusal(ce.get_savings_plans_utilization, TimePeriod=PERIOD) == "DataUnavailableException"
    told(ce, "GetReservationCoverage", TimePeriod=PERIOD)
    assert told(ce, "GetReservationUtilization", TimePeriod=PERIOD)["Total"]["PurchasedHours"] == "0"
    assert refusal(ce.get_reservation_utilization, TimePeriod=PERIOD, Granularity="HOURLY") == "ValidationException"
    told(ce, "GetReservationPurchaseRecommendation", Service="Amazon Relational Database Service")
    assert told(ce, "GetRightsizingRecommendation", Service="AmazonEC2")["RightsizingRecommendations"] == []
    assert refusal(ce.get_rightsizing_recommendation, Service="AmazonS3") == "ValidationException"
    told(ce, "StartSavingsPlansPurchaseRecommendationGeneration")
    assert refusal(ce.start_savings_plans_purchase_recommendation_generation) == "GenerationExistsException"
    (made,) = told(ce, "ListSavingsPlansPurchaseRecommendationGeneration")["GenerationSummaryList"]
    assert made["GenerationStatus"] == "PROCESSING"


@pytest.mark.integration
def test_an_incident_becomes_an_anomaly_that_people_can_judge(account: RunningSimulator, ce: Any) -> None:
    account.incident("runaway_job", size=20.0)
    account.advance(days=4)
    found = told(ce, "GetAnomalies", DateInterval={"StartDate": "2026-11-15"})["Anomalies"]
    assert found
    assert found[0]["DimensionValue"] == "Amazon SageMaker"
    assert found[0]["Impact"]["TotalImpact"] > 1
    told(ce, "ProvideAnomalyFeedback", AnomalyId=found[0]["AnomalyId"], Feedback="YES")
    judged = told(ce, "GetAnomalies", DateInterval={"StartDate": "2026-11-15"}, Feedback="YES")["Anomalies"]
    assert [item["AnomalyId"] for item in judged] == [found[0]["AnomalyId"]]
    assert refusal(ce.get_anomalies, DateInterval={"StartDate": "2026-01-01"}) == "ValidationException"
