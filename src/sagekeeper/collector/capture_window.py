"""Capture files of the last full hours, fetched from S3 into a folder: what a run of our monitor reads where nobody mounts them.

In: the address of an endpoint's captures, with or without the variant, ``as_of``, how many hours. Out: the files, in a folder for
each hour as in S3 (monitoring-facts 2.7). Only the folders of those hours are listed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sagekeeper.collector.objects import fetch, folders, listed, split_uri
from sagekeeper.core.errors import BadInput

PERMISSIONS = ("s3:ListBucket", "s3:GetObject")


def fetched(client: Any, uri: str, as_of: datetime, hours: int, folder: Path) -> list[Path]:
    """The files of the ``hours`` full hours before ``as_of``. Raises BadInput for what is no S3 address."""
    if not uri.startswith("s3://"):
        raise BadInput(f"{uri} is no address in S3. Give one such as s3://bucket/capture/endpoint/AllTraffic.")
    bucket, prefix = split_uri(uri)
    end = as_of.replace(minute=0, second=0, microsecond=0)
    found = []
    for variant in _variants(client, bucket, prefix):
        for ago in range(hours, 0, -1):
            hour = f"{end - timedelta(hours=ago):%Y/%m/%d/%H}"
            for stored in listed(client, bucket, f"{variant}{hour}/"):
                target = folder / variant.rpartition("/")[0].rpartition("/")[2] / hour / stored.key.rpartition("/")[2]
                target.parent.mkdir(parents=True, exist_ok=True)
                found.append(fetch(client, stored, target))
    return found


def _variants(client: Any, bucket: str, prefix: str) -> list[str]:
    """Folders that hold the years: the address itself, or what is below it."""
    below = folders(client, bucket, f"{prefix}/")
    if any(name.isdigit() for name in below):
        return [f"{prefix}/"]
    return [f"{prefix}/{name}/" for name in below]
