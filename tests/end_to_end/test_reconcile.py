"""The analyst compares with the bill: by account and service, with what nobody could be given and what has moved."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from sagekeeper.collector.cost_explorer_totals import month_totals
from sagekeeper.core.lake import Scope
from sagekeeper.core.tables import COSTS, DAILY_COSTS
from sagekeeper.reports.views.reconcile import months, reconcile
from sagekeeper.service.bill_history import remember_versions
from sagekeeper.service.daily_costs import refresh_daily_costs
from sagekeeper.service.house import House

pytestmark = pytest.mark.integration

BILL = "cost-explorer"
OCTOBER = date(2026, 10, 1)


def asked(house: House, month: date) -> pl.DataFrame:
    payer = house.settings.payer
    assert payer is not None
    return month_totals(house.sessions.client("ce", payer.id, "us-east-1"), month, house.clock().date())


def test_every_month_agrees_with_cost_explorer_by_account_and_service(kept: House) -> None:
    there = months(kept.lake, BILL)
    assert OCTOBER in there
    for month in there:
        result = reconcile(kept.lake, BILL, month, kept.clock(), asked(kept, month), None)
        assert result.agrees, (month, result.lines)
        assert result.lines["source"].sum() > 0


def test_what_nobody_could_be_given_is_all_named(kept: House) -> None:
    result = reconcile(kept.lake, BILL, OCTOBER, kept.clock(), None, None)
    nameless = (
        kept.lake.scan(DAILY_COSTS)
        .filter((pl.col("dataset") == BILL) & (pl.col("day").dt.truncate("1mo") == OCTOBER))
        .filter(pl.col("resource_kind").is_null())
        .select(pl.col("effective_cost").sum())
        .collect()
        .item()
    )
    assert result.reasons["cost"].sum() == pytest.approx(nameless, abs=1e-3)
    of_usage = result.lines["unattributed"].sum()
    assert 0 < of_usage < result.lines["usage"].sum()


def test_a_lost_row_is_found_and_a_restatement_is_told_apart(kept: House) -> None:
    now = kept.clock()
    remember_versions(kept.lake, kept.ledger, now)
    october = pl.col("x_ChargeDate").is_between(OCTOBER, OCTOBER.replace(day=31))
    rows = kept.lake.scan(COSTS).filter((pl.col("x_Dataset") == BILL) & october).collect()
    largest = pl.col("BilledCost") == rows["BilledCost"].max()
    scope = Scope({"x_Dataset": BILL}, "x_ChargeDate", OCTOBER, OCTOBER.replace(day=31))
    later = now + timedelta(hours=1)
    kept.lake.replace(
        COSTS,
        rows.with_columns(
            pl.when(largest).then(pl.col("BilledCost") + 5).otherwise("BilledCost").alias("BilledCost"),
            pl.lit(later).dt.cast_time_unit("us").alias("x_ObservedAt"),
        ),
        scope,
    )
    assert remember_versions(kept.lake, kept.ledger, later) == 1
    refresh_daily_costs(kept.lake, kept.ledger, kept.settings, later)
    result = reconcile(kept.lake, BILL, OCTOBER, later, asked(kept, OCTOBER), now)
    assert not result.agrees
    off = result.lines.filter(pl.col("difference") != 0)
    assert off.select("difference", "moved").rows() == [(pytest.approx(5.0), pytest.approx(5.0))]
    assert off["service"].to_list() == rows.filter(largest)["ServiceName"].to_list()
