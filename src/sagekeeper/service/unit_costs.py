"""Keeping ``unit_costs`` true: what a unit costs is worked out again for the months whose bill, traffic or jobs may
have changed.

In: the lake. Out: the months rewritten. A month is due when its bill was read after the last run, when it is recent
(jobs, traffic and attribution still move it), or when it was never worked out. One month of one bill at a time, so
memory is bounded by a day of hourly metrics; a month that comes out the same is not written.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.endpoints import described
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.traffic import USED, Traffic, in_service, traffic
from sagekeeper.analyzers.unit_costs import LONGEST_RUN, Counted, unit_costs
from sagekeeper.analyzers.unit_rows import Settings as UnitSettings
from sagekeeper.collector.history import price_book
from sagekeeper.core.clock import month_start, next_month
from sagekeeper.core.lake import Lake, Scope, days_between
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.runs import set_watermark, watermark
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, DAILY_COSTS, INVENTORY, JOBS, METRICS, TOKEN_USE, TRIAL_COMPONENTS, UNIT_COSTS
from sagekeeper.service.daily_costs import UNSETTLED_DAYS, rules_of
from sagekeeper.service.facts import inventory_ever

MARK = ("unit_costs", "*")
VERSION = 1
"""Of the analyzers' rules: raised when months that were worked out before would come out differently."""


def refresh_unit_costs(lake: Lake, ledger: Ledger, settings: Settings, own: UnitSettings, as_of: datetime) -> int:
    """Work out all due months. Returns how many have changed."""
    rules = _rules_of(settings, own)
    due, read_upto = _due(lake, ledger, rules, as_of)
    if due.is_empty():
        return 0
    endpoints = described(inventory_ever(lake, as_of.date()), OwnerRules.of(settings).keys("owner"))
    jobs = lake.scan(JOBS).collect()
    trials = lake.scan(TRIAL_COMPONENTS).select("experiment", "trial", "source_arn").collect()
    changed = 0
    for (month,), bills in due.group_by("month", maintain_order=True):
        assert isinstance(month, date)
        tokens = lake.scan(TOKEN_USE).filter(_within(month)).collect()
        counted = Counted(_traffic(lake, month), endpoints, tokens, jobs, trials, price_book(lake, as_of.date()))
        for dataset in bills["dataset"]:
            costs = lake.scan(DAILY_COSTS).filter(
                (pl.col("dataset") == dataset)
                & pl.col("day").is_between(month - LONGEST_RUN, next_month(month), closed="left")
            )
            rows = unit_costs(costs.collect(), month, counted, as_of, own)
            changed += lake.replace(UNIT_COSTS, rows, Scope({"dataset": dataset, "month": month}))
    if read_upto is not None:
        with ledger.session() as session:
            set_watermark(session, *MARK, rules, read_upto, as_of)
    return changed


def _rules_of(settings: Settings, own: UnitSettings) -> str:
    """Another name when the attribution's rules, ours or a threshold are others: then all months are due once."""
    told = f"{VERSION} {rules_of(settings)} {own.model_dump_json()}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _due(lake: Lake, ledger: Ledger, rules: str, as_of: datetime) -> tuple[pl.DataFrame, datetime | None]:
    """[dataset, month], and up to when the bills among them were read."""
    with ledger.reading() as session:
        done_upto = watermark(session, *MARK, rules)
    bills = (
        lake.newest(COSTS, "x_ObservedAt")
        .group_by(dataset="x_Dataset", month=pl.col("x_ChargeDate").dt.truncate("1mo"))
        .agg(read=pl.col("newest").max())
    )
    worked = lake.scan(UNIT_COSTS).select("dataset", "month").unique().collect()
    fresh = pl.col("read") > done_upto if done_upto else pl.lit(value=True)
    recent = pl.col("month") >= month_start(as_of.date() - timedelta(days=UNSETTLED_DAYS))
    due = pl.concat(
        [
            bills.filter(fresh | recent).select("dataset", "month"),
            bills.join(worked, on=["dataset", "month"], how="anti").select("dataset", "month"),
            worked.join(bills, on=["dataset", "month"], how="anti"),  # a month that is no longer on the bill
        ]
    )
    read_upto = bills["read"].max()
    assert read_upto is None or isinstance(read_upto, datetime)
    return due.unique().sort("month", "dataset"), read_upto


def _within(month: date) -> pl.Expr:
    return pl.col("day").is_between(month, next_month(month), closed="left")


def _traffic(lake: Lake, month: date) -> Traffic:
    # A day is quiet where an observation says that nothing changed since before it: those made later may.
    seen = lake.scan(INVENTORY).filter((pl.col("kind") == "endpoint") & (pl.col("observed_on") >= month))
    columns = ["account", "region", "kind", "name", "status", "created_at", "changed_at", "observed_at"]
    stood, metrics = in_service(seen.select(columns).collect()), lake.scan(METRICS).drop("unit", "observed_at")
    found = []
    for day in days_between(month, next_month(month) - timedelta(days=1)):
        # 10,000 endpoints have half a million hourly rows a day: a day at a time, and each gives few.
        wanted = (pl.col("day") == day) & pl.col("metric").is_in(USED)
        found.append(traffic(metrics.filter(wanted).collect(), stood))
    return Traffic(pl.concat(day.requests for day in found), pl.concat(day.hours for day in found))
