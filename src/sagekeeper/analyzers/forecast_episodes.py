"""What was spent too much and is over: episodes of incidents that must not raise what is expected of the days to come.

In: incidents about one resource, and its rows of the bill. Out: the same rows, each notion of cost times the share of the day
that was too much. Only of what is *over*: a job that was seen to end, or a resource that on the last three whole days cost less
than half of the incident's excess above its usual (median of the four weeks before). A level that holds is no episode, whatever
was said of it: it is expected to go on. Nor is what was there about the same day a month ago: it will come again. No more is
taken than the incident says was too much, and of the last three weeks only: what is older says little of the level today.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from sagekeeper.analyzers.monthly_cost import FINAL_AFTER

BACK, BEFORE, RECENT = 3, 28, 21
"""Whole days it must be back for; days before it that say what is usual; days an episode matters for."""
MONTH_AGO = (34, 25)
"""Days before it in which it began if it comes every month: it will come again."""
HALF = 0.5
SUBJECT = ("account", "region", "resource_kind", "resource_name")
INCIDENTS = pl.Schema(
    {
        **dict.fromkeys(("incident", *SUBJECT), pl.String()),
        "since": pl.Date(),
        "excess": pl.Float64(),
        "per_day": pl.Float64(),
        "ended": pl.Boolean(),
    }
)
"""``excess`` to date and ``per_day`` in the bill's currency; ``ended``: it was seen to."""


def over(incidents: pl.DataFrame, rows: pl.DataFrame, as_of: datetime, costs: tuple[str, ...]) -> pl.DataFrame:
    """Of ``rows`` [day, `SUBJECT`, ``costs``] what ``incidents`` (`INCIDENTS`) took too much of, by the first of ``costs``."""
    last = (as_of - FINAL_AFTER).date() - timedelta(days=1)
    today = as_of.date()
    bill = rows.group_by(*SUBJECT, "day").agg(cost=pl.col(costs[0]).sum())
    cost, day, since, own = pl.col("cost"), pl.col("day"), pl.col("since"), "incident"
    days = (
        incidents.with_columns(day=pl.date_ranges(since - timedelta(days=MONTH_AGO[0]), pl.lit(today)))
        .explode("day", empty_as_null=False)
        .join(bill, on=[*SUBJECT, "day"], how="left")
        .with_columns(cost.fill_null(0.0))
        .with_columns(
            usual=cost.filter(day.is_between(since - timedelta(days=BEFORE), since, closed="left")).median().over(own)
        )
    )
    # A job's day is any part of a day, and a job has no usual cost.
    margin = pl.when(pl.col("resource_kind").str.ends_with("_job")).then(0.0).otherwise(HALF * pl.col("per_day"))
    high = cost > pl.col("usual") + margin
    lately = (day > last - timedelta(days=BACK)) & (day <= last)
    back = ~high.filter(lately).any().over(own) & (since <= last - timedelta(days=BACK))
    earliest, latest = (since - timedelta(days=before) for before in MONTH_AGO)
    month_ago = day.is_between(earliest, latest)
    again = high.filter(month_ago).any().over(own)
    above = cost - pl.col("usual")
    shares = (
        days.with_columns(back=back, again=again)
        .filter((day >= since) & high & (pl.col("ended") | pl.col("back")) & ~pl.col("again"))
        .with_columns(part=(pl.col("excess") / above.sum().over(own)).clip(0.0, 1.0) * above / cost)
        .filter(day > today - timedelta(days=RECENT))
        # The same money may have been told twice; it was spent once.
        .group_by(*SUBJECT, "day")
        .agg(pl.col("part").max())
    )
    return (
        rows.join(shares, on=[*SUBJECT, "day"])
        .with_columns(pl.col(name) * pl.col("part") for name in costs)
        .drop("part")
    )
