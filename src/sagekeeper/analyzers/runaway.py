"""Runaway jobs: what runs longer, or has cost more, than its family ever did, while it still runs.

In: jobs (the running ones and the completed runs of their families), the bill's rates, the price book. Out: one finding per job,
in the first look after it left its family's range; it is resolved by the first look that finds it ended. Durations and costs are
judged in ratios (they are skewed): median times exp(``spreads`` x robust spread of the logarithms), and never below
``margin`` x the longest run. All costs, of past runs too, are at today's price, so a rise of the price is no runaway job and
a larger machine is one. With fewer than ``least_runs`` there is no range: then a job is told of that already costs more than
nearly all jobs of its account, or is about to be stopped by its limit, and the finding says that it rests on that alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers import job_families
from sagekeeper.analyzers.because import made_by, spoken
from sagekeeper.analyzers.estimate_jobs import HEADS
from sagekeeper.analyzers.estimate_standing import HOLDS, TIME
from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.job_prices import JOB, per_hour
from sagekeeper.analyzers.monthly_cost import severity
from sagekeeper.analyzers.owners import owner
from sagekeeper.analyzers.robust_spread import robust_spread
from sagekeeper.core.clock import day_start, next_month
from sagekeeper.core.types import (
    Certainty,
    Completeness,
    Evidence,
    Figure,
    Finding,
    Money,
    ResourceRef,
    Stake,
    fingerprint,
)

PAST = timedelta(days=180)
FAMILY = ["account", "kind", "family"]
BEFORE_LIMIT = 0.9
"""Share of MaxRuntimeInSeconds after which a job is about to be stopped, its work lost."""
FEW_JOBS = 20
"""Of an account, below which "nearly all its jobs" means nothing."""


class Settings(AnalyzerSettings):
    """When a job has run away."""

    least_runs: int = Field(5, ge=3, description="completed runs before a family has a range")
    spreads: float = Field(4.0, ge=1.0, description="robust spreads (of logarithms) above the median")
    least_spread: float = Field(0.1, gt=0, description="least spread of logarithms: no family is steadier than this")
    margin: float = Field(1.25, ge=1.0, description="times the longest, or dearest, run so far")
    least_money: float = Field(
        5.0, ge=0, description="more than usual by its limit, in the bill's currency, or it is noise"
    )
    without_history: float = Field(
        50.0, ge=0, description="cost so far above which a job without a family is told of, in the bill's currency"
    )


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per running job that left its range."""
    return [_finding(facts, settings, row) for row in judged(facts, settings).iter_rows(named=True)]


def judged(facts: Facts, settings: Settings) -> pl.DataFrame:
    """The jobs that ran away: `JOB`, arn, owner, since, elapsed and limits in seconds, cost so far and usual, per hour, by."""
    now = pl.lit(facts.as_of).cast(TIME)
    jobs = facts.jobs.filter(
        pl.col("kind").is_in(list(HEADS))
        & pl.col("started_at").is_not_null()
        & (pl.col("started_at") >= now - PAST)
        & (pl.col("ended_at").is_null() | (pl.col("status") == "Completed"))
    ).with_columns(family=job_families.family(), owner=owner("tags", facts.owner_tags))
    running = jobs.filter(pl.col("ended_at").is_null() & (pl.col("observed_at") >= now - HOLDS))
    if running.is_empty():
        return running
    priced = per_hour(jobs, facts)
    past = (
        jobs.filter(pl.col("ended_at").is_not_null())
        .join(priced, on=JOB, how="left")
        .with_columns(seconds=(pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds() / 1e6)
        .filter(pl.col("seconds") > 0)
        .with_columns(cost=pl.col("per_hour") * pl.col("seconds") / 3600)
    )
    account = past.group_by("account").agg(
        jobs=pl.len(), dearest=pl.when(pl.len() >= FEW_JOBS).then(pl.col("cost").quantile(0.99, "linear"))
    )
    elapsed = (now - pl.col("started_at")).dt.total_microseconds() / 1e6
    here = (
        running.join(priced, on=JOB, how="left")
        .join(_ranges(past, settings), on=FAMILY, how="left")
        .join(account, on="account", how="left")
        .with_columns(elapsed=elapsed, runs=pl.col("runs").fill_null(0))
        .with_columns(
            cost=pl.col("per_hour") * pl.col("elapsed") / 3600,
            at_limit=pl.col("per_hour") * pl.col("max_runtime_seconds") / 3600,
        )
    )
    known = pl.col("runs") >= settings.least_runs
    # What is at stake: until its limit, or a month where it has none. An unknown price is no reason to be quiet.
    at_stake = pl.coalesce("at_limit", pl.col("cost") + pl.col("per_hour") * 730) - pl.col("usual_cost").fill_null(0.0)
    dear = pl.max_horizontal("dearest", pl.lit(settings.without_history))
    by = (
        pl.when(known & (pl.col("elapsed") > pl.col("most_seconds")))
        .then(pl.lit("duration"))
        .when(known & (pl.col("cost") > pl.col("most_cost")))
        .then(pl.lit("cost"))
        .when(~known & (pl.col("cost") > dear))
        .then(pl.lit("money"))
        .when(
            ~known
            & (pl.col("elapsed") > BEFORE_LIMIT * pl.col("max_runtime_seconds"))
            & (pl.col("cost") > settings.least_money)
        )
        .then(pl.lit("limit"))
    )
    return (
        here.with_columns(by=by, dear=dear)
        .filter(pl.col("by").is_not_null() & (at_stake.is_null() | (at_stake >= settings.least_money)))
        .sort(JOB)
    )


def _ranges(past: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """[*FAMILY, runs, usual_seconds, longest_seconds, most_seconds, usual_cost, dearest_run, most_cost]."""

    def most(name: str) -> pl.Expr:
        logs = pl.col(name).log()
        spread = robust_spread(logs - logs.median())
        limit = (logs.median() + settings.spreads * pl.max_horizontal(spread, pl.lit(settings.least_spread))).exp()
        return pl.max_horizontal(limit, pl.col(name).max() * settings.margin)

    return past.group_by(FAMILY).agg(
        runs=pl.len(),
        usual_seconds=pl.col("seconds").median(),
        longest_seconds=pl.col("seconds").max(),
        most_seconds=most("seconds"),
        usual_cost=pl.col("cost").median(),
        # Of past runs without a price nothing is known about what is dear.
        most_cost=pl.when(pl.col("cost").is_not_null().all()).then(most("cost")),
    )


def _finding(facts: Facts, settings: Settings, row: dict[str, Any]) -> Finding:
    money = row["currency"] or "USD"
    name, usual = row["name"], row["usual_cost"]
    excess = None if row["cost"] is None else max(row["cost"] - (usual or 0.0), 0.0)
    at_limit = row["at_limit"]
    risk = None if at_limit is None else max(at_limit - (usual or 0.0), 0.0)
    subject = ResourceRef(
        account=row["account"], region=row["region"], kind=row["kind"], name=name, arn=row["arn"] or ""
    )
    certainty: Certainty = "derived" if row["runs"] >= settings.least_runs else "assumed"
    return Finding(
        fingerprint=fingerprint("runaway_job", *(row[part] for part in JOB)),
        kind="runaway_job",
        subject=subject,
        severity=severity(risk if risk is not None else excess, certainty),
        title=_title(row, money),
        explanation=" ".join([_why(row, money), _goes_on(row, at_limit, money)]),
        impact_per_month=None if risk is None else Money.of(risk).amount,
        currency=money,
        basis="list" if row["rate_basis"] and "bill" not in row["rate_basis"] else "effective",
        certainty=certainty,
        first_seen=facts.as_of,
        last_seen=facts.as_of,
        evidence=Evidence(figures=_figures(row, money, facts.as_of)),
        completeness=Completeness(found=row["runs"], expected=settings.least_runs)
        if row["runs"] < settings.least_runs
        else None,
        unknowns=_unknowns(row, settings),
        owner=row["owner"],
        stake=None if excess is None else _stake(facts, row, excess, risk, money),
    )


def _title(row: dict[str, Any], money: str) -> str:
    hours = row["elapsed"] / 3600
    if row["by"] == "duration":
        return f"{row['name']} runs for {hours:,.1f} h, its family takes {row['usual_seconds'] / 3600:,.1f} h"
    if row["by"] == "cost":
        return f"{row['name']} has cost {row['cost']:,.2f} {money}, its family costs {row['usual_cost']:,.2f}"
    if row["by"] == "limit":
        return f"{row['name']} is about to be stopped by its limit after {hours:,.1f} h"
    return f"{row['name']} has cost {row['cost']:,.2f} {money} in {hours:,.1f} h and has no family to judge it by"


def _why(row: dict[str, Any], money: str) -> str:
    if row["by"] in ("duration", "cost"):
        runs = f"its family's {row['runs']} completed runs took {row['usual_seconds'] / 3600:,.2f} h (median)"
        return (
            f"Running since {row['started_at']:%-d %b %H:%M} UTC; {runs}, the longest {row['longest_seconds'] / 3600:,.2f} h. "
            f"Told of beyond {row['most_seconds'] / 3600:,.2f} h"
            + ("." if row["most_cost"] is None else f" or {row['most_cost']:,.2f} {money}.")
        )
    known = f"Only {row['runs']} completed runs" if row["runs"] else "No completed run"
    rests = f"{known} of its family: this rests on "
    if row["by"] == "limit":
        return rests + f"its limit (MaxRuntimeInSeconds {row['max_runtime_seconds']:,}) alone."
    many = f"99 of 100 of the account's {row['jobs']} jobs cost less"
    others = "" if row["dearest"] is None else f"; {many}"
    return rests + f"money alone, {row['dear']:,.2f} {money} and more{others}."


def _goes_on(row: dict[str, Any], at_limit: float | None, money: str) -> str:
    if row["per_hour"] is None:
        return f"What it costs is unknown: {row['rate_basis']}"
    each = f"It costs {row['per_hour']:,.2f} {money} an hour"
    if at_limit is None:
        return f"{each}, and AWS enforces no limit on it."
    return f"{each}, {at_limit:,.2f} if it runs to its limit of {row['max_runtime_seconds'] / 3600:,.1f} h."


def _figures(row: dict[str, Any], money: str, as_of: datetime) -> list[Figure]:
    till = f"until {as_of:%-d %b %H:%M} UTC"
    basis = f"estimated: running x {row['rate_basis']}"
    return [
        Figure(label="Has run for", value=round(row["elapsed"] / 3600, 2), unit="hours", period=till),
        Figure(
            label="Its family takes",
            value=None if row["usual_seconds"] is None else round(row["usual_seconds"] / 3600, 2),
            unit="hours a run",
            basis=f"median of {row['runs']} completed runs in 180 days",
        ),
        Figure(
            label="Has cost",
            value=None if row["cost"] is None else round(row["cost"], 2),
            unit=money,
            period=till,
            basis=basis,
        ),
        Figure(
            label="Its family costs",
            value=None if row["usual_cost"] is None else round(row["usual_cost"], 2),
            unit=f"{money} a run",
            basis="the same runs at today's price",
        ),
        Figure(
            label="Will have cost at its limit",
            value=None if row["at_limit"] is None else round(row["at_limit"], 2),
            unit=money,
            basis="MaxRuntimeInSeconds; " + basis,
        ),
    ]


def _unknowns(row: dict[str, Any], settings: Settings) -> list[str]:
    told = []
    if row["per_hour"] is None:
        told.append(f"what an hour of it costs: {row['rate_basis']}")
    if row["runs"] < settings.least_runs:
        told.append(f"how long such a job takes: {row['runs']} of {settings.least_runs} completed runs are known")
    if row["spot"]:
        told.append("how much of its time managed spot will not bill: told at the full price")
    return told


def _stake(facts: Facts, row: dict[str, Any], excess: float, risk: float | None, money: str) -> Stake:
    as_of = facts.as_of
    by = made_by(facts, row["account"], row["region"], row["kind"], row["name"])
    size = f"{row['instance_count']} x {row['instance_type']}, " if row["instance_type"] else ""
    ends = day_start(next_month(as_of.date()))
    to_come = row["per_hour"] * (ends - as_of).total_seconds() / 3600
    return Stake(
        cause="ran_long",
        because=f"{spoken(row['kind']).capitalize()} {row['name']} runs since {row['started_at']:%A %-d %B %H:%M} UTC"
        + (f", started by {by}" if by else "")
        + f": {size}{row['per_hour']:,.2f} {money} an hour.",
        since=row["started_at"],
        excess=Money.of(excess).amount,
        per_day=Money.of(24 * row["per_hour"]).amount,
        month_excess=Money.of(min(excess + to_come, risk if risk is not None else float("inf"))).amount,
    )


ANALYZER = Analyzer(
    name="runaway",
    kinds=("runaway_job",),
    description="Jobs that run longer or cost more than their family ever did, while they run",
    settings=Settings,
    find=find,
)
