"""Is a silence a season? An endpoint that is used once a quarter is quiet most of the time, and not idle.

In: an endpoint (a row of `endpoints.standing`), its requests by day over 400 days, how long the silence is. Out: whether it has
ever come back after a silence as long, and the sentence that says so. Rule R01's check for seasonal use. Unknown where the days
are not all known: CloudWatch has no datapoint for a day without a request, so it is the asking that must reach back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.analyzers.facts import Facts

SEASON_DAYS = 400
DAY = 86400


@dataclass(frozen=True)
class Season:
    """``seasonal`` None: not known. ``why`` is a sentence without a full stop."""

    seasonal: bool | None
    why: str


def season_of(facts: Facts, endpoint: dict[str, Any], silence_days: int) -> Season:
    """Whether ``endpoint`` has ever come back after more than ``silence_days`` without a request."""
    since = facts.as_of - timedelta(days=SEASON_DAYS)
    own = daily_requests(facts, endpoint).filter(pl.col("start") >= since)
    first = own["start"].min()
    begin = max(since, endpoint["created_at"]) if endpoint["created_at"] else since
    if not isinstance(first, datetime) or first > begin + timedelta(days=2):
        return Season(None, f"its daily requests since {begin:%-d %b %Y} are not all known")
    used = own.filter(pl.col("requests") > 0)
    if used.is_empty():
        return Season(False, f"no request on any day since {begin:%-d %b %Y}")
    pauses = used.with_columns(pause=pl.col("start").diff().dt.total_days())
    returns = pauses.filter(pl.col("pause") > silence_days)
    if returns.height:
        back = returns.row(-1, named=True)
        return Season(
            True, f"it was silent for {back['pause']} days up to {back['start']:%-d %b %Y} and was used again then"
        )
    last = used["start"][-1]
    return Season(
        False, f"used until {last:%-d %b %Y}, and never before came back after {silence_days} days without a request"
    )


def daily_requests(facts: Facts, endpoint: dict[str, Any]) -> pl.DataFrame:
    """[start, requests] of one endpoint by day, all variants; null where no datapoint was there."""
    return (
        facts.metrics.filter(
            (pl.col("period_seconds") == DAY)
            & (pl.col("metric") == "Invocations")
            & (pl.col("account") == endpoint["account"])
            & (pl.col("region") == endpoint["region"])
            & (pl.col("resource_name") == endpoint["name"])
        )
        .group_by("start")
        .agg(requests=pl.when(pl.col("value").is_not_null().any()).then(pl.col("value").sum()))
        .sort("start")
    )
