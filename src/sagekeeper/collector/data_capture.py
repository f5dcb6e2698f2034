"""What models are asked and what they answer, as profiles by hour: which values did each feature have?

In: the capture files of endpoints that record their requests, in hours that are over. Out: `feature_hours`, their days in
`feature_profiles`, `capture_hours` (how much was captured, of how much), `capture_rejects` (what could not be read, where, why)
and `token_use`.

What the lake says of an hour is a function of the files of that hour. `capture_hours` keeps which files those were and is
written last: an hour whose files are others now, because some came late or because a run ended between its writes, is read
again and replaced as a whole, and an hour whose files are the same is not. So every request counts once, however often and
wherever a run stops. Files that a bucket's lifecycle has removed since take nothing back. Memory is bounded by
`CHUNK_BYTES` of files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

import polars as pl
from botocore.exceptions import BotoCoreError, ClientError

from sagekeeper.collector.capture_hours import Chunk, profiled, together
from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.collector.capture_places import Captured, captured
from sagekeeper.collector.capture_shelves import Shelves
from sagekeeper.collector.capture_tokens import TOKEN_COUNTS, token_use
from sagekeeper.collector.objects import Stored, contents, listed
from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.aws import explain
from sagekeeper.core.clock import day_start
from sagekeeper.core.lake import Scope, days_between
from sagekeeper.core.tables import FEATURE_HOURS

LATE = timedelta(minutes=20)
"""An hour is read once it has been over for so long: capture files are uploaded with some delay."""
CHUNK_BYTES = 64 << 20
FETCHERS = 8
HOUR = timedelta(hours=1)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Hour:
    """An hour that is to be read, with all its files."""

    start: datetime
    files: tuple[Stored, ...]

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(item.size for item in self.files)

    @property
    def contents(self) -> str:
        """Changes with any of its files."""
        told = "\n".join(f"{item.key} {item.size} {item.etag}" for item in self.files)
        return hashlib.sha256(told.encode()).hexdigest()


def collect(task: Task) -> int:
    """Read the hours that are new or have changed. Returns the profiles that were written."""
    end = (task.as_of - LATE).replace(minute=0, second=0, microsecond=0)
    refused: list[str] = []
    with aws_errors(f"Data capture in {task.account.id} {task.region}"):
        places = list(captured(task, refused))
    read = 0
    for number, source in enumerate(places):
        try:
            read += _place(task, source, end, number / len(places))
        except (ClientError, BotoCoreError) as error:
            where = f"{source.bucket}/{source.prefix}"
            refused.append(f"Captures of {source.endpoint} in {where} were not read: {explain(error)}.")
    _forget(task)
    for sentence in refused:
        task.note(sentence)
    if not refused:
        task.has_read_upto(end)  # else all is looked through again next time: what was read is known by its files
    return read


def _first(task: Task, source: Captured, shelves: Shelves) -> date:
    """From when on files are looked for: all that is wanted of a place that was never read, else what may have come late."""
    upto = task.read_upto()
    back = task.as_of - timedelta(days=task.settings.collect.capture_days)
    if upto is not None and not shelves.is_empty:
        back = max(back, upto - timedelta(hours=task.settings.collect.capture_late_hours))
    return max(back.date(), source.since)


def _forget(task: Task) -> None:
    """Hours whose days are enough by now."""
    here = {"account": task.account.id, "region": task.region}
    last = task.as_of.date() - timedelta(days=task.settings.collect.capture_keep_days)
    task.replace(FEATURE_HOURS, FEATURE_HOURS.empty(), Scope(here, "day", date.min, last))


def _place(task: Task, source: Captured, end: datetime, share: float) -> int:
    shelves = Shelves(task, source)
    first = _first(task, source, shelves)
    if first > end.date():
        return 0
    hours = [
        hour for hour in _hours(task, source, first, end) if not shelves.has(hour.start, hour.contents, len(hour.files))
    ]
    rows = 0
    for batch in _loads(hours, lambda hour: hour.bytes):
        task.progress(f"{source.endpoint} {batch[0].start:%Y-%m-%d}", share)
        rows += _read(task, source, shelves, batch)
    return rows


def _hours(task: Task, source: Captured, first: date, end: datetime) -> Iterator[Hour]:
    client = task.client("s3")
    for day in days_between(first, end.date()):
        under = f"{source.prefix}/{day:%Y/%m/%d}/"
        there = (item for item in listed(client, source.bucket, under) if item.key.endswith(".jsonl") and item.size)
        for name, files in groupby(there, key=lambda item, under=under: item.key.removeprefix(under).split("/", 1)[0]):  # type: ignore[misc]
            start = day_start(day) + timedelta(hours=int(name)) if name.isdecimal() and int(name) < 24 else None
            if start is not None and start + HOUR <= end:
                yield Hour(start, tuple(files))


def _loads(items: Iterable[Item], size: Callable[[Item], int]) -> Iterator[Sequence[Item]]:
    """Items that are read together: as many as `CHUNK_BYTES` hold, or one that is larger."""
    load: list[Item] = []
    held = 0
    for item in items:
        if load and held + size(item) > CHUNK_BYTES:
            yield load
            load, held = [], 0
        load.append(item)
        held += size(item)
    if load:
        yield load


def _read(task: Task, source: Captured, shelves: Shelves, batch: Sequence[Hour]) -> int:
    known = shelves.types(batch[0].start)
    schema = replace(source.schema, types={**known, **source.schema.types})
    start_of = {item.key: hour.start for hour in batch for item in hour.files}
    client = task.client("s3")
    chunks: list[Chunk] = []
    counts: list[pl.DataFrame] = []
    for files in _loads((item for hour in batch for item in hour.files), lambda item: item.size):
        with ThreadPoolExecutor(FETCHERS) as pool:
            texts = list(pool.map(lambda item: contents(client, item), files))
        lines = read_lines([(item.key, text) for item, text in zip(files, texts, strict=True)])
        hours = pl.DataFrame(
            [{"file": item.key, "variant": source.folder, "window_start": start_of[item.key]} for item in files],
            schema={"file": pl.String, "variant": pl.String, "window_start": pl.Datetime("us", "UTC")},
        )
        chunks.append(profiled(lines, hours, schema))
        sound = lines.group_by("file").agg(requests=pl.col("why").is_null().sum().cast(pl.Int64))
        counts.append(hours.join(sound, on="file", how="left").join(token_use(lines), on="file", how="left"))
    whole = together(chunks, known)
    by_hour = pl.concat(counts).group_by("window_start").agg(pl.col("requests", *TOKEN_COUNTS).sum())
    _tell(task, source, whole, start_of)
    shelves.put(
        whole,
        by_hour,
        pl.DataFrame([_row(hour) for hour in batch], schema_overrides={"window_start": pl.Datetime("us", "UTC")}),
        pl.DataFrame({"file": list(start_of), "window_start": list(start_of.values())}).cast(
            {"window_start": pl.Datetime("us", "UTC")}
        ),
    )
    return whole.rows.height


def _row(hour: Hour) -> dict[str, Any]:
    return {"window_start": hour.start, "files": len(hour.files), "bytes": hour.bytes, "contents": hour.contents}


def _tell(task: Task, source: Captured, read: Chunk, start_of: dict[str, datetime]) -> None:
    days = read.rejected.with_columns(
        day=pl.col("file").replace_strict(start_of, return_dtype=pl.Datetime("us", "UTC")).dt.date()
    )
    counted = days.group_by("day").agg(
        poison=pl.col("record").is_null().sum(),
        odd=pl.col("record").is_not_null().sum(),
        why=pl.col("why").mode().first(),
    )
    for day, poison, odd, why in counted.sort("day").iter_rows():
        if poison:
            task.note(
                f"{poison} capture lines of {source.endpoint} on {day} cannot be read and were left out (mostly: {why})."
            )
        if odd:
            task.note(
                f"{odd} records of {source.endpoint} on {day} were left out of lines that can be read (mostly: {why})."
            )


DATA_CAPTURE = Source(
    name="data_capture",
    description="what endpoints are asked and answer, profiled by feature and hour",
    per="account_region",
    permissions=("s3:ListBucket", "s3:GetObject", "sagemaker:DescribeDataQualityJobDefinition"),
    collect=collect,
)
