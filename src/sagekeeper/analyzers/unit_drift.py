"""Endpoints whose 1,000 invocations cost more than they used to, against their own past and with enough traffic to say so.

In: daily costs and requests of endpoints. Out: one finding per endpoint. Days are put together in weeks counted back from the
last final day, so that quiet Sundays are no drift. A drift is a stretch of the last `SHORTEST` to `LONGEST` weeks of which each
is dearer than every one of the weeks before it (an exact test by ranks: chance alone passes at most one in 28, two weeks after
six), and dearer than usual by ``least_ratio`` and by ``spreads`` robust spreads (median absolute deviation of the logarithms). A
day without known requests or cost counts in neither, a week with few of them not at all (decision 0005). Where nobody asks there
is no unit: that is `idle`. Asked less at the same cost and costing more for as much are told apart.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.at_old_prices import at_old_prices
from sagekeeper.analyzers.endpoints import standing
from sagekeeper.analyzers.facts import BILL, Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH, FINAL_AFTER, severity
from sagekeeper.analyzers.robust_spread import robust_spread
from sagekeeper.analyzers.stakes import stake
from sagekeeper.analyzers.traffic import DAY, REQUESTS, in_service, traffic
from sagekeeper.analyzers.unit_rows import usage_days
from sagekeeper.core.clock import day_start
from sagekeeper.core.types import Completeness, Evidence, Figure, Finding, Money, ResourceRef, Series, fingerprint

KEY = ["account", "region", "name"]
PLACE = [*KEY, "currency"]
SHORTEST, LONGEST, PAST = 2, 8, 12
"""Weeks: of a drift at least and at most (a longer one is the new usual), and how many before it count."""
LEAST_SPREAD = 0.04
"""Of logarithms: no endpoint's weeks are steadier than this."""


class Settings(AnalyzerSettings):
    """What is worth telling."""

    least_requests: int = Field(5000, ge=1, description="requests in a week, fewer are too few to say what one costs")
    least_days: int = Field(6, ge=4, le=7, description="days of a week whose requests and cost must be known")
    least_past: int = Field(6, ge=4, le=PAST, description="weeks before that must be known")
    least_ratio: float = Field(1.25, ge=1.0, description="times the usual cost of 1,000 invocations")
    spreads: float = Field(3.0, ge=1.0, description="usual spreads (of logarithms) above the usual cost of a unit")
    least_money: float = Field(20.0, ge=0, description="a month for as many requests, in the bill's currency")


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per drifted endpoint, the most money first."""
    weeks = weekly(facts, settings)
    drifted = judged(weeks, settings)
    return [_finding(facts, row, weeks) for row in drifted.iter_rows(named=True)]


def weekly(facts: Facts, settings: Settings) -> pl.DataFrame:
    """[*PLACE, week (0 the last), first, cost, requests, unit_cost, owner, effective, measured]: the weeks that are known."""
    last = (facts.as_of - FINAL_AFTER).date() - timedelta(days=1)
    first = last - timedelta(days=7 * (LONGEST + PAST) - 1)
    left_alone = standing(facts).filter("left_alone").select(KEY)
    inside = pl.col("day").is_between(first, last)
    # What a price change took is told by it.
    bill = at_old_prices(facts.daily_costs.filter(inside & (pl.col("dataset") == BILL)), facts).filter(
        pl.col("resource_kind") == "endpoint"
    )
    costs = usage_days(bill, facts.as_of).with_columns(cost=pl.coalesce("effective_cost", "billed_cost"))
    wanted = (
        pl.col("metric").is_in(REQUESTS) & (pl.col("resource_kind") == "endpoint") & (pl.col("period_seconds") == DAY)
    )
    seen = traffic(facts.metrics.filter(inside & wanted), in_service(facts.inventory))
    whole = pl.when(pl.col("requests").is_not_null().all()).then(pl.col("requests").sum())
    asked = seen.requests.group_by(*KEY, "day").agg(requests=whole)
    week = (pl.lit(last) - pl.col("day")).dt.total_days() // 7
    return (
        costs.join(asked.drop_nulls(), on=[*KEY, "day"])
        .join(left_alone, on=KEY, how="anti")
        .filter(pl.col("cost").is_not_null())
        .with_columns(week=week)
        .group_by(*PLACE, "week")
        .agg(
            pl.col("cost", "requests").sum(),
            days=pl.len(),
            owner=pl.col("owner").drop_nulls().last(),
            effective=pl.col("effective_cost").is_not_null().all(),
            measured=(pl.col("certainty") == "measured").all(),
        )
        .filter((pl.col("days") >= settings.least_days) & (pl.col("requests") >= settings.least_requests))
        .with_columns(
            first=pl.lit(last) - pl.duration(days=pl.col("week") * 7 + 6),
            unit_cost=pl.col("cost") / pl.col("requests") * 1000,
        )
        .filter(pl.col("unit_cost") > 0)
        .sort(*PLACE, "week")
    )


def judged(weeks: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """[*PLACE, weeks (of the drift), past (weeks known before), usual, now, cost and requests of a week before and now, since,
    excess, per_day, owner, effective, measured], the most money first."""
    candidates = pl.DataFrame({"weeks": range(SHORTEST, LONGEST + 1)}, schema={"weeks": pl.Int64})
    late = pl.col("week") < pl.col("weeks")
    past = ~late & (pl.col("week") < pl.col("weeks") + PAST)
    log = pl.col("unit_cost").log()
    usual_log = log.filter(past).median()
    spread = pl.max_horizontal(robust_spread(log.filter(past) - usual_log), pl.lit(LEAST_SPREAD))
    return (
        weeks.join(candidates, how="cross")
        .group_by(*PLACE, "weeks")
        .agg(
            known=late.sum(),
            past=past.sum(),
            usual=usual_log.exp(),
            limit=pl.max_horizontal(
                (usual_log + settings.spreads * spread).exp(),
                usual_log.exp() * settings.least_ratio,
                pl.col("unit_cost").filter(past).max(),
            ),
            cheapest=pl.col("unit_cost").filter(late).min(),
            now=pl.col("cost").filter(late).sum() / pl.col("requests").filter(late).sum() * 1000,
            cost_before=pl.col("cost").filter(past).median(),
            cost_now=pl.col("cost").filter(late).median(),
            requests_before=pl.col("requests").filter(past).median(),
            requests_now=pl.col("requests").filter(late).median(),
            late_cost=pl.col("cost").filter(late).sum(),
            late_requests=pl.col("requests").filter(late).sum(),
            since=pl.col("first").filter(late).min(),
            owner=pl.col("owner").sort_by("week").drop_nulls().first(),
            effective=pl.col("effective").all(),
            measured=pl.col("measured").all(),
        )
        .filter(
            (pl.col("known") == pl.col("weeks"))
            & (pl.col("past") >= settings.least_past)
            # What is the same but for rounding is not more.
            & (pl.col("cheapest") > pl.col("limit") * (1 + 1e-9))
        )
        .with_columns(excess=pl.col("late_cost") - pl.col("usual") * pl.col("late_requests") / 1000)
        .with_columns(per_day=pl.col("excess") / (7 * pl.col("weeks")))
        .filter(pl.col("per_day") * DAYS_PER_MONTH >= settings.least_money)
        .sort("weeks", descending=True)
        .unique(PLACE, keep="first", maintain_order=True)
        .sort("per_day", *PLACE, descending=[True, *[False] * len(PLACE)])
    )


def _finding(facts: Facts, row: dict[str, Any], weeks: pl.DataFrame) -> Finding:
    money, since = row["currency"], row["since"]
    per_month = row["per_day"] * DAYS_PER_MONTH
    basis = "effective" if row["effective"] else "billed"
    return Finding(
        fingerprint=fingerprint("unit_cost_drift", *(row[name] for name in PLACE)),
        kind="unit_cost_drift",
        subject=ResourceRef(account=row["account"], region=row["region"], kind="endpoint", name=row["name"]),
        severity=severity(per_month),
        title=f"1,000 invocations of {row['name']} cost {row['now'] / row['usual']:.1f} times what they used to",
        explanation=(
            f"They have cost {row['now']:,.4g} {money} since the week of {since:%-d %B %Y} instead of {row['usual']:,.4g}. "
            f"{_why(row, money)} "
            f"For as many requests that is {row['excess']:,.0f} {money} too much so far, {per_month:,.0f} a month if it goes on."
        ),
        impact_per_month=Money.of(per_month).amount,
        currency=money,
        basis=basis,
        certainty="measured" if row["measured"] else "derived",
        first_seen=day_start(since),
        last_seen=facts.as_of,
        evidence=Evidence(figures=_figures(row, money, basis), series=[_series(row, weeks)]),
        completeness=Completeness(found=row["past"] + row["weeks"], expected=PAST + row["weeks"]),
        owner=row["owner"],
        stake=stake(facts.as_of, since, row["excess"], row["per_day"], "unit_cost", _why(row, money)),
    )


def _why(row: dict[str, Any], money: str) -> str:
    """Asked less, dearer, or both: by which of the two the cost of a unit has moved more."""
    cost, asked = row["cost_now"] / row["cost_before"], row["requests_now"] / row["requests_before"]
    spent = f"{row['cost_now']:,.2f} {money} a week instead of {row['cost_before']:,.2f}"
    requests = f"{row['requests_now']:,.0f} requests instead of {row['requests_before']:,.0f}"
    if cost < 1.1:
        return f"It costs as much as before ({spent}) and is asked less: {requests} a week."
    if asked > 0.9:
        return f"It costs more ({spent}) for about as much work: {requests} a week."
    return f"It costs more ({spent}) and is asked less: {requests} a week."


def _figures(row: dict[str, Any], money: str, basis: str) -> list[Figure]:
    late, past = f"last {row['weeks']} weeks", f"{row['past']} weeks before"
    return [
        Figure(
            label="1,000 invocations cost", value=round(row["now"], 6), unit=money, period=late, basis=f"{basis} cost"
        ),
        Figure(
            label="They used to cost",
            value=round(row["usual"], 6),
            unit=money,
            period=past,
            basis=f"median of weeks, {basis} cost",
        ),
        Figure(
            label="The dearest of these weeks, or what is usual for it",
            value=round(row["limit"], 6),
            unit=money,
            period=past,
            basis="each week since costs more",
        ),
        Figure(
            label="Requests a week", value=row["requests_now"], unit="count", period=late, basis="CloudWatch, median"
        ),
        Figure(
            label="Requests a week before",
            value=row["requests_before"],
            unit="count",
            period=past,
            basis="CloudWatch, median",
        ),
        Figure(label="Too much so far", value=round(row["excess"], 2), unit=money, period=late, basis=f"{basis} cost"),
    ]


def _series(row: dict[str, Any], weeks: pl.DataFrame) -> Series:
    own = weeks.filter(*(pl.col(name) == row[name] for name in PLACE)).sort("first")
    points = [(day_start(day), cost) for day, cost in own.select("first", "unit_cost").iter_rows()]
    expected = [(at, row["usual"]) for at, _ in points]
    return Series(name="1,000 invocations by week", unit=row["currency"], points=points, expected=expected)


ANALYZER = Analyzer(
    name="unit_cost_drift",
    kinds=("unit_cost_drift",),
    description="Endpoints whose 1,000 invocations cost more than they used to",
    settings=Settings,
    find=find,
)
