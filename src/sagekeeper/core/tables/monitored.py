"""What the monitors of models published, run by run: Model Monitor's, Clarify's, and ours in the same shapes."""

from __future__ import annotations

import polars as pl

from sagekeeper.core.tables.table import UTC_TIME, Table

_RUN = {
    "account": pl.String(),
    "region": pl.String(),
    "endpoint": pl.String(),  # empty: a monitor of batch transform
    "schedule": pl.String(),
    "execution_time": UTC_TIME,  # the hour in the reports' path
    "day": pl.Date(),
}
_READ = {"report_uri": pl.String(), "observed_at": UTC_TIME}
_ONE_RUN = ("account", "region", "endpoint", "schedule", "execution_time")

MONITOR_RUNS = Table(
    "monitor_runs",
    {
        **_RUN,
        "scheduled_at": UTC_TIME,
        "monitor": pl.String(),  # DataQuality, ModelQuality, ModelBias or ModelExplainability
        "input": pl.String(),  # endpoint or batch_transform
        "status": pl.String(),  # AWS's word; null: only the report is known, not the execution
        "failure_reason": pl.String(),
        "job_arn": pl.String(),  # null: the execution failed before there was a processing job
        "instance_type": pl.String(),
        "instance_count": pl.Int32(),
        "volume_gb": pl.Int32(),
        "billable_seconds": pl.Int64(),  # null: unknown; a run without a job has cost nothing
        "window_start": UTC_TIME,  # of the data, as far as the run states it
        "window_end": UTC_TIME,
        "records": pl.Int64(),  # that the run looked at, null: not stated
        "violations": pl.Int64(),  # null: no report that can be read
        "files": pl.String(),  # JSON {name: kind} of the documents that were read
        "unread": pl.String(),  # JSON list of sentences: what is wrong with which file
        **_READ,
    },
    keys=("account", "region", "endpoint", "schedule", "execution_time", "scheduled_at"),
    partition=("day",),
)

MONITOR_STATISTICS = Table(
    "monitor_statistics",
    {
        **_RUN,
        "feature": pl.String(),
        "inferred_type": pl.String(),
        "type": pl.String(),  # numeric or categorical
        "records": pl.Int64(),  # present and missing
        "missing": pl.Int64(),
        "mean": pl.Float64(),
        "total": pl.Float64(),
        "std": pl.Float64(),  # population standard deviation
        "minimum": pl.Float64(),
        "maximum": pl.Float64(),
        "distinct_count": pl.Float64(),
        "categories": pl.String(),  # JSON {value: count}
        "buckets": pl.String(),  # JSON, as published
        "sketch": pl.String(),  # JSON {parameters, data} of the KLL sketch, as published
        "completeness": pl.Float64(),  # what this run's own constraints.json suggests
        "is_non_negative": pl.Boolean(),
        "domains": pl.String(),  # JSON list
        **_READ,
    },
    keys=(*_ONE_RUN, "feature"),
    partition=("day",),
)

MODEL_QUALITY = Table(
    "model_quality",
    {
        **_RUN,
        "problem": pl.String(),  # regression, binary_classification or multiclass_classification
        "metric": pl.String(),
        "segment": pl.String(),  # empty: all
        "basis": pl.String(),  # labels or estimate
        "value": pl.Float64(),
        "std": pl.Float64(),  # null: fewer than 200 records
        "low": pl.Float64(),  # interval, where there is one
        "high": pl.Float64(),
        "detail": pl.String(),  # JSON of what is no single figure: confusion matrix, curves
        "records": pl.Int64(),
        "threshold": pl.Float64(),  # the quality line; null: there is none
        "comparison": pl.String(),  # LessThanThreshold: less than the threshold is a violation
        **_READ,
    },
    keys=(*_ONE_RUN, "problem", "metric", "segment", "basis"),
    partition=("day",),
)

BIAS = Table(
    "bias",
    {
        **_RUN,
        "stage": pl.String(),  # pre (of the labels) or post (of the answers)
        "facet": pl.String(),
        "facet_value": pl.String(),
        "metric": pl.String(),
        "label": pl.String(),
        "label_value": pl.String(),
        "value": pl.Float64(),
        "error": pl.String(),  # why there is no value
        "baseline": pl.Float64(),  # the same at the schedule's baseline
        **_READ,
    },
    keys=(*_ONE_RUN, "stage", "facet", "facet_value", "metric"),
    partition=("day",),
)

ATTRIBUTIONS = Table(
    "attributions",
    {
        **_RUN,
        "method": pl.String(),  # kernel_shap
        "label": pl.String(),
        "feature": pl.String(),
        "value": pl.Float64(),  # mean absolute Shapley value
        "expected_value": pl.Float64(),
        "baseline": pl.Float64(),
        **_READ,
    },
    keys=(*_ONE_RUN, "method", "label", "feature"),
    partition=("day",),
)

MONITOR_CONSTRAINTS = Table(
    "monitor_constraints",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "schedule": pl.String(),
        "monitor": pl.String(),
        "subject": pl.String(),  # feature or metric; empty: holds for all features
        "inferred_type": pl.String(),
        "completeness": pl.Float64(),
        "is_non_negative": pl.Boolean(),
        "domains": pl.String(),  # JSON list
        "threshold": pl.Float64(),  # of a metric, or the distance from the baseline
        "comparison": pl.String(),  # LessThanThreshold ..., or the method: Simple, Robust
        "settings": pl.String(),  # JSON of the thresholds and switches that the file states
        "constraints_uri": pl.String(),
        "made_at": UTC_TIME,
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "schedule", "subject"),
    partition=("account", "region"),
)

MONITOR_METRICS = Table(
    "monitor_metrics",
    {
        "account": pl.String(),
        "region": pl.String(),
        "namespace": pl.String(),  # as it is spelled in the account
        "endpoint": pl.String(),  # empty: no such dimension
        "schedule": pl.String(),
        "metric": pl.String(),
        "dimensions": pl.String(),  # JSON of all dimensions
        "start": UTC_TIME,  # of the hour
        "day": pl.Date(),
        "samples": pl.Float64(),
        "minimum": pl.Float64(),
        "maximum": pl.Float64(),
        "total": pl.Float64(),
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "namespace", "metric", "dimensions", "start"),
    partition=("day",),
)
