"""The run rate above what it ever was: a kind of resource in an account costs more by the hour than any recorded hour.

In: the recorded hours (`RUN_RATES`), ``as_of``. Out: a finding per account, region and kind while it lasts: at least ``times``
the median of the same hour of the day, above every recorded hour of the weeks before by a margin, and worth telling. The last day
is not what it is compared with, so a new level is told for a day and is then known; what it adds to the bill is told by others.
With less than two weeks recorded nothing can be said, and nothing is.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.estimate_standing import TIME
from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.monthly_cost import severity
from sagekeeper.analyzers.run_rate import WHOLE
from sagekeeper.core.types import Evidence, Figure, Finding, ResourceRef, fingerprint

KEY = ["account", "region", "resource_kind", "currency"]
PLACE = ["account", "region"]
SETTLED = timedelta(hours=24)


class Settings(AnalyzerSettings):
    """When an hour is told."""

    least_hours: int = Field(14 * 24, ge=24, description="recorded hours before anything can be said")
    times: float = Field(3.0, ge=1.0, description="times the median of the same hour of the day")
    margin: float = Field(1.3, ge=1.0, description="times the dearest recorded hour")
    least_per_hour: float = Field(
        5.0, ge=0, description="more than usual an hour, in the bill's currency, or it is noise"
    )


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per account, region and kind above all that was recorded."""
    return [_finding(facts, row) for row in judged(facts, settings).iter_rows(named=True)]


def judged(facts: Facts, settings: Settings) -> pl.DataFrame:
    """[*KEY, per_hour, resources, usual, most, hours] of this hour's kinds that are above."""
    hour = pl.lit(facts.as_of).cast(TIME).dt.truncate("1h")
    recorded = facts.run_rates
    now = recorded.filter((pl.col("hour") == hour) & (pl.col("resource_kind") != WHOLE))
    before = recorded.filter(pl.col("hour") < hour - SETTLED)
    looked = before.filter(pl.col("resource_kind") == WHOLE).select(*PLACE, "hour").unique()
    # An hour that was looked at and has no row of a kind had none of it running: nothing, not unknown.
    grid = now.select(KEY).join(looked, on=PLACE).join(
        before.select(*KEY, "hour", was="per_hour"), on=[*KEY, "hour"], how="left"
    ).with_columns(pl.col("was").fill_null(0.0))  # fmt: skip
    same_hour = pl.col("hour").dt.hour() == facts.as_of.hour
    usual = grid.group_by(KEY).agg(
        hours=pl.len(), most=pl.col("was").max(), usual=pl.col("was").filter(same_hour).median()
    )
    return (
        now.join(usual, on=KEY)
        .filter(
            (pl.col("hours") >= settings.least_hours)
            & (pl.col("per_hour") > settings.margin * pl.col("most"))
            & (pl.col("per_hour") > settings.times * pl.col("usual"))
            & (pl.col("per_hour") - pl.col("usual") >= settings.least_per_hour)
        )
        .sort(KEY)
    )


def _finding(facts: Facts, row: dict[str, Any]) -> Finding:
    kind, money, rate = row["resource_kind"].replace("_", " "), row["currency"], row["per_hour"]
    more = rate - row["usual"]
    basis = "estimated: running x effective rate or list price"
    return Finding(
        fingerprint=fingerprint("run_rate", *(str(row[name]) for name in KEY)),
        kind="run_rate",
        subject=ResourceRef(
            account=row["account"], region=row["region"], kind=row["resource_kind"], name=f"all {kind}s"
        ),
        # How long it goes on is not known: it is as loud as a day of it.
        severity=severity(more * 24, "derived"),
        title=f"{kind.capitalize()}s cost {rate:,.2f} {money} an hour now, usually {row['usual']:,.2f}",
        explanation=(
            f"{row['resources']} {kind}s run, {rate:,.2f} {money} an hour in all. In {row['hours']:,} recorded hours it was "
            f"never more than {row['most']:,.2f}, at this hour of the day {row['usual']:,.2f} (median). A day of it costs "
            f"{24 * more:,.0f} {money} more than usual. The bill will show it in a day or two."
        ),
        currency=money,
        certainty="derived",
        first_seen=facts.as_of,
        last_seen=facts.as_of,
        provisional=True,
        evidence=Evidence(
            figures=[
                Figure(label="Costs now", value=round(rate, 2), unit=f"{money} an hour", basis=basis),
                Figure(
                    label="Usual at this hour",
                    value=round(row["usual"], 2),
                    unit=f"{money} an hour",
                    period=f"{row['hours']:,} hours recorded",
                    basis="median of the same hour of the day",
                ),
                Figure(
                    label="Most so far", value=round(row["most"], 2), unit=f"{money} an hour", basis="recorded hours"
                ),
            ]
        ),
        unknowns=[
            "how long it goes on",
            *([f"what {row['unknown']} more of their uses cost: they have no price"] if row["unknown"] else []),
        ],
    )


ANALYZER = Analyzer(
    name="run_rate",
    kinds=("run_rate",),
    description="Kinds of resources that cost more by the hour now than in any recorded hour",
    settings=Settings,
    find=find,
)
