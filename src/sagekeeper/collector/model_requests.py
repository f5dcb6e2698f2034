"""Which model of a multi-model endpoint is asked, and how often, from what the endpoint captured.

In: the capture files of endpoints whose model is in MultiModel mode, in hours that are over. Out: `model_requests` rows, one per
endpoint, variant, day and model; requests that do not name their model are the row without a name. CloudWatch has no figures per
model (aws-facts 1.1) and no field of a capture is documented to hold TargetModel (monitoring-facts 2.6): what a caller passes as
custom attributes is captured, so a caller who sends ``TargetModel=<model>`` there is counted. `eventMetadata.targetModel` is
read too, should it be there. A sample of requests is as good as all of them: only shares are used.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb
import polars as pl

from sagekeeper.collector.data_capture import FETCHERS, LATE
from sagekeeper.collector.objects import fetch, listed, split_uri
from sagekeeper.collector.observed import observed
from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.clock import day_start
from sagekeeper.core.lake import Scope, days_between
from sagekeeper.core.tables import MODEL_REQUESTS

LONGEST_LINE = 64 << 20
_COUNTS = f"""
WITH lines AS (
    SELECT CASE WHEN json_valid(line) THEN line END AS line
    FROM read_csv($files, columns={{'line': 'VARCHAR'}}, auto_detect=false, header=false, delim='\x01', quote='', escape='',
                  strict_mode=false, ignore_errors=true, nullstr='\x02',
                  max_line_size={LONGEST_LINE}, buffer_size={2 * LONGEST_LINE})
), told AS (
    SELECT json_extract_string(line, '$.eventMetadata.targetModel') AS field,
           json_extract_string(line, '$.eventMetadata.customAttributes') AS attributes
    FROM lines WHERE line IS NOT NULL
)
SELECT coalesce(field, regexp_extract(attributes, $form, 1), '') AS model, count(*) AS requests FROM told GROUP BY model
"""  # noqa: S608 (two numbers of ours)


class Captured(NamedTuple):
    """A multi-model variant that records its requests."""

    endpoint: str
    variant: str
    bucket: str
    folder: str
    since: date


def collect(task: Task) -> int:
    """Add the hours that are new."""
    end = (task.as_of - LATE).replace(minute=0, second=0, microsecond=0)
    upto = task.read_upto()
    first = (task.as_of - timedelta(days=task.settings.collect.capture_days)).date() if upto is None else upto.date()
    rows = 0
    with aws_errors(f"Captures of multi-model endpoints in {task.account.id} {task.region}"):
        for source in _captured(task):
            for day in days_between(max(first, source.since), end.date()):
                task.progress(f"{source.endpoint} {day}", 0.0)
                rows += _day(task, source, day, end)
    task.has_read_upto(end)
    return rows


def _captured(task: Task) -> list[Captured]:
    found = []
    for row in observed(task, "endpoint"):
        document = json.loads(row["config"])
        config = document.get("EndpointConfig") or {}
        wish = config.get("DataCaptureConfig") or document.get("DataCaptureConfig") or {}
        if not wish.get("EnableCapture") or not wish.get("DestinationS3Uri"):
            continue
        bucket, prefix = split_uri(wish["DestinationS3Uri"])
        if task.settings.collect.capture_buckets and bucket not in task.settings.collect.capture_buckets:
            continue  # said already by the source that profiles captures
        many = {name for name, model in (document.get("Models") or {}).items() if _is_multi(model)}
        for variant in config.get("ProductionVariants", []):
            if variant.get("ModelName") in many:
                name = variant["VariantName"]
                folder = "/".join(part for part in (prefix, row["name"], name) if part)
                found.append(Captured(row["name"], name, bucket, folder, row["created_at"].date()))
    return found


def _is_multi(model: dict[str, Any]) -> bool:
    containers = [model.get("PrimaryContainer") or {}, *(model.get("Containers") or [])]
    return any(container.get("Mode") == "MultiModel" for container in containers)


def _day(task: Task, source: Captured, day: date, end: datetime) -> int:
    """Count the hours of a day that are over and were not counted before. Returns the rows of the day that changed."""
    place = {"account": task.account.id, "region": task.region, "endpoint": source.endpoint, "variant": source.variant}
    scope: dict[str, str | date] = {**place, "day": day}
    here = pl.all_horizontal(pl.col(column) == value for column, value in scope.items())
    before = task.lake.scan(MODEL_REQUESTS).filter(here).collect()
    counted: Counter[str] = Counter(dict(before.select("model", "requests").iter_rows()))
    start = before["upto"][0].astimezone(UTC) if before.height else day_start(day)
    stop = min(day_start(day) + timedelta(days=1), end)
    if start >= stop:
        return 0
    new = _counts(task, source, day, start, stop)
    if not new:
        return 0
    rows = [
        place | {"day": day, "model": model, "requests": requests, "upto": stop, "observed_at": task.as_of}
        for model, requests in sorted((counted + new).items())
    ]
    task.replace(MODEL_REQUESTS, pl.DataFrame(rows, schema=MODEL_REQUESTS.columns), Scope(scope))
    return len(rows)


def _counts(task: Task, source: Captured, day: date, start: datetime, stop: datetime) -> Counter[str]:
    client, under = task.client("s3"), f"{source.folder}/{day:%Y/%m/%d}/"
    hours = {f"{hour:02}" for hour in range(24) if start <= day_start(day) + timedelta(hours=hour) < stop}
    wanted = [
        item
        for item in listed(client, source.bucket, under)
        if item.key.endswith(".jsonl") and item.key.removeprefix(under).partition("/")[0] in hours
    ]
    if not wanted:
        return Counter()
    attribute = task.settings.collect.capture_model_attribute
    form = rf'(?:^|[\[",;\s]){attribute}=([^",;\]\s]+)'
    with TemporaryDirectory(prefix="sagekeeper-models-") as folder, ThreadPoolExecutor(FETCHERS) as pool:
        paths = [Path(folder) / f"{number:06}.jsonl" for number in range(len(wanted))]
        files = list(pool.map(lambda pair: fetch(client, *pair), zip(wanted, paths, strict=True)))
        with duckdb.connect() as reader:
            found = reader.execute(_COUNTS, {"files": [str(file) for file in files], "form": form}).fetchall()
    return Counter({str(model): int(requests) for model, requests in found})


MODEL_REQUESTS_SOURCE = Source(
    name="model_requests",
    description="how often each model of multi-model endpoints is asked, from their captures",
    per="account_region",
    permissions=("s3:ListBucket", "s3:GetObject"),
    collect=collect,
)
