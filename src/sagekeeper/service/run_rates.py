"""Keeping ``run_rates``: what ran in each hour and what it cost, so that the next weeks know what is usual for an hour.

In: the lake, ``as_of``. Out: the rows of this hour, rewritten. Nothing is asked of AWS: what the hourly looks found is enough.
Run again in the same hour it replaces that hour; older hours are never touched.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from sagekeeper.analyzers.estimate_standing import HOLDS
from sagekeeper.analyzers.run_rate import hour_of
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import RUN_RATES
from sagekeeper.reports.views.running import running_of


def refresh_run_rates(lake: Lake, settings: Settings, as_of: datetime) -> int:
    """Record this hour. Returns how many rows the hour has."""
    running, looks = running_of(lake, settings, as_of)
    looked = looks.filter(pl.col("observed_at") >= as_of - HOLDS).select("account", "region")
    rows = hour_of(running, looked, as_of)
    if rows.is_empty():
        return 0
    today = as_of.date()
    before = lake.scan(RUN_RATES).filter(pl.col("day") == today).collect()
    kept = before.filter(pl.col("hour") != rows["hour"][0])
    lake.replace(RUN_RATES, pl.concat([kept, rows]).sort(RUN_RATES.keys), Scope({"day": today}))
    return rows.height
