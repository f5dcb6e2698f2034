"""What a monitoring run is given: captured requests of a window, as columns, joined with ground truth where it needs it.

In: capture files under ``{destination}/{endpoint}/{variant}/yyyy/mm/dd/hh/`` and ground truth under
``{prefix}/yyyy/mm/dd/hh/`` (monitoring-facts 2.6 and 2.7). Out: feature columns, predictions, labels. The join is on
inferenceId where there is one, else on eventId.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from moto.s3.models import s3_backends

from sagekeeper.simulator.world import Standing

HOUR_FOLDER = re.compile(r"/(\d{4})/(\d{2})/(\d{2})/(\d{2})/[^/]+$")
OFFSET = re.compile(r"-P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")
Columns = dict[str, np.ndarray]


class Captured(NamedTuple):
    """One row of one request: what went in, by name or position, what came out, and its identity."""

    identity: str
    features: dict[str, str]
    output: Any
    line: dict[str, Any]


class NoData(Exception):
    """The run's inputs are empty."""


def captured(here: Standing, endpoint: str, given: dict[str, Any], window: tuple[datetime, datetime]) -> list[Captured]:
    """Rows that the endpoint captured in the window, in the order of their files."""
    found: list[Captured] = []
    for line in _capture_lines(here, endpoint, window):
        about, data = line["eventMetadata"], line["captureData"]
        identity = about.get("inferenceId") or about["eventId"]
        rows = _rows(data.get("endpointInput"), given.get("FeaturesAttribute"))
        outputs = _outputs(data.get("endpointOutput"), len(rows))
        found += [Captured(identity, row, output, line) for row, output in zip(rows, outputs, strict=True)]
    return found


def batch_captured(here: Standing, given: dict[str, Any], window: tuple[datetime, datetime]) -> list[Captured]:
    """Rows that batch transform jobs were given in the window: their captures are manifests of the files that they read."""
    where, form = f"{given['DataCapturedDestinationS3Uri'].rstrip('/')}/input", given.get("DatasetFormat", {})
    rows: list[dict[str, str]] = []
    for text in _texts(here, where, window):
        for part in _manifested(here, text):
            lines = [line for line in part.splitlines() if line.strip()]
            if "Json" in form:
                rows += [_flat(json.loads(line)) for line in lines]
            elif form.get("Csv", {}).get("Header"):
                names = lines[0].split(",")
                rows += [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
            else:
                rows += [{f"_c{number}": value for number, value in enumerate(line.split(","))} for line in lines]
    return [Captured(str(number), row, None, {}) for number, row in enumerate(rows)]


def _manifested(here: Standing, text: str) -> list[str]:
    """The files that a manifest names, as text; what is no manifest is the data itself."""
    try:
        found = json.loads(text)
    except ValueError:
        return [text]
    if not (isinstance(found, list) and found and isinstance(found[0], dict) and "prefix" in found[0]):
        return [text]
    bucket, _, prefix = found[0]["prefix"].removeprefix("s3://").partition("/")
    backend = s3_backends[here.account]["aws"]
    parts = [backend.get_object(bucket, f"{prefix}{name}") for name in found[1:]]
    return [part.value.decode() for part in parts if part is not None]


def ground_truth(here: Standing, uri: str, window: tuple[datetime, datetime]) -> dict[str, str]:
    """Labels by identity."""
    found: dict[str, str] = {}
    for line in _lines(here, uri, window):
        about = line.get("eventMetadata", {})
        identity = about.get("inferenceId") or about.get("eventId")
        if identity and "groundTruthData" in line:
            found[identity] = str(line["groundTruthData"]["data"]).strip()
    return found


def named(rows: list[Captured], names: list[str]) -> Columns:
    """Feature columns as text, "" where a value is missing; positions are given the names of the baseline."""
    columns: dict[str, list[str]] = {}
    known = list(rows[0].features)
    for position, key in enumerate(known):
        name = names[position] if key.startswith("_c") and position < len(names) else key
        columns[name] = [row.features.get(key, "") for row in rows]
    return {name: np.array(values, dtype=object) for name, values in columns.items()}


def read_json(here: Standing, uri: str | None) -> Any:
    """A document in the account's buckets; None when it is not there."""
    if not uri:
        return None
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    backend = s3_backends[here.account]["aws"]
    if bucket not in backend.buckets:
        return None
    found = backend.get_object(bucket, key)
    try:
        return json.loads(found.value) if found is not None else None
    except ValueError:
        return None


def offset(text: str) -> timedelta:
    """An offset such as -PT1H, -P1D or -P0D."""
    found = OFFSET.fullmatch(text)
    if found is None:
        return timedelta(0)
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(days=-days, hours=-hours, minutes=-minutes)


def _capture_lines(here: Standing, endpoint: str, window: tuple[datetime, datetime]) -> list[dict[str, Any]]:
    life = here.lives.get(endpoint, [None])[-1]
    wish = life.deployed[life.serving(window[1])].config.get("DataCaptureConfig") if life else None
    if not wish:
        return []
    return _lines(here, f"{wish['DestinationS3Uri'].rstrip('/')}/{endpoint}", window)


def _lines(here: Standing, uri: str, window: tuple[datetime, datetime]) -> list[dict[str, Any]]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    buckets = s3_backends[here.account]["aws"].buckets
    if bucket not in buckets:
        # The world captures into its own bucket, whatever bucket the configuration names.
        bucket = f"ml-monitoring-{here.account}-{here.region}"
    found = []
    for text in _texts(here, f"s3://{bucket}/{prefix}", window):
        found += [json.loads(line) for line in text.splitlines() if line.strip()]
    return found


def _texts(here: Standing, uri: str, window: tuple[datetime, datetime]) -> list[str]:
    """Objects below an address, of the hours of a window."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    buckets = s3_backends[here.account]["aws"].buckets
    found = []
    for key in sorted(buckets[bucket].keys if bucket in buckets else ()):
        place = HOUR_FOLDER.search(key)
        if not key.startswith(f"{prefix.rstrip('/')}/") or place is None:
            continue
        hour = datetime(*(int(part) for part in place.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
        if window[0] <= hour < window[1]:
            found.append(buckets[bucket].keys[key].value.decode())
    return found


def _rows(part: dict[str, Any] | None, attribute: str | None) -> list[dict[str, str]]:
    if part is None:
        return []
    if part.get("encoding") == "CSV":
        lines = [line.split(",") for line in part["data"].splitlines() if line]
        return [{f"_c{number}": value for number, value in enumerate(line)} for line in lines]
    found = json.loads(part["data"])
    if attribute:
        found = _at(found, attribute)
    records = found if isinstance(found, list) and found and isinstance(found[0], list | dict) else [found]
    return [_flat(record) for record in records]


def _at(found: Any, path: str) -> Any:
    """What stands at a path such as ``instances[*].features``: the part of JMESPath that definitions use."""
    for step in path.split("."):
        name, _, rest = step.partition("[")
        if isinstance(found, list):
            found = [item.get(name) for item in found]
        elif name:
            found = found.get(name)
        if rest and rest != "*]":
            found = found[int(rest.rstrip("]"))]
    return found


def _flat(record: Any) -> dict[str, str]:
    if isinstance(record, dict):
        return {str(key): "" if value is None else str(value) for key, value in record.items()}
    values = record if isinstance(record, list) else [record]
    return {f"_c{number}": "" if value is None else str(value) for number, value in enumerate(values)}


def _outputs(part: dict[str, Any] | None, count: int) -> list[Any]:
    """One output for each row of the request."""
    if part is None:
        return [None] * count
    if part.get("encoding") == "CSV":
        lines: list[Any] = part["data"].splitlines()
        return (
            lines if len(lines) == count else part["data"].split(",")[:count] if count > 1 else [part["data"]] * count
        )
    found = json.loads(part["data"])
    records = (
        next((value for value in found.values() if isinstance(value, list)), [found])
        if isinstance(found, dict)
        else found
    )
    return list(records) if isinstance(records, list) and len(records) == count else [found] * count
