"""Keeping ``daily_costs`` true: attribution is done again for the days whose bill, inventory or jobs may have
changed.

In: the lake. Out: the days rewritten. A day is due when its bill rows were observed after the last run (AWS restates,
a file was ingested), when it was never attributed, when it is recent (a job that ended late still moves it), or when the
rules themselves have changed since (another version, another owner tag): then all of history is done again, once. One
month of one bill at a time, so memory is bounded by a month; days that come out the same are not written, so a
repeated run changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.attribution import VERSION, attribute
from sagekeeper.analyzers.cost_split import split
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.collector.history import inventory_states
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.runs import set_watermark, watermark
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, DAILY_COSTS, JOBS

UNSETTLED_DAYS = 45
"""How long jobs and inventory may still move a day's attribution; also how late AWS restates (a month's close and a bit)."""


def refresh_daily_costs(lake: Lake, ledger: Ledger, settings: Settings, as_of: datetime) -> int:
    """Attribute all due days. Returns how many days have changed."""
    rules = rules_of(settings)
    due, observed_upto = _due_days(lake, ledger, rules, as_of)
    if due.is_empty():
        return 0
    inventory, jobs = inventory_states(lake, as_of.date()), lake.scan(JOBS).collect()
    changed = 0
    for (dataset, _), days in due.group_by("dataset", pl.col("day").dt.truncate("1mo"), maintain_order=True):
        changed += _refresh(lake, str(dataset), days["day"].to_list(), inventory, jobs, settings)
    if observed_upto is not None:
        with ledger.session() as session:
            set_watermark(session, "attribution", "*", rules, observed_upto, as_of)
    return changed


def rules_of(settings: Settings) -> str:
    """By which rules days are attributed, as a short name: another one when a setting or the code's `VERSION` differs."""
    told = json.dumps(
        [VERSION, settings.owner_tags, settings.ownership.model_dump(), [item.model_dump() for item in settings.splits]]
    )
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _due_days(lake: Lake, ledger: Ledger, rules: str, as_of: datetime) -> tuple[pl.DataFrame, datetime | None]:
    with ledger.reading() as session:
        done_upto = watermark(session, "attribution", "*", rules)
    bill = (
        lake.scan(COSTS)
        .group_by(dataset="x_Dataset", day="x_ChargeDate")
        .agg(pl.col("x_ObservedAt").max().alias("observed"))
        .collect()
    )
    attributed = lake.scan(DAILY_COSTS).select("dataset", "day").unique().collect()
    fresh = pl.col("observed") > done_upto if done_upto else pl.lit(True)
    recent = pl.col("day") >= as_of.date() - timedelta(days=UNSETTLED_DAYS)
    due = pl.concat(
        [
            bill.filter(fresh | recent).select("dataset", "day"),
            bill.join(attributed, on=["dataset", "day"], how="anti").select("dataset", "day"),
            attributed.join(bill, on=["dataset", "day"], how="anti"),  # a day that is no longer on the bill
        ]
    )
    observed_upto = bill["observed"].max()
    assert observed_upto is None or isinstance(observed_upto, datetime)
    return due.unique().sort("dataset", "day"), observed_upto


def _refresh(
    lake: Lake, dataset: str, days: list[date], inventory: pl.DataFrame, jobs: pl.DataFrame, settings: Settings
) -> int:
    on_bill = (pl.col("x_Dataset") == dataset) & pl.col("x_ChargeDate").is_in(days)
    found = attribute(lake.scan(COSTS).filter(on_bill).collect(), inventory, jobs, OwnerRules.of(settings))
    wanted = split(found, settings.splits)
    there = lake.scan(DAILY_COSTS).filter((pl.col("dataset") == dataset) & pl.col("day").is_in(days)).collect()
    differing = _differing_days(there, wanted)
    for first, last in _stretches(differing):
        scope = Scope(equals={"dataset": dataset}, day_column="day", first=first, last=last)
        lake.replace(DAILY_COSTS, wanted.filter(pl.col("day").is_between(first, last)), scope)
    return len(differing)


def _differing_days(there: pl.DataFrame, wanted: pl.DataFrame) -> list[date]:
    columns = list(DAILY_COSTS.columns)
    both = pl.concat(
        [
            there.select(columns).with_columns(side=pl.lit("old")),
            wanted.select(columns).with_columns(side=pl.lit("new")),
        ]
    )
    once = both.group_by(columns).agg(pl.col("side").n_unique().alias("sides")).filter(pl.col("sides") == 1)
    return sorted(once["day"].unique().to_list())


def _stretches(days: list[date]) -> list[tuple[date, date]]:
    """Runs of consecutive days: each is one atomic replacement."""
    stretches: list[tuple[date, date]] = []
    for day in days:
        if stretches and stretches[-1][1] + timedelta(days=1) == day:
            stretches[-1] = (stretches[-1][0], day)
        else:
            stretches.append((day, day))
    return stretches
