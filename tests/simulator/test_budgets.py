"""Budgets against the bill of the simulated account: what they say was spent, whom they tell and when, what they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.budget_spend import actual, covered, forecast, limit, period
from sagekeeper.simulator.process import RunningSimulator, start

from .conformance import check_shape

ACCOUNT = "123456789012"
ML = {"Service": ["Amazon SageMaker"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("account")


@pytest.fixture(scope="module")
def account(folder: Path) -> Iterator[RunningSimulator]:
    with start(folder) as running:
        yield running


@pytest.fixture(scope="module")
def api(account: RunningSimulator) -> Any:
    return client(account.url, "budgets")


def client(url: str, service: str) -> Any:
    return boto3.client(
        service, region_name="us-east-1", endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test"
    )


def budget(name: str, usd: float, **more: Any) -> dict[str, Any]:
    amount = {"BudgetLimit": {"Amount": str(usd), "Unit": "USD"}}
    return {"BudgetName": name, "BudgetType": "COST", "TimeUnit": "MONTHLY"} | amount | more


def notice(kind: str, percent: float, *subscribers: tuple[str, str]) -> dict[str, Any]:
    return {
        "Notification": {"NotificationType": kind, "ComparisonOperator": "GREATER_THAN", "Threshold": percent},
        "Subscribers": [{"SubscriptionType": sort, "Address": address} for sort, address in subscribers],
    }


def spent(answer: dict[str, Any]) -> float:
    return float(answer["Budget"]["CalculatedSpend"]["ActualSpend"]["Amount"])


def code_of(call: Any, **asked: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**asked)
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.integration
def test_a_budget_has_spent_what_cost_explorer_says(api: Any, account: RunningSimulator) -> None:
    api.create_budget(AccountId=ACCOUNT, Budget=budget("same-as-explorer", 5000, CostFilters=ML))
    answer = api.describe_budget(AccountId=ACCOUNT, BudgetName="same-as-explorer")
    check_shape("budgets", "DescribeBudget", answer)
    shown = answer["Budget"]
    now = account.now()
    told = client(account.url, "ce").get_cost_and_usage(
        TimePeriod={"Start": now.strftime("%Y-%m-01"), "End": (now.date().replace(day=now.day + 1)).isoformat()},
        Granularity="MONTHLY",
        Metrics=["UnblendedCost"],
        Filter={"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}},
    )
    explorer = float(told["ResultsByTime"][0]["Total"]["UnblendedCost"]["Amount"])
    assert explorer > 100
    assert spent(answer) == pytest.approx(explorer, abs=0.05)
    assert float(shown["CalculatedSpend"]["ForecastedSpend"]["Amount"]) > explorer
    assert shown["CostTypes"]["IncludeTax"] is True
    assert shown["CostTypes"]["UseAmortized"] is False
    assert shown["TimePeriod"]["End"] == datetime(2087, 6, 15, tzinfo=UTC)


@pytest.mark.integration
def test_both_styles_of_filter_mean_the_same(api: Any) -> None:
    new = {
        "FilterExpression": {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}},
        "Metrics": ["UnblendedCost"],
    }
    api.create_budget(AccountId=ACCOUNT, Budget=budget("old-style", 100, CostFilters=ML))
    api.create_budget(AccountId=ACCOUNT, Budget=budget("new-style", 100, **new))
    old, other = (spent(api.describe_budget(AccountId=ACCOUNT, BudgetName=name)) for name in ("old-style", "new-style"))
    assert old == pytest.approx(other, abs=0.05)
    both = budget("both", 100, CostFilters=ML, **new)
    assert code_of(api.create_budget, AccountId=ACCOUNT, Budget=both) == "InvalidParameterException"


@pytest.mark.integration
def test_who_asked_hears_once_a_period_by_topic_and_by_mail(api: Any, account: RunningSimulator, folder: Path) -> None:
    sns, sqs = client(account.url, "sns"), client(account.url, "sqs")
    topic = sns.create_topic(Name="money")["TopicArn"]
    queue = sqs.create_queue(QueueName="money")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    told = [
        notice("ACTUAL", 50, ("SNS", topic), ("EMAIL", "owner@example.com")),
        notice("ACTUAL", 100_000, ("EMAIL", "never@example.com")),
        notice("FORECASTED", 100, ("EMAIL", "ahead@example.com")),
    ]
    api.create_budget(AccountId=ACCOUNT, Budget=budget("heard", 20, CostFilters=ML), NotificationsWithSubscribers=told)
    assert mails(folder, "owner") == []
    account.advance(hours=9)
    account.advance(days=2)
    (mail,) = mails(folder, "owner")
    assert "To: owner@example.com" in mail
    assert "your heard budget is > $10.00 for the current period" in mail
    assert len(mails(folder, "ahead")) == 1
    assert mails(folder, "never") == []
    (message,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"])["Subject"].startswith("AWS Budgets: heard has exceeded")
    states = api.describe_notifications_for_budget(AccountId=ACCOUNT, BudgetName="heard")
    check_shape("budgets", "DescribeNotificationsForBudget", states)
    assert [item["NotificationState"] for item in states["Notifications"]] == ["ALARM", "OK", "ALARM"]
    account.advance(days=14)
    assert len(mails(folder, "owner")) == 2, "the next month is another period"


def mails(folder: Path, who: str) -> list[str]:
    return [file.read_text() for file in sorted((folder / "outbox").glob(f"*-{who}@example.com-*.txt"))]


@pytest.mark.integration
def test_a_budget_can_be_changed_and_deleted_and_keeps_its_notifications(api: Any) -> None:
    told = [notice("ACTUAL", 80, ("EMAIL", "a@example.com"))]
    api.create_budget(AccountId=ACCOUNT, Budget=budget("changing", 10), NotificationsWithSubscribers=told)
    api.update_budget(AccountId=ACCOUNT, NewBudget=budget("changing", 99))
    answer = api.describe_budget(AccountId=ACCOUNT, BudgetName="changing")
    assert answer["Budget"]["BudgetLimit"] == {"Amount": "99", "Unit": "USD"}
    everyone = api.describe_budget_notifications_for_account(AccountId=ACCOUNT)
    check_shape("budgets", "DescribeBudgetNotificationsForAccount", everyone)
    assert {item["BudgetName"]: len(item["Notifications"]) for item in everyone["BudgetNotificationsForAccount"]}[
        "changing"
    ] == 1
    api.delete_budget(AccountId=ACCOUNT, BudgetName="changing")
    assert code_of(api.describe_budget, AccountId=ACCOUNT, BudgetName="changing") == "NotFoundException"
    assert code_of(api.delete_budget, AccountId=ACCOUNT, BudgetName="changing") == "NotFoundException"


@pytest.mark.integration
def test_subscribers_come_change_and_go(api: Any) -> None:
    told = notice("ACTUAL", 80, ("EMAIL", "a@example.com"))
    one = {"AccountId": ACCOUNT, "BudgetName": "followed", "Notification": told["Notification"]}
    second = {"SubscriptionType": "EMAIL", "Address": "b@example.com"}
    api.create_budget(AccountId=ACCOUNT, Budget=budget("followed", 10), NotificationsWithSubscribers=[told])
    api.create_subscriber(**one, Subscriber=second)
    assert code_of(api.create_subscriber, **one, Subscriber=second) == "DuplicateRecordException"
    api.update_subscriber(**one, OldSubscriber=second, NewSubscriber=second | {"Address": "c@example.com"})
    api.delete_subscriber(**one, Subscriber={"SubscriptionType": "EMAIL", "Address": "a@example.com"})
    answer = api.describe_subscribers_for_notification(**one)
    check_shape("budgets", "DescribeSubscribersForNotification", answer)
    assert [item["Address"] for item in answer["Subscribers"]] == ["c@example.com"]
    assert code_of(api.delete_subscriber, **one, Subscriber=second) == "NotFoundException"
    api.update_notification(
        AccountId=ACCOUNT,
        BudgetName="followed",
        OldNotification=told["Notification"],
        NewNotification=told["Notification"] | {"Threshold": 90.0},
    )
    assert code_of(api.describe_subscribers_for_notification, **one) == "NotFoundException"


@pytest.mark.integration
def test_the_history_tells_the_months_that_are_over(api: Any) -> None:
    api.create_budget(AccountId=ACCOUNT, Budget=budget("history", 1000))
    answer = api.describe_budget_performance_history(AccountId=ACCOUNT, BudgetName="history")
    check_shape("budgets", "DescribeBudgetPerformanceHistory", answer)
    rows = answer["BudgetPerformanceHistory"]["BudgetedAndActualAmountsList"]
    assert len(rows) >= 3
    assert rows[-1]["TimePeriod"]["Start"].astimezone(UTC).day == 1
    assert all(row["BudgetedAmount"]["Amount"] == "1000.000" for row in rows)
    assert all(float(row["ActualAmount"]["Amount"]) > 0 for row in rows)


@pytest.mark.integration
def test_budgets_come_in_pages(api: Any) -> None:
    names = {f"page-{number}" for number in range(5)}
    for name in names:
        api.create_budget(AccountId=ACCOUNT, Budget=budget(name, 10))
    first = api.describe_budgets(AccountId=ACCOUNT, MaxResults=3)
    check_shape("budgets", "DescribeBudgets", first)
    assert len(first["Budgets"]) == 3
    pages = api.get_paginator("describe_budgets").paginate(AccountId=ACCOUNT, PaginationConfig={"PageSize": 3})
    assert names <= {item["BudgetName"] for page in pages for item in page["Budgets"]}


@pytest.mark.integration
def test_what_aws_refuses_is_refused(api: Any) -> None:
    api.create_budget(AccountId=ACCOUNT, Budget=budget("there", 10))
    many = [notice("ACTUAL", 10 + number, ("EMAIL", "a@example.com")) for number in range(10)]
    api.create_budget(AccountId=ACCOUNT, Budget=budget("full", 10), NotificationsWithSubscribers=many)
    more = notice("ACTUAL", 99, ("EMAIL", "a@example.com"))
    for call, asked, code in (
        (api.create_budget, {"Budget": budget("there", 10)}, "DuplicateRecordException"),
        (api.create_budget, {"Budget": budget("no:name", 10)}, "InvalidParameterException"),
        (api.create_budget, {"Budget": budget("zero", 0)}, "InvalidParameterException"),
        (
            api.create_budget,
            {"Budget": {"BudgetName": "none", "BudgetType": "COST", "TimeUnit": "MONTHLY"}},
            "InvalidParameterException",
        ),
        (api.create_notification, {"BudgetName": "full"} | more, "CreationLimitExceededException"),
        (api.create_notification, {"BudgetName": "full"} | many[0], "DuplicateRecordException"),
        (
            api.create_notification,
            {"BudgetName": "there"} | notice("ACTUAL", 1, ("EMAIL", "nobody")),
            "InvalidParameterException",
        ),
        (api.update_budget, {"NewBudget": budget("missing", 10)}, "NotFoundException"),
    ):
        assert code_of(call, AccountId=ACCOUNT, **asked) == code
    assert code_of(api.describe_budgets, AccountId="999999999999") == "AccessDeniedException"


def test_periods_begin_where_their_unit_begins() -> None:
    day = date(2026, 11, 20)
    assert period({"TimeUnit": "DAILY"}, day) == (day, date(2026, 11, 21))
    assert period({"TimeUnit": "MONTHLY"}, date(2026, 12, 31)) == (date(2026, 12, 1), date(2027, 1, 1))
    assert period({"TimeUnit": "QUARTERLY"}, day) == (date(2026, 10, 1), date(2027, 1, 1))
    assert period({"TimeUnit": "ANNUALLY"}, day) == (date(2026, 1, 1), date(2027, 1, 1))


def test_the_forecast_adds_a_mean_day_for_each_day_left_and_needs_five_weeks() -> None:
    days = {date.fromordinal(date(2026, 10, 1).toordinal() + number): 2.0 for number in range(45)}
    today = date(2026, 11, 15)
    assert actual(days, date(2026, 11, 1), today) == 28.0
    assert forecast(days, date(2026, 11, 1), date(2026, 12, 1), today) == 60.0
    assert forecast({today: 1.0}, date(2026, 11, 1), date(2026, 12, 1), today) is None


def test_planned_and_adjusted_limits_follow_the_period() -> None:
    first = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
    planned = {"PlannedBudgetLimits": {str(first): {"Amount": "7", "Unit": "USD"}}}
    assert limit(planned, {}, date(2026, 11, 1)) == 7.0
    assert limit(planned, {}, date(2026, 10, 1)) is None
    last_months = {
        "TimeUnit": "MONTHLY",
        "AutoAdjustData": {"AutoAdjustType": "HISTORICAL", "HistoricalOptions": {"BudgetAdjustmentPeriod": 2}},
    }
    assert limit(last_months, {date(2026, 9, 3): 10.0, date(2026, 10, 3): 30.0}, date(2026, 11, 1)) == 20.0


def test_types_and_tags_of_cost_are_left_out_when_asked() -> None:
    lines = pl.DataFrame(
        {"record_type": ["Usage", "Tax", "Credit"], "tags": ['{"team":"a"}', "{}", '{"team":"b"}'], "n": [1, 2, 3]}
    )
    assert lines.filter(covered({"CostTypes": {"IncludeTax": False}}))["n"].to_list() == [1, 3]
    assert lines.filter(covered({"CostFilters": {"TagKeyValue": ["user:team$a"]}}))["n"].to_list() == [1]
    tagged = {"FilterExpression": {"Not": {"Tags": {"Key": "team", "Values": ["a"]}}}}
    assert lines.filter(covered(tagged))["n"].to_list() == [2, 3]
