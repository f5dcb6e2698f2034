"""What is known on a day: the frames that every analyzer and every lever judges.

A value, loaded once by the service. Analyzers take it and return findings; they read no clock, no disk and no AWS. `Analyzer`
and `AnalyzerSettings` say what a question must bring along to be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import ATTRIBUTIONS, MODEL_QUALITY, MONITOR_METRICS, MONITOR_RUNS, RUN_RATES
from sagekeeper.core.types import Finding

BILL = "cost-explorer"
"""The bill that findings are about. Ingested files are looked at, never summed with it."""

EVENTS: dict[str, pl.DataType] = {
    "at": pl.Datetime("us", "UTC"),
    "exact": pl.Boolean(),  # False: seen then, done some time before
    "kind": pl.String(),  # created, resized, scaled, changed, deleted, started, stopped, retagged, owner_changed, job_started
    "account": pl.String(),
    "region": pl.String(),
    "resource_kind": pl.String(),
    "name": pl.String(),
    "before": pl.String(),
    "after": pl.String(),
    "by": pl.String(),
    "role": pl.String(),
    "owner": pl.String(),
    "planned": pl.String(),
}
"""What was done to what costs money (`analyzers/events.py`)."""
KNOWN_RISES: dict[str, pl.DataType] = {
    **dict.fromkeys(("account", "region", "subject_kind", "subject_name"), pl.String()),
    "known_since": pl.Date(),
}


@dataclass(frozen=True)
class Facts:
    """Frames in the schemas of `core.tables`; ``inventory`` is the latest observation only."""

    as_of: datetime
    costs: pl.DataFrame
    daily_costs: pl.DataFrame
    metrics: pl.DataFrame
    inventory: pl.DataFrame
    jobs: pl.DataFrame
    feature_profiles: pl.DataFrame
    violations: pl.DataFrame
    prices: PriceBook
    owner_tags: tuple[str, ...]
    opt_out_tag: str = ""
    """``key=value`` by which an owner asks to be left alone; empty: there is none."""
    monitor_runs: pl.DataFrame = field(default_factory=MONITOR_RUNS.empty)
    model_quality: pl.DataFrame = field(default_factory=MODEL_QUALITY.empty)
    attributions: pl.DataFrame = field(default_factory=ATTRIBUTIONS.empty)
    monitor_metrics: pl.DataFrame = field(default_factory=MONITOR_METRICS.empty)
    run_rates: pl.DataFrame = field(default_factory=RUN_RATES.empty)
    known_rises: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=KNOWN_RISES))
    """`KNOWN_RISES`: what is told of already and was not accepted; its days teach nobody what is usual."""
    events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EVENTS))
    """`EVENTS` of the last weeks, oldest first; none where nobody looked for them."""


class AnalyzerSettings(BaseModel):
    """Thresholds of one analyzer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Analyzer:
    """One question asked of the facts. ``kinds`` are the kinds of finding it may return."""

    name: str
    kinds: tuple[str, ...]
    description: str
    settings: type[AnalyzerSettings]
    find: Callable[[Facts, Any], list[Finding]]
