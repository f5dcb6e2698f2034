"""What stands and works in the accounts, and what CloudWatch says of it."""

from __future__ import annotations

import polars as pl

from sagekeeper.core.tables.table import UTC_TIME, Table

METRICS = Table(
    "metrics",
    {
        "account": pl.String(),
        "region": pl.String(),
        "resource_kind": pl.String(),  # endpoint
        "resource_name": pl.String(),  # EndpointName
        "variant": pl.String(),  # VariantName
        "metric": pl.String(),  # AWS's own name: Invocations, ModelLatency, CPUUtilization ...
        "statistic": pl.String(),  # Sum, Average, Maximum, SampleCount, p95, p99
        "period_seconds": pl.Int32(),
        "start": UTC_TIME,
        "day": pl.Date(),
        "value": pl.Float64(),  # null: asked for, no datapoint
        "unit": pl.String(),  # count, microseconds, percent (normalised 0-100 per core or GPU)
        "observed_at": UTC_TIME,
    },
    keys=(
        "account",
        "region",
        "resource_kind",
        "resource_name",
        "variant",
        "metric",
        "statistic",
        "period_seconds",
        "start",
    ),
    partition=("day",),
)

INVENTORY = Table(
    "inventory",
    {
        "account": pl.String(),
        "region": pl.String(),
        "kind": pl.String(),  # endpoint, model, inference_component, studio_app, pipeline, execution_role ...
        "name": pl.String(),
        "arn": pl.String(),
        "status": pl.String(),
        "created_at": UTC_TIME,
        "changed_at": UTC_TIME,
        "config": pl.String(),  # JSON: the answer of Describe, without transport fields
        "tags": pl.String(),  # JSON object
        "observed_on": pl.Date(),
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "kind", "name", "observed_on"),
    partition=("observed_on", "account", "region"),
)

JOBS = Table(
    "jobs",
    {
        "account": pl.String(),
        "region": pl.String(),
        "kind": pl.String(),  # training_job, processing_job, transform_job, hyper_parameter_tuning_job, pipeline_execution
        "name": pl.String(),
        "arn": pl.String(),
        "status": pl.String(),  # Completed, Failed, Stopped, InProgress
        "failure_reason": pl.String(),
        "instance_type": pl.String(),
        "instance_count": pl.Int32(),
        "volume_gb": pl.Int32(),
        "created_at": UTC_TIME,
        "started_at": UTC_TIME,
        "ended_at": UTC_TIME,
        "run_seconds": pl.Int64(),  # TrainingTimeInSeconds, or end - start for processing
        "billable_seconds": pl.Int64(),  # BillableTimeInSeconds; for processing = run_seconds
        "spot": pl.Boolean(),
        "checkpoint_s3_uri": pl.String(),
        "max_runtime_seconds": pl.Int64(),
        "max_wait_seconds": pl.Int64(),
        "image": pl.String(),
        "parent_arn": pl.String(),  # monitoring schedule, tuning job or pipeline execution
        "tags": pl.String(),
        "config": pl.String(),
        "month": pl.Date(),  # first day of the month of created_at
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "kind", "name"),
    partition=("month", "account", "region", "kind"),
)

TRIAL_COMPONENTS = Table(
    "trial_components",
    {
        "account": pl.String(),
        "region": pl.String(),
        "experiment": pl.String(),
        "trial": pl.String(),
        "component": pl.String(),
        "source_arn": pl.String(),  # the job it is of; null: somebody made it by hand
        "created_at": UTC_TIME,
        "month": pl.Date(),  # first day of the month of created_at
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "experiment", "trial", "component"),
    partition=("month", "account", "region"),
)

ACTIVITY = Table(
    "activity",
    {
        "account": pl.String(),
        "region": pl.String(),
        "at": UTC_TIME,
        "event_id": pl.String(),  # CloudTrail's
        "operation": pl.String(),  # CreateEndpoint, UpdateEndpoint, CreateTrainingJob ...
        "resource_kind": pl.String(),
        "resource_name": pl.String(),
        "by": pl.String(),  # "role MLEngineer (dana.weiss)", "user ana"; null: it names nobody
        "month": pl.Date(),  # first day of the month of at
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "event_id"),
    partition=("month", "account", "region"),
)
