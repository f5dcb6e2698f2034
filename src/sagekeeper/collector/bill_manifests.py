"""What a manifest of AWS's billing exports says: which month of which export lies in which files.

In: the bytes of a legacy report's or a data export's manifest. Out: a `Month`. Of several deliveries of one month the
newest counts. Formats: aws-facts 4.2; the real manifest in the shared billing data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sagekeeper.core.errors import BadInput

ENDING = "-Manifest.json"


@dataclass(frozen=True)
class Month:
    """One delivery of one month. ``files`` are keys in the export's bucket; ``identity`` tells exports of one name apart: where
    it is delivered to, because an export that was made anew there carries on under another ``report`` id."""

    export: str
    identity: str
    report: str
    period: date
    delivery: str
    files: tuple[str, ...]
    columns: tuple[str, ...]
    manifest: str
    written: datetime


def month_of(content: bytes, manifest: str, written: datetime) -> Month:
    """The month that the manifest at ``manifest`` tells. Raises BadInput where it is none."""
    try:
        told = json.loads(content)
        legacy = "reportName" in told
        start = told["billingPeriod"]["start"]
        files = told["reportKeys"] if legacy else told["dataFiles"]
        report = told["reportId"] if legacy else told["exportArn"]
        return Month(
            export=told["reportName"] if legacy else told["exportName"],
            identity=_home(told, files, legacy) or report,
            report=report,
            period=datetime.strptime(start[:10].replace("-", "")[:8], "%Y%m%d").date(),  # noqa: DTZ007 (a day)
            delivery=told["assemblyId"] if legacy else told["executionId"],
            files=tuple(_key(place) for place in files),
            columns=tuple(_column(column) for column in told.get("columns", ())),
            manifest=manifest,
            written=written,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{manifest} is no manifest of a Cost and Usage Report or a data export ({type(error).__name__}: {error}). "
            "Name the folder or the prefix that AWS delivers to. Nothing was changed."
        ) from error


def newest(months: Iterable[Month]) -> list[Month]:
    """The last delivery of each month of each export, in order of export and month."""
    last: dict[tuple[str, str, date], Month] = {}
    for month in sorted(months, key=lambda month: (month.written, month.delivery)):
        last[month.export, month.identity, month.period] = month
    return [last[key] for key in sorted(last)]


def _home(told: dict[str, Any], files: list[str], legacy: bool) -> str | None:
    """The bucket and the folder that the months of the export lie in; None where the manifest does not say."""
    begins, months = (_key(files[0]) if files else "").split("/"), r"\d{8}-\d{8}" if legacy else "data"
    at = next((number for number, part in enumerate(begins) if re.fullmatch(months, part)), None)
    return None if at is None or "bucket" not in told else f"s3://{told['bucket']}/{'/'.join(begins[:at])}"


def _key(place: str) -> str:
    """A key as legacy manifests write it (some with a leading slash), or out of an ``s3://`` address."""
    return place.partition("//")[2].partition("/")[2] if place.startswith("s3://") else place.lstrip("/")


def _column(told: dict[str, str]) -> str:
    return f"{told['category']}/{told['name']}" if "category" in told else told["name"]
