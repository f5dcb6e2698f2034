"""What SageMaker Model Monitor itself has complained about, one finding per endpoint and schedule.

In: violations of the last weeks. Out: one finding per schedule whose newest run had violations; a later run without any would
leave no row, so a schedule that has been silent for longer than its usual pause, and a bit, is taken for calm again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.owners import owner
from sagekeeper.core.types import Evidence, Figure, Finding, ResourceRef, Series, fingerprint

KEY = ["account", "region", "endpoint", "schedule"]
SHOWN_DAYS = 60


class Settings(AnalyzerSettings):
    """What is news."""

    fresh_hours: int = Field(49, ge=2, le=800, description="a violation older than this is no longer told")


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per endpoint and schedule."""
    known = facts.violations.filter(pl.col("execution_time") <= facts.as_of)
    newest = known.group_by(KEY).agg(newest=pl.col("execution_time").max())
    fresh = newest.filter(pl.col("newest") >= facts.as_of - timedelta(hours=settings.fresh_hours)).sort(KEY)
    endpoints = facts.inventory.filter(pl.col("kind") == "endpoint").select(
        "account", "region", endpoint="name", arn="arn", owner=owner("tags", facts.owner_tags)
    )
    told = fresh.join(endpoints, on=["account", "region", "endpoint"], how="left", maintain_order="left")
    return [_finding(facts, row, known) for row in told.iter_rows(named=True)]


def _finding(facts: Facts, row: dict[str, Any], known: pl.DataFrame) -> Finding:
    own = known.filter(*(pl.col(name).eq_missing(pl.lit(row[name])) for name in KEY))
    last = own.filter(pl.col("execution_time") == row["newest"]).sort("feature", "check", nulls_last=True)
    features = sorted({str(name) for name in last["feature"].drop_nulls()})
    named = ", ".join(features[:3]) + (f" and {len(features) - 3} more" if len(features) > 3 else "")
    since: datetime = own["execution_time"].min()  # type: ignore[assignment]
    runs = own.group_by("execution_time").agg(count=pl.len()).sort("execution_time").tail(SHOWN_DAYS)
    return Finding(
        fingerprint=fingerprint("monitor_violation", *(str(row[name]) for name in KEY)),
        kind="monitor_violation",
        subject=ResourceRef(
            account=row["account"], region=row["region"], kind="endpoint", name=row["endpoint"], arn=row["arn"] or ""
        ),
        severity="high" if runs.height >= 3 else "medium",
        title=f"Model Monitor reports {last.height} violation{'s' if last.height != 1 else ''} for {row['endpoint']}",
        explanation=(
            f"The schedule {row['schedule']} found {named or 'the data set'} outside its constraints on "
            f"{row['newest']:%-d %B %Y}, and in {runs.height} run{'s' if runs.height != 1 else ''} since {since:%-d %B}."
        ),
        certainty="measured",
        first_seen=since,
        last_seen=facts.as_of,
        evidence=Evidence(
            figures=[
                Figure(
                    label=item["feature"] or "data set",
                    value=item["description"] or item["check"],
                    period=f"run of {row['newest']:%-d %b %Y %H:%M} UTC",
                    basis=f"Model Monitor, {item['check']}",
                )
                for item in last.iter_rows(named=True)
            ],
            series=[Series(name="Violations a run", unit="count", points=list(runs.rows()))],
        ),
        owner=row["owner"],
    )


ANALYZER = Analyzer(
    name="monitor_violation",
    kinds=("monitor_violation",),
    description="Violations that SageMaker Model Monitor has reported",
    settings=Settings,
    find=find,
)
