"""The bill's line items: their columns, and how a row of the meter becomes one.

In: rows of `ROWS`, what the meter and what is done to its usage (`savings_plan_lines`, `adjustments`) speak among
themselves. Out: `LINES`, what every bill is made from. One line is one (start, account, region, service, usage type,
operation, record type, resource, tags, plan). The sums, by aws-facts 4.3 and 4.4:
* the cost of all lines of a month is its invoice; so is the net cost (discounts are then in the lines that they are on,
  and their own lines carry 0);
* amortised cost over the whole of a plan's term is the cost over it: what was paid up front is spread over the hours.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from sagekeeper.simulator.bill_names import CODES, told_of

Step = Literal["day", "hour"]
TEXT, NUMBER, MOMENT = pl.String(), pl.Float64(), pl.Datetime("us", "UTC")
MONEY = ("list_cost", "cost", "net_cost", "amortized", "net_amortized")
PLAN_NUMBERS = ("plan_rate", "plan_cost", "plan_commitment", "plan_used")
LINES: dict[str, pl.DataType] = {
    "line_id": TEXT,
    "period": pl.Date(),
    "day": pl.Date(),
    "start": MOMENT,
    "end": MOMENT,
    **dict.fromkeys(("account", "region", "service", "service_code", "product_family", "usage_type"), TEXT),
    **dict.fromkeys(("operation", "record_type", "instance_type", "resource_id", "tags"), TEXT),
    "quantity": NUMBER,
    "unit": TEXT,
    "rate": NUMBER,
    **dict.fromkeys(MONEY, NUMBER),
    "plan_arn": TEXT,
    **dict.fromkeys(PLAN_NUMBERS, NUMBER),
    "description": TEXT,
}
"""What `Meter.lines` gives. Rates and amounts in dollars; ``list_cost`` is the public on-demand cost of usage."""
ROWS: dict[str, pl.DataType] = {
    "start": MOMENT,
    **dict.fromkeys(("account", "region", "service", "usage_type", "operation", "record_type"), TEXT),
    **dict.fromkeys(("resource_id", "tags", "plan_arn", "note"), TEXT),
    "quantity": NUMBER,
    "rate": NUMBER,
    **dict.fromkeys((*MONEY, *PLAN_NUMBERS), NUMBER),
}
"""``note`` is the description of a line that is not told by its product: null for plain usage."""
KEY = ("start", "account", "region", "service", "usage_type", "operation", "record_type", "resource_id", "tags")
SAME = (*KEY, "plan_arn", "note", "rate")
DIGITS = 10
"""Decimal places of an amount on AWS's bills."""


def rows(frame: pl.DataFrame, **told: object) -> pl.DataFrame:
    """A frame as `ROWS`: columns that it lacks are those of ``told``, amounts then 0 and the rest null."""
    given = {**dict.fromkeys((*MONEY, "quantity"), 0.0), "operation": "", "usage_type": "", "tags": "{}", **told}
    missing = [pl.lit(given.get(name), kind).alias(name) for name, kind in ROWS.items() if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in ROWS.items())


def empty() -> pl.DataFrame:
    """No rows."""
    return pl.DataFrame(schema=ROWS)


def by_day(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of hours, added up to the days that they are in."""
    held = ("plan_cost", "plan_commitment", "plan_used")
    return (
        frame.with_columns(pl.col("start").dt.truncate("1d"))
        .group_by(*SAME, "plan_rate", maintain_order=True)
        .agg(
            pl.col("quantity").sum(),
            *(pl.col(name).sum().round(DIGITS) for name in MONEY),
            *(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum().round(DIGITS)) for name in held),
        )
        .select(list(ROWS))
    )


def lines(frame: pl.DataFrame, step: Step) -> pl.DataFrame:
    """Rows as lines of the bill. Taxes are over their month; what has no hour is over its day."""
    used = pl.col("record_type").is_in(["Usage", "SavingsPlanCoveredUsage", "SavingsPlanNegation"])
    hourly = used | (pl.col("record_type") == "SavingsPlanRecurringFee")
    taxed = pl.col("record_type") == "Tax"
    start = pl.col("start")
    spelled = _spelled(frame)
    return (
        frame.join(spelled, on=list(_PRODUCT), how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            pl.struct(*KEY, "plan_arn", "note", pl.col("rate") == 0).hash(seed=0).alias("line_id"),
            start.dt.date().dt.truncate("1mo").alias("period"),
            start.dt.date().alias("day"),
            pl.when(taxed)
            .then(start.dt.offset_by("1mo"))
            .when(hourly & pl.lit(step == "hour"))
            .then(start.dt.offset_by("1h"))
            .otherwise(start.dt.offset_by("1d"))
            .alias("end"),
            pl.col("service")
            .replace_strict(CODES, default=pl.col("service").str.replace_all(" ", ""))
            .alias("service_code"),
            pl.coalesce("note", "description").alias("description"),
        )
        # Numbers sort much faster than the texts that the identifiers become.
        .sort("start", "line_id")
        .select(pl.col(name).cast(kind) for name, kind in LINES.items())
    )


_PRODUCT = ("region", "service", "usage_type", "operation", "record_type", "rate")


def _spelled(frame: pl.DataFrame) -> pl.DataFrame:
    """Family, unit, instance and words of every product: there are some hundreds of them, each is looked at once."""
    found = frame.select(_PRODUCT).unique(maintain_order=True)
    told = [told_of(*row) for row in found.iter_rows()]
    names = dict.fromkeys(("product_family", "unit", "instance_type", "description"), TEXT)
    return pl.concat([found, pl.DataFrame(told, schema=names, orient="row")], how="horizontal")
