"""What models were asked, what they answered, and what their monitors said."""

from __future__ import annotations

import polars as pl

from sagekeeper.core.tables.table import UTC_TIME, Table

FEATURE_PROFILES = Table(
    "feature_profiles",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "variant": pl.String(),
        "feature": pl.String(),
        "role": pl.String(),  # baseline, capture (what was asked), prediction (what was answered), or words_of_ one of them
        "window_start": UTC_TIME,  # an hour; for a baseline: when it was made
        "window_end": UTC_TIME,
        "day": pl.Date(),
        "type": pl.String(),  # numeric, categorical or vector
        "records": pl.Int64(),  # present, missing and invalid ones
        "missing": pl.Int64(),
        "invalid": pl.Int64(),  # there, but of another type
        "mean": pl.Float64(),
        "total": pl.Float64(),
        "std": pl.Float64(),  # population standard deviation (ddof 0), as Model Monitor publishes it
        "minimum": pl.Float64(),
        "maximum": pl.Float64(),
        "sketch": pl.Binary(),  # datasketches kll_doubles_sketch, serialised; null for categorical
        "categories": pl.String(),  # JSON {value: count} of the most frequent; null for numeric
        "frequent_numbers": pl.String(),  # the same of numbers
        "frequent_error": pl.Int64(),  # the true count of any value is at most so much higher
        "distinct": pl.Binary(),  # datasketches hll_sketch, serialised
        "distinct_count": pl.Float64(),
        "vector_sum": pl.Binary(),  # of a feature that is a vector: float64s, to be divided by what is present
        "sampling_percent": pl.Float64(),  # share of the requests that is captured; null for a baseline, or unknown
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "variant", "feature", "role", "window_start"),
    partition=("day",),
)

TOKEN_USE = Table(
    "token_use",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "variant": pl.String(),
        "day": pl.Date(),
        "answers": pl.Int64(),  # captured
        "told": pl.Int64(),  # of them state their tokens
        "tokens": pl.Int64(),  # prompt and completion, of those
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "variant", "day"),
    partition=("day",),
)

MODEL_REQUESTS = Table(
    "model_requests",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "variant": pl.String(),
        "day": pl.Date(),
        "model": pl.String(),  # TargetModel as the caller told it; empty: the request does not name its model
        "requests": pl.Int64(),  # captured ones: a sample
        "upto": UTC_TIME,  # hours before this are counted
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "variant", "day", "model"),
    partition=("day",),
)

MONITOR_VIOLATIONS = Table(
    "monitor_violations",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "schedule": pl.String(),
        "execution_time": UTC_TIME,
        "day": pl.Date(),
        "monitor": pl.String(),  # DataQuality, ModelQuality, ModelBias or ModelExplainability
        "feature": pl.String(),  # for bias: facet and metric; else the label or metric
        "check": pl.String(),  # constraint_check_type
        "description": pl.String(),
        "observed": pl.Float64(),  # as far as the description states it; shares, not percent
        "required": pl.Float64(),
        "report_uri": pl.String(),
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "schedule", "execution_time", "feature", "check"),
    partition=("day",),
)
