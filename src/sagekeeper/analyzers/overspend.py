"""Overspend: what costs more than it used to, where exactly, since when, and what that comes to.

In: daily costs, at the prices from before they rose (`at_old_prices.py`), and what was done (`events.py`). Out: one finding per
cause (`overspend_told.py`): a resource (jobs: their family) before its usage family before its service before its account, with
why it is (`because.py`). The last two weeks are compared with the six before them: medians of the same weekday, spread by the
median absolute deviation. What runs now and then is compared with its own earlier runs, what is new with nothing
(`overspend_new.py`).
No finding for what has been as high lately, or on this day of the last month; days younger than 48 hours are not yet whole and
never the only ground.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from pydantic import Field

from sagekeeper.analyzers import job_families
from sagekeeper.analyzers.at_old_prices import at_old_prices
from sagekeeper.analyzers.facts import BILL, Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH, FINAL_AFTER
from sagekeeper.analyzers.overspend_finding import JUDGED_DAYS, KEY, LEARNED_DAYS, finding, subject_of
from sagekeeper.analyzers.overspend_new import new_days, new_things
from sagekeeper.analyzers.overspend_told import told
from sagekeeper.analyzers.robust_spread import robust_spread
from sagekeeper.core.types import (
    Finding,
)

FEWEST_LEARNED, FEWEST_RUNS = 14, 4
LEAST_LOG_SPREAD = 0.3
SPARSE_BELOW = 0.6
"""Share of days with a cost below which a series is said to run now and then."""
MOST_UNATTRIBUTED = 0.05
"""Share of a usage family's cost without a resource above which its resources' costs of that day are not compared."""
FAMILY = ["account", "region", "service", "usage_family", "currency"]


class Settings(AnalyzerSettings):
    """What is worth telling."""

    least_excess_per_month: float = Field(
        50, ge=0, description="excess per month, in the bill's currency, below which it is noise"
    )
    least_ratio: float = Field(1.3, ge=1.0, description="how many times the usual cost a day must be")
    spreads: float = Field(6.0, ge=1.0, description="how many usual spreads above the usual cost a day must be")
    least_days: int = Field(3, ge=1, le=3, description="how many of the last three final days must be high")
    least_runs: int = Field(
        2, ge=1, le=3, description="how many of the last three runs must be high, where it runs now and then"
    )
    margin_over_maximum: float = Field(
        1.3, ge=1.0, description="a day below this many times an earlier maximum is nothing new"
    )
    explained_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of what is new, or newly named, by which the sum that holds it must have risen",
    )
    least_new_per_month: float = Field(
        2000, ge=0, description="what is new and costs this much is told even where its sum does not stand out"
    )


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per cause of what costs more than it used to."""
    usage = _usage(facts)
    calendar = _calendar(usage)
    judged = _judged(calendar, facts, settings)
    beginning = new_days(calendar, facts)
    days = pl.concat([judged, beginning], how="diagonal_relaxed")
    if days.is_empty():
        return []
    risen = _not_only_named_now(_risen(judged, settings), judged, settings)
    new = new_things(beginning, judged.filter(pl.col("level") == 1), settings.explained_share)
    least = settings.least_excess_per_month, settings.least_new_per_month, settings.least_days
    rows = told(risen, new, days, usage, *least)
    return [finding(facts, row, days) for row in rows.iter_rows(named=True)]


def _usage(facts: Facts) -> pl.DataFrame:
    """The bill's usage of the days that are looked at, at old prices, with ``kind`` and ``name`` of a resource or job family."""
    final = (facts.as_of - FINAL_AFTER).date()
    first = final - timedelta(days=JUDGED_DAYS + LEARNED_DAYS)
    billed_usage = facts.daily_costs.filter(
        (pl.col("dataset") == BILL)
        & (pl.col("charge_category") == "Usage")
        & (pl.col("day") >= first)
        & pl.col("billed_cost").is_not_null()
    )
    return at_old_prices(billed_usage, facts).with_columns(
        kind=pl.col("resource_kind").str.replace("^(training|processing|transform)_job$", "${1}_family"),
        name=pl.when(pl.col("resource_kind").str.ends_with("_job"))
        .then(job_families.family("resource_name"))
        .otherwise("resource_name"),
    )


def _calendar(usage: pl.DataFrame) -> pl.DataFrame:
    """`KEY`, day, cost, named: every series on every day of which its account's bill is there; absent from the bill is zero."""
    nothing = pl.lit(None, dtype=pl.String)
    blank = dict.fromkeys(("region", "kind", "name", "owner"), nothing)
    levels = [
        usage.filter(pl.col("kind").is_not_null()).with_columns(level=pl.lit(0)),
        usage.with_columns(level=pl.lit(1), **blank),
        usage.with_columns(level=pl.lit(2), usage_family=nothing, **blank),
        usage.with_columns(level=pl.lit(3), service=nothing, usage_family=nothing, **blank),
    ]
    series = (
        pl.concat(levels)
        .group_by(*KEY, "day")
        .agg(
            cost=pl.col("billed_cost").sum(),
            named=(pl.col("attribution") == "measured").all(),
            owner=pl.col("owner").drop_nulls().last(),
            arn=pl.col("resource_arn").drop_nulls().last(),
        )
    )
    billed = usage.select("account", "day").unique()
    # From its first day on: a day before there was such a thing is no cheap day.
    spans = series.group_by(KEY).agg(begin=pl.col("day").min())
    whole = spans.join(billed, on="account").filter(pl.col("day") >= pl.col("begin")).drop("begin")
    filled = whole.join(series, on=[*KEY, "day"], how="left", nulls_equal=True).with_columns(
        pl.col("cost").fill_null(0.0)
    )
    incomplete = _incomplete(usage).with_columns(level=pl.lit(0))
    return filled.join(incomplete, on=["level", *FAMILY, "day"], how="anti", nulls_equal=True)


def _incomplete(usage: pl.DataFrame) -> pl.DataFrame:
    """`FAMILY`, day: where so much has no resource that what a resource cost that day is a lower bound, not a cost."""
    missing = pl.col("billed_cost").filter(pl.col("attribution") == "unattributed").sum()
    days = usage.group_by(*FAMILY, "day").agg(missing=missing, whole=pl.col("billed_cost").sum())
    return days.filter(pl.col("missing") > MOST_UNATTRIBUTED * pl.col("whole")).drop("missing", "whole")


def _judged(calendar: pl.DataFrame, facts: Facts, settings: Settings) -> pl.DataFrame:
    """The calendar with, for each day: usual cost, limit, whether it is final, judged, and high."""
    final = (facts.as_of - FINAL_AFTER).date()
    split = final - timedelta(days=JUDGED_DAYS)
    cost, day = pl.col("cost"), pl.col("day")
    learning = day < split
    known = calendar.with_columns(subject_of()).join(
        facts.known_rises.rename({"region": "subject_region"}),
        on=["account", "subject_region", "subject_kind", "subject_name"],
        how="left",
    )
    # The days of a rise that is told of teach nothing: it stays too much until somebody accepts it.
    taught = learning & (pl.col("known_since").is_null() | (day < pl.col("known_since")))
    marked = known.with_columns(learning=taught, final=day < final, weekday=day.dt.weekday()).drop(
        "subject_region", "subject_kind", "subject_name", "known_since"
    )
    ran = cost > 0
    marked = marked.with_columns(
        learned=pl.col("learning").sum().over(KEY),
        sparse=(ran & pl.col("learning")).sum().over(KEY) < SPARSE_BELOW * pl.col("learning").sum().over(KEY),
    ).filter(pl.col("learned") >= FEWEST_LEARNED)
    learned_cost = pl.when(pl.col("learning") & (~pl.col("sparse") | ran)).then(cost)
    same_weekday = learned_cost.median().over([*KEY, "weekday"])
    every_day = learned_cost.median().over(KEY)
    enough = learned_cost.count().over([*KEY, "weekday"]) >= 3
    usual = pl.when(~pl.col("sparse") & enough).then(same_weekday).otherwise(every_day)
    marked = marked.with_columns(usual=usual, learned_cost=learned_cost)
    spread = robust_spread(pl.col("learned_cost") - pl.col("usual")).over(KEY)
    # What runs now and then has no steady amount: its tail is judged in ratios, and two or three runs show no tail.
    in_ratios = pl.max_horizontal(pl.col("learned_cost").log().std().over(KEY).fill_null(0.0), LEAST_LOG_SPREAD)
    few = pl.col("sparse") & (pl.col("learned_cost").count().over(KEY) < FEWEST_RUNS)
    limit = pl.max_horizontal(
        pl.when(few).then(float("inf")).when("sparse").then(pl.col("usual") * (settings.spreads / 2 * in_ratios).exp()),
        pl.col("usual") * settings.least_ratio,
        pl.col("usual") + settings.spreads * spread,
        pl.col("learned_cost").max().over(KEY) * settings.margin_over_maximum,
    )
    runs = pl.when(pl.col("sparse")).then(ran).otherwise(pl.lit(True))
    judged = marked.with_columns(limit=limit, counts=runs, spread=spread)
    before = judged.select(*KEY, pl.col("cost").alias("month_ago"), day=day.dt.offset_by("1mo")).unique([*KEY, "day"])
    return (
        judged.join(before, on=[*KEY, "day"], how="left", nulls_equal=True)
        .with_columns(
            # What came on this day of the last month too (a monthly retraining, a fee) is no surprise.
            high=~pl.col("learning")
            & pl.col("counts")
            & pl.col("usual").is_not_null()
            & (cost > pl.col("limit"))
            & (cost > pl.col("month_ago").fill_null(0.0) * settings.margin_over_maximum),
            excess=cost - pl.col("usual"),
        )
        .sort(*KEY, "day", nulls_last=True)
    )


def _risen(days: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The series that are high now: `KEY`, since, excess (to date), per_month, usual, actual, renamed."""
    final = days.filter(pl.col("final") & ~pl.col("learning"))
    counting = final.filter("counts")
    now = counting.group_by(KEY, maintain_order=True).agg(
        lately=pl.col("high").tail(3).sum(), last=pl.col("high").last(), sparse=pl.col("sparse").last()
    )
    needed = pl.when("sparse").then(pl.lit(settings.least_runs)).otherwise(pl.lit(settings.least_days))
    high = now.filter((pl.col("lately") >= needed) & pl.col("last"))
    quiet = counting.filter(~pl.col("high")).group_by(KEY).agg(quiet=pl.col("day").max())
    begun = (
        counting.filter("high")
        .join(high, on=KEY, how="semi", nulls_equal=True)
        .join(quiet, on=KEY, how="left", nulls_equal=True)
        .filter(pl.col("quiet").is_null() | (pl.col("day") > pl.col("quiet")))
        .group_by(KEY)
        .agg(since=pl.col("day").min())
    )
    since = days.join(begun, on=KEY, how="inner", nulls_equal=True).filter(pl.col("day") >= pl.col("since"))
    whole = pl.col("final")
    return (
        since.group_by(KEY)
        .agg(
            pl.col("since").first(),
            # Days under way count only with what they have too much already.
            excess=pl.when(whole)
            .then(pl.col("excess"))
            .otherwise(pl.max_horizontal("excess", 0.0))
            .filter("counts")
            .sum(),
            final_excess=pl.col("excess").filter(whole & pl.col("counts")).sum(),
            final_days=whole.sum(),
            usual=pl.col("usual").filter(whole & pl.col("counts")).mean(),
            actual=pl.col("cost").filter(whole & pl.col("counts")).mean(),
            sparse=pl.col("sparse").first(),
            named=pl.col("named").fill_null(True).filter(whole).all(),
            owner=pl.col("owner").drop_nulls().last(),
            arn=pl.col("arn").drop_nulls().last(),
        )
        # What runs now and then is spread over the two judged weeks: its high runs are not daily.
        .with_columns(
            per_month=pl.col("final_excess")
            / pl.when("sparse").then(pl.lit(JUDGED_DAYS)).otherwise(pl.col("final_days"))
            * DAYS_PER_MONTH
        )
        .filter(pl.col("per_month") >= settings.least_excess_per_month)
    )


def _not_only_named_now(risen: pl.DataFrame, days: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Without the resources that the bill names now and did not before, unless the sum that holds them has risen as well."""
    family = ["account", "service", "usage_family", "currency"]
    before = days.filter("learning").group_by(KEY).agg(shared=(~pl.col("named").fill_null(True)).mean() > 0.5)
    sums = days.filter((pl.col("level") == 1) & pl.col("final")).select(
        *family, "day", more=pl.col("cost") - pl.col("usual")
    )
    around = (
        risen.select(*KEY, "since")
        .join(sums, on=family, how="inner", nulls_equal=True)
        .filter(pl.col("day") >= pl.col("since"))
        .group_by(KEY)
        .agg(pl.col("more").sum())
    )
    renamed = pl.col("shared").fill_null(False) & pl.col("named")
    risen_around = pl.col("more").fill_null(0.0) >= settings.explained_share * pl.col("final_excess")
    return (
        risen.join(before, on=KEY, how="left", nulls_equal=True)
        .join(around, on=KEY, how="left", nulls_equal=True)
        .filter((pl.col("level") > 0) | ~renamed | risen_around)
        .drop("shared", "more")
    )


ANALYZER = Analyzer(
    name="overspend",
    kinds=("overspend",),
    description="What costs more than it used to, and since when",
    settings=Settings,
    find=find,
)
