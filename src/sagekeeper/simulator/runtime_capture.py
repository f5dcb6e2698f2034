"""Data capture of what is invoked through the runtime, in Model Monitor's real format: one JSON line per request.

In: a request with its answer. Out: a line in the object of its minute under the capture's prefix, for the share of
requests that InitialSamplingPercentage asks for. A bucket that is not there loses its captures, as at AWS.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from uuid import UUID

from moto.s3.models import s3_backends

from sagekeeper.simulator.operations import Ask

JSON_TYPES, CSV_TYPES = ("application/json",), ("text/csv",)


def capture(ask: Ask, endpoint: str, config: dict[str, Any], variant: str, told: tuple[bytes, bytes, str]) -> None:
    """Write the request down, if capture is on and it is among the sample."""
    wish = config.get("DataCaptureConfig")
    bucket, _, prefix = str(wish["DestinationS3Uri"] if wish else "").removeprefix("s3://").partition("/")
    if not wish or not wish.get("EnableCapture") or bucket not in s3_backends[ask.account]["aws"].buckets:
        return
    digest = hashlib.sha256(f"{endpoint}/{ask.now.isoformat()}".encode() + told[0]).digest()
    if int.from_bytes(digest[:4], "big") / 2**32 * 100 >= wish["InitialSamplingPercentage"]:
        return
    event = {
        "captureData": _data(ask, wish, told),
        "eventMetadata": {
            "eventId": str(UUID(bytes=digest[:16], version=4)),
            **({"inferenceId": ask.params["InferenceId"]} if ask.params.get("InferenceId") else {}),
            **({"customAttributes": [ask.params["CustomAttributes"]]} if ask.params.get("CustomAttributes") else {}),
            "inferenceTime": f"{ask.now:%Y-%m-%dT%H:%M:%SZ}",
        },
        "eventVersion": "0",
    }
    mark = UUID(bytes=hashlib.sha256(f"{endpoint}/{variant}/{ask.now:%Y%m%d%H%M}".encode()).digest()[:16], version=4)
    folder = "/".join(part for part in (prefix.strip("/"), endpoint, variant) if part)
    key = f"{folder}/{ask.now:%Y/%m/%d/%H}/{ask.now:%M}-00-000-{mark}.jsonl"
    backend = s3_backends[ask.account]["aws"]
    there = backend.buckets[bucket].keys.get(key)
    before = bytes(there.value) if there is not None else b""
    backend.put_object(bucket, key, before + json.dumps(event, separators=(",", ":")).encode() + b"\n")


def _data(ask: Ask, wish: dict[str, Any], told: tuple[bytes, bytes, str]) -> dict[str, Any]:
    modes = {item["CaptureMode"] for item in wish["CaptureOptions"]}
    body, said, kind = told
    found: dict[str, Any] = {}
    if modes & {"Input", "InputAndOutput"}:
        given = ask.params.get("ContentType") or "application/octet-stream"
        found["endpointInput"] = _side(wish, body, given, "INPUT")
    if modes & {"Output", "InputAndOutput"}:
        found["endpointOutput"] = _side(wish, said, kind, "OUTPUT")
    return found


def _side(wish: dict[str, Any], body: bytes, kind: str, mode: str) -> dict[str, str]:
    header, plain = wish.get("CaptureContentTypeHeader", {}), kind.partition(";")[0].strip()
    if plain in header.get("CsvContentTypes", CSV_TYPES):
        encoding, data = "CSV", body.decode("utf-8", "replace")
    elif plain in header.get("JsonContentTypes", JSON_TYPES):
        encoding, data = "JSON", body.decode("utf-8", "replace")
    else:
        encoding, data = "BASE64", base64.b64encode(body).decode()
    return {"observedContentType": kind, "mode": mode, "data": data, "encoding": encoding}
