"""How models are doing: which endpoints are watched, which of their features have moved, and what that looks like.

In: `feature_profiles` and monitor violations of the lake, open findings of the ledger. Out: a line per endpoint
variant, and for one feature its distribution at the baseline beside the newest captured days, from mergeable
sketches. Whether something *is* drift is the analyzers' word (findings); here it is only shown. What has no baseline
or no capture is said to be unknown.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import datasketches
import polars as pl

from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.tables import FEATURE_PROFILES, MONITOR_VIOLATIONS
from sagekeeper.reports.views.findings import GRAVITY, FindingLine, finding_lines

MODEL_KINDS = ("feature_drift", "monitor_violation", "monitor_failing", "monitor_idle")
RECENT = timedelta(days=7)
"""What "now" means beside a baseline: the last week that was captured, so that weekdays weigh as they do in a week."""
BINS = 24
MOST_CATEGORIES = 12
OTHERS = "(others)"


@dataclass(frozen=True)
class ModelKey:
    """One endpoint variant."""

    account: str
    region: str
    endpoint: str
    variant: str


@dataclass(frozen=True)
class ModelLine:
    """A watched endpoint variant in one line."""

    key: ModelKey
    features: int
    with_baseline: int
    records: int
    last_capture: datetime | None
    findings: list[FindingLine]

    @property
    def worst(self) -> str | None:
        """Gravest open finding."""
        return max((item.severity for item in self.findings), key=lambda name: GRAVITY.get(name, 0), default=None)


def model_lines(lake: Lake, ledger: Ledger, as_of: datetime) -> list[ModelLine]:
    """Every endpoint variant with captures, a baseline or an open model finding; those in trouble first."""
    profiles = (
        lake.scan(FEATURE_PROFILES)
        .filter(pl.col("window_end") <= as_of)
        .group_by("account", "region", "endpoint", "variant")
        .agg(
            features=pl.col("feature").filter(pl.col("role") == "capture").n_unique(),
            with_baseline=pl.col("feature").filter(pl.col("role") == "baseline").n_unique(),
            last=pl.col("window_end").filter(pl.col("role") == "capture").max(),
        )
        .collect()
    )
    records = _records(lake, as_of)
    found = finding_lines(ledger, MODEL_KINDS)
    by_endpoint: dict[tuple[str, str, str], list[FindingLine]] = {}
    for item in found:
        by_endpoint.setdefault((item.account, item.region, item.resource_name), []).append(item)
    lines = []
    for row in profiles.iter_rows(named=True):
        key = ModelKey(row["account"], row["region"], row["endpoint"], row["variant"])
        own = by_endpoint.pop((key.account, key.region, key.endpoint), [])
        lines.append(ModelLine(key, row["features"], row["with_baseline"], records.get(key, 0), row["last"], own))
    lines += [ModelLine(ModelKey(*where, ""), 0, 0, 0, None, own) for where, own in by_endpoint.items()]
    return sorted(lines, key=lambda one: (-GRAVITY.get(one.worst or "", -1), -len(one.findings), one.key.endpoint))


def _records(lake: Lake, as_of: datetime) -> dict[ModelKey, int]:
    """Captured records of the recent week: a window counts once, not once per feature."""
    windows = (
        lake.scan(FEATURE_PROFILES)
        .filter(
            (pl.col("role") == "capture") & (pl.col("window_start") > as_of - RECENT) & (pl.col("window_end") <= as_of)
        )
        .group_by("account", "region", "endpoint", "variant", "window_start")
        .agg(pl.col("records").max())
        .group_by("account", "region", "endpoint", "variant")
        .agg(pl.col("records").sum())
        .collect()
    )
    return {ModelKey(*row[:4]): int(row[4]) for row in windows.iter_rows()}


def feature_profiles(lake: Lake, key: ModelKey, as_of: datetime) -> pl.DataFrame:
    """Profiles of one variant: every baseline and the captures of the recent week before the newest of them."""
    own = lake.scan(FEATURE_PROFILES).filter(
        (pl.col("account") == key.account)
        & (pl.col("region") == key.region)
        & (pl.col("endpoint") == key.endpoint)
        & (pl.col("window_end") <= as_of)
        & ((pl.col("role") == "baseline") | (pl.col("day") >= (as_of - 2 * RECENT).date()))
    )
    baselines = pl.col("role") == "baseline"
    rows = own.filter(baselines | ((pl.col("variant") == key.variant) & (pl.col("role") == "capture"))).collect()
    newest = rows.filter(pl.col("role") == "capture")["window_end"].max()
    if not isinstance(newest, datetime):
        return rows
    return rows.filter((pl.col("role") == "baseline") | (pl.col("window_end") > newest - RECENT))


@dataclass(frozen=True)
class FeatureNow:
    """One feature at the baseline and now. ``shares`` is for `charts.distribution`; None: one side is unknown."""

    feature: str
    type: str
    baseline_records: int
    now_records: int
    baseline_missing: float | None
    now_missing: float | None
    baseline_at: datetime | None
    now_from: datetime | None
    now_to: datetime | None
    shares: pl.DataFrame | None
    unknown: str | None


def feature_now(profiles: pl.DataFrame, feature: str) -> FeatureNow:
    """Compare one feature of `feature_profiles`."""
    own = profiles.filter(pl.col("feature") == feature)
    baseline = own.filter(pl.col("role") == "baseline").sort("window_start").tail(1)
    captures = own.filter(pl.col("role") == "capture").sort("window_start")
    shares, unknown = None, None
    if baseline.is_empty():
        unknown = "no baseline was ever made for this feature"
    elif captures.is_empty():
        unknown = "nothing was captured in the last two weeks"
    else:
        shares = _shares(baseline, captures)
        unknown = None if shares is not None else "the distribution was not kept on one side"
    return FeatureNow(
        feature=feature,
        type=str(own["type"][0]) if own.height else "",
        baseline_records=int(baseline["records"].sum()),
        now_records=int(captures["records"].sum()),
        baseline_missing=_missing(baseline),
        now_missing=_missing(captures),
        baseline_at=baseline["window_start"][0] if baseline.height else None,
        now_from=captures["window_start"][0] if captures.height else None,
        now_to=captures["window_end"][-1] if captures.height else None,
        shares=shares,
        unknown=unknown,
    )


def violations(lake: Lake, key: ModelKey, as_of: datetime, most: int = 100) -> pl.DataFrame:
    """What Model Monitor itself reported of this endpoint, or this schedule of batches, newest first."""
    batches = (pl.col("endpoint") == "") & (pl.col("schedule") == key.endpoint)
    return (
        lake.scan(MONITOR_VIOLATIONS)
        .filter(
            (pl.col("account") == key.account)
            & (pl.col("region") == key.region)
            & ((pl.col("endpoint") == key.endpoint) | batches)
            & (pl.col("execution_time") <= as_of)
        )
        .sort("execution_time", descending=True)
        .select("execution_time", "schedule", "feature", "check", "description")
        .head(most)
        .collect()
    )


def _shares(baseline: pl.DataFrame, captures: pl.DataFrame) -> pl.DataFrame | None:
    kind = str(baseline["type"][0])
    if kind == "categorical":
        return _category_shares(_counts(baseline), _counts(captures))
    before, now = _merged(baseline["sketch"].to_list()), _merged(captures["sketch"].to_list())
    return None if before is None or now is None else _bin_shares(before, now)


def _category_shares(before: Counter[str], now: Counter[str]) -> pl.DataFrame | None:
    whole_before, whole_now = before.total(), now.total()
    if not whole_before or not whole_now:
        return None
    labels = [name for name, _ in (before + now).most_common(MOST_CATEGORIES)]
    return pl.DataFrame(
        {
            "label": labels,
            "baseline": [before[name] / whole_before for name in labels],
            "now": [now[name] / whole_now for name in labels],
        }
    )


def _counts(rows: pl.DataFrame) -> Counter[str]:
    counts: Counter[str] = Counter()
    for document in rows["categories"].drop_nulls():
        counts.update({str(name): int(seen) for name, seen in json.loads(document).items()})
    # Only the most frequent are kept by name.
    rest = int((rows["records"] - rows["missing"] - rows["invalid"].fill_null(0)).sum()) - counts.total()
    if rest > 0:
        counts[OTHERS] += rest
    return counts


def _bin_shares(before: Any, now: Any) -> pl.DataFrame:
    """Equal bins between the outer percents of both, so that one outlier does not squeeze the picture."""
    low = min(before.get_quantile(0.005), now.get_quantile(0.005))
    high = max(before.get_quantile(0.995), now.get_quantile(0.995))
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = [low + (high - low) * step / BINS for step in range(BINS + 1)]
    return pl.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            # The mass beyond the outer edges belongs to the first and the last bin.
            "baseline": before.get_pmf(edges[1:-1]),
            "now": now.get_pmf(edges[1:-1]),
        }
    )


def _merged(sketches: list[bytes | None]) -> Any:
    present = [datasketches.kll_doubles_sketch.deserialize(item) for item in sketches if item]
    if not present:
        return None
    first, *others = present
    for other in others:
        first.merge(other)
    return None if first.is_empty() else first


def _missing(rows: pl.DataFrame) -> float | None:
    records = int(rows["records"].sum())
    return int(rows["missing"].sum()) / records if records else None
