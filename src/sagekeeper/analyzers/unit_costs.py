"""What a unit costs: 1,000 invocations, a run of a family, an execution of a pipeline, a trial of an experiment, a
million tokens; and what the hours cost in which nobody asked.

In: `DAILY_COSTS` of one bill (a month and the weeks before it), traffic, endpoints, jobs, experiments (`Counted`).
Out: rows of `UNIT_COSTS` of that month. A cost is divided only by a quantity of the same days or runs; where too
little is known, or the quantity is too small, ``unknown`` has the reason in place of a cost per unit. Usage only:
taxes, credits and fees belong to no unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers import unit_endpoints, unit_runs, unit_variants
from sagekeeper.analyzers.traffic import Traffic
from sagekeeper.analyzers.unit_rows import Settings, usage_days
from sagekeeper.core.clock import next_month
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import UNIT_COSTS

LONGEST_RUN = timedelta(days=28)
"""MaxRuntimeInSeconds of a training job is at most 28 days (CreateTrainingJob, StoppingCondition)."""


@dataclass(frozen=True)
class Counted:
    """What units are counted from. ``endpoints``: of `endpoints.described`.
    ``experiments``: [experiment, trial, source_arn] of `TRIAL_COMPONENTS`."""

    traffic: Traffic
    endpoints: pl.DataFrame
    token_use: pl.DataFrame
    jobs: pl.DataFrame
    experiments: pl.DataFrame
    prices: PriceBook


def unit_costs(
    daily_costs: pl.DataFrame, month: date, counted: Counted, as_of: datetime, settings: Settings
) -> pl.DataFrame:
    """``daily_costs``: of one bill, from `LONGEST_RUN` before the month to its end."""
    usage = usage_days(daily_costs, as_of)
    within = pl.col("day").is_between(month, next_month(month), closed="left")
    bill_days = daily_costs.filter(within)["day"].n_unique()
    if not bill_days:
        return UNIT_COSTS.empty()
    days = usage.filter(within & (pl.col("kind") == "endpoint"))
    ran = unit_runs.runs(usage, counted.jobs, month)
    parts = [
        unit_endpoints.per_invocation(days, counted.traffic.requests, counted.endpoints, settings),
        unit_variants.per_variant(days, counted.traffic.requests, counted.endpoints, counted.prices, month, settings),
        unit_endpoints.per_token(days, counted.traffic.requests, counted.token_use, settings),
        unit_endpoints.hours_of_service(days, counted.traffic.hours, counted.endpoints),
        unit_runs.per_run(ran, settings),
        unit_runs.per_execution(ran, counted.jobs, settings),
        unit_runs.per_trial(ran, counted.experiments, settings),
        unit_runs.per_token(ran, settings),
    ]
    return (
        pl.concat([UNIT_COSTS.empty().drop("month", "dataset", "bill_days"), *parts], how="diagonal_relaxed")
        .with_columns(
            month=pl.lit(month), dataset=pl.lit(daily_costs["dataset"][0]), bill_days=pl.lit(bill_days, pl.Int64)
        )
        .select(pl.col(name).cast(dtype) for name, dtype in UNIT_COSTS.columns.items())
        # Sums come in any order: the same rows again must be the same to the last digit.
        .with_columns(pl.col(pl.Float64).round(9))
        .sort(UNIT_COSTS.keys, nulls_last=True)
    )
