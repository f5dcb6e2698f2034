"""What models are asked, as profiles: which values did each feature have on each day?

In: capture files (JSON lines in S3) of endpoints whose configuration captures input, in hours that are over. Out:
`feature_profiles` of role capture, one per endpoint, variant, feature and day. A day that got new hours is made again
as a whole, today included: its window then ends with the last hour that is over. Features are named by their order in
the baseline's ``statistics.json``; where there is no baseline, by their position. A line that is not a capture record,
or a record that does not have as many values as the baseline has features, is left out and counted. Formats:
monitoring-facts 2.6 and 2.7.
"""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.feature_profile import categorical_profile, known_sketches, numeric_profile
from sagekeeper.collector.monitor_files import observed, parted, read_json, schedules
from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.aws import explain
from sagekeeper.core.clock import day_start
from sagekeeper.core.lake import Scope, days_between
from sagekeeper.core.tables import FEATURE_PROFILES

LATE = timedelta(hours=2)
"""Captures are delivered some minutes after they were made: hours this young are read again."""
MISSING = ("", "nan", "null", "none", "na")
NUMERIC_SHARE = 0.95
"""Without a baseline a feature is numeric when this share of its values is a number."""
RECORD = {
    "captureData": "STRUCT(endpointInput STRUCT(data VARCHAR, encoding VARCHAR, observedContentType VARCHAR))",
    "eventMetadata": "STRUCT(inferenceTime VARCHAR)",
}


@dataclass(frozen=True)
class Captured:
    """A variant whose input is captured, and the (name, is numeric) of its features; None without a baseline."""

    endpoint: str
    variant: str
    folder: str
    since: datetime
    features: tuple[tuple[str, bool], ...] | None


def collect(task: Task) -> int:
    """Profile the days that got new hours."""
    end = task.as_of.replace(minute=0, second=0, microsecond=0)
    upto = task.read_upto()
    first = task.as_of.date() - timedelta(days=task.settings.collect.capture_days)
    if upto is not None:
        first = max(first, (upto - LATE).date())
    with aws_errors(f"Data capture in {task.account.id} {task.region}"):
        captured = _captured(task)
        rows = [
            row
            for number, source in enumerate(captured)
            for day in days_between(max(first, source.since.date()), task.as_of.date())
            for row in _day(task, source, day, end, number / len(captured))
        ]
    made = pl.DataFrame(rows, schema=FEATURE_PROFILES.columns)
    place = {"account": task.account.id, "region": task.region, "role": "capture"}
    before = (
        task.lake.scan(FEATURE_PROFILES)
        .filter(
            pl.col("day").is_between(first, task.as_of.date()),
            *(pl.col(column) == value for column, value in place.items()),
        )
        .collect()
    )
    # A day whose files have expired since, or whose endpoint is gone, keeps what was read.
    kept = before.join(made, on=["endpoint", "variant", "day"], how="anti")
    task.replace(
        FEATURE_PROFILES,
        pl.concat([kept, known_sketches(made, before)]),
        Scope(place, "day", first, task.as_of.date()),
    )
    task.has_read_upto(end)
    return made.height


def _captured(task: Task) -> list[Captured]:
    """Variants that capture their input into a bucket that may be read."""
    baselines = {
        schedule.endpoint: schedule.statistics_uri
        for schedule in schedules(task)
        if schedule.monitors == "DataQuality" and schedule.statistics_uri
    }
    found: list[Captured] = []
    for row in observed(task, "endpoint"):
        config = json.loads(row["config"]).get("EndpointConfig") or {}
        wish = config.get("DataCaptureConfig") or {}
        modes = {option.get("CaptureMode") for option in wish.get("CaptureOptions", [])}
        if not wish.get("EnableCapture") or not modes & {"Input", "InputAndOutput"}:
            continue
        folder = wish["DestinationS3Uri"].rstrip("/")
        allowed = task.settings.collect.capture_buckets
        if allowed and parted(folder)[0] not in allowed:
            task.note(f"Captures of {row['name']} are in bucket {parted(folder)[0]}, which the settings do not name.")
            continue
        uri = baselines.get(row["name"])
        features = _features(read_json(task, uri) if uri else None)
        found += [
            Captured(row["name"], variant["VariantName"], folder, row["created_at"], features)
            for variant in config.get("ProductionVariants", [])
        ]
    return found


def _features(statistics: dict[str, Any] | None) -> tuple[tuple[str, bool], ...] | None:
    if statistics is None or not statistics.get("features"):
        return None
    return tuple((item["name"], "numerical_statistics" in item) for item in statistics["features"])


def _day(task: Task, source: Captured, day: date, end: datetime, share: float) -> list[dict[str, Any]]:
    task.progress(f"{source.endpoint} {day}", share)
    begin, stop = day_start(day), min(day_start(day) + timedelta(days=1), end)
    with tempfile.TemporaryDirectory(prefix="sagekeeper-capture-") as folder:
        files = _download(task, source, day, stop, Path(folder))
        records = _records(files) if files else pl.DataFrame()
    if records.is_empty():
        return []
    values, poison = _values(records, source)
    if poison:
        task.note(f"{poison} capture lines of {source.endpoint} on {day} cannot be read and were left out.")
    return [
        profile
        | {
            "account": task.account.id,
            "region": task.region,
            "endpoint": source.endpoint,
            "variant": source.variant,
            "feature": name,
            "role": "capture",
            "window_start": begin,
            "window_end": stop,
            "day": day,
            "observed_at": task.as_of,
        }
        for name, profile in _profiles(values, source)
    ]


def _download(task: Task, source: Captured, day: date, stop: datetime, folder: Path) -> list[Path]:
    """Capture files of the hours of ``day`` before ``stop``, in the order of their names."""
    bucket, prefix = parted(source.folder)
    client = task.client("s3")
    under = f"{prefix}/{source.endpoint}/{source.variant}/{day:%Y/%m/%d}/".lstrip("/")
    keys: list[str] = []
    try:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=under):
            keys += [item["Key"] for item in page.get("Contents", []) if item["Key"].endswith(".jsonl")]
    except ClientError as error:
        task.note(f"Captures in s3://{bucket}/{prefix} were not read: {explain(error)}.")
        return []
    over = [key for key in sorted(keys) if _hour_of(key, under, day) < stop]
    paths = [folder / f"{number:06d}.jsonl" for number in range(len(over))]

    def fetch(key: str, path: Path) -> None:
        path.write_bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())

    with ThreadPoolExecutor(task.settings.aws.max_workers) as pool:
        list(pool.map(fetch, over, paths))
    return paths


def _hour_of(key: str, under: str, day: date) -> datetime:
    return day_start(day) + timedelta(hours=int(key.removeprefix(under).split("/", 1)[0]))


def _records(files: list[Path]) -> pl.DataFrame:
    """[data, encoding, content] of every line; all null where the line is not a capture record."""
    with duckdb.connect() as connection:
        lines = connection.read_json(
            [str(path) for path in files], format="newline_delimited", ignore_errors=True, columns=RECORD
        )
        return lines.project(
            "captureData.endpointInput.data AS data, captureData.endpointInput.encoding AS encoding, "
            "captureData.endpointInput.observedContentType AS content"
        ).pl()


def _values(records: pl.DataFrame, source: Captured) -> tuple[pl.DataFrame, int]:
    """One text column per feature, and how many lines were left out."""
    data = pl.col("data")
    plain = pl.when(pl.col("encoding") == "BASE64").then(_from_base64(data)).otherwise(data)
    lines = (
        records.select(plain.str.strip_chars().str.split("\n").alias("line"))
        .explode("line")
        .select(pl.col("line").str.strip_chars())
    )
    readable = lines.drop_nulls()
    poison = lines.height - readable.height
    names = [name for name, _ in source.features] if source.features else None
    as_object = readable.filter(pl.col("line").str.starts_with("{") & ~pl.col("line").str.contains('"features"'))
    as_list = readable.filter(~pl.col("line").str.starts_with("{") | pl.col("line").str.contains('"features"'))
    parts = as_list.select(
        pl.col("line")
        .str.replace(r"^\{.*\"features\"\s*:\s*\[(.*?)\].*$", "$1")
        .str.strip_chars("[] ")
        .str.split(",")
        .alias("parts")
    )
    if names is None:
        widths = parts["parts"].list.len()
        usual = widths.mode().sort() if len(widths) else widths
        names = [f"column_{number}" for number in range(int(usual[0]) if len(usual) else 0)]
    fitting = parts.filter(pl.col("parts").list.len() == len(names))
    poison += parts.height - fitting.height
    from_lists = fitting.select(
        pl.col("parts").list.get(number).str.strip_chars(' "').alias(name) for number, name in enumerate(names)
    )
    from_objects = as_object.select(pl.col("line").str.json_path_match(f'$["{name}"]').alias(name) for name in names)
    if not from_objects.is_empty():
        unlike = from_objects.select(pl.all_horizontal(pl.all().is_null()).alias("unlike"))["unlike"]
        poison += int(unlike.sum())
        from_objects = from_objects.filter(~unlike)
    return pl.concat([from_lists, from_objects.select(from_lists.columns)]), poison


def _from_base64(data: pl.Expr) -> pl.Expr:
    """Text of what was captured under a content type that the configuration does not list; null if it is not text."""
    return data.str.decode("base64", strict=False).cast(pl.String, strict=False)


def _profiles(values: pl.DataFrame, source: Captured) -> list[tuple[str, dict[str, Any]]]:
    if values.is_empty():
        return []
    numeric = dict(source.features or ())
    found = []
    for name in values.columns:
        column = values[name]
        words = values.select(
            pl.when(pl.col(name).str.to_lowercase().is_in(MISSING)).then(None).otherwise(pl.col(name)).alias(name)
        )[name]
        numbers = words.cast(pl.Float64, strict=False)
        is_number = numeric.get(name, numbers.count() >= NUMERIC_SHARE * max(words.count(), 1))
        profile = numeric_profile(numbers) if is_number else categorical_profile(words.rename("value"))
        found.append((column.name, profile))
    return found


DATA_CAPTURE = Source(
    name="data_capture",
    description="what endpoints are asked, profiled by feature and day",
    per="account_region",
    permissions=("s3:ListBucket", "s3:GetObject", "sagemaker:DescribeDataQualityJobDefinition"),
    collect=collect,
)
