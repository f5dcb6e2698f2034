"""How much of what an endpoint was asked is known: captured requests, of how many, and what of them could not be read.

In: `capture_hours` of the lake. Out: the recent week of one endpoint variant, or None where nothing of it was read. The number of
all requests is derived from the share that is captured, and unknown as soon as that is unknown for an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import CAPTURE_HOURS
from sagekeeper.reports.views.models import RECENT, ModelKey


@dataclass(frozen=True)
class CapturedWeek:
    """``estimated`` None: unknown. ``lowest`` and ``highest``: percent of the requests that are captured, None: unknown."""

    requests: int
    estimated: float | None
    lowest: float | None
    highest: float | None
    poison_lines: int
    left_out: int


def captured_week(lake: Lake, key: ModelKey, as_of: datetime) -> CapturedWeek | None:
    """Of the folder of this variant."""
    rows = lake.scan(CAPTURE_HOURS).filter(
        (pl.col("account") == key.account)
        & (pl.col("region") == key.region)
        & (pl.col("endpoint") == key.endpoint)
        & (pl.col("folder") == key.variant)
        & (pl.col("window_start") > as_of - RECENT)
        & (pl.col("window_start") < as_of)
    )
    unknown = pl.col("estimated_requests").is_null().any()
    found = rows.select(
        pl.col("requests").sum(),
        hours=pl.len(),
        estimated=pl.when(~unknown).then(pl.col("estimated_requests").sum()),
        lowest=pl.col("sampling_percent").min(),
        highest=pl.col("sampling_percent").max(),
        poison_lines=pl.col("poison_lines").sum(),
        left_out=pl.col("left_out").sum(),
    ).collect()
    row = found.row(0, named=True)
    return CapturedWeek(**{name: row[name] for name in CapturedWeek.__dataclass_fields__}) if row["hours"] else None
