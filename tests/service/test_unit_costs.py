"""Unit costs are kept true: worked out for every month of every bill, and written only where something has changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.unit_rows import Settings as UnitSettings
from sagekeeper.core.clock import day_start
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, DAILY_COSTS, METRICS, UNIT_COSTS, Table
from sagekeeper.service.unit_costs import refresh_unit_costs

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
DAYS = [date(2026, 7, 30), date(2026, 7, 31), date(2026, 11, 17)]
PLACE = {"account": "123456789012", "region": "us-east-1"}


def put(lake: Lake, table: Table, rows: list[dict[str, object]]) -> None:
    lake.replace(
        table, pl.DataFrame([dict.fromkeys(table.columns) | row for row in rows], schema=table.columns), Scope()
    )


def fill(lake: Lake, per_day: float, read: datetime) -> None:
    """An endpoint with 2,000 requests a day, on a bill that was read at ``read``."""
    line = {"x_Dataset": "cost-explorer", "BilledCost": per_day}
    put(lake, COSTS, [line | {"x_ChargeDate": day, "x_ObservedAt": read} for day in DAYS])
    cost = {"dataset": "cost-explorer", "charge_category": "Usage", "resource_kind": "endpoint", "currency": "USD"}
    amounts = dict.fromkeys(("billed_cost", "effective_cost", "contracted_cost", "list_cost"), per_day)
    named = {"resource_name": "fraud", "attribution": "measured"}
    put(lake, DAILY_COSTS, [PLACE | cost | amounts | named | {"day": day} for day in DAYS])
    asked = {"resource_kind": "endpoint", "resource_name": "fraud", "variant": "A", "metric": "Invocations"}
    sums = {"statistic": "Sum", "period_seconds": 86400, "value": 2000.0}
    put(lake, METRICS, [PLACE | asked | sums | {"day": day, "start": day_start(day)} for day in DAYS])


def kept(lake: Lake) -> list[tuple[date, float, float]]:
    rows = lake.scan(UNIT_COSTS).filter(pl.col("unit") == "1,000 invocations").collect().sort("month")
    return rows.select("month", "quantity", "billed_cost").rows()


def test_every_month_is_worked_out_and_a_repeated_run_writes_nothing(lake: Lake, ledger: Ledger) -> None:
    fill(lake, 6.0, NOW)
    assert refresh_unit_costs(lake, ledger, Settings(), UnitSettings(), NOW) == 2
    assert kept(lake) == [(date(2026, 7, 1), 4.0, 12.0), (date(2026, 11, 1), 2.0, 6.0)]
    version = lake.version(UNIT_COSTS)
    assert refresh_unit_costs(lake, ledger, Settings(), UnitSettings(), NOW) == 0
    assert lake.version(UNIT_COSTS) == version


def test_an_old_month_is_worked_out_again_when_its_bill_was_read_anew_or_a_threshold_is_another(
    lake: Lake, ledger: Ledger
) -> None:
    fill(lake, 6.0, NOW)
    refresh_unit_costs(lake, ledger, Settings(), UnitSettings(), NOW)
    fill(lake, 7.0, NOW + timedelta(hours=1))
    assert refresh_unit_costs(lake, ledger, Settings(), UnitSettings(), NOW) == 2
    assert kept(lake)[0] == (date(2026, 7, 1), 4.0, 14.0)
    assert refresh_unit_costs(lake, ledger, Settings(), UnitSettings(least_invocations=3000), NOW) == 1
    unknown = lake.scan(UNIT_COSTS).filter(pl.col("unknown").str.starts_with("too few")).collect()
    assert unknown["month"].to_list() == [date(2026, 11, 1)]
