"""What models are asked, as profiles: which values did each feature have on each day?

In: the capture files of endpoints that record their requests, in hours that are over. Out: `feature_profiles` rows
with the role capture, one per endpoint, variant, feature and day. A row's window ends with the last hour that it
holds: later runs read only the hours after it and add them (profiles can be added up), so a request is read once and
a repeated run changes nothing. Memory is bounded by `CHUNK_BYTES` of files. What cannot be read is counted and told,
and never stops the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.collector.capture_payloads import Records, records
from sagekeeper.collector.capture_tokens import DayTokens, TokenUse, token_use
from sagekeeper.collector.monitor_schedules import baseline, schedules
from sagekeeper.collector.monitor_statistics import feature_names, profiles
from sagekeeper.collector.objects import Stored, fetch, listed, split_uri
from sagekeeper.collector.observed import observed
from sagekeeper.collector.profile import profile_of, type_of
from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.clock import day_start
from sagekeeper.core.feature_profile import FeatureType, Profile, columns, merge, of_row
from sagekeeper.core.lake import Scope, days_between
from sagekeeper.core.tables import FEATURE_PROFILES

LATE = timedelta(minutes=20)
"""An hour is read once it has been over for so long: capture files are uploaded with some delay."""
CHUNK_BYTES = 64 << 20
FETCHERS = 8


@dataclass(frozen=True)
class Captured:
    """A variant whose requests are recorded. ``names`` and ``types``: its features by the baseline; empty without one."""

    endpoint: str
    variant: str
    bucket: str
    folder: str
    since: date
    names: tuple[str, ...]
    types: dict[str, FeatureType]
    sampling: float | None


@dataclass
class Day:
    """A day of a variant: what is there so far and until when."""

    upto: datetime
    profiles: dict[str, Profile]
    records: int = 0
    poison: int = 0
    odd: int = 0
    tokens: TokenUse = field(default_factory=TokenUse)


def collect(task: Task) -> int:
    """Add the hours that are new."""
    end = (task.as_of - LATE).replace(minute=0, second=0, microsecond=0)
    upto = task.read_upto()
    first = (task.as_of - timedelta(days=task.settings.collect.capture_days)).date() if upto is None else upto.date()
    with aws_errors(f"Data capture in {task.account.id} {task.region}"):
        captured = _captured(task)
        rows = sum(_variant(task, source, first, end, number / len(captured)) for number, source in enumerate(captured))
    task.has_read_upto(end)
    return rows


def _captured(task: Task) -> list[Captured]:
    """Variants that record requests into a bucket that may be read."""
    known = {schedule.endpoint: schedule for schedule in schedules(task) if schedule.kind == "DataQuality"}
    found: list[Captured] = []
    for row in observed(task, "endpoint"):
        document = json.loads(row["config"])
        wish = (
            (document.get("EndpointConfig") or {}).get("DataCaptureConfig") or document.get("DataCaptureConfig") or {}
        )
        if not wish.get("EnableCapture") or not wish.get("DestinationS3Uri"):
            continue
        bucket, prefix = split_uri(wish["DestinationS3Uri"])
        allowed = task.settings.collect.capture_buckets
        if allowed and bucket not in allowed:
            task.note(f"Captures of {row['name']} are in bucket {bucket}, which the settings do not name: not read.")
            continue
        schedule = known.get(row["name"])
        statistics = (baseline(task, schedule) if schedule else None) or {}
        types: dict[str, FeatureType] = {item["feature"]: item["type"] for item in profiles(statistics)[0]}
        for variant in document.get("ProductionVariants", []):
            folder = "/".join(part for part in (prefix, row["name"], variant["VariantName"]) if part)
            since = row["created_at"].date()
            found.append(
                Captured(
                    row["name"],
                    variant["VariantName"],
                    bucket,
                    folder,
                    since,
                    tuple(feature_names(statistics)),
                    types,
                    wish.get("InitialSamplingPercentage") or wish.get("CurrentSamplingPercentage"),
                )
            )
    return found


def _variant(task: Task, source: Captured, first: date, end: datetime, share: float) -> int:
    """All days of one variant, written at once. Returns the rows that changed."""
    first, last = max(first, source.since), end.date()
    if first > last:
        return 0
    variant = {
        "account": task.account.id,
        "region": task.region,
        "endpoint": source.endpoint,
        "variant": source.variant,
    }
    place = variant | {"role": "capture"}
    tokens = DayTokens(task, variant, first, last)
    here = pl.all_horizontal(pl.col(column) == value for column, value in place.items())
    before = task.lake.scan(FEATURE_PROFILES).filter(here & pl.col("day").is_between(first, last)).collect()
    changed: list[dict[str, Any]] = []
    for day in days_between(first, last):
        task.progress(f"{source.endpoint} {day}", share)
        so_far = _so_far(before.filter(pl.col("day") == day), day)
        # A day that is read from its start again is counted from its start again.
        so_far.tokens = tokens.known(day) if so_far.records else TokenUse()
        stop = min(day_start(day) + timedelta(days=1), end)
        there = so_far.upto < stop and _read(task, source, so_far, day, stop)
        tokens.put(day, so_far.tokens)
        if there:
            changed += [
                columns(profile)
                | place
                | {
                    "feature": feature,
                    "sampling_percent": source.sampling,
                    "window_start": day_start(day),
                    "window_end": stop,
                    "day": day,
                    "observed_at": task.as_of,
                }
                for feature, profile in sorted(so_far.profiles.items())
            ]
    tokens.keep()
    if changed:
        made = pl.DataFrame(changed, schema=FEATURE_PROFILES.columns)
        rows = pl.concat([before.join(made, on="day", how="anti"), made])
        task.replace(FEATURE_PROFILES, rows, Scope(place, "day", first, last))
    return len(changed)


def _so_far(rows: pl.DataFrame, day: date) -> Day:
    if rows.is_empty():
        return Day(day_start(day), {})
    known = {row["feature"]: of_row(row) for row in rows.iter_rows(named=True)}
    return Day(rows["window_end"][0].astimezone(UTC), known, rows["records"][0])


def _read(task: Task, source: Captured, so_far: Day, day: date, stop: datetime) -> bool:
    """Add the hours from ``so_far.upto`` to ``stop``. Returns whether there was any record."""
    client = task.client("s3")
    under = f"{source.folder}/{day:%Y/%m/%d}/"
    there = listed(client, source.bucket, under)
    wanted = (item for item in there if item.key.endswith(".jsonl") and so_far.upto <= _hour(item, under, day) < stop)
    before = so_far.records
    for chunk in _chunks(wanted):
        with TemporaryDirectory(prefix="sagekeeper-capture-") as folder, ThreadPoolExecutor(FETCHERS) as pool:
            paths = [Path(folder) / f"{number:06}.jsonl" for number in range(len(chunk))]
            files = list(pool.map(lambda pair: fetch(client, *pair), zip(chunk, paths, strict=True)))
            so_far.tokens += token_use(files)
            lines = read_lines([(item.key, path.read_bytes()) for item, path in zip(chunk, files, strict=True)])
            _add(source, so_far, records(lines, "input", source.names))
    if so_far.poison:
        task.note(f"{so_far.poison} capture lines of {source.endpoint} on {day} cannot be read and were left out.")
    if so_far.odd:
        task.note(
            f"{so_far.odd} records of {source.endpoint} on {day} have another number of values than the others "
            "and were left out."
        )
    return so_far.records > before


def _hour(item: Stored, under: str, day: date) -> datetime:
    """The hour in the path; one that is no hour is before every window, and so never read."""
    hour = item.key.removeprefix(under).split("/", 1)[0]
    return day_start(day) + timedelta(hours=int(hour) if hour.isdecimal() else -1)


def _chunks(items: Iterable[Stored]) -> Iterator[Sequence[Stored]]:
    chunk: list[Stored] = []
    size = 0
    for item in items:
        if chunk and size + item.size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += item.size
    if chunk:
        yield chunk


def _add(source: Captured, so_far: Day, read: Records) -> None:
    so_far.poison += read.poison
    so_far.odd += read.odd
    count = read.keys.height
    for feature in read.values.select(pl.selectors.string()).columns:
        values = read.values[feature]
        if feature not in so_far.profiles:
            # Records before the first that has this feature did not have it.
            kind = source.types.get(feature) or type_of(values)
            so_far.profiles[feature] = Profile(kind, so_far.records, so_far.records)
        before = so_far.profiles[feature]
        so_far.profiles[feature] = merge([before, profile_of(values, before.type)])
    for feature, before in so_far.profiles.items():
        if feature not in read.values.columns:
            so_far.profiles[feature] = merge([before, Profile(before.type, count, count)])
    so_far.records += count


DATA_CAPTURE = Source(
    name="data_capture",
    description="what endpoints are asked, profiled by feature and day",
    per="account_region",
    permissions=("s3:ListBucket", "s3:GetObject", "sagemaker:DescribeDataQualityJobDefinition"),
    collect=collect,
)
