"""Models as they lie in S3: a model.tar.gz is packed, found by a model's ModelDataUrl, and unpacked.

The same files give the same bytes, and so the same ETag, wherever and whenever they are packed.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib

from moto.s3.models import s3_backends


def packed(files: dict[str, bytes]) -> bytes:
    """A model.tar.gz with these files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), compresslevel=6, mtime=0)


def unpacked(data: bytes) -> dict[str, bytes] | None:
    """The files of a model.tar.gz; None for what is none."""
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data)), mode="r") as tar:
            found = {}
            for item in tar.getmembers():
                file = tar.extractfile(item)
                if file is not None:
                    found[item.name.removeprefix("./")] = file.read()
            return found
    except (OSError, EOFError, zlib.error, tarfile.TarError):
        return None


def lying_at(account: str, uri: str) -> bytes | None:
    """The object at an S3 address, None where there is none."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    there = s3_backends[account]["aws"].buckets.get(bucket)
    found = there.keys.get(key) if there is not None else None
    return bytes(found.value) if found is not None else None


def under(account: str, uri: str) -> list[bytes]:
    """All objects under an S3 prefix, in the order of their keys."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    there = s3_backends[account]["aws"].buckets.get(bucket)
    keys = sorted(key for key in there.keys if key.startswith(prefix)) if there is not None else []
    return [bytes(there.keys[key].value) for key in keys if there is not None]
