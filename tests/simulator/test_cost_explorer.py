"""Cost Explorer of the simulated account, asked through boto3: sums, filters, groups, pages, dates and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import RunningSimulator, start

from .conformance import check_shape

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
PERIOD = {"Start": "2026-08-01", "End": "2026-11-20"}
RECENT = {"Start": "2026-11-10", "End": "2026-11-20"}
METRICS = [
    "UnblendedCost",
    "BlendedCost",
    "AmortizedCost",
    "NetUnblendedCost",
    "NetAmortizedCost",
    "UsageQuantity",
    "NormalizedUsageAmount",
]
SAGEMAKER = {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}}
GROUPINGS = (
    ["SERVICE"],
    ["SERVICE", "USAGE_TYPE"],
    ["LINKED_ACCOUNT", "REGION"],
    ["RECORD_TYPE", "PURCHASE_TYPE"],
    ["OPERATION", "INSTANCE_TYPE"],
    ["INSTANCE_TYPE_FAMILY", "PLATFORM"],
    ["BILLING_ENTITY", "LEGAL_ENTITY_NAME"],
    ["AZ", "TENANCY"],
)
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account"), now=NOW, scale="demo") as running:
        yield running


def client(account: RunningSimulator, of: str = "test") -> Any:
    return boto3.client(
        "ce", region_name="us-east-1", endpoint_url=account.url, aws_access_key_id=of, aws_secret_access_key="test"
    )


@pytest.fixture(scope="module")
def ce(account: RunningSimulator) -> Any:
    return client(account)


def asked(ce: Any, **more: Any) -> dict[str, Any]:
    request: dict[str, Any] = {"TimePeriod": PERIOD, "Granularity": "MONTHLY", "Metrics": ["UnblendedCost"]} | more
    answer: dict[str, Any] = ce.get_cost_and_usage(**request)
    check_shape("ce", "GetCostAndUsage", answer)
    return answer


def by(*keys: str) -> list[dict[str, str]]:
    return [{"Type": "DIMENSION", "Key": key} for key in keys]


def totals(answer: dict[str, Any], metric: str) -> dict[str, Decimal]:
    """Per period: the total, or the sum of the groups."""
    return {
        result["TimePeriod"]["Start"]: sum(
            (Decimal(group["Metrics"][metric]["Amount"]) for group in result["Groups"]), Decimal(0)
        )
        if "GroupDefinitions" in answer
        else Decimal(result["Total"][metric]["Amount"])
        for result in answer["ResultsByTime"]
    }


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**request)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


@pytest.mark.parametrize("keys", GROUPINGS, ids="-".join)
@pytest.mark.parametrize("granularity", ["MONTHLY", "DAILY"])
def test_the_groups_of_any_grouping_add_up_to_the_total_to_the_last_digit(
    ce: Any, keys: list[str], granularity: str
) -> None:
    whole = asked(ce, Metrics=METRICS, Granularity=granularity, TimePeriod=RECENT)
    parts = asked(ce, Metrics=METRICS, Granularity=granularity, TimePeriod=RECENT, GroupBy=by(*keys))
    assert "NextPageToken" not in parts
    for metric in METRICS:
        assert totals(parts, metric) == totals(whole, metric), metric
    assert sum(totals(whole, "UnblendedCost").values()) > 100


@pytest.mark.parametrize(
    "wanted",
    [
        SAGEMAKER,
        {"Dimensions": {"Key": "REGION", "Values": ["eu-west-1", "NoRegion"]}},
        {"Tags": {"Key": "team", "Values": ["risk", ""]}},
        {"Tags": {"Key": "team", "MatchOptions": ["ABSENT"]}},
        {"And": [SAGEMAKER, {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Tax", "Credit"]}}}]},
        {"Or": [{"Dimensions": {"Key": "INSTANCE_TYPE", "Values": ["ml.g5.xlarge"]}}, SAGEMAKER]},
    ],
)
def test_a_filter_and_its_not_are_the_whole_bill(ce: Any, wanted: dict[str, Any]) -> None:
    whole, inside, outside = asked(ce), asked(ce, Filter=wanted), asked(ce, Filter={"Not": wanted})
    for start_of, total in totals(whole, "UnblendedCost").items():
        assert totals(inside, "UnblendedCost")[start_of] + totals(outside, "UnblendedCost")[start_of] == total
        assert totals(inside, "UnblendedCost")[start_of] != 0
        assert totals(outside, "UnblendedCost")[start_of] != 0


def test_a_tag_can_be_looked_for_as_absent_or_as_an_empty_value(ce: Any) -> None:
    absent = asked(ce, Filter={"Tags": {"Key": "team", "MatchOptions": ["ABSENT"]}})
    empty = asked(ce, Filter={"Tags": {"Key": "team", "Values": [""]}})
    grouped = asked(ce, GroupBy=[{"Type": "TAG", "Key": "team"}])
    found = {
        group["Keys"][0]: group["Metrics"]["UnblendedCost"]["Amount"] for group in grouped["ResultsByTime"][0]["Groups"]
    }
    assert totals(absent, "UnblendedCost") == totals(empty, "UnblendedCost")
    assert Decimal(found["team$"]) == totals(absent, "UnblendedCost")["2026-08-01"]
    assert "team$risk" in found


def test_quantities_have_their_unit_where_it_is_one_and_no_unit_where_they_are_mixed(ce: Any) -> None:
    usage = asked(ce, Metrics=["UsageQuantity"], GroupBy=by("USAGE_TYPE"), Filter=SAGEMAKER)["ResultsByTime"][0]
    units = {group["Keys"][0]: group["Metrics"]["UsageQuantity"]["Unit"] for group in usage["Groups"]}
    hours = {unit for name, unit in units.items() if "Host:ml." in name}
    whole = asked(ce, Metrics=["UsageQuantity"])["ResultsByTime"][0]["Total"]["UsageQuantity"]
    assert hours == {"Hrs"}
    assert whole["Unit"] == "N/A"


def test_pages_together_are_the_whole_answer_and_each_period_comes_in_order(ce: Any) -> None:
    request: dict[str, Any] = {
        "TimePeriod": {"Start": "2025-11-01", "End": "2026-11-20"},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": by("USAGE_TYPE", "OPERATION"),
    }
    total = asked(ce, **{**request, "GroupBy": []})
    days: list[str] = []
    amount, pages, token = Decimal(0), 0, {}
    while True:
        answer = asked(ce, **request, **token)
        pages += 1
        assert sum(len(result["Groups"]) for result in answer["ResultsByTime"]) <= 2000
        days += [result["TimePeriod"]["Start"] for result in answer["ResultsByTime"]]
        amount += sum(totals(answer, "UnblendedCost").values())
        if "NextPageToken" not in answer:
            break
        token = {"NextPageToken": answer["NextPageToken"]}
    assert pages > 1
    assert days == sorted(days)
    assert set(days) == set(totals(total, "UnblendedCost"))
    assert amount == sum(totals(total, "UnblendedCost").values())


def test_a_token_is_good_for_the_request_that_gave_it_only(ce: Any) -> None:
    request: dict[str, Any] = {
        "TimePeriod": {"Start": "2025-11-01", "End": "2026-11-20"},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": by("USAGE_TYPE", "OPERATION"),
    }
    token = ce.get_cost_and_usage(**request)["NextPageToken"]
    changed = request | {"Metrics": ["AmortizedCost"]}
    assert refusal(ce.get_cost_and_usage, **changed, NextPageToken=token)[0] == "RequestChangedException"
    assert refusal(ce.get_cost_and_usage, **request, NextPageToken="nonsense")[0] == "InvalidNextTokenException"


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        (
            {"TimePeriod": {"Start": "2026-11-10", "End": "2026-11-10"}},
            "ValidationException",
            "should be before end date",
        ),
        (
            {"TimePeriod": {"Start": "2026-11-10", "End": "2026-12-02"}},
            "ValidationException",
            "beginning of next month",
        ),
        ({"TimePeriod": {"Start": "2026-11-21", "End": "2026-11-22"}}, "ValidationException", "after today"),
        ({"TimePeriod": {"Start": "2026-02-30", "End": "2026-11-10"}}, "ValidationException", "Invalid date"),
        ({"TimePeriod": {"Start": "20261101", "End": "2026-11-10"}}, "ValidationException", "pattern"),
        ({"TimePeriod": {"Start": "2024-01-01", "End": "2026-11-10"}}, "ValidationException", "beyond 14 months"),
        (
            {"TimePeriod": {"Start": "2026-11-10T00:00:00Z", "End": "2026-11-11T00:00:00Z"}},
            "ValidationException",
            "Hourly timePeriod is not supported",
        ),
        (
            {"TimePeriod": {"Start": "2026-11-18T00:00:00Z", "End": "2026-11-19T00:00:00Z"}, "Granularity": "HOURLY"},
            "DataUnavailableException",
            "Hourly",
        ),
        ({"Metrics": []}, "ValidationException", "Metrics"),
        ({"Metrics": ["Dollars"]}, "ValidationException", "UNBLENDED_COST"),
        ({"GroupBy": by("SERVICE", "REGION", "OPERATION")}, "ValidationException", "limit of 2"),
        ({"GroupBy": by("SERVICE", "SERVICE")}, "ValidationException", "different"),
        ({"GroupBy": by("RESOURCE_ID")}, "ValidationException", "Group Definition dimension is invalid"),
        ({"Filter": {"Dimensions": {"Key": "RESOURCE_ID", "Values": ["a"]}}}, "ValidationException", "is not allowed"),
        ({"Filter": {"Dimensions": {"Key": "SCOPE", "Values": ["a"]}}}, "ValidationException", "SCOPE is not allowed"),
        ({"Filter": {"Dimensions": {"Key": "COLOUR", "Values": ["a"]}}}, "ValidationException", "enum value set"),
        ({"Filter": {}}, None, ""),
        ({"Filter": SAGEMAKER | {"Not": SAGEMAKER}}, "ValidationException", "more than one roots"),
        ({"Filter": {"And": [SAGEMAKER]}}, "ValidationException", "at least 2"),
        (
            {"Filter": {"Tags": {"Key": "team", "Values": ["ri"], "MatchOptions": ["STARTS_WITH"]}}},
            "ValidationException",
            "STARTS_WITH is not supported",
        ),
    ],
)
def test_what_aws_refuses_is_refused_with_its_code(
    ce: Any, changed: dict[str, Any], code: str | None, words: str
) -> None:
    request: dict[str, Any] = {"TimePeriod": PERIOD, "Granularity": "MONTHLY", "Metrics": ["UnblendedCost"]} | changed
    if code is None:
        assert ce.get_cost_and_usage(**request)["ResultsByTime"]
        return
    found = refusal(ce.get_cost_and_usage, **request)
    assert found[0] == code
    assert words in found[1]


def test_open_periods_are_estimated_and_closed_ones_are_not(ce: Any) -> None:
    told = {result["TimePeriod"]["Start"]: result["Estimated"] for result in asked(ce)["ResultsByTime"]}
    assert told == {"2026-08-01": False, "2026-09-01": False, "2026-10-01": False, "2026-11-01": True}


def test_amounts_are_written_as_aws_writes_them_with_accounts_named(ce: Any) -> None:
    answer = asked(ce, GroupBy=by("LINKED_ACCOUNT"), TimePeriod={"Start": "2026-08-01", "End": "2026-08-02"})
    names = {item["Value"]: item["Attributes"]["description"] for item in answer["DimensionValueAttributes"]}
    assert names == {"123456789012": "ml-platform", "210987654321": "ml-products"}
    nothing = asked(ce, Filter={"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Braket"]}})["ResultsByTime"][0]
    assert nothing["Total"] == {"UnblendedCost": {"Amount": "0", "Unit": "USD"}}


def test_resources_are_told_for_two_weeks_and_add_up_to_the_service(ce: Any) -> None:
    request: dict[str, Any] = {
        "TimePeriod": RECENT,
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "Filter": SAGEMAKER,
        "GroupBy": by("RESOURCE_ID", "USAGE_TYPE"),
    }
    answer = ce.get_cost_and_usage_with_resources(**request)
    check_shape("ce", "GetCostAndUsageWithResources", answer)
    whole = asked(ce, TimePeriod=RECENT, Granularity="DAILY", Filter=SAGEMAKER)
    assert totals(answer, "UnblendedCost") == totals(whole, "UnblendedCost")
    old = request | {"TimePeriod": {"Start": "2026-10-01", "End": "2026-11-20"}}
    assert "14 days" in refusal(ce.get_cost_and_usage_with_resources, **old)[1]
    other = request | {"GroupBy": by("USAGE_TYPE")}
    assert "RESOURCE_ID" in refusal(ce.get_cost_and_usage_with_resources, **other)[1]


def test_a_linked_account_sees_its_own_lines_only(account: RunningSimulator, ce: Any) -> None:
    sts = boto3.client(
        "sts", region_name="us-east-1", endpoint_url=account.url, aws_access_key_id="test", aws_secret_access_key="test"
    )
    role = sts.assume_role(RoleArn="arn:aws:iam::210987654321:role/reader", RoleSessionName="looks")["Credentials"]
    linked = boto3.client(
        "ce",
        region_name="us-east-1",
        endpoint_url=account.url,
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
    )
    own = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": ["210987654321"]}}
    assert totals(asked(linked), "UnblendedCost") == totals(asked(ce, Filter=own), "UnblendedCost")
    assert refusal(linked.list_cost_allocation_tags)[0] == "AccessDeniedException"


def test_values_of_dimensions_and_tags_are_those_on_the_bill(ce: Any) -> None:
    services = ce.get_dimension_values(TimePeriod=PERIOD, Dimension="SERVICE")
    check_shape("ce", "GetDimensionValues", services)
    assert "Amazon SageMaker" in [item["Value"] for item in services["DimensionValues"]]
    found = ce.get_dimension_values(TimePeriod=PERIOD, Dimension="USAGE_TYPE", SearchString="host:ML.M5", MaxResults=1)
    assert found["ReturnSize"] == 1 < found["TotalSize"]
    rest = ce.get_dimension_values(
        TimePeriod=PERIOD, Dimension="USAGE_TYPE", SearchString="host:ML.M5", NextPageToken=found["NextPageToken"]
    )
    assert rest["ReturnSize"] == found["TotalSize"] - 1
    keys = ce.get_tags(TimePeriod=PERIOD)
    check_shape("ce", "GetTags", keys)
    assert "team" in keys["Tags"]
    assert {"risk", ""} <= set(ce.get_tags(TimePeriod=PERIOD, TagKey="team")["Tags"])
    counted = ce.get_approximate_usage_records(Granularity="DAILY", ApproximationDimension="RESOURCE")
    check_shape("ce", "GetApproximateUsageRecords", counted)
    assert counted["TotalRecords"] == sum(counted["Services"].values()) > 0


def test_hours_add_up_to_their_day_once_they_are_opted_into(tmp_path: Path) -> None:
    with start(tmp_path, now=NOW) as account:
        account.set_explorer(hourly=True)
        ce = client(account)
        hours = asked(
            ce,
            TimePeriod={"Start": "2026-11-16T00:00:00Z", "End": "2026-11-17T00:00:00Z"},
            Granularity="HOURLY",
        )
        day = asked(ce, TimePeriod={"Start": "2026-11-16", "End": "2026-11-17"}, Granularity="DAILY")
        assert len(hours["ResultsByTime"]) == 24
        assert hours["ResultsByTime"][0]["TimePeriod"] == {
            "Start": "2026-11-16T00:00:00Z",
            "End": "2026-11-16T01:00:00Z",
        }
        whole, summed = totals(day, "UnblendedCost")["2026-11-16"], sum(totals(hours, "UnblendedCost").values())
        assert abs(whole - summed) < Decimal("0.0001")
        early = {"Start": "2026-11-01T00:00:00Z", "End": "2026-11-02T00:00:00Z"}
        request = {"TimePeriod": early, "Granularity": "HOURLY", "Metrics": ["UnblendedCost"]}
        assert "14 days" in refusal(ce.get_cost_and_usage, **request)[1]
