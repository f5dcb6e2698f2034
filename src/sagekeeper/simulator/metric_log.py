"""Datapoints on disk: what PutMetricData accepted, appended and synced before the answer goes out, read again at start.

A record is a frame (length, checksum) around a JSON line and raw columns. A metric's name is written once, then it is a
number: a datapoint costs 16 bytes. The journal would keep every request as text, and in memory too. A record cut by a
crash was never answered: it is cut off. Records carry their simulated time, so that a restart puts them between the
journal's entries.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sagekeeper.simulator.metric_store import Block, Key

FRAME = np.dtype([("length", "<u8"), ("checksum", "<u4")])
Place = tuple[str, str]


class Record(NamedTuple):
    """What one request put."""

    at: datetime
    account: str
    region: str
    blocks: list[Block]


class MetricLog:
    """Append-only file of records."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._numbers: dict[tuple[str, str, Key, str], int] = {}
        self._handle: Any = None

    def records(self) -> Iterator[Record]:
        """Everything kept, in the order it was put. To be read to its end before the first ``write``."""
        whole = 0
        names: list[tuple[str, str, Key, str]] = []
        if self._file.exists():
            with self._file.open("rb") as handle:
                while payload := _framed(handle):
                    whole = handle.tell()
                    yield _read(payload, names)
            os.truncate(self._file, whole)
        self._numbers = {name: number for number, name in enumerate(names)}

    def write(self, at: datetime, account: str, region: str, blocks: list[Block]) -> None:
        """Append one record and sync it."""
        with self._lock:
            self._handle = self._handle or self._file.open("ab")
            self._handle.write(self._record(at, account, region, blocks))
            self._handle.flush()
            os.fsync(self._handle.fileno())

    def _record(self, at: datetime, account: str, region: str, blocks: list[Block]) -> bytes:
        fresh, numbers = [], []
        for block in blocks:
            name = (account, region, block.key, block.unit)
            if name not in self._numbers:
                self._numbers[name] = len(self._numbers)
                fresh.append([*block.key, block.unit])
            numbers.append(self._numbers[name])
        about = {
            "at": at.astimezone(UTC).isoformat(),
            "account": account,
            "region": region,
            "new": fresh,
            "blocks": [
                [number, len(block.columns), len(block.columns[0])]
                for number, block in zip(numbers, blocks, strict=True)
            ],
        }
        raw = b"".join(np.ascontiguousarray(column).tobytes() for block in blocks for column in block.columns)
        payload = json.dumps(about).encode() + b"\n" + raw
        return np.array((len(payload), zlib.crc32(payload)), dtype=FRAME).tobytes() + payload


def _framed(handle: Any) -> bytes:
    """The next payload; empty at the end, or where a crash cut the file."""
    head = handle.read(FRAME.itemsize)
    if len(head) < FRAME.itemsize:
        return b""
    frame = np.frombuffer(head, dtype=FRAME)[0]
    payload: bytes = handle.read(int(frame["length"]))
    return payload if len(payload) == frame["length"] and zlib.crc32(payload) == frame["checksum"] else b""


def _read(payload: bytes, names: list[tuple[str, str, Key, str]]) -> Record:
    line, _, _ = payload.partition(b"\n")
    about = json.loads(line)
    account, region = about["account"], about["region"]
    for namespace, name, dimensions, unit in about["new"]:
        names.append((account, region, Key(namespace, name, tuple((key, value) for key, value in dimensions)), unit))
    blocks, position = [], len(line) + 1
    for number, width, rows in about["blocks"]:
        columns = []
        for column in range(width):
            kind = np.int64 if column == 0 else np.float64
            columns.append(np.frombuffer(payload, dtype=kind, count=rows, offset=position))
            position += 8 * rows
        blocks.append(Block(names[number][2], names[number][3], tuple(columns)))
    return Record(datetime.fromisoformat(about["at"]), account, region, blocks)
