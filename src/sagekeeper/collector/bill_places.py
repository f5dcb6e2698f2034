"""Where a billing export lies: a folder, or a prefix in S3. Both list what is there, and bring a file to disk.

In: a path, or an ``s3://bucket/prefix`` and a client. Out: `Found` things, whose ``mark`` changes exactly when their
content does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from sagekeeper.collector.bill_file import digest_of
from sagekeeper.collector.bill_manifests import ENDING, Month, month_of, newest
from sagekeeper.collector.objects import Stored, fetch, listed, split_uri
from sagekeeper.core.errors import BadInput


@dataclass(frozen=True)
class Found:
    """A file that is there, under its key."""

    key: str
    changed_at: datetime


class Place(Protocol):
    """What an export can be read from."""

    address: str
    whole: bool
    """Whether what is brought is known to have its full length."""

    def found(self) -> Iterator[Found]:
        """Everything below, by key."""

    def content(self, key: str) -> bytes:
        """All of a small file."""

    def mark(self, key: str) -> str | None:
        """What changes with the content of the file; None when it is not there."""

    def brought(self, key: str, folder: Path) -> Path:
        """The file on this machine's disk."""


class Folder:
    """A folder on disk, as somebody copied it: keys are matched by their last parts."""

    whole = False  # no manifest states how long its files are

    def __init__(self, root: Path) -> None:
        self.address = str(root)
        self._root = root if root.is_dir() else root.parent
        self._only = None if root.is_dir() else root.name
        self._there = {
            path.relative_to(self._root).as_posix(): path for path in self._root.rglob("*") if path.is_file()
        }

    def found(self) -> Iterator[Found]:
        for key, path in sorted(self._there.items()):
            if self._only in (None, key):
                yield Found(key, datetime.fromtimestamp(path.stat().st_mtime, UTC))

    def content(self, key: str) -> bytes:
        return self._there[key].read_bytes()

    def mark(self, key: str) -> str | None:
        path = self._path(key)
        if path is None:
            return None
        with path.open("rb") as stream:
            return digest_of(stream)

    def brought(self, key: str, folder: Path) -> Path:  # noqa: ARG002 (it is on disk already)
        path = self._path(key)
        if path is None:
            raise BadInput(f"{key} is not below {self.address}, but the manifest names it. Copy it too.")
        return path

    def _path(self, key: str) -> Path | None:
        """The file whose path ends in the most parts of the key."""
        parts = key.split("/")
        endings = ["/".join(parts[start:]) for start in range(len(parts))]
        for ending in endings:
            matching = [path for known, path in self._there.items() if known == ending or known.endswith(f"/{ending}")]
            if matching:
                return min(matching)
        return None


class Bucket:
    """A prefix in S3."""

    whole = True  # S3 tells an object's length, and an object is written whole or not at all

    def __init__(self, address: str, client: Any) -> None:
        self.address = address
        self._bucket, self._prefix = split_uri(address)
        self._client = client
        self._there: dict[str, Stored] | None = None

    def found(self) -> Iterator[Found]:
        for key, stored in self._objects().items():
            yield Found(key, stored.changed_at)

    def content(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    def mark(self, key: str) -> str | None:
        stored = self._objects().get(key)
        return None if stored is None else f"{stored.etag}/{stored.size}"

    def brought(self, key: str, folder: Path) -> Path:
        stored = self._objects().get(key)
        if stored is None:
            raise BadInput(
                f"s3://{self._bucket}/{key} is not there, but the manifest names it. "
                "Wait for AWS's next delivery, or check the bucket's lifecycle rules."
            )
        return fetch(self._client, stored, folder / key.replace("/", "_"))

    def _objects(self) -> dict[str, Stored]:
        if self._there is None:
            self._there = {stored.key: stored for stored in listed(self._client, self._bucket, self._prefix)}
        return self._there


def months_at(place: Place) -> tuple[list[Month], dict[str, str]]:
    """The newest delivery of each month of each export below ``place``, and what is wrong with manifests that tell none.

    Raises BadInput when there is no manifest at all.
    """
    manifests = [item for item in place.found() if item.key.endswith(ENDING)]
    if not manifests:
        raise BadInput(
            f"There is no manifest (…{ENDING}) below {place.address}. Name the folder or prefix that AWS delivers to, "
            "or name single files. Nothing was changed."
        )
    months, wrong = [], {}
    for item in manifests:
        try:
            months.append(month_of(place.content(item.key), item.key, item.changed_at))
        except BadInput as error:
            wrong[item.key] = str(error)
    return newest(months), wrong


def content_mark(place: Place, month: Month) -> str:
    """A digest that changes exactly when the content of the month's files does, whatever the delivery is called."""
    marks = [(key.rsplit("/", 1)[-1], place.mark(key)) for key in month.files]
    missing = [name for name, mark in marks if mark is None]
    if missing:
        raise BadInput(
            f"{missing[0]} is not below {place.address}, but {month.manifest} names it. Nothing was changed."
        )
    return hashlib.sha256(repr(sorted(marks)).encode()).hexdigest()
