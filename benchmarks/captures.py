"""Captures of 200,000 requests with 30 features: into typed columns, into profiles, and 10,000 endpoint-hours added up.

Floor: simdjson parses every line and takes four fields out, and where the payload is JSON parses that, too; nothing is kept
(`pip install pysimdjson`; where it is not installed, Python's own parser, which is slower: then the ratios flatter). Seconds are
CPU time of the whole process: what runs on two cores counts twice, and what else the machine does counts nothing.
"""

from __future__ import annotations

import importlib
import json
import tempfile
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from benchmarks.timing import best_of, show
from sagekeeper.collector.capture_hours import HOUR_SKETCH_K, Schema, profiled
from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.collector.capture_payloads import records
from sagekeeper.collector.profile import profiles_of
from sagekeeper.core.feature_profile import columns
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.profile_rows import MEASURED, profiles
from sagekeeper.core.tables import FEATURE_HOURS

REQUESTS, FILES, NUMBERS, CATEGORIES = 200_000, 8, 20, 10
HOURS, FEATURES, RECORDS_AN_HOUR = 10_000, 20, 1_000
POINTERS = (
    "/captureData/endpointInput/data",
    "/captureData/endpointInput/encoding",
    "/captureData/endpointOutput/data",
    "/eventMetadata/eventId",
)
START = datetime(2026, 11, 1, tzinfo=UTC)
_cpu = partial(best_of, clock=time.process_time)


def main() -> None:
    """Run it and print the ratios."""
    for form in ("CSV", "JSON"):
        _parsing(form)
    _merging()


def _parsing(form: str) -> None:
    files = _captures(form)
    texts = b"".join(text for _, text in files).splitlines()
    floor, parse = _floor(form)
    lines = read_lines(files)
    hours = pl.DataFrame({"file": [name for name, _ in files], "variant": "v", "window_start": START})
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files:
            (Path(folder) / name).write_bytes(text)
        seconds = {
            floor: _cpu(lambda: deque(map(parse, texts), maxlen=0)),
            "sagekeeper: lines, every field, poison told": _cpu(lambda: read_lines(files)),
            "duckdb read_ndjson: the same fields": _cpu(lambda: _read_ndjson(folder)),
            f"sagekeeper: lines and {NUMBERS + CATEGORIES} columns": _cpu(
                lambda: records(read_lines(files), "input", ())
            ),
            f"the floor's parser and Python: {NUMBERS + CATEGORIES} columns": _cpu(
                lambda: _columns(parse, texts, form)
            ),
            "sagekeeper: lines, columns and profiles": _cpu(
                lambda: profiled(read_lines(files), hours, Schema()), runs=2
            ),
        }
    assert records(lines, "input", ()).values.shape == (REQUESTS, NUMBERS + CATEGORIES)
    show(
        f"{REQUESTS:,} captured requests in {form}, {sum(len(text) for _, text in files) >> 20} MB (CPU s)",
        seconds,
        floor,
    )


def _merging() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "lake")
        rows = _hours()
        lake.replace(FEATURE_HOURS, rows, Scope())
        end = START + timedelta(hours=int(rows["window_start"].n_unique()))
        started = time.perf_counter()
        found: list[pl.DataFrame] = []
        cpu = _cpu(lambda: found.append(profiles(lake, START, end)), runs=1)
        wall = time.perf_counter() - started
    speed = f"{cpu:.1f} s CPU, {wall:.1f} s ({rows.height / cpu:,.0f} profiles a second)"
    print(f"\n{HOURS:,} endpoint-hours of {FEATURES} features, {RECORDS_AN_HOUR:,} records each, from the lake")
    print(f"  {rows.height:,} profiles added up to {found[0].height:,}: {speed}")


def _floor(form: str) -> tuple[str, Callable[[bytes], Any]]:
    """Its name, and what takes the fields out of a line, and the values out of a payload that is JSON."""
    also = ", line and payload" if form == "JSON" else ", line"
    try:
        module = importlib.import_module("simdjson")
    except ImportError:

        def plainly(text: bytes) -> tuple[Any, ...]:
            fields = _fields(json.loads(text))
            return (*fields, json.loads(fields[0])["instances"][0]["features"]) if form == "JSON" else fields

        return f"floor: Python's json{also}", plainly
    outer, inner = module.Parser(), module.Parser()

    def lazily(text: bytes) -> tuple[Any, ...]:
        document = outer.parse(text)
        fields = tuple(document.at_pointer(pointer) for pointer in POINTERS)
        if form != "JSON":
            return fields
        return (*fields, inner.parse(fields[0].encode()).at_pointer("/instances/0/features").as_list())

    return f"floor: simdjson{also}", lazily


def _fields(document: dict[str, Any]) -> tuple[str, ...]:
    asked, answered = document["captureData"]["endpointInput"], document["captureData"]["endpointOutput"]
    return asked["data"], asked["encoding"], answered["data"], document["eventMetadata"]["eventId"]


def _columns(parse: Callable[[bytes], Any], texts: list[bytes], form: str) -> pl.DataFrame:
    if form == "CSV":
        return pl.DataFrame([parse(text)[0].split(",") for text in texts], orient="row")
    return pl.DataFrame([list(map(str, parse(text)[-1])) for text in texts], orient="row")


def _read_ndjson(folder: str) -> Any:
    side = "STRUCT(observedContentType VARCHAR, data VARCHAR, encoding VARCHAR)"
    about = "STRUCT(eventId VARCHAR, inferenceId VARCHAR, inferenceTime VARCHAR, customAttributes VARCHAR[])"
    kinds = f"{{captureData: 'STRUCT(endpointInput {side}, endpointOutput {side})', eventMetadata: '{about}'}}"
    with duckdb.connect() as reader:
        found = reader.sql(
            f"SELECT unnest(captureData.endpointInput), unnest(captureData.endpointOutput), unnest(eventMetadata) "
            f"FROM read_ndjson('{folder}/*', columns={kinds}, ignore_errors=true)"
        )
        return found.to_arrow_table()


def _captures(form: str) -> list[tuple[str, bytes]]:
    chance = np.random.default_rng(1)
    numbers = chance.normal(100, 20, (REQUESTS, NUMBERS)).round(4).tolist()
    names = chance.integers(0, 50, (REQUESTS, CATEGORIES)).tolist()
    lines = []
    for at, (values, kinds) in enumerate(zip(numbers, names, strict=True)):
        row = [*values, *(f"c{kind}" for kind in kinds)]
        data = ",".join(map(str, row)) if form == "CSV" else json.dumps({"instances": [{"features": row}]})
        content = "text/csv" if form == "CSV" else "application/json"
        sides = {
            "endpointInput": {"observedContentType": content, "mode": "INPUT", "data": data, "encoding": form},
            "endpointOutput": {"observedContentType": "text/csv", "mode": "OUTPUT", "data": "0.5", "encoding": "CSV"},
        }
        about = {"eventId": f"{at:08x}-0000-4000-8000-000000000000", "inferenceTime": "2026-11-01T10:00:00Z"}
        lines.append(
            json.dumps({"captureData": sides, "eventMetadata": about, "eventVersion": "0"}, separators=(",", ":"))
        )
    size = REQUESTS // FILES
    return [
        (f"{file}.jsonl", ("\n".join(lines[file * size : (file + 1) * size]) + "\n").encode()) for file in range(FILES)
    ]


def _hours() -> pl.DataFrame:
    """200 different hours of 20 features, in 50 endpoints."""
    chance = np.random.default_rng(2)
    different = 200
    group = pl.Series(np.repeat(np.arange(different), RECORDS_AN_HOUR), dtype=pl.UInt32)
    made = []
    for feature in range(FEATURES):
        size = different * RECORDS_AN_HOUR
        numeric = feature < FEATURES * 2 // 3
        values = (
            pl.Series(chance.normal(0, 1, size)) if numeric else pl.Series(chance.integers(0, 50, size)).cast(pl.String)
        )
        found = profiles_of(values, group, "numeric" if numeric else "categorical", HOUR_SKETCH_K)
        made += [{"feature": f"f{feature}", "hour": hour} | columns(profile) for hour, profile in found.items()]
    base = pl.DataFrame(made, schema={"feature": pl.String, "hour": pl.Int64, **MEASURED})
    start = pl.lit(START).cast(pl.Datetime("us", "UTC")) + pl.duration(hours="hour")
    around = base.with_columns(
        account=pl.lit("123456789012"),
        region=pl.lit("us-east-1"),
        variant=pl.lit("v"),
        role=pl.lit("capture"),
        sampling_percent=pl.lit(100.0),
        window_start=start,
        window_end=start + pl.duration(hours=1),
        day=start.dt.date(),
        observed_at=start,
    )
    many = pl.DataFrame({"endpoint": [f"e{number}" for number in range(HOURS // different)]})
    return around.join(many, how="cross").select(FEATURE_HOURS.columns.keys())
