"""What is new on the bill: resources and families of jobs that did not exist before, from their first day on.

In: the calendar of costs, events, judged days. Out: their days as judged (usual cost: nothing), and a row each as of what has
risen. Only what inventory or jobs saw begin about its first day of cost is new; what a bill merely names since lately is not.
What took another's place is not new money: the sum that holds it must have risen as well. What is gone again is not told, jobs
that have ended for a week: what they took is told as such, not as so much a month.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from sagekeeper.analyzers import job_families
from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH, FINAL_AFTER
from sagekeeper.analyzers.overspend_finding import JUDGED_DAYS, KEY

BEGINNINGS = ("created", "started", "job_started")
SEEN_ON_BILL = timedelta(days=2)
"""How long after it began something may first be on the bill."""
SETTLES = 14
"""Days until a new thing has a usual cost of its own (`overspend.FEWEST_LEARNED`) are counted from `JUDGED_DAYS` ago."""
STILL_NEWS = timedelta(days=7)
"""How long what jobs took is told after their last day."""
SUM = ["account", "service", "usage_family", "currency"]


def new_days(calendar: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """The days of new things in the columns of `overspend._judged`, from the first with a cost on."""
    final = (facts.as_of - FINAL_AFTER).date()
    named = calendar.filter((pl.col("level") == 0) & pl.col("name").is_not_null())
    first_billed = calendar.group_by("account").agg(first_billed=pl.col("day").min())
    spans = (
        named.filter(pl.col("cost") > 0)
        .group_by(KEY)
        .agg(begin=pl.col("day").min())
        .join(first_billed, on="account")
        .filter(
            (pl.col("begin") >= final - timedelta(days=JUDGED_DAYS + SETTLES))
            # An account that is new has nothing to compare with.
            & (pl.col("begin") >= pl.col("first_billed") + timedelta(days=SETTLES))
        )
        .join(_beginnings(facts), on=["account", "region", "kind", "name"], how="inner")
        .filter(pl.col("began").is_between(pl.col("begin") - SEEN_ON_BILL, pl.col("begin")))
        .select(*KEY, "begin")
        .unique()
    )
    return (
        named.join(spans, on=KEY, nulls_equal=True)
        .filter(pl.col("day") >= pl.col("begin"))
        .with_columns(
            learning=pl.lit(False),
            final=pl.col("day") < final,
            sparse=pl.col("kind").str.ends_with("_family"),
            usual=pl.lit(0.0),
            limit=pl.lit(None, dtype=pl.Float64),
            spread=pl.lit(0.0),
            counts=pl.lit(True),
            high=pl.col("cost") > 0,
            excess=pl.col("cost"),
        )
        .drop("begin")
        .sort(*KEY, "day", nulls_last=True)
    )


def _beginnings(facts: Facts) -> pl.DataFrame:
    """[account, region, kind, name, began]: of every resource, and of families of jobs the first run ever."""
    job = pl.col("resource_kind").str.ends_with("_job")
    first_run = facts.jobs.group_by("account", "region", "kind", family=job_families.family()).agg(
        first_run=pl.coalesce("started_at", "created_at").min().dt.date()
    )
    began = facts.events.filter(pl.col("kind").is_in(BEGINNINGS)).select(
        "account",
        "region",
        kind=pl.col("resource_kind").str.replace("_job$", "_family"),
        name=pl.when(job).then(job_families.family("name")).otherwise("name"),
        began=pl.col("at").dt.date(),
    )
    ran = first_run.with_columns(kind=pl.col("kind").str.replace("_job$", "_family")).rename({"family": "name"})
    return (
        began.join(ran, on=["account", "region", "kind", "name"], how="left")
        .filter(pl.col("first_run").is_null() | (pl.col("began") <= pl.col("first_run")))
        .drop("first_run")
    )


def new_things(days: pl.DataFrame, sums: pl.DataFrame, least_share: float) -> pl.DataFrame:
    """Of `new_days` a row each [*KEY, since, excess, final_excess, per_month, usual, actual, sparse, over, named, owner, arn].

    ``sums``: the judged days of level 1. A thing whose sum has not risen by ``least_share`` of its cost took another's place.
    ``over``: jobs that cost nothing on the last final day; their ``per_month`` is what they took.
    """
    whole = pl.col("final")
    settled = whole & (pl.col("day") > pl.col("day").min().over(KEY))
    rows = (
        days.with_columns(settled=settled & settled.any().over(KEY) | whole & ~settled.any().over(KEY))
        .group_by(KEY)
        .agg(
            since=pl.col("day").min(),
            excess=pl.col("cost").sum(),
            final_excess=pl.col("cost").filter(whole).sum(),
            final_days=whole.sum(),
            usual=pl.lit(0.0),
            # Its first day is a part of a day.
            actual=pl.col("cost").filter("settled").mean(),
            lately=pl.col("cost").filter(whole).last(),
            ended=pl.col("day").filter(pl.col("cost") > 0).max(),
            last=pl.col("day").filter(whole).max(),
            sparse=pl.col("sparse").first(),
            named=pl.col("named").fill_null(True).filter(whole).all(),
            owner=pl.col("owner").drop_nulls().last(),
            arn=pl.col("arn").drop_nulls().last(),
        )
        .with_columns(over=pl.col("sparse") & (pl.col("ended") < pl.col("last")))
        .filter(
            (pl.col("final_days") > 0)
            & ((pl.col("lately") > 0) | (pl.col("over") & (pl.col("ended") > pl.col("last") - STILL_NEWS)))
        )
        .with_columns(
            per_month=pl.when("over")
            .then("excess")
            .when("sparse")
            .then(pl.col("final_excess") / JUDGED_DAYS * DAYS_PER_MONTH)
            .otherwise(pl.col("actual") * DAYS_PER_MONTH)
        )
    )
    around = (
        rows.select(*KEY, "since")
        .join(
            sums.select(*SUM, "day", more=pl.col("cost") - pl.col("usual"), is_final="final").filter("is_final"),
            on=SUM,
            how="left",
            nulls_equal=True,
        )
        .filter(pl.col("day").is_null() | (pl.col("day") >= pl.col("since")))
        .group_by(KEY)
        .agg(more=pl.col("more").sum(), known=pl.col("more").count() > 0)
    )
    # A whole family of usage that is new has no usual cost to have risen from.
    risen_around = ~pl.col("known").fill_null(False) | (pl.col("more") >= least_share * pl.col("final_excess"))
    return (
        rows.join(around, on=KEY, how="left", nulls_equal=True)
        .filter(risen_around)
        .drop("more", "known", "lately", "final_days", "ended", "last")
    )
