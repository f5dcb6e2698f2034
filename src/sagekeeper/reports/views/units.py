"""What units cost, for people: a month beside the one before it, and the endpoints that were paid for while nobody asked.

In: `unit_costs` of one bill. Out: small frames and one `Silence`. Every figure is usage only, by one notion of cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from sagekeeper.analyzers.unit_endpoints import BUSY, INVOCATIONS, QUIET, UNCLEAR
from sagekeeper.analyzers.unit_trend import trend, with_unit_cost
from sagekeeper.core.clock import month_start
from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import UNIT_COSTS
from sagekeeper.core.types import CostNotion
from sagekeeper.reports.views.spend import UNATTRIBUTED

HOURS = (BUSY, QUIET, UNCLEAR)
ENDPOINT = ["account", "region", "subject", "owner"]


@dataclass(frozen=True)
class Silence:
    """What the hours of endpoints cost: without a request, with unknown requests, and in all. None: unknown by this notion.

    ``lines``: [account, region, subject, owner, without, unclear, with_requests, cost, hours_without], the most without first.
    """

    without: float | None
    unclear: float | None
    whole: float | None
    lines: pl.DataFrame


def months(lake: Lake, dataset: str) -> list[date]:
    """Months of which unit costs are worked out, the latest first."""
    found = lake.scan(UNIT_COSTS).filter(pl.col("dataset") == dataset).select(pl.col("month").unique())
    return sorted(found.collect()["month"].to_list(), reverse=True)


def currency(lake: Lake, dataset: str, month: date) -> str:
    """The currency that most of the month's rows are in."""
    rows = _of(lake, dataset, month)
    return "USD" if rows.is_empty() else str(rows["currency"].value_counts(sort=True)["currency"][0])


def unit_lines(lake: Lake, dataset: str, month: date, notion: CostNotion, in_currency: str) -> pl.DataFrame:
    """The rows of `trend.trend` of a month against the one before, without hours; the largest cost first."""
    before = month_start(month - timedelta(days=1))
    rows = trend(_of(lake, dataset, before), _of(lake, dataset, month), notion)
    return rows.filter(~pl.col("unit").is_in(HOURS) & (pl.col("currency") == in_currency)).sort(
        "cost", "subject", descending=[True, False], nulls_last=True
    )


def per_thousand(lines: pl.DataFrame) -> tuple[float | None, float | None]:
    """Cost of 1,000 invocations over all endpoints that are known in both months, now and before; of `unit_lines`."""
    known = lines.filter(
        (pl.col("unit") == INVOCATIONS) & (pl.col("subject_kind") == "endpoint") & pl.col("change").is_not_null()
    )
    if known.is_empty():
        return None, None
    sums = known.select(pl.col("cost", "quantity", "cost_before", "quantity_before").sum()).row(0, named=True)
    return sums["cost"] / sums["quantity"], sums["cost_before"] / sums["quantity_before"]


def by_owner(lines: pl.DataFrame) -> pl.DataFrame:
    """1,000 invocations of all endpoints of one owner together, from `unit_lines`.

    [owner, unit, unit_cost, unit_cost_before, quantity, cost, found, expected, counted]: of the ``expected`` endpoints,
    those ``found`` are in it whose requests and cost are known, those that nobody asked included: the owner pays for
    them too.
    """
    known = pl.col("cost").is_not_null() & pl.col("quantity").is_not_null()
    before = pl.col("cost_before").is_not_null() & pl.col("quantity_before").is_not_null()
    owned = lines.filter((pl.col("unit") == INVOCATIONS) & (pl.col("subject_kind") == "endpoint"))
    sums = owned.group_by(pl.col("owner").fill_null(UNATTRIBUTED), "unit").agg(
        pl.col("cost", "quantity").filter(known).sum(),
        unit_cost=_per(pl.col("cost").filter(known), pl.col("quantity").filter(known)),
        unit_cost_before=_per(pl.col("cost_before").filter(before), pl.col("quantity_before").filter(before)),
        found=known.sum(),
        expected=pl.len(),
    )
    return (
        sums.with_columns(
            cost=pl.when(pl.col("found") > 0).then("cost"),
            quantity=pl.when(pl.col("found") > 0).then("quantity"),
            counted=pl.lit("endpoints"),
        )
        .sort("cost", "owner", descending=[True, False], nulls_last=True)
        .select("owner", "unit", "unit_cost", "unit_cost_before", "quantity", "cost", "found", "expected", "counted")
    )


def silence(lake: Lake, dataset: str, month: date, notion: CostNotion, in_currency: str) -> Silence:
    """What was paid for while nobody asked."""
    rows = with_unit_cost(_of(lake, dataset, month), notion).filter(
        pl.col("unit").is_in(HOURS) & (pl.col("currency") == in_currency)
    )
    cost = pl.col("cost")
    lines = (
        rows.group_by(ENDPOINT)
        .agg(
            *(
                _known(cost.filter(pl.col("unit") == unit)).alias(name)
                for unit, name in ((QUIET, "without"), (UNCLEAR, "unclear"), (BUSY, "with_requests"))
            ),
            cost=_known(cost),
            hours_without=pl.col("quantity").filter(pl.col("unit") == QUIET).sum(),
        )
        .sort("without", "unclear", "subject", descending=[True, True, False], nulls_last=True)
    )
    sums = lines.select(_known(pl.col("without", "unclear", "cost"))).row(0, named=True)
    return Silence(sums["without"], sums["unclear"], sums["cost"], lines)


def _per(cost: pl.Expr, quantity: pl.Expr) -> pl.Expr:
    return pl.when(quantity.sum() > 0).then(cost.sum() / quantity.sum())


def _known(column: pl.Expr) -> pl.Expr:
    """The sum; unknown where a part of it is."""
    return pl.when(column.is_not_null().all()).then(column.sum())


def _of(lake: Lake, dataset: str, month: date) -> pl.DataFrame:
    return lake.scan(UNIT_COSTS).filter((pl.col("dataset") == dataset) & (pl.col("month") == month)).collect()
