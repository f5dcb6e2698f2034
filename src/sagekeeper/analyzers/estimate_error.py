"""How far the estimates were from the bill, now that it has come: per day and usage family, and in all.

In: `ESTIMATES`, bill rows (`COSTS`), ``as_of``. Out: `COMPARED`, a row per final day and family, sums over them, and one
`Accuracy` for people. Compared is effective cost of SageMaker usage, on days that AWS has finished restating (48 h). What an
estimate cannot know (taxes, credits, support, other services, families that nobody counts) is not in the error: `covered`
says what share of the day's bill is estimated at all. A family that an estimate should have seen and did not is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.facts import BILL
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER
from sagekeeper.analyzers.usage import with_usage

FAMILIES = (
    "hosting",
    "async_inference",
    "endpoint_data",
    "serverless",
    "training",
    "warm_pool",
    "processing",
    "transform",
    "notebook",
    "studio",
)
"""What is estimated. Everything else on a bill is named as not estimated."""
OTHERS = "not SageMaker's usage"
MADE_WITHIN = timedelta(hours=24)
"""An estimate made later than this after its day is told from what was known afterwards."""
COMPARED: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "usage_family": pl.String(),
    "currency": pl.String(),
    "estimated": pl.Float64(),
    "billed": pl.Float64(),  # effective cost on the bill
    "error": pl.Float64(),  # estimated - billed
    "relative": pl.Float64(),  # error / billed; null where nothing was billed
    "afterwards": pl.Boolean(),
}


@dataclass(frozen=True)
class Accuracy:
    """Errors of whole days, relative to their bill: ``typical`` is the mean of their sizes, ``worst`` the largest of them.

    ``covered``: share of the bill's usage, and ``covered_of_all`` of all its charges before credits and refunds, that belongs to
    estimated families.
    """

    days: int
    typical: float
    worst: float
    worst_day: date
    bias: float
    covered: float | None
    covered_of_all: float | None


def compared(estimates: pl.DataFrame, costs: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """`COMPARED` of every final day that has an estimate and is on the bill."""
    bill = billed(costs.filter(final(as_of))).filter(pl.col("usage_family").is_in(FAMILIES))
    made = pl.col("observed_at") - pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    days = estimates.group_by("day").agg(afterwards=(made > timedelta(days=1) + MADE_WITHIN).any())
    guessed = estimates.group_by("day", "usage_family", "currency").agg(estimated=pl.col("cost").sum())
    came = bill.group_by("day", "usage_family", "currency").agg(billed=pl.col("effective").sum())
    both = guessed.join(came, on=["day", "usage_family", "currency"], how="full", coalesce=True)
    return (
        both.join(days, on="day", how="inner")
        .join(came.select("day").unique(), on="day", how="semi")
        .with_columns(pl.col("estimated", "billed").fill_null(0.0))
        .with_columns(error=pl.col("estimated") - pl.col("billed"))
        .with_columns(relative=pl.when(pl.col("billed") > 0).then(pl.col("error") / pl.col("billed")))
        .select(pl.col(name).cast(kind) for name, kind in COMPARED.items())
        .sort("day", "usage_family", "currency")
    )


def by_day(rows: pl.DataFrame) -> pl.DataFrame:
    """[day, currency, estimated, billed, error, relative, afterwards]: `COMPARED` summed over families."""
    return _summed(rows, ["day", "currency"])


def by_family(rows: pl.DataFrame) -> pl.DataFrame:
    """[usage_family, currency, estimated, billed, error, relative, afterwards]: `COMPARED` summed over days."""
    return _summed(rows, ["usage_family", "currency"])


def accuracy(rows: pl.DataFrame, costs: pl.DataFrame, as_of: datetime, days: int = 14) -> Accuracy | None:
    """Over the last ``days`` days that were estimated in time; None before the first. In the currency of most of the bill.

    What was told afterwards says little of what would have been said then: what has been changed or deleted since is not seen.
    """
    rows = rows.filter(~pl.col("afterwards"))
    if rows.is_empty():
        return None
    currency = rows.group_by("currency").agg(pl.col("billed").sum()).sort("billed", "currency")["currency"][-1]
    recent = by_day(rows.filter(pl.col("currency") == currency)).filter(pl.col("relative").is_not_null()).tail(days)
    if recent.is_empty():
        return None
    worst = recent.sort(pl.col("relative").abs(), "day")
    bill = billed(costs.filter(final(as_of) & pl.col("x_ChargeDate").is_in(recent["day"].to_list()))).filter(
        pl.col("currency") == currency
    )
    known = pl.col("usage_family").is_in(FAMILIES)
    ours, used, everything = (
        float(bill.filter(part)["effective"].sum()) for part in (known, pl.col("usage"), pl.col("effective") > 0)
    )
    return Accuracy(
        days=recent.height,
        typical=float(recent["relative"].abs().mean()),  # type: ignore[arg-type]
        worst=float(worst["relative"][-1]),
        worst_day=worst["day"][-1],
        bias=float(recent["error"].sum()) / float(recent["billed"].sum()),
        covered=ours / used if used > 0 else None,
        covered_of_all=ours / everything if everything > 0 else None,
    )


def final(as_of: datetime) -> pl.Expr:
    """Bill rows of days that AWS has finished restating."""
    return pl.col("x_ChargeDate") < (as_of - FINAL_AFTER).date()


def billed(costs: pl.DataFrame) -> pl.DataFrame:
    """[day, currency, usage_family, usage, effective] of Cost Explorer's bill; families of SageMaker's usage, else `OTHERS`."""
    lines = costs.filter(pl.col("x_Dataset") == BILL).select(
        day="x_ChargeDate",
        service="ServiceName",
        usage_type="x_UsageType",
        description="ChargeDescription",
        charge_category="ChargeCategory",
        currency="BillingCurrency",
        effective=pl.coalesce("EffectiveCost", "BilledCost"),
    )
    usage = pl.col("charge_category") == "Usage"
    ours = usage & pl.col("service").str.contains("SageMaker").fill_null(False)
    return with_usage(lines).select(
        "day",
        "currency",
        pl.when(ours).then("usage_family").otherwise(pl.lit(OTHERS)).alias("usage_family"),
        "effective",
        usage=usage,
    )


def _summed(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return (
        rows.group_by(by)
        .agg(pl.col("estimated", "billed", "error").sum(), pl.col("afterwards").any())
        .with_columns(relative=pl.when(pl.col("billed") > 0).then(pl.col("error") / pl.col("billed")))
        .sort(by)
    )
