"""Runs by what they belong to: cost per run of a job family, per execution of a pipeline, per trial of an
experiment, and per million tokens where AWS bills a job by tokens.

In: usage days of jobs (`unit_rows`), `JOBS`, which job is in which trial. Out: rows of `UNIT_COSTS` for one month.
A run belongs to the month in which it ended, with all its days; failed and stopped runs cost too and count. A run
that is not on the bill (yet) has an unknown cost, not none. A job in several experiments is shared evenly.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from sagekeeper.analyzers.job_families import family
from sagekeeper.analyzers.parents import ancestors, parents
from sagekeeper.analyzers.unit_endpoints import TOKENS
from sagekeeper.analyzers.unit_rows import AMOUNTS, Settings, certainty, summed, too_few, too_little
from sagekeeper.core.clock import day_start, next_month

RUN, EXECUTION, TRIAL = "run", "execution", "trial"
BILLED = ("training_job", "processing_job", "transform_job")
"""Jobs that the bill names; tuning jobs and executions cost what these below them do."""
PIPELINE = r":pipeline/([^/]+)/execution/[^/]+$"
GROUP = ["account", "region", "subject_kind", "subject", "currency"]


def runs(usage: pl.DataFrame, jobs: pl.DataFrame, month: date) -> pl.DataFrame:
    """What ran and ended in ``month``, with all its cost.

    [account, region, kind, name, key, tokens, currency, `AMOUNTS`, certainty, provisional, owner, on_bill]; ``key`` is the ARN in
    lower case.
    """
    costs = job_costs(usage)
    ended = pl.col("ended_at").is_between(day_start(month), day_start(next_month(month)), closed="left")
    return (
        jobs.filter(ended & pl.col("kind").is_in(BILLED) & pl.col("started_at").is_not_null())
        .select(
            "account",
            "region",
            "kind",
            "name",
            key=pl.col("arn").str.to_lowercase(),
            # DescribeTrainingJob.BillableTokenCount, of serverless training jobs only.
            tokens=pl.col("config").str.json_path_match("$.BillableTokenCount").cast(pl.Float64, strict=False),
        )
        .join(costs, on=["account", "region", "kind", "name"], how="left")
        .with_columns(on_bill=pl.col("currency").is_not_null())
        .with_columns(pl.coalesce("currency", pl.lit(_main_currency(costs), pl.String)))
    )


def job_costs(usage: pl.DataFrame) -> pl.DataFrame:
    """[account, region, kind, name, currency, `AMOUNTS`, certainty, provisional, owner] of every job, all its days."""
    return (
        usage.filter(pl.col("kind").str.ends_with("_job"))
        .group_by("account", "region", "kind", "name", "currency")
        .agg(
            *summed(),
            certainty=certainty(pl.col("certainty")),
            provisional=pl.col("provisional").any(),
            owner=pl.col("owner").drop_nulls().last(),
        )
    )


def per_run(found: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """One row per family of jobs. ``found``: of `runs`."""
    named = found.with_columns(
        subject=family("name"), subject_kind=pl.col("kind").str.replace("_job$", "_family"), part=pl.col("key")
    )
    return _units(named, RUN, "runs", settings)


def per_execution(found: pl.DataFrame, jobs: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """One row per pipeline whose executions started the jobs, or the tuning jobs above them. ``jobs``: all of them."""
    within = (
        ancestors(parents(jobs))
        .select("key", part="ancestor_key", subject=pl.col("ancestor_arn").str.extract(PIPELINE))
        .drop_nulls()
        .unique("key")
    )
    named = found.join(within, on="key", how="inner").with_columns(subject_kind=pl.lit("pipeline"))
    return _units(named, EXECUTION, "executions", settings)


def per_trial(found: pl.DataFrame, experiments: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """One row per experiment. ``experiments``: [experiment, trial, source_arn], a row per membership."""
    inside = (
        experiments.select("experiment", "trial", key=pl.col("source_arn").str.to_lowercase())
        .drop_nulls()
        .unique()
        .with_columns(share=1 / pl.len().over("key"))
    )
    named = found.join(inside, on="key", how="inner").with_columns(
        *(pl.col(name) * pl.col("share") for name in AMOUNTS),
        subject="experiment",
        subject_kind=pl.lit("experiment"),
        part="trial",
    )
    return _units(named, TRIAL, "trials", settings)


def per_token(found: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """One row per family that AWS bills by tokens."""
    named = found.filter(pl.col("tokens").is_not_null()).with_columns(
        subject=family("name"), subject_kind=pl.col("kind").str.replace("_job$", "_family"), part=pl.col("key")
    )
    by_run = _units(named, TOKENS, "runs", settings)
    tokens = named.filter("on_bill").group_by(GROUP).agg(raw=pl.col("tokens").sum())
    return (
        by_run.drop("raw")
        .join(tokens, on=GROUP, how="left")
        .with_columns(
            quantity=pl.col("raw") / 1e6,
            unknown=pl.coalesce(too_little(settings, "costs"), too_few(settings.least_tokens, "tokens")),
        )
    )


def _units(named: pl.DataFrame, unit: str, counted: str, settings: Settings) -> pl.DataFrame:
    """Per subject: a part (run, execution, trial) counts when all its jobs are on the bill."""
    whole = named.with_columns(complete=pl.col("on_bill").all().over(*GROUP, "part"))
    complete = pl.col("complete")
    return (
        whole.group_by(GROUP)
        .agg(
            *summed(complete),
            raw=pl.col("part").filter(complete).n_unique().cast(pl.Int64),
            found=pl.col("part").filter(complete).n_unique().cast(pl.Int64),
            expected=pl.col("part").n_unique().cast(pl.Int64),
            certainty=certainty(pl.col("certainty").drop_nulls()),
            provisional=pl.col("provisional").filter(complete).any(),
            owner=pl.col("owner").drop_nulls().last(),
        )
        .with_columns(counted=pl.lit(counted))
        .with_columns(
            *(pl.when(pl.col("found") > 0).then(name).alias(name) for name in AMOUNTS),
            quantity=pl.col("raw").cast(pl.Float64),
            unit=pl.lit(unit),
            unknown=pl.coalesce(too_little(settings, "costs"), too_few(settings.least_runs, counted)),
        )
    )


def _main_currency(costs: pl.DataFrame) -> str | None:
    """A run that is not on the bill is taken to be billed as the others are."""
    return None if costs.is_empty() else str(costs["currency"].value_counts(sort=True)["currency"][0])
