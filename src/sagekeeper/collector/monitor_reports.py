"""The documents that a monitoring run wrote: found in S3, read, and what is wrong with one said in a sentence.

In: the folder of a schedule's reports (monitoring-facts 2.7) and the folders that its executions name. Out: a `Report` a run.
What a document is, is told by its keys; a file that cannot be read is recorded with its reason, and the others of the run
count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from botocore.exceptions import ClientError

from sagekeeper.collector.monitor_executions import hour_of
from sagekeeper.collector.monitor_json import parsed, shown, unknown_keys
from sagekeeper.collector.monitor_schedules import Schedule
from sagekeeper.collector.monitor_shapes import SHAPES, Kind, kind_of
from sagekeeper.collector.objects import Stored, contents, listed, split_uri
from sagekeeper.core.errors import BadInput

DOCUMENT = re.compile(r"^(?P<folder>.*/\d{4}/\d\d/\d\d/\d\d)/(?P<name>[^/]+\.json)$")
MOST_BYTES = 64 * 1024 * 1024
"""The largest statistics.json of a thousand features has a few megabytes."""
BY_NAME: dict[str, Kind] = {
    "statistics.json": "statistics",
    "constraints.json": "constraints",
    "constraint_violations.json": "violations",
    "constraints_violations.json": "violations",
    "analysis.json": "analysis",
}
REFUSED = ("AccessDenied", "NoSuchBucket", "AllAccessDisabled", "403", "404")


@dataclass(frozen=True)
class Report:
    """One run's documents by kind; ``files``: what each file was; ``unread``: sentences about what was not read."""

    uri: str
    at: datetime
    documents: dict[Kind, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def uri_of(self, kind: Kind) -> str:
        """Where the document of that kind stands, or would stand."""
        return f"{self.uri}/{next((name for name, found in self.files.items() if found == kind), '')}"


@dataclass(frozen=True)
class Folder:
    """Where one run's documents are, not read yet: a statistics.json of many features is large."""

    uri: str
    at: datetime
    stored: list[Stored]


def folders(
    client: Any, schedule: Schedule, days: Iterable[date], named: Iterable[str], refused: list[str]
) -> Iterator[Folder]:
    """Of every run of a schedule on those days, and of the ``named`` ones. What S3 refuses is told in ``refused``."""
    found: dict[str, list[Stored]] = {}
    prefixes = []
    if schedule.reports_uri is not None:
        bucket, prefix = split_uri(schedule.reports_uri)
        root = "/".join(part for part in (prefix, schedule.endpoint, schedule.name) if part)
        prefixes = [(bucket, f"{root}/{day:%Y/%m/%d}/") for day in days]
    elsewhere = [(bucket, f"{prefix}/") for bucket, prefix in map(split_uri, dict.fromkeys(named))]
    prefixes += [
        (bucket, prefix)
        for bucket, prefix in elsewhere
        if not any(bucket == other and prefix.startswith(day) for other, day in prefixes)
    ]
    for bucket, prefix in prefixes:
        try:
            for stored in listed(client, bucket, prefix):
                where = DOCUMENT.match(stored.key)
                if where is not None:
                    found.setdefault(f"s3://{bucket}/{where['folder']}", []).append(stored)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code not in REFUSED:
                raise
            refused.append(f"Reports of {schedule.name} in s3://{bucket}/{prefix} cannot be read: {code}.")
            break
    for uri, documents in found.items():
        at = hour_of(uri)
        if at is not None:
            yield Folder(uri, at, documents)


def report_of(client: Any, folder: Folder) -> Report:
    """Its documents, read."""
    report = Report(folder.uri, folder.at)
    for stored in folder.stored:
        name = stored.key.rpartition("/")[2]
        if stored.size > MOST_BYTES:
            report.unread.append(f"{name} has {stored.size:,} bytes, more than {MOST_BYTES:,}: it is left out.")
            continue
        try:
            read = parsed(contents(client, stored), name)
        except BadInput as error:
            report.unread.append(str(error))
            continue
        except ClientError as error:
            report.unread.append(f"{name} cannot be fetched: {error.response.get('Error', {}).get('Code', error)}.")
            continue
        kind = kind_of(read.value)
        kind = BY_NAME.get(name, kind) if kind == "unknown" else kind
        if not isinstance(read.value, dict) or kind == "unknown":
            report.unread.append(f"{name} is no document of Model Monitor or Clarify that is known.")
            continue
        report.unread.extend(read.notes)
        unknown = unknown_keys(read.value, SHAPES[kind])
        if unknown:
            report.unread.append(f"{name} has keys that are not read: {', '.join(shown(key) for key in unknown[:5])}.")
        report.documents[kind] = read.value
        report.files[name] = kind
    return report
