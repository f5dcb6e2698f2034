"""Monitors that are paid for watching nothing: schedules whose runs all fall on days on which nobody asked the endpoint.

In: monitor runs with the cost of their jobs, traffic of the endpoints. Out: one finding per schedule. Only days that are
certainly quiet count; one day that was busy, or is not known, and nothing is said.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.monitor_failing import KEY, with_cost
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH
from sagekeeper.analyzers.owners import owner
from sagekeeper.analyzers.traffic import USED, in_service, traffic
from sagekeeper.core.types import Evidence, Figure, Finding, ResourceRef, fingerprint


class Settings(AnalyzerSettings):
    """How much silence is told."""

    window_days: int = Field(7, ge=2, le=30, description="days, all of them quiet, that are looked at")
    least_runs: int = Field(3, ge=1, description="runs in them before it is told")


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per schedule."""
    last = facts.as_of.date()
    first = last - timedelta(days=settings.window_days)
    within = pl.col("day").is_between(first, last, closed="left")
    metrics = facts.metrics.filter(within & pl.col("metric").is_in(USED))
    asked = traffic(metrics, in_service(facts.inventory)).requests
    quiet = asked.group_by("account", "region", "day", endpoint="name").agg(
        quiet=(pl.col("requests") == 0).fill_null(value=False).all()
    )
    runs = with_cost(facts).filter(within & pl.col("status").is_not_null() & (pl.col("endpoint") != ""))
    rows = (
        runs.join(quiet, on=["account", "region", "endpoint", "day"], how="left")
        .group_by(KEY)
        .agg(
            count=pl.len(),
            silent=pl.col("quiet").fill_null(value=False).all(),
            days=pl.col("day").n_unique(),
            since=pl.col("scheduled_at").min(),
            cost=pl.when(pl.col("cost").is_not_null().all()).then(pl.col("cost").sum()),
            currency=pl.col("currency").drop_nulls().first(),
        )
        .filter(pl.col("silent") & (pl.col("count") >= settings.least_runs))
        .sort(KEY)
    )
    endpoints = facts.inventory.filter(pl.col("kind") == "endpoint").select(
        "account", "region", endpoint="name", arn="arn", owner=owner("tags", facts.owner_tags)
    )
    told = rows.join(endpoints, on=["account", "region", "endpoint"], how="left", maintain_order="left")
    return [_finding(facts, settings, row) for row in told.iter_rows(named=True)]


def _finding(facts: Facts, settings: Settings, row: dict[str, Any]) -> Finding:
    period = f"{settings.window_days} days to {facts.as_of:%-d %b %Y}"
    monthly = None if row["cost"] is None else row["cost"] / settings.window_days * float(DAYS_PER_MONTH)
    basis = "billed seconds of their processing jobs at today's price"
    return Finding(
        fingerprint=fingerprint("monitor_idle", *(str(row[name]) for name in KEY)),
        kind="monitor_idle",
        subject=ResourceRef(
            account=row["account"], region=row["region"], kind="endpoint", name=row["endpoint"], arn=row["arn"] or ""
        ),
        severity="low",
        title=f"{row['schedule']} watches {row['endpoint']}, which nobody asks",
        explanation=(
            f"All {row['count']} runs of the schedule {row['schedule']} in the last {settings.window_days} days were on days "
            f"on which {row['endpoint']} had no request. Stop the schedule, or ask whether the endpoint is still needed."
        ),
        impact_per_month=None if monthly is None else Decimal(str(round(monthly, 2))),
        currency=row["currency"] or "USD",
        certainty="measured",
        first_seen=row["since"],
        last_seen=facts.as_of,
        evidence=Evidence(
            figures=[
                Figure(label="Runs", value=row["count"], unit="runs", period=period, basis="SageMaker"),
                Figure(label="Requests on their days", value=0, unit="requests", period=period, basis="CloudWatch"),
                Figure(
                    label="Their cost", value=row["cost"], unit=row["currency"] or "USD", period=period, basis=basis
                ),
            ]
        ),
        unknowns=[] if row["cost"] is not None else ["What these runs cost: a job or its price is not known."],
        owner=row["owner"],
    )


ANALYZER = Analyzer(
    name="monitor_idle",
    kinds=("monitor_idle",),
    description="Monitoring schedules that run on endpoints nobody asks",
    settings=Settings,
    find=find,
)
