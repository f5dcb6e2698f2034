"""Is what we show the bill, and what of it can nobody be given? One month of one bill, by account and service.

In: the lake's `costs`, `daily_costs` and `bill_versions`, and, where one was asked anew, the source's own totals. Out: a
`Reconciliation`. Amounts are billed cost in the bill's currency; a month is the month of the charge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.bill_versions import moved
from sagekeeper.analyzers.usage import UNKNOWN
from sagekeeper.core.clock import month_start
from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import BILL_VERSIONS, COSTS, DAILY_COSTS

CENT = 0.005
SAGEMAKER = "Amazon SageMaker"
KEY = ("account", "service")
REASONS = {
    "charge": "tax, credits, fees and refunds: charged to the account, to no resource",
    "unnamed": "the bill names no resource, and nothing known ran that explains it",
    "unknown": "a usage type that is not known here",
    "elsewhere": "a service whose lines name no resource on this bill",
}


@dataclass(frozen=True)
class Reconciliation:
    """``lines``: [account, service, source, shown, difference, usage, attributed_percent, unattributed, moved].
    ``reasons``: [reason, cost]. ``moved`` is null where the month had not been read at ``since``: unknown."""

    dataset: str
    month: date
    currency: str
    source: str
    lines: pl.DataFrame
    reasons: pl.DataFrame
    since: datetime | None

    @property
    def agrees(self) -> bool:
        """Whether every line is the source's to the cent."""
        return bool((self.lines["difference"].abs() < CENT).all())


def reconcile(
    lake: Lake, dataset: str, month: date, as_of: datetime, asked: pl.DataFrame | None, since: datetime | None
) -> Reconciliation:
    """``asked``: [account, service, source] by the source itself; None: the bill's rows as they were read."""
    shown = _shown(lake, dataset, month)
    source = asked if asked is not None else _rows(lake, dataset, month)
    lines = (
        source.select(*KEY, "source")
        .join(shown, on=KEY, how="full", coalesce=True, nulls_equal=True)
        .with_columns(pl.col("source", "shown", "usage", "unattributed").fill_null(0.0))
        .with_columns(
            difference=(pl.col("shown") - pl.col("source")).round(4),
            attributed_percent=pl.when(pl.col("usage").abs() > CENT).then(
                (100 * (1 - pl.col("unattributed") / pl.col("usage"))).round(1) + 0.0  # no minus before a zero
            ),
        )
    )
    return Reconciliation(
        dataset=dataset,
        month=month,
        currency=_currency(lake, dataset, month),
        source="asked anew" if asked is not None else "the bill's rows",
        lines=_with_moves(lake, lines, dataset, month, as_of, since)
        .select(*KEY, "source", "shown", "difference", "usage", "attributed_percent", "unattributed", "moved")
        .sort("source", "account", "service", descending=[True, False, False], nulls_last=True),
        reasons=_reasons(lake, dataset, month),
        since=since,
    )


def months(lake: Lake, dataset: str) -> list[date]:
    """Months that the bill has, the latest first."""
    found = (
        lake.scan(DAILY_COSTS).filter(pl.col("dataset") == dataset).select(pl.col("day").dt.truncate("1mo").unique())
    )
    return sorted(found.collect()["day"].to_list(), reverse=True)


def _days(month: date, column: str) -> pl.Expr:
    return pl.col(column).is_between(month, month_start(month + timedelta(days=32)) - timedelta(days=1))


def _daily(lake: Lake, dataset: str, month: date) -> pl.LazyFrame:
    return lake.scan(DAILY_COSTS).filter((pl.col("dataset") == dataset) & _days(month, "day"))


def _shown(lake: Lake, dataset: str, month: date) -> pl.DataFrame:
    usage = pl.col("charge_category") == "Usage"
    cost = pl.col("billed_cost")
    return (
        _daily(lake, dataset, month)
        .group_by(KEY)
        .agg(
            shown=cost.sum(),
            usage=cost.filter(usage).sum(),
            unattributed=cost.filter(usage & pl.col("resource_kind").is_null()).sum(),
        )
        .collect()
    )


def _rows(lake: Lake, dataset: str, month: date) -> pl.DataFrame:
    return (
        lake.scan(COSTS)
        .filter((pl.col("x_Dataset") == dataset) & _days(month, "x_ChargeDate"))
        .group_by(account="SubAccountId", service="ServiceName")
        .agg(source=pl.col("BilledCost").sum())
        .collect()
    )


def _currency(lake: Lake, dataset: str, month: date) -> str:
    found = (
        _daily(lake, dataset, month).select(pl.col("currency").drop_nulls().unique()).collect()["currency"].to_list()
    )
    return " and ".join(sorted(found)) or "USD"


def _with_moves(
    lake: Lake, lines: pl.DataFrame, dataset: str, month: date, as_of: datetime, since: datetime | None
) -> pl.DataFrame:
    kept = lake.scan(BILL_VERSIONS).filter((pl.col("dataset") == dataset) & _days(month, "day"))
    first = kept.select(pl.col("seen_at").min()).collect().item()
    # What the bill said before it was first read is unknown, not nothing.
    if since is None or first is None or first > since:
        return lines.with_columns(moved=pl.lit(None, pl.Float64))
    sums = moved(kept, since, as_of).group_by(KEY).agg(pl.col("moved").sum()).collect()
    return lines.join(sums, on=KEY, how="left", nulls_equal=True).with_columns(pl.col("moved").fill_null(0.0))


def _reasons(lake: Lake, dataset: str, month: date) -> pl.DataFrame:
    reason = (
        pl.when(pl.col("charge_category") != "Usage")
        .then(pl.lit(REASONS["charge"]))
        .when(pl.col("service") != SAGEMAKER)
        .then(pl.lit(REASONS["elsewhere"]))
        .when(pl.col("usage_family") == UNKNOWN)
        .then(pl.lit(REASONS["unknown"]))
        .otherwise(pl.lit(REASONS["unnamed"]))
    )
    return (
        _daily(lake, dataset, month)
        .filter(pl.col("resource_kind").is_null())
        .group_by(reason=reason)
        .agg(cost=pl.col("billed_cost").sum().round(4))
        .filter(pl.col("cost") != 0)
        .sort(pl.col("cost").abs(), descending=True)
        .collect()
    )
