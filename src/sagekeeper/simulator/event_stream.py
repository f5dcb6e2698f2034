"""AWS's binary event stream: how an answer that comes in parts goes over the wire.

In: the events, each with its type and bytes. Out: the messages, one after another: lengths, headers, payload, and a
checksum over each (the framing that botocore's eventstream module reads).
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterable

TEXT = 7
"""The type number of a header whose value is text."""
CONTENT_TYPE = "application/vnd.amazon.eventstream"


def event_stream(kind: str, parts: Iterable[bytes]) -> bytes:
    """One message for each part."""
    return b"".join(_message(kind, part) for part in parts)


def _message(kind: str, payload: bytes) -> bytes:
    told = {":event-type": kind, ":content-type": "application/octet-stream", ":message-type": "event"}
    headers = b"".join(_header(name, value) for name, value in told.items())
    # Two lengths and their checksum before, the checksum of all after.
    prelude = struct.pack("!II", 12 + len(headers) + len(payload) + 4, len(headers))
    begun = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return begun + struct.pack("!I", binascii.crc32(begun))


def _header(name: str, value: str) -> bytes:
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", TEXT, len(value)) + value.encode()
