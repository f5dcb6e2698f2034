"""What was read of the captures of endpoints, hour by hour: profiles, how much there was, and what could not be read.

``variant`` is the production variant; of an inference component, or a model of a multi-model endpoint, it is the variant's
name, a slash and theirs, because each is a model of its own.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.core.tables.table import UTC_TIME, Table
from sagekeeper.core.tables.watched import FEATURE_PROFILES

FEATURE_HOURS = Table(
    "feature_hours",
    FEATURE_PROFILES.columns,  # `feature_profiles` has their days, and the baselines
    keys=FEATURE_PROFILES.keys,
    partition=("day",),
)

CAPTURE_HOURS = Table(
    "capture_hours",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "folder": pl.String(),  # below the endpoint's: the variant, or the variant and an inference component
        "window_start": UTC_TIME,
        "day": pl.Date(),
        "files": pl.Int64(),
        "bytes": pl.Int64(),
        "contents": pl.String(),  # SHA-256 of the files' names, sizes and ETags: an hour is read again when it differs
        "requests": pl.Int64(),  # captured
        "sampling_percent": pl.Float64(),  # share of the requests that is captured; null: unknown
        "estimated_requests": pl.Float64(),  # derived: captured by share; null: unknown
        "records": pl.Int64(),  # of the inputs; a request may hold many
        "answers": pl.Int64(),  # of the outputs
        "poison_lines": pl.Int64(),  # lines of which nothing could be read
        "left_out": pl.Int64(),  # records that were left out of lines that could be read
        "token_answers": pl.Int64(),  # captured answers, of files that may state tokens
        "token_told": pl.Int64(),
        "tokens": pl.Int64(),
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "folder", "window_start"),
    partition=("day",),
)

CAPTURE_REJECTS = Table(
    "capture_rejects",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "folder": pl.String(),
        "window_start": UTC_TIME,
        "day": pl.Date(),
        "file": pl.String(),  # s3:// address: what it holds stays there, it may be personal
        "line": pl.Int64(),  # from 1
        "record": pl.Int64(),  # from 0; null: the whole line
        "side": pl.String(),  # input or output
        "why": pl.String(),
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "folder", "file", "line", "record", "side"),
    partition=("day",),
)
