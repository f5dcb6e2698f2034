"""What AWS delivers to S3 is kept up to date by manifest: only a month that changed is read, and it is Cost Explorer's month."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from sagekeeper.core.ledger.models import BillMonthRow
from sagekeeper.core.tables import COSTS
from sagekeeper.simulator.client import Simulator

from .conftest import PAYER, Collector, open_collector, roles

pytestmark = pytest.mark.integration
EXPORT = {
    "Name": "books",
    "DataQuery": {
        "QueryStatement": "SELECT BilledCost, EffectiveCost, BillingCurrency, BillingPeriodStart, ChargeCategory, "
        "ChargePeriodStart, ServiceName, SubAccountId, Tags FROM FOCUS_1_2_AWS",
        "TableConfigurations": {"FOCUS_1_2_AWS": {"TIME_GRANULARITY": "DAILY"}},
    },
    "DestinationConfigurations": {
        "S3Destination": {
            "S3Bucket": "bills",
            "S3Prefix": "de",
            "S3Region": "us-east-1",
            "S3OutputConfigurations": {
                "OutputType": "CUSTOM",
                "Format": "PARQUET",
                "Compression": "PARQUET",
                "Overwrite": "OVERWRITE_REPORT",
            },
        }
    },
    "RefreshCadence": {"Frequency": "SYNCHRONOUS"},
}


def months(house: Collector) -> dict[date, tuple[object, int]]:
    with house.ledger.reading() as session:
        return {row.period: (row.read_at, row.rows) for row in session.scalars(select(BillMonthRow))}


def test_an_export_is_read_by_manifest_and_again_only_where_it_changed(simulator: Simulator, tmp_path: Path) -> None:
    house = open_collector(simulator.url, tmp_path / "house", roles())
    house.settings.collect.exports = ["s3://bills/de"]
    house.sessions.client("s3", PAYER, "us-east-1").create_bucket(Bucket="bills")
    (outcome,) = house.collect(house.clock(), only=["billing_exports"])
    assert (outcome.status, outcome.rows) == ("ok", 0)
    assert "There is no manifest" in outcome.message  # nothing is delivered yet, and nothing is broken
    house.sessions.client("bcm-data-exports", PAYER, "us-east-1").create_export(Export=EXPORT)
    simulator.advance(days=2)
    as_of = house.clock()
    (outcome,) = house.collect(as_of, only=["billing_exports"])
    first = months(house)
    assert outcome.rows == sum(rows for _, rows in first.values()) > 0
    assert house.lake.scan(COSTS).select("x_Dataset").unique().collect()["x_Dataset"].to_list() == ["export:books"]
    version = house.lake.version(COSTS)
    (outcome,) = house.collect(as_of + timedelta(minutes=1), only=["billing_exports"])
    assert (outcome.rows, house.lake.version(COSTS), months(house)) == (0, version, first)
    simulator.advance(days=1)
    house.collect(house.clock(), only=["billing_exports"])
    second = months(house)
    changed = {period for period, row in second.items() if first.get(period) != row}
    assert changed == {max(second)}  # the open month; a closed one was delivered as it was
    told = house.sessions.client("ce", PAYER, "us-east-1").get_cost_and_usage(
        TimePeriod={"Start": f"{max(second)}", "End": f"{max(second) + timedelta(days=5)}"},
        Granularity="DAILY",
        Metrics=["NetUnblendedCost"],
    )["ResultsByTime"]
    days = house.lake.scan(COSTS).group_by("x_ChargeDate").agg(pl.col("BilledCost").sum()).collect()
    billed = dict(days.iter_rows())
    for day in told:
        cost = float(day["Total"]["NetUnblendedCost"]["Amount"])
        assert billed[date.fromisoformat(day["TimePeriod"]["Start"])] == pytest.approx(cost, abs=0.005)
    house.ledger.close()
