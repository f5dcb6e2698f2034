"""The books agree with the bill, and keeping them twice changes nothing."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from sqlalchemy import func, select

from sagekeeper.core.clock import next_month
from sagekeeper.core.ledger.models import Base
from sagekeeper.core.tables import COSTS, DAILY_COSTS, METRICS, TABLES, UNIT_COSTS
from sagekeeper.service import pipeline
from sagekeeper.service.demo_world import ACCOUNTS
from sagekeeper.service.house import House

pytestmark = pytest.mark.integration

MICRO = Decimal("0.000001")
"""Finer than a cent: at half a cent exact decimals and sums of floats would round apart."""


def cost_explorers_own_answer(house: House, first: date, last: date) -> dict[date, Decimal]:
    """What Cost Explorer itself says each month cost, all pages."""
    payer = house.settings.payer
    assert payer is not None
    client = house.sessions.client("ce", payer.id, "us-east-1")
    request = {
        "TimePeriod": {"Start": str(first.replace(day=1)), "End": str(last)},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
    }
    months: dict[date, Decimal] = defaultdict(Decimal)
    while True:
        answer = client.get_cost_and_usage(**request)
        for item in answer["ResultsByTime"]:
            month = date.fromisoformat(item["TimePeriod"]["Start"]).replace(day=1)
            months[month] += Decimal(item["Total"]["UnblendedCost"]["Amount"])
        if not answer.get("NextPageToken"):
            return {month: amount.quantize(MICRO) for month, amount in months.items()}
        request["NextPageToken"] = answer["NextPageToken"]


def by_month(frame: pl.LazyFrame, day: str, cost: str) -> dict[date, Decimal]:
    months = frame.group_by(pl.col(day).dt.truncate("1mo")).agg(pl.col(cost).sum()).collect()
    return {month: Decimal(str(amount)).quantize(MICRO) for month, amount in months.iter_rows()}


def test_lake_and_attributed_costs_agree_with_cost_explorer_to_the_cent_for_every_month(kept: House) -> None:
    bill = kept.lake.scan(COSTS).filter(pl.col("x_Dataset") == "cost-explorer")
    span = bill.select(
        pl.col("x_ChargeDate").min().alias("first"), pl.col("x_ChargeDate").max().alias("last")
    ).collect()
    last = span["last"][0]
    told = cost_explorers_own_answer(kept, span["first"][0], date.fromordinal(last.toordinal() + 1))
    assert len(told) >= 2
    assert all(amount > 0 for amount in told.values())
    assert by_month(bill, "x_ChargeDate", "BilledCost") == told
    attributed = kept.lake.scan(DAILY_COSTS).filter(pl.col("dataset") == "cost-explorer")
    assert by_month(attributed, "day", "billed_cost") == told
    assert next_month(max(told)) > last


def test_hours_of_endpoints_with_without_and_of_unknown_traffic_cost_what_the_bill_says(kept: House) -> None:
    rows = kept.lake.scan(UNIT_COSTS).filter(pl.col("unit").str.starts_with("hours ")).collect()
    on_bill = (
        kept.lake.scan(DAILY_COSTS)
        .filter((pl.col("resource_kind") == "endpoint") & (pl.col("charge_category") == "Usage"))
        .group_by(month=pl.col("day").dt.truncate("1mo"), subject="resource_name", account="account", region="region")
        .agg(bill=pl.col("billed_cost").sum())
        .collect()
    )
    sums = rows.group_by("month", "subject", "account", "region").agg(pl.col("billed_cost").sum())
    both = sums.join(on_bill, on=["month", "subject", "account", "region"])
    assert both.height == sums.height > 10
    assert (both["billed_cost"] - both["bill"]).abs().max() < 1e-6
    assert rows.filter(pl.col("unit") == "hours without requests")["billed_cost"].sum() > 0


def test_the_requests_that_a_cost_is_divided_by_are_those_that_cloudwatch_counts(kept: House) -> None:
    units = kept.lake.scan(UNIT_COSTS).filter((pl.col("unit") == "1,000 invocations") & pl.col("unknown").is_null())
    unit = units.filter(pl.col("account") == ACCOUNTS[0][0]).collect().sort("month", "quantity").row(-1, named=True)
    assert (unit["found"], unit["bill_days"]) == (unit["expected"], unit["expected"])
    variants = kept.lake.scan(METRICS).filter(pl.col("resource_name") == unit["subject"]).select("variant").unique()
    first = datetime(unit["month"].year, unit["month"].month, 1, tzinfo=UTC)
    client = kept.sessions.client("cloudwatch", unit["account"], unit["region"])
    told = sum(
        point["Sum"]
        for variant in variants.collect()["variant"]
        for point in client.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=[{"Name": "EndpointName", "Value": unit["subject"]}, {"Name": "VariantName", "Value": variant}],
            StartTime=first,
            EndTime=first + timedelta(days=unit["bill_days"]),
            Period=86400,
            Statistics=["Sum"],
        )["Datapoints"]
    )
    assert unit["quantity"] * 1000 == pytest.approx(told) and told > 1000


def test_a_run_repeated_for_the_same_day_changes_no_row(kept: House) -> None:
    as_of = kept.clock()

    def run() -> None:
        pipeline.collect(kept, as_of)
        pipeline.analyze(kept, as_of)
        pipeline.recommend(kept, as_of)
        pipeline.measure(kept, as_of)

    run()
    before = versions(kept), ledger_counts(kept)
    run()
    assert (versions(kept), ledger_counts(kept)) == before


def versions(house: House) -> dict[str, int | None]:
    return {table.name: house.lake.version(table) for table in TABLES}


def ledger_counts(house: House) -> dict[str, int]:
    """Rows of every ledger table but the two that log runs and own API calls, which a run adds to by its nature."""
    with house.ledger.reading() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
            if table.name not in ("source_runs", "api_use")
        }
