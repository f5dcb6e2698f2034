"""What an hour of a job costs at today's price, all its machines and volumes together.

In: jobs, the bill's rates and the price book of the facts. Out: a row a job. The bill's own rate is used where it has one, else
the list price; a part without any price makes the whole unknown.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.analyzers.estimate_jobs import worked
from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.usage_rates import an_hour, with_rates

JOB = ["account", "region", "kind", "name"]


def per_hour(jobs: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """[*JOB, per_hour, currency, rate_basis]: of all its machines and volumes at today's price; null where one has none."""
    parts = worked(jobs, facts.as_of, facts.owner_tags).filter(~pl.col("usage_type").str.starts_with("WarmPool"))
    sizes = parts.select(
        "account",
        "region",
        "usage_type",
        "size",
        kind="resource_kind",
        name="resource_name",
        day=pl.lit(facts.as_of.date()),
    )
    priced = with_rates(sizes, facts.costs, facts.prices, [facts.as_of.date()])
    whole = pl.when(pl.col("rate").is_not_null().all()).then((an_hour(facts.as_of.date()) * pl.col("rate")).sum())
    machines = ~pl.col("usage_type").str.contains("VolumeUsage")
    return priced.group_by(JOB).agg(
        per_hour=whole,
        currency=pl.col("currency").first(),
        rate_basis=pl.coalesce(
            pl.col("rate_basis").filter(machines).drop_nulls().first(), pl.col("unknown").drop_nulls().first()
        ),
    )
