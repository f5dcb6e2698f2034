"""Monitors that do not watch: schedules whose last runs have failed, why, since when, and what those runs have cost.

In: monitor runs and their jobs, the bill's rates. Out: one finding per schedule whose newest ended run failed. A run that failed
before there was a job has cost nothing; the cost of one whose job is not known is unknown and said to be.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.job_prices import JOB, per_hour
from sagekeeper.analyzers.owners import owner
from sagekeeper.core.types import Evidence, Figure, Finding, ResourceRef, Series, Severity, fingerprint

KEY = ["account", "region", "endpoint", "schedule"]
ENDED = ("Completed", "CompletedWithViolations", "Failed")
NO_DATA = "no data"
"""Of "Job inputs had no data": nobody asked the endpoint, or nothing was captured."""
SHOWN = 60


class Settings(AnalyzerSettings):
    """When a failing monitor is worth a word."""

    least_failures: int = Field(2, ge=1, description="failed runs in a row before it is told")
    grave_failures: int = Field(6, ge=2, description="failed runs in a row from which on it is not a small matter")


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per schedule that fails."""
    ended = with_cost(facts).filter(pl.col("status").is_in(ENDED) & (pl.col("scheduled_at") <= facts.as_of))
    success = pl.col("scheduled_at").filter(pl.col("status") != "Failed").max().over(KEY)
    failed = ended.with_columns(watched=success).filter(
        (pl.col("status") == "Failed") & (pl.col("watched").is_null() | (pl.col("scheduled_at") > pl.col("watched")))
    )
    rows = (
        failed.sort("scheduled_at")
        .group_by(KEY, maintain_order=True)
        .agg(
            count=pl.len(),
            since=pl.col("scheduled_at").first(),
            last=pl.col("scheduled_at").last(),
            watched=pl.col("watched").first(),
            reason=pl.col("failure_reason").last(),
            monitor=pl.col("monitor").last(),
            cost=pl.when(pl.col("cost").is_not_null().all()).then(pl.col("cost").sum()),
            currency=pl.col("currency").drop_nulls().first(),
            unpriced=pl.col("cost").is_null().sum(),
        )
        .filter(pl.col("count") >= settings.least_failures)
        .sort(KEY)
    )
    endpoints = facts.inventory.filter(pl.col("kind") == "endpoint").select(
        "account", "region", endpoint="name", arn="arn", owner=owner("tags", facts.owner_tags)
    )
    told = rows.join(endpoints, on=["account", "region", "endpoint"], how="left", maintain_order="left")
    return [_finding(facts, settings, row, ended) for row in told.iter_rows(named=True)]


def with_cost(facts: Facts) -> pl.DataFrame:
    """The runs with cost and currency of their processing job at today's price; 0 without a job, null where it is unknown."""
    runs = facts.monitor_runs
    jobs = facts.jobs.filter(pl.col("arn").is_in(runs["job_arn"].drop_nulls().to_list()))
    priced = jobs.join(per_hour(jobs, facts), on=JOB, how="left").select(
        "currency", job_arn="arn", cost=pl.col("per_hour") * pl.col("billable_seconds") / 3600
    )
    joined = runs.join(priced.unique("job_arn"), on="job_arn", how="left")
    return joined.with_columns(
        cost=pl.when(pl.col("job_arn").is_null() & pl.col("status").is_not_null()).then(0.0).otherwise("cost")
    )


def _finding(facts: Facts, settings: Settings, row: dict[str, Any], ended: pl.DataFrame) -> Finding:
    since: datetime = row["since"]
    watched = f"last watched on {row['watched']:%-d %B}" if row["watched"] else "no run is known that succeeded"
    whose = row["endpoint"] or "batch transform"
    own = ended.filter(*(pl.col(name) == row[name] for name in KEY)).sort("scheduled_at").tail(SHOWN)
    points = own.select("scheduled_at", (pl.col("status") == "Failed").cast(pl.Float64)).rows()
    unpriced: int = row["unpriced"]
    grave: Severity = "medium" if row["count"] >= settings.grave_failures else "low"
    period = f"{since:%-d %b} to {row['last']:%-d %b %Y}"
    return Finding(
        fingerprint=fingerprint("monitor_failing", *(str(row[name]) for name in KEY)),
        kind="monitor_failing",
        subject=ResourceRef(
            account=row["account"],
            region=row["region"],
            kind="endpoint" if row["endpoint"] else "monitoring_schedule",
            name=row["endpoint"] or row["schedule"],
            arn=row["arn"] or "",
        ),
        severity=grave,
        title=f"{row['schedule']} does not watch {whose}: {row['count']} runs failed",
        explanation=(
            f"Every run of the schedule {row['schedule']} ({row['monitor']}) since {since:%-d %B %H:%M} UTC has failed; "
            f"{watched}. The last one says: {row['reason'] or 'nothing'}"
            + (". Nobody may have asked the endpoint, or nothing is captured." if _no_data(row["reason"]) else "")
        ),
        certainty="measured",
        first_seen=since,
        last_seen=facts.as_of,
        evidence=Evidence(
            figures=[
                Figure(label="Failed runs in a row", value=row["count"], unit="runs", period=period, basis="SageMaker"),
                Figure(
                    label="Cost of these runs",
                    value=row["cost"],
                    unit=row["currency"] or "USD",
                    period=period,
                    basis="billed seconds of their processing jobs at today's price",
                ),
                Figure(
                    label="Reason",
                    value=row["reason"],
                    period=f"run of {row['last']:%-d %b %H:%M} UTC",
                    basis="SageMaker",
                ),
            ],
            series=[Series(name="Failed runs", unit="1 = failed", points=points)],
        ),
        unknowns=[f"The cost of {unpriced} of these runs: their job or its price is not known."] if unpriced else [],
        owner=row["owner"],
    )


def _no_data(reason: str | None) -> bool:
    return NO_DATA in (reason or "").lower()


ANALYZER = Analyzer(
    name="monitor_failing",
    kinds=("monitor_failing",),
    description="Monitoring schedules whose runs fail: nobody watches, and it may cost",
    settings=Settings,
    find=find,
)
