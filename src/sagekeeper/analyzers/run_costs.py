"""What each finished run of a job cost: its days on the bill, else what it ran times its price, else unknown.

In: `Facts`, since when. Out: `RUNS`, one row per run that started and ended, of training, processing and transform jobs. A run
that ended less than 48 hours ago may not be whole on the bill: where its price is known the larger of the two counts, and it is
not ``final``.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from sagekeeper.analyzers import job_families
from sagekeeper.analyzers.facts import BILL, Facts
from sagekeeper.analyzers.job_prices import JOB, per_hour
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER
from sagekeeper.analyzers.owners import owner
from sagekeeper.analyzers.unit_rows import usage_days
from sagekeeper.analyzers.unit_runs import BILLED, job_costs

FAMILY = ["account", "region", "kind", "family"]
"""``kind`` here is that of the family: training_family."""
UTC_TIME = pl.Datetime("us", "UTC")
RUNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("account", "region", "kind", "family", "name", "owner", "status"), pl.String()),
    "reason": pl.String(),  # of its failure, as AWS says it
    "parent_arn": pl.String(),
    "machine": pl.String(),  # 2 x ml.m5.xlarge; null: of several kinds
    "hours": pl.Float64(),  # paid, per instance; null: unknown
    "ended_at": UTC_TIME,
    "final": pl.Boolean(),  # its bill is not restated any more
    "cost": pl.Float64(),  # null: unknown
    "currency": pl.String(),
    "basis": pl.String(),  # effective or billed; list: priced, it is not on the bill
    "certainty": pl.String(),
}


def run_costs(facts: Facts, since: datetime) -> pl.DataFrame:
    """`RUNS` that ended after ``since``, the oldest first."""
    over = pl.col("started_at").is_not_null() & pl.col("ended_at").is_between(since, facts.as_of)
    jobs = facts.jobs.filter(pl.col("kind").is_in(BILLED) & over)
    if jobs.is_empty():
        return pl.DataFrame(schema=RUNS)
    # A run has all its days, also those before ``since``.
    first = jobs["started_at"].dt.date().min()
    of_jobs = (pl.col("dataset") == BILL) & pl.col("resource_kind").is_in(BILLED)
    bill = facts.daily_costs.filter(of_jobs & (pl.col("day") >= pl.lit(first)))
    billed = job_costs(usage_days(bill, facts.as_of)).select(
        *JOB,
        "certainty",
        "currency",
        billed_owner="owner",
        on_bill=pl.coalesce("effective_cost", "billed_cost"),
        basis=pl.when(pl.col("effective_cost").is_not_null()).then(pl.lit("effective")).otherwise(pl.lit("billed")),
    )
    seconds = pl.coalesce("billable_seconds", "run_seconds")
    rated = per_hour(jobs, facts).rename({"currency": "priced_in"})
    return (
        jobs.join(billed, on=JOB, how="left")
        .join(rated, on=JOB, how="left")
        .with_columns(
            final=pl.col("ended_at").dt.date() < (facts.as_of - FINAL_AFTER).date(),
            hours=seconds / 3600,
            same=pl.col("currency").is_null() | (pl.col("currency") == pl.col("priced_in")),
            tagged=owner("tags", facts.owner_tags),
        )
        .with_columns(priced=pl.when("same").then(pl.col("per_hour") * pl.col("hours")))
        .with_columns(
            cost=pl.when(pl.col("final") & pl.col("on_bill").is_not_null())
            .then("on_bill")
            .otherwise(pl.max_horizontal("on_bill", "priced"))
        )
        .with_columns(by_price=(pl.col("cost") != pl.col("on_bill")).fill_null(value=True))
        .select(
            *("account", "region", "name", "status", "parent_arn", "ended_at", "final", "cost", "hours"),
            kind=pl.col("kind").str.replace("_job$", "_family"),
            family=job_families.family(),
            owner=pl.coalesce("billed_owner", "tagged"),
            reason="failure_reason",
            machine=pl.format("{} x {}", "instance_count", "instance_type"),
            currency=pl.coalesce("currency", "priced_in"),
            basis=pl.when("by_price").then(pl.lit("list")).otherwise("basis"),
            certainty=pl.when("by_price").then(pl.lit("derived")).otherwise("certainty"),
        )
        .select(pl.col(name).cast(kind) for name, kind in RUNS.items())
        .sort("ended_at", "name")
    )
