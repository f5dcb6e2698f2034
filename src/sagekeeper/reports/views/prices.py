"""What a unit of usage costs: at AWS's list or the bundled book, with its date, and what it really cost on the bill.

In: the lake, ``as_of``, which regions and instance type. Out: `PRICE_LINES`, one row per usage type on the bill of the last two
months, account and region; for a type that is asked for, also what it would cost in every way that it can run.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from sagekeeper.analyzers.effective_rates import BILL_COLUMNS, effective_rates
from sagekeeper.analyzers.usage_prices import COMPONENTS, listed_prices
from sagekeeper.core.lake import Lake
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import COSTS

BILL_DAYS = 62
PRICE_LINES: dict[str, pl.DataType] = {
    "region": pl.String(),
    "usage_type": pl.String(),
    "account": pl.String(),  # null: not on the bill
    "list_rate": pl.Float64(),  # null: unknown, see why
    "list_basis": pl.String(),
    "why": pl.String(),
    "rate": pl.Float64(),  # effective cost of a unit on the bill
    "month": pl.Date(),
    "quantity": pl.Float64(),  # on how much that rests: hours, GB-months, seconds
    "committed": pl.Boolean(),
    "currency": pl.String(),
}


def price_lines(
    lake: Lake, book: PriceBook, as_of: datetime, regions: list[str], machine: str | None = None
) -> pl.DataFrame:
    """`PRICE_LINES`, by region and usage type."""
    today = as_of.date()
    costs = lake.scan(COSTS).filter(pl.col("x_ChargeDate").is_between(today - timedelta(days=BILL_DAYS), today))
    rates = effective_rates(costs.select(BILL_COLUMNS).collect())
    newest = rates.sort("month").group_by("account", "region", "usage_type", maintain_order=True).last()
    asked = pl.DataFrame(
        [(region, f"{head}{'-' if ':' in head else ':'}{machine}") for region in regions for head in COMPONENTS]
        if machine
        else [],
        schema={"region": pl.String(), "usage_type": pl.String()},
        orient="row",
    )
    on_bill = newest.filter(pl.col("machine") == machine) if machine else newest
    usage = pl.concat([on_bill.select("region", "usage_type"), asked]).unique()
    lines = usage.join(listed_prices(book, usage), on=["region", "usage_type"], how="left").join(
        on_bill, on=["region", "usage_type"], how="left"
    )
    return lines.select(pl.col(name).cast(kind) for name, kind in PRICE_LINES.items()).sort(
        "region", "usage_type", "account", nulls_last=True
    )
