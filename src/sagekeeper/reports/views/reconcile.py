"""Is what we show the bill, what of it can nobody be given, what did it say then, and why is its effective cost another?
One month of one bill, by account and service.

In: the lake's `costs`, `daily_costs` and `bill_versions`, and, where one was asked anew, the source's own totals. Out: a
`Reconciliation`. What is compared is billed cost, in the bill's currency. What is given to somebody or to nobody is effective
cost: billed at its on-demand price, usage under a Savings Plan would be given twice, and taken back from nobody by the
plan's negation. A month is the month of the charge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256

import polars as pl

from sagekeeper.analyzers.bill_versions import as_seen, moved
from sagekeeper.analyzers.usage import UNKNOWN
from sagekeeper.analyzers.waterfall import Waterfall, waterfall
from sagekeeper.core.clock import day_start, month_start
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.runs import watermark
from sagekeeper.core.tables import BILL_VERSIONS, COSTS, DAILY_COSTS, SAGEMAKER

CENT = 0.005
KEY = ("account", "service")
EFFECTIVE = pl.coalesce("effective_cost", "billed_cost")
REASONS = {
    "Tax": "tax: charged to the account, to no resource",
    "Credit": "credits: given to the account, to no resource",
    "Adjustment": "refunds and discounts: given to the account, to no resource",
    "Purchase": "commitments that nobody used, and fees",
    "unnamed": "the bill names no resource, and nothing known ran that explains it",
    "unknown": "a usage type that is not known here",
    "elsewhere": "a service whose lines name no resource on this bill",
}


@dataclass(frozen=True)
class Reconciliation:
    """``lines``: [account, service, source, shown, difference, usage, attributed_percent, unattributed, then, moved].
    ``reasons``: [account, service, cost, reason]. ``then`` is what the bill said at ``since``, ``moved`` what it says more by
    now; both are null where the month had not been read at that time: unknown."""

    dataset: str
    month: date
    currency: str
    source: str
    lines: pl.DataFrame
    reasons: pl.DataFrame
    since: datetime | None
    waterfall: Waterfall

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
            difference=_rounded(pl.col("shown") - pl.col("source"), 4),
            attributed_percent=pl.when(pl.col("usage").abs() > CENT).then(
                _rounded(100 * (1 - pl.col("unattributed") / pl.col("usage")), 1)
            ),
        )
    )
    return Reconciliation(
        dataset=dataset,
        month=month,
        currency=_currency(lake, dataset, month),
        source="asked anew" if asked is not None else "the bill's rows",
        lines=_with_moves(lake, lines, dataset, month, as_of, since)
        .select(*KEY, "source", "shown", "difference", "usage", "attributed_percent", "unattributed", "then", "moved")
        .sort("source", "account", "service", descending=[True, False, False], nulls_last=True),
        reasons=_reasons(lake, dataset, month),
        since=since,
        waterfall=waterfall(_costs(lake, dataset, month)),
    )


def seen_on(day: date) -> datetime:
    """The moment that "as seen on" this day means: its end."""
    return day_start(day + timedelta(days=1)) - timedelta(microseconds=1)


def _rounded(amount: pl.Expr, decimals: int) -> pl.Expr:
    """Without a minus before a zero."""
    found = amount.round(decimals)
    return pl.when(found == 0).then(0.0).otherwise(found)


def last_look(ledger: Ledger, dataset: str, month: date) -> datetime | None:
    """When this month was last compared by `sagekeeper reconcile`."""
    with ledger.reading() as session:
        return watermark(session, *look_of(dataset, month))


def look_of(dataset: str, month: date) -> tuple[str, str, str]:
    """Under which key the last look is kept; a dataset's name may be longer than the column."""
    return "reconcile", sha256(dataset.encode()).hexdigest()[:16], f"{month:%Y-%m}"


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
    return (
        _daily(lake, dataset, month)
        .group_by(KEY)
        .agg(
            shown=pl.col("billed_cost").sum(),
            usage=EFFECTIVE.filter(usage).sum(),
            unattributed=EFFECTIVE.filter(usage & pl.col("resource_kind").is_null()).sum(),
        )
        .collect()
    )


def _rows(lake: Lake, dataset: str, month: date) -> pl.DataFrame:
    return (
        _costs(lake, dataset, month)
        .group_by(account="SubAccountId", service="ServiceName")
        .agg(source=pl.col("BilledCost").sum())
        .collect(engine="streaming")
    )


def _costs(lake: Lake, dataset: str, month: date) -> pl.LazyFrame:
    return lake.scan(COSTS).filter((pl.col("x_Dataset") == dataset) & _days(month, "x_ChargeDate"))


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
        return lines.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("then", "moved"))
    then = as_seen(kept, since).group_by(KEY).agg(then=pl.col("billed_cost").sum()).collect()
    sums = moved(kept, since, as_of).group_by(KEY).agg(pl.col("moved").sum()).collect()
    # A line that was there then and is gone now is told, too.
    for found in (then, sums):
        lines = lines.join(found, on=KEY, how="full", coalesce=True, nulls_equal=True)
    amounts = ["source", "shown", "difference", "usage", "unattributed", "then", "moved"]
    return lines.with_columns(pl.col(amounts).fill_null(0.0))


def _reasons(lake: Lake, dataset: str, month: date) -> pl.DataFrame:
    reason = (
        pl.when(pl.col("charge_category") != "Usage")
        .then(pl.col("charge_category").replace(REASONS))
        .when(pl.col("service") != SAGEMAKER)
        .then(pl.lit(REASONS["elsewhere"]))
        .when(pl.col("usage_family") == UNKNOWN)
        .then(pl.lit(REASONS["unknown"]))
        .otherwise(pl.lit(REASONS["unnamed"]))
    )
    return (
        _daily(lake, dataset, month)
        .filter(pl.col("resource_kind").is_null())
        .group_by(*KEY, reason=reason)
        .agg(cost=EFFECTIVE.sum().round(4))
        .filter(pl.col("cost") != 0)
        .select(*KEY, "cost", "reason")
        .sort(pl.col("cost").abs(), "reason", *KEY, descending=[True, False, False, False], nulls_last=True)
        .collect()
    )
