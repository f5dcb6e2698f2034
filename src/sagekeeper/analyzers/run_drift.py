"""Families of jobs of which a run costs more than it used to: its last runs against the earlier ones of the same family.

In: completed runs with their cost on the bill (`run_costs`). Out: one finding per family. The last `SHORTEST` to `LONGEST` runs
are held against up to `PAST` before them by the rank-sum test (Mann and Whitney 1947: a permutation test on ranks; one-sided,
normal approximation with continuity correction) and by the ratio of the medians, so that one dear run is no drift. Where a run
resembles the one before it ranks wander by themselves: then the variance is widened, unless the rise is plain beside the family's
spread. Of several stretches the one that stands out most is told. Why is said by what a run is made of: its machines, its hours,
the price of an hour. Failed runs are another question (`failed_jobs`); what is not on the bill yet is not judged.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.at_old_prices import at_old_prices
from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH, severity
from sagekeeper.analyzers.robust_spread import robust_spread
from sagekeeper.analyzers.run_costs import FAMILY, run_costs
from sagekeeper.analyzers.stakes import stake
from sagekeeper.core.clock import day_start
from sagekeeper.core.types import Completeness, Evidence, Figure, Finding, Money, ResourceRef, Series, fingerprint

PLACE = [*FAMILY, "currency"]
SHORTEST, LONGEST, PAST = 4, 20, 30
SEEN_DAYS = 180
MOST_ALIKE = 0.8
NOTABLE = 1.1
"""Times before: less is no reason."""


class Settings(AnalyzerSettings):
    """What is worth telling."""

    least_past: int = Field(8, ge=5, le=PAST, description="earlier runs of the family that must be known")
    least_ratio: float = Field(1.2, ge=1.0, description="times what a run used to cost, by medians")
    chance: float = Field(
        0.0005, gt=0, lt=0.5, description="how likely ranks may be as they are if nothing has changed"
    )
    spreads: float = Field(
        2.0, ge=0.5, description="usual spreads (of logarithms) that make it plain however alike neighbouring runs are"
    )
    least_money: float = Field(20.0, ge=0, description="a month, in the bill's currency")


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per drifted family, the most money first."""
    runs = known_runs(facts)
    return [_finding(facts, row, runs) for row in judged(runs, settings, facts.as_of).iter_rows(named=True)]


def known_runs(facts: Facts) -> pl.DataFrame:
    """`run_costs.RUNS` that completed and are on the bill, with ``back``: 0 the last of its family."""
    # A price that has risen lately is told by itself (`price_changes`), not by every family that pays it.
    known = replace(facts, daily_costs=at_old_prices(facts.daily_costs, facts))
    runs = run_costs(known, facts.as_of - timedelta(days=SEEN_DAYS)).filter(
        (pl.col("status") == "Completed") & pl.col("final") & (pl.col("cost") > 0) & (pl.col("basis") != "list")
    )
    return runs.with_columns(back=pl.col("ended_at").rank("ordinal", descending=True).over(PLACE).cast(pl.Int64) - 1)


def judged(runs: pl.DataFrame, settings: Settings, as_of: datetime) -> pl.DataFrame:
    """[*PLACE, late and past (how many runs), usual, now, surprise (normal score of the rank sum), since, excess, per_day,
    machines and hours before and now, owner, ...], the most money first. ``runs``: of `known_runs`."""
    candidates = pl.DataFrame({"stretch": range(SHORTEST, LONGEST + 1)}, schema={"stretch": pl.Int64})
    inside = (
        runs.join(candidates, how="cross")
        .filter(pl.col("back") < pl.col("stretch") + PAST)
        .with_columns(is_late=pl.col("back") < pl.col("stretch"))
        .with_columns(rank=pl.col("cost").rank().over(*PLACE, "stretch"))
    )
    late, past = pl.col("is_late"), ~pl.col("is_late")
    alike = resemblance(runs)
    both = pl.col("late") + pl.col("past")
    ranks_above = pl.col("ranks") - pl.col("late") * (pl.col("late") + 1) / 2
    mean = pl.col("late") * pl.col("past") / 2
    # Runs that cost the same share a rank, which leaves less room for chance.
    variance = pl.col("late") * pl.col("past") / 12 * (both + 1 - pl.col("ties") / (both * (both - 1)))
    least_score = NormalDist().inv_cdf(1 - settings.chance)
    log = pl.col("cost").log()
    sizes = pl.col("cost").unique_counts().cast(pl.Float64)
    return (
        inside.group_by(*PLACE, "stretch")
        .agg(
            late=late.sum().cast(pl.Float64),
            past=past.sum().cast(pl.Float64),
            ranks=pl.col("rank").filter(late).sum(),
            ties=(sizes**3 - sizes).sum(),
            usual=pl.col("cost").filter(past).median(),
            now=pl.col("cost").filter(late).median(),
            spread=robust_spread(log.filter(past) - log.filter(past).median()),
            spent=pl.col("cost").filter(late).sum(),
            since=pl.col("ended_at").filter(late).min(),
            machine_before=pl.col("machine").filter(past).drop_nulls().mode().sort().first(),
            machine_now=pl.col("machine").filter(late).drop_nulls().mode().sort().first(),
            hours_before=pl.col("hours").filter(past).median(),
            hours_now=pl.col("hours").filter(late).median(),
            owner=pl.col("owner").sort_by("back").drop_nulls().first(),
            basis=pl.col("basis").filter(late).mode().sort().first(),
            measured=(pl.col("certainty") == "measured").all(),
        )
        .filter((pl.col("late") == pl.col("stretch")) & (pl.col("past") >= settings.least_past))
        .join(alike, on=PLACE, how="left")
        .with_columns(surprise=(ranks_above - mean - 0.5) / variance.sqrt())
        .filter((pl.col("surprise") >= least_score) & (pl.col("now") >= settings.least_ratio * pl.col("usual")))
        .filter(
            (pl.col("surprise") >= least_score * pl.col("widened").sqrt())
            | ((pl.col("now") / pl.col("usual")).log() >= settings.spreads * pl.col("spread"))
        )
        .with_columns(
            excess=pl.col("spent") - pl.col("usual") * pl.col("late"),
            days=(pl.lit(as_of.date()) - pl.col("since").dt.date()).dt.total_days().clip(lower_bound=1),
        )
        .with_columns(per_day=pl.col("excess") / pl.col("days"))
        .filter(pl.col("per_day") * DAYS_PER_MONTH >= settings.least_money)
        .sort("surprise", "stretch", descending=True)
        .unique(PLACE, keep="first", maintain_order=True)
        .sort("per_day", *PLACE, descending=[True, *[False] * len(PLACE)])
    )


def resemblance(runs: pl.DataFrame) -> pl.DataFrame:
    """[*PLACE, widened]: by how much the variance of a mean of runs is more than that of unrelated ones, (1 + r) / (1 - r).

    r, the correlation of a run with the one before it, is taken from the steps between runs: of a first-order process their own
    correlation is (r - 1) / 2, and a trend or one step to a new level, which are looked for, hardly move it (by ranks).
    """
    step = pl.col("cost").log() - pl.col("cost").log().shift(-1).over(PLACE, order_by="back")
    steps = runs.filter(pl.col("back") < LONGEST + PAST).with_columns(step=step)
    own = pl.corr("step", pl.col("step").shift(-1), method="spearman").fill_nan(None)
    return steps.sort(*PLACE, "back").group_by(PLACE).agg(r=(1 + 2 * own).clip(0.0, MOST_ALIKE).fill_null(0.0)).select(
        *PLACE, widened=(1 + pl.col("r")) / (1 - pl.col("r"))
    )  # fmt: skip


def _finding(facts: Facts, row: dict[str, Any], runs: pl.DataFrame) -> Finding:
    money, since = row["currency"], row["since"].date()
    per_month = row["per_day"] * DAYS_PER_MONTH
    return Finding(
        fingerprint=fingerprint("run_cost_drift", *(row[name] for name in PLACE)),
        kind="run_cost_drift",
        subject=ResourceRef(account=row["account"], region=row["region"], kind=row["kind"], name=row["family"]),
        severity=severity(per_month),
        title=f"A run of {row['family']} costs {row['now'] / row['usual']:.1f} times what it used to",
        explanation=(
            f"Its last {row['late']:.0f} completed runs cost {row['now']:,.2f} {money} (median), the {row['past']:.0f} before "
            f"them {row['usual']:,.2f}. {_why(row)} That is {row['excess']:,.0f} {money} too much since {since:%-d %B %Y}, "
            f"{per_month:,.0f} a month if it goes on."
        ),
        impact_per_month=Money.of(per_month).amount,
        currency=money,
        basis=row["basis"],
        certainty="measured" if row["measured"] else "derived",
        first_seen=day_start(since),
        last_seen=facts.as_of,
        evidence=Evidence(figures=_figures(row, money), series=[_series(row, runs)]),
        completeness=Completeness(found=int(row["late"] + row["past"]), expected=int(row["late"]) + PAST),
        owner=row["owner"],
        stake=stake(facts.as_of, since, row["excess"], row["per_day"], "unit_cost", f"A run costs more. {_why(row)}"),
    )


def _why(row: dict[str, Any]) -> str:
    if row["machine_before"] != row["machine_now"] and row["machine_before"] and row["machine_now"]:
        return f"Its runs moved from {row['machine_before']} to {row['machine_now']}."
    if row["hours_before"] and row["hours_now"] and row["hours_now"] >= NOTABLE * row["hours_before"]:
        return f"A run takes {row['hours_now']:,.2f} paid hours instead of {row['hours_before']:,.2f} (medians)."
    return "It runs as long on the same machines: an hour of them costs more, or something beside them does."


def _figures(row: dict[str, Any], money: str) -> list[Figure]:
    late, past = f"last {row['late']:.0f} runs", f"{row['past']:.0f} runs before"
    basis = f"{row['basis']} cost, median of completed runs"
    return [
        Figure(label="A run costs", value=round(row["now"], 2), unit=money, period=late, basis=basis),
        Figure(label="A run used to cost", value=round(row["usual"], 2), unit=money, period=past, basis=basis),
        Figure(
            label="Paid hours of a run",
            value=None if row["hours_now"] is None else round(row["hours_now"], 2),
            unit="hours",
            period=late,
            basis="SageMaker, median",
        ),
        Figure(
            label="Paid hours of a run before",
            value=None if row["hours_before"] is None else round(row["hours_before"], 2),
            unit="hours",
            period=past,
            basis="SageMaker, median",
        ),
        Figure(
            label="Chance of such ranks if nothing has changed",
            value=float(f"{1 - NormalDist().cdf(row['surprise']):.2g}"),
            period=f"{late} against {past}",
            basis="rank-sum test, one-sided",
        ),
        Figure(
            label="Too much so far",
            value=round(row["excess"], 2),
            unit=money,
            period=late,
            basis=f"{row['basis']} cost",
        ),
    ]


def _series(row: dict[str, Any], runs: pl.DataFrame) -> Series:
    own = runs.filter(*(pl.col(name) == row[name] for name in PLACE)).sort("ended_at").tail(LONGEST + PAST)
    points = list(own.select("ended_at", "cost").iter_rows())
    return Series(
        name="Cost of a run", unit=row["currency"], points=points, expected=[(at, row["usual"]) for at, _ in points]
    )


ANALYZER = Analyzer(
    name="run_cost_drift",
    kinds=("run_cost_drift",),
    description="Families of jobs of which a run costs more than it used to",
    settings=Settings,
    find=find,
)
