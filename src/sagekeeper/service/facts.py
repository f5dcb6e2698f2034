"""The facts that analyzers and levers judge, read from the lake once and bounded in size.

In: the lake, ``as_of``, how far back. Out: one `Facts` value of frames. What a question may look back is decided
here: fourteen months of daily costs (a month-end forecast wants the same month of last year), the collected window of
metrics, the newest observation of the inventory. Raw bill rows, by far the largest table, only for the last two
months, and only of `BILL`, which has days and not hours: of a bill from files there may be a million a day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
from sqlalchemy import select

from sagekeeper.analyzers.events import KINDS as EVENT_KINDS
from sagekeeper.analyzers.events import events_of
from sagekeeper.analyzers.facts import BILL, KNOWN_RISES, Facts
from sagekeeper.analyzers.monitor import DISTANCE
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.collector.history import inventory_states, latest_inventory, price_book
from sagekeeper.core.clock import month_start
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_models import IncidentRow
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import (
    ACTIVITY,
    ATTRIBUTIONS,
    COSTS,
    DAILY_COSTS,
    FEATURE_PROFILES,
    INVENTORY,
    JOBS,
    METRICS,
    MODEL_QUALITY,
    MONITOR_METRICS,
    MONITOR_RUNS,
    MONITOR_VIOLATIONS,
    RUN_RATES,
)

DAILY_COST_DAYS = 430
BILL_ROW_DAYS = 62
JOB_MONTHS_DAYS = 400
EVENT_DAYS = 62
PROFILE_DAYS = 45
RUN_RATE_DAYS = 57
DAILY_METRIC_DAYS = 400


def load_facts(lake: Lake, settings: Settings, as_of: datetime) -> Facts:
    """Everything known on ``as_of``, within the bounds above."""
    today = as_of.date()

    def since(days: int) -> date:
        return today - timedelta(days=days)

    hourly_or_recent = (pl.col("day") >= since(settings.collect.metric_days + 1)) | (pl.col("period_seconds") >= 86400)
    watched = pl.col("day").is_between(since(PROFILE_DAYS), today)
    return Facts(
        as_of=as_of,
        costs=lake.scan(COSTS)
        .filter((pl.col("x_Dataset") == BILL) & pl.col("x_ChargeDate").is_between(since(BILL_ROW_DAYS), today))
        .collect(),
        daily_costs=lake.scan(DAILY_COSTS).filter(pl.col("day").is_between(since(DAILY_COST_DAYS), today)).collect(),
        metrics=lake.scan(METRICS)
        .filter(pl.col("day").is_between(since(DAILY_METRIC_DAYS), today) & hourly_or_recent)
        .collect(),
        inventory=latest_inventory(lake, today),
        jobs=lake.scan(JOBS).filter(pl.col("month") >= month_start(since(JOB_MONTHS_DAYS))).collect(),
        feature_profiles=lake.scan(FEATURE_PROFILES).filter((pl.col("role") == "baseline") | watched).collect(),
        violations=lake.scan(MONITOR_VIOLATIONS).filter(watched).collect(),
        monitor_runs=lake.scan(MONITOR_RUNS).filter(watched).collect(),
        model_quality=lake.scan(MODEL_QUALITY).filter(watched).collect(),
        attributions=lake.scan(ATTRIBUTIONS).filter(watched).collect(),
        run_rates=lake.scan(RUN_RATES).filter(pl.col("day").is_between(since(RUN_RATE_DAYS), today)).collect(),
        monitor_metrics=lake.scan(MONITOR_METRICS)
        .filter(watched & pl.col("metric").str.starts_with(DISTANCE))
        .collect(),
        prices=price_book(lake, today),
        owner_tags=OwnerRules.of(settings).keys("owner"),
        opt_out_tag=settings.lifecycle.opt_out_tag,
    )


def load_events(lake: Lake, settings: Settings, as_of: datetime) -> pl.DataFrame:
    """What was done in the last weeks (`EVENTS`): of what stood before them, only what changed in them."""
    today, first = as_of.date(), (as_of - timedelta(days=EVENT_DAYS)).date()
    states = inventory_states(lake, today, (*EVENT_KINDS, "endpoint_config"), first)
    jobs = lake.scan(JOBS).filter(pl.col("month") >= month_start(first)).collect()
    activity = lake.scan(ACTIVITY).filter(pl.col("month") >= month_start(first)).collect()
    found = events_of(states, jobs, activity, OwnerRules.of(settings).keys("owner"), tuple(settings.planned_tags))
    return found.filter(pl.col("at").is_between(as_of - timedelta(days=EVENT_DAYS), as_of))


def known_rises(ledger: Ledger) -> pl.DataFrame:
    """`KNOWN_RISES`: overspend that is told of, and that nobody has accepted or resolved."""
    wanted = select(
        IncidentRow.account,
        IncidentRow.region,
        IncidentRow.resource_kind,
        IncidentRow.resource_name,
        IncidentRow.since,
    ).where(IncidentRow.kind == "overspend", IncidentRow.state.in_(["open", "acknowledged", "snoozed"]))
    with ledger.reading() as session:
        rows = [(*row[:4], row[4].date()) for row in session.execute(wanted)]
    return pl.DataFrame(rows, schema=KNOWN_RISES, orient="row")


def inventory_ever(lake: Lake, today: date) -> pl.DataFrame:
    """The last observation of each life of everything that ever stood: old bills are about what is gone, or came back."""
    return (
        lake.scan(INVENTORY)
        .filter(pl.col("observed_on") <= today)
        .sort("observed_on")
        .group_by("account", "region", "kind", "name", "created_at", maintain_order=True)
        .last()
        .select(INVENTORY.columns.keys())
        .collect()
    )
