"""The whole point: an idle endpoint is deleted, a week passes, and the account's own bill shows the promised saving."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import MeasurementRow
from sagekeeper.core.ledger.queue import request_undo
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.lifecycle.worker import Worker

from .conftest import ACCOUNT, REGION, AwsAccount, action_of, ask, delete_wish, settings_for

pytestmark = pytest.mark.integration

ENDPOINT = "fraud-scoring-challenger"


def read_bill(aws: AwsAccount, first: date, last: date) -> pl.DataFrame:
    """Cost Explorer's days by resource and usage type, as `DAILY_COSTS`."""
    answer = aws.client("ce").get_cost_and_usage_with_resources(
        TimePeriod={"Start": f"{first}", "End": f"{last + timedelta(days=1)}"},
        Granularity="DAILY",
        Metrics=["UnblendedCost"],
        Filter={
            "And": [
                {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}},
                {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [ACCOUNT]}},
            ]
        },
        GroupBy=[{"Type": "DIMENSION", "Key": "RESOURCE_ID"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
    )
    rows = []
    for day in answer["ResultsByTime"]:
        for group in day["Groups"]:
            arn, usage_type = group["Keys"]
            cost = float(group["Metrics"]["UnblendedCost"]["Amount"])
            endpoint = arn.partition(":endpoint/")[2]
            rows.append(
                {
                    "day": date.fromisoformat(day["TimePeriod"]["Start"]),
                    "dataset": "cost-explorer",
                    "account": ACCOUNT,
                    "region": REGION,
                    "service": "Amazon SageMaker",
                    "charge_category": "Usage",
                    "usage_family": usage_type,
                    "resource_kind": "endpoint" if endpoint else None,
                    "resource_name": endpoint or None,
                    "resource_arn": arn,
                    "owner": None,
                    "attribution": "measured",
                    "billed_cost": cost,
                    "effective_cost": cost,
                    "currency": "USD",
                    "estimated": day["Estimated"],
                }
            )
    return pl.DataFrame(rows, schema=DAILY_COSTS.columns)


def test_the_saving_measured_on_the_bill_of_the_week_after_is_within_the_promised_range(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount
):
    today = aws.clock().date()
    before = read_bill(aws, today - timedelta(days=13), today - timedelta(days=1))
    own = before.filter(pl.col("resource_name") == ENDPOINT).group_by("day").agg(pl.col("billed_cost").sum())
    per_day = float(own.sort("day").head(10)["billed_cost"].mean())
    wish = delete_wish(aws, ENDPOINT, per_month=per_day * 730 / 24)
    action = ask(sqlite_ledger, aws, wish)
    settings = settings_for(str(aws.settings.aws.endpoint_url))
    worker = Worker(sqlite_ledger, lake, settings, AwsSessions(settings.aws), aws.clock, "one")
    worker.run_once()
    aws.simulator.advance(seconds=10)  # AWS takes a moment over deleting
    worker.run_once()
    assert action_of(sqlite_ledger, action).state == "applied"

    aws.simulator.advance(days=7)
    after = read_bill(aws, today, today + timedelta(days=6))
    lake.replace(DAILY_COSTS, pl.concat([before, after]), Scope({"dataset": "cost-explorer"}))
    worker.run_once()  # a changed bill is measured by itself
    with sqlite_ledger.reading() as session:
        [found] = session.query(MeasurementRow)
    assert found.verdict == "within range"
    assert (found.first_day, found.actual_per_day) == (today + timedelta(days=1), 0)
    assert found.days >= 4
    assert float(found.saved_per_month) == pytest.approx(per_day * 730 / 24, rel=0.02)

    request_undo(sqlite_ledger, action, "ada", aws.clock())
    for _ in range(40):
        worker.run_once()
        aws.simulator.advance(seconds=10)
        if action_of(sqlite_ledger, action).state == "undone":
            break
    assert aws.client().describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] == "InService"
