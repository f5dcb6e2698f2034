"""The Feature Store's runtime: records put, read and deleted, with the units that each call uses, and the offline store.

A put with an older event time than the record's does not replace it online; the offline store gets every row within 15
minutes, as Parquet under ``year=/month=/day=/hour=``. Reads are kept too: they cost money.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import polars as pl
from moto.s3.models import s3_backends

from sagekeeper.simulator.feature_book import (
    READ_BYTES,
    WRITE_BYTES,
    Asked,
    FeatureBook,
    Late,
    Row,
    lasting,
    size_of,
    units,
)
from sagekeeper.simulator.feature_groups import feature_group
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.things import Thing, token
from sagekeeper.simulator.world import Standing, World

OFFLINE_AFTER = timedelta(minutes=15)
TYPES = {"Integral": int, "Fractional": float}
ONLINE, OFFLINE = "OnlineStore", "OfflineStore"


def put_record(ask: Ask) -> dict[str, Any]:
    group, book = _open(ask)
    values = _values(group, ask.params["Record"])
    about = group.about
    for member in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
        if about[member] not in values:
            raise _wrong(f"Missing required feature: {about[member]}")
    event, stores = _event_time(values[about["EventTimeFeatureName"]]), _stores(group, ask.params)
    size = size_of(values)
    if ONLINE in stores:
        ttl = lasting(ask.params.get("TtlDuration") or about["OnlineStoreConfig"].get("TtlDuration"))
        expires = datetime.fromtimestamp(event, UTC) + ttl if ttl else None
        book.put(str(values[about["RecordIdentifierFeatureName"]]), Row(event, values, size, expires), ask.now)
    if OFFLINE in stores:
        book.late.append(Late(ask.now, event, values, False))
    _used(group, book, ask, "PutRecord", written=units(size, WRITE_BYTES))
    return {}


def get_record(ask: Ask) -> dict[str, Any]:
    group, book = _open(ask)
    if "OnlineStoreConfig" not in group.about:
        raise _wrong(f"FeatureGroup {group.key[0]} does not have an online store.")
    row = book.get(ask.params["RecordIdentifierValueAsString"], ask.now)
    _used(group, book, ask, "GetRecord", read=units(row.size if row else 0, READ_BYTES))
    return _told(group, row, ask.params, ask.params) if row else {}


def batch_get_record(ask: Ask) -> dict[str, Any]:
    records, errors = [], []
    for wanted in ask.params["Identifiers"]:
        name = wanted["FeatureGroupName"].rpartition("/")[2]
        group = ask.here.work.feature_groups.get(ask.now, name)
        for identity in wanted["RecordIdentifiersValueAsString"]:
            which = {"FeatureGroupName": wanted["FeatureGroupName"], "RecordIdentifierValueAsString": identity}
            if group is None or "OnlineStoreConfig" not in group.about:
                message = f"Amazon SageMaker can't find a FeatureGroup with name {name} that has an online store."
                errors.append(which | {"ErrorCode": "ResourceNotFound", "ErrorMessage": message})
                continue
            book = ask.here.work.records.setdefault(group.arn, FeatureBook())
            row = book.get(identity, ask.now)
            _used(group, book, ask, "BatchGetRecord", read=units(row.size if row else 0, READ_BYTES))
            if row:
                records.append(which | _told(group, row, wanted, ask.params))
    return {"Records": records, "Errors": errors, "UnprocessedIdentifiers": []}


def delete_record(ask: Ask) -> dict[str, Any]:
    group, book = _open(ask)
    identity, event = ask.params["RecordIdentifierValueAsString"], _event_time(ask.params["EventTime"])
    stores = _stores(group, ask.params)
    if ONLINE in stores:
        book.remove(identity, event, ask.now, ask.params.get("DeletionMode", "SoftDelete") == "SoftDelete")
    if OFFLINE in stores:
        about = group.about
        values = {
            about["RecordIdentifierFeatureName"]: identity,
            about["EventTimeFeatureName"]: ask.params["EventTime"],
        }
        book.late.append(Late(ask.now, event, values, True))
    _used(group, book, ask, "DeleteRecord", written=1.0)
    return {}


def bring_up_to(world: World, now: datetime) -> None:
    """Rows that have waited for 15 minutes go to the offline stores."""
    for here in world.standing.values():
        for group in here.work.feature_groups.ever():
            book = here.work.records.get(group.arn)
            if book and book.late and book.late[0].at + OFFLINE_AFTER <= now:
                due = [row for row in book.late if row.at + OFFLINE_AFTER <= now]
                book.late = book.late[len(due) :]
                _write_offline(here, group, due)


def _write_offline(here: Standing, group: Thing, due: list[Late]) -> None:
    uri = group.about["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    names = [item["FeatureName"] for item in group.about["FeatureDefinitions"]]
    kinds = {item["FeatureName"]: item["FeatureType"] for item in group.about["FeatureDefinitions"]}
    schema = {
        name: {"Integral": pl.Int64(), "Fractional": pl.Float64()}.get(kinds[name], pl.String()) for name in names
    }
    for hour, rows in groupby(sorted(due, key=lambda row: row.event), lambda row: int(row.event // 3600)):
        found = list(rows)
        frame = pl.DataFrame(
            {name: [_cell(row.values.get(name), kinds[name]) for row in found] for name in names}, schema
        )
        frame = frame.with_columns(
            pl.Series("write_time", [row.at for row in found]),
            pl.Series("api_invocation_time", [row.at for row in found]),
            pl.Series("is_deleted", [row.deleted for row in found]),
        )
        data, at = io.BytesIO(), datetime.fromtimestamp(hour * 3600, UTC)
        frame.write_parquet(data)
        file = f"{found[0].at:%Y%m%dT%H%M%SZ}_{token(group.arn, found[0].at.isoformat(), length=16)}.parquet"
        key = f"{prefix}/year={at:%Y}/month={at:%m}/day={at:%d}/hour={at:%H}/{file}"
        if bucket in s3_backends[here.account]["aws"].buckets:
            s3_backends[here.account]["aws"].put_object(bucket, key, data.getvalue())


def _open(ask: Ask) -> tuple[Thing, FeatureBook]:
    group = feature_group(ask)
    if group.status(ask.now) != "Created":
        raise _wrong(f"FeatureGroup {group.key[0]} is in status {group.status(ask.now)}.")
    return group, ask.here.work.records.setdefault(group.arn, FeatureBook())


def _values(group: Thing, record: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {item["FeatureName"]: item for item in group.about["FeatureDefinitions"]}
    found: dict[str, Any] = {}
    for item in record:
        name = item["FeatureName"]
        if name not in kinds:
            raise _wrong(f"FeatureName {name} is not defined in FeatureGroup {group.key[0]}.")
        if name in found:
            raise _wrong(f"FeatureName {name} is given twice.")
        if "ValueAsStringList" in item:
            if "CollectionType" not in kinds[name]:
                raise _wrong(f"FeatureName {name} is not a collection.")
            found[name] = item["ValueAsStringList"]
        elif "ValueAsString" in item:
            _refuse_other_type(name, item["ValueAsString"], kinds[name]["FeatureType"])
            found[name] = item["ValueAsString"]
    return found


def _refuse_other_type(name: str, value: str, kind: str) -> None:
    try:
        TYPES.get(kind, str)(value)
    except ValueError as wrong:
        raise _wrong(f"Failed to parse the value {value} of FeatureName {name} as {kind}.") from wrong


def _event_time(value: str) -> float:
    """Unix seconds, or ISO 8601 as yyyy-MM-dd'T'HH:mm:ssZ."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    except ValueError as wrong:
        raise _wrong(f"EventTime {value} has not a valid format.") from wrong


def _stores(group: Thing, params: dict[str, Any]) -> set[str]:
    there = {ONLINE} if "OnlineStoreConfig" in group.about else set()
    there |= {OFFLINE} if "OfflineStoreConfig" in group.about else set()
    wanted = set(params.get("TargetStores") or there)
    if not wanted <= there:
        raise _wrong(f"FeatureGroup {group.key[0]} has no {sorted(wanted - there)[0]}.")
    return wanted


def _used(group: Thing, book: FeatureBook, ask: Ask, operation: str, read: float = 0.0, written: float = 0.0) -> None:
    provisioned = group.about["x_throughput"]["ThroughputMode"] == "Provisioned"
    book.asked.append(Asked(ask.now.timestamp(), operation, read, written, provisioned))


def _told(group: Thing, row: Row, wanted: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    values = row.values or {}
    known = {item["FeatureName"] for item in group.about["FeatureDefinitions"]}
    unknown = [name for name in wanted.get("FeatureNames", []) if name not in known]
    if unknown:
        raise _wrong(f"FeatureName {unknown[0]} is not defined in FeatureGroup {group.key[0]}.")
    record = [
        {"FeatureName": name, "ValueAsStringList" if isinstance(value, list) else "ValueAsString": value}
        for name, value in values.items()
        if name in wanted.get("FeatureNames", known)
    ]
    found: dict[str, Any] = {"Record": record} if record else {}
    if params.get("ExpirationTimeResponse") == "Enabled" and row.expires is not None:
        found["ExpiresAt"] = f"{row.expires:%Y-%m-%dT%H:%M:%SZ}"
    return found


def _cell(value: Any, kind: str) -> Any:
    if value is None or isinstance(value, list):
        return None if value is None else str(value)
    return TYPES.get(kind, str)(value)


def _wrong(message: str) -> Refused:
    return Refused("ValidationError", f"Validation Error: {message}")


HANDLERS: dict[str, Handler] = {
    "PutRecord": put_record,
    "GetRecord": get_record,
    "BatchGetRecord": batch_get_record,
    "DeleteRecord": delete_record,
}
MUTATING = set(HANDLERS)
