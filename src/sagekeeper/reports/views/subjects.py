"""What models, endpoints, job families and pipelines cost: resources grouped by what people call them.

In: `daily_costs` of one bill, for models the inventory. Out: a table and the days of the largest, as of the cost
cube. What is of no such subject is the row `REST`, what nobody could be given is `UNATTRIBUTED`: every sum is the
bill's.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

import polars as pl

from sagekeeper.analyzers.attribution import AMOUNTS
from sagekeeper.analyzers.job_families import family
from sagekeeper.analyzers.model_costs import machines, model_costs
from sagekeeper.collector.history import inventory_states
from sagekeeper.core.lake import Lake
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.reports.views.inside import UNALLOCATED, counted_requests
from sagekeeper.reports.views.resources import first_day
from sagekeeper.reports.views.spend import OTHERS, REST, UNATTRIBUTED, Basis, known, provisional

PIPELINE = r":pipeline/([^/]+)"
Subject = Literal["model", "endpoint", "job_family", "pipeline"]


def by_subject(
    lake: Lake,
    dataset: str,
    currency: str,
    basis: Basis,
    first: date,
    last: date,
    subject: Subject,
    as_of: datetime,
) -> pl.DataFrame:
    """[group, cost, share, before, change], largest first, as `spend.by_group` has it."""
    earlier = first - timedelta(days=(last - first).days + 1)
    amount, now = pl.col(f"{basis}_cost"), pl.col("day") >= first
    was = amount.filter(~now)
    rows = (
        _named(lake, dataset, currency, earlier, last, subject, as_of.date())
        .group_by("group")
        .agg(
            cost=pl.when(now.any()).then(known(amount.filter(now))).otherwise(0.0),
            before=pl.when(was.is_not_null().all()).then(was.sum()),
        )
        .collect()
    )
    whole = float(rows["cost"].sum())
    reaches_back = first_day(lake, dataset) <= earlier
    return (
        rows.with_columns(
            share=pl.col("cost") / whole if whole else pl.lit(None, pl.Float64()),
            before=pl.col("before") if reaches_back else pl.lit(None, pl.Float64()),
        )
        .with_columns(change=pl.col("cost") - pl.col("before"))
        .sort(
            pl.col("group").is_in([REST, UNATTRIBUTED]), pl.col("cost").abs(), descending=[False, True], nulls_last=True
        )
        .select("group", "cost", "share", "before", "change")
    )


def subject_days(
    lake: Lake,
    dataset: str,
    currency: str,
    basis: Basis,
    first: date,
    last: date,
    subject: Subject,
    as_of: datetime,
    largest: list[str],
) -> pl.DataFrame:
    """[day, group, cost, provisional] of the ``largest`` groups, all others in one; as `spend.grouped` has it."""
    kept = pl.col("group").is_in([*largest, REST, UNATTRIBUTED])
    return (
        _named(lake, dataset, currency, first, last, subject, as_of.date())
        .with_columns(group=pl.when(kept).then("group").otherwise(pl.lit(OTHERS)))
        .group_by("day", "group")
        .agg(cost=known(pl.col(f"{basis}_cost")), provisional=provisional(dataset, as_of).any())
        .sort("day", "group")
        .collect()
    )


def subject_costs(
    lake: Lake, dataset: str, currency: str, first: date, last: date, subject: Subject, as_of: datetime
) -> pl.DataFrame:
    """[group, day, estimated, `AMOUNTS`]: every row of those days, under the name of its subject."""
    return _named(lake, dataset, currency, first, last, subject, as_of.date()).collect()


def _named(
    lake: Lake, dataset: str, currency: str, first: date, last: date, subject: Subject, today: date
) -> pl.LazyFrame:
    """[group, day, estimated, `AMOUNTS`]: every row of the bill's days, under the name of its subject."""
    rows = lake.scan(DAILY_COSTS).filter(
        (pl.col("dataset") == dataset) & pl.col("day").is_between(first, last) & (pl.col("currency") == currency)
    )
    nobody = pl.when(pl.col("resource_name").is_null()).then(pl.lit(UNATTRIBUTED)).otherwise(pl.lit(REST))
    columns = ["group", "day", "estimated", *AMOUNTS]
    endpoint = (pl.col("resource_kind") == "endpoint").fill_null(value=False)
    if subject == "model":
        # A credit or a tax of an endpoint is no use of a model: it is the rest, so that the sum stays the bill's.
        used = endpoint & (pl.col("charge_category") == "Usage")
        others = rows.filter(~used).with_columns(group=nobody)
        hosted = _models(lake, rows.filter(used).collect(), first, last, today)
        return pl.concat([hosted.lazy(), others.select(columns)])
    own = {
        "endpoint": pl.when(endpoint).then("resource_name"),
        "job_family": pl.when(pl.col("resource_kind").str.ends_with("_job")).then(family("resource_name")),
        "pipeline": pl.col("parent_arn").str.extract(PIPELINE),
    }[subject]
    return rows.with_columns(group=pl.coalesce(own, nobody)).select(columns)


def _models(lake: Lake, daily: pl.DataFrame, first: date, last: date, today: date) -> pl.DataFrame:
    """The days of endpoints by the models that they host."""
    stood = inventory_states(lake, today, ("endpoint", "inference_component", "model"))
    found = model_costs(daily, stood, machines(PriceBook.bundled()), counted_requests(lake, first, last))
    estimated = daily.group_by("day").agg(pl.col("estimated").any())
    return (
        found.join(estimated, on="day", how="left")
        .select("day", "estimated", *AMOUNTS, group=pl.col("model").fill_null(UNALLOCATED))
        .select("group", "day", "estimated", *AMOUNTS)
    )
