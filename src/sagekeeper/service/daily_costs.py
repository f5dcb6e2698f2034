"""Keeping ``daily_costs`` true: attribution is done again for the days whose bill, inventory or jobs may have
changed.

In: the lake. Out: the days rewritten. A day is due when its bill rows were observed after the last run (AWS restates,
a file was ingested), when it was never attributed, when it is recent (a job that ended late still moves it), or when the
rules themselves have changed since (another version, another owner tag): then all of history is done again, once. Bill
rows are summed a day at a time (`service/rolled_days.py`) and only these sums are attributed, a bounded number at once:
memory does not grow with the bill. Days that come out the same are not written, so a repeated run changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Iterator
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.attribution import VERSION, Attribution
from sagekeeper.analyzers.cost_split import split
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.remembered import Remembered
from sagekeeper.collector.history import inventory_states
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.runs import set_watermark, watermark
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, DAILY_COSTS, JOBS
from sagekeeper.service.rolled_days import rolling

UNSETTLED_DAYS = 45
"""How long jobs and inventory may still move a day's attribution; also how late AWS restates (a month's close and a bit)."""

SUMS_AT_ONCE = 80_000
"""Sums of lines that are attributed and written together: much of what a lot costs it costs however small it is."""

SAME_WITHIN = 1e-9
"""Engines add in the order they like: amounts that agree to this part of them, or to this much money, are the same."""


def refresh_daily_costs(lake: Lake, ledger: Ledger, settings: Settings, as_of: datetime) -> int:
    """Attribute all due days. Returns how many days have changed."""
    rules = rules_of(settings)
    stored = lake.files(DAILY_COSTS).select("dataset", "day").unique()
    due, observed_upto = _due_days(lake, ledger, rules, stored, as_of)
    if due.is_empty():
        return 0
    files = lake.files(COSTS).join(due, left_on=["x_Dataset", "x_ChargeDate"], right_on=["dataset", "day"], how="semi")
    gone = due.join(files, left_on=["dataset", "day"], right_on=["x_Dataset", "x_ChargeDate"], how="anti")
    changed, kept = 0, set(stored.rows())
    for (dataset,), days in gone.group_by("dataset", maintain_order=True):
        changed += _write(lake, str(dataset), days["day"].to_list(), DAILY_COSTS.empty(), kept)
    attribution = Remembered(
        Attribution(inventory_states(lake, as_of.date()), lake.scan(JOBS).collect(), OwnerRules.of(settings))
    )
    with rolling(lake, settings) as roll:
        for (dataset,), held in files.group_by("x_Dataset", maintain_order=True):
            for sums in _together(roll(held)):
                wanted = split(attribution.of(sums), settings.splits)
                attributed = sums["x_ChargeDate"].unique().sort().to_list()
                changed += _write(lake, str(dataset), attributed, wanted, kept)
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


def _due_days(
    lake: Lake, ledger: Ledger, rules: str, stored: pl.DataFrame, as_of: datetime
) -> tuple[pl.DataFrame, datetime | None]:
    with ledger.reading() as session:
        done_upto = watermark(session, "attribution", "*", rules)
    bill = lake.newest(COSTS, "x_ObservedAt").rename(
        {"x_Dataset": "dataset", "x_ChargeDate": "day", "newest": "observed"}
    )
    fresh = pl.col("observed") > done_upto if done_upto else pl.lit(True)
    recent = pl.col("day") >= as_of.date() - timedelta(days=UNSETTLED_DAYS)
    due = pl.concat(
        [
            bill.filter(fresh | recent).select("dataset", "day"),
            bill.join(stored, on=["dataset", "day"], how="anti").select("dataset", "day"),
            stored.join(bill, on=["dataset", "day"], how="anti"),  # a day that is no longer on the bill
        ]
    )
    observed_upto = bill["observed"].max()
    assert observed_upto is None or isinstance(observed_upto, datetime)
    return due.unique().sort("dataset", "day"), observed_upto


def _together(days: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Days in lots of at most `SUMS_AT_ONCE` rows, or of one day. The first comes alone: what it teaches of its lines, lots
    after it need not find out."""
    lot: list[pl.DataFrame] = []
    for number, day in enumerate(days):
        if lot and (number == 1 or sum(frame.height for frame in lot) + day.height > SUMS_AT_ONCE):
            yield pl.concat(lot)
            lot = []
        lot.append(day)
    if lot:
        yield pl.concat(lot)


def _write(lake: Lake, dataset: str, days: list[date], wanted: pl.DataFrame, kept: Container[tuple[str, date]]) -> int:
    """Make ``wanted`` what these days hold; how many of them are written because they differ. ``kept``: what there is by now."""
    held = [day for day in days if (dataset, day) in kept]
    of_days = (pl.col("dataset") == dataset) & pl.col("day").is_in(held)
    there = lake.scan(DAILY_COSTS).filter(of_days).collect() if held else DAILY_COSTS.empty()
    differing = _differing_days(there, wanted)
    for first, last in _stretches(differing):
        scope = Scope(equals={"dataset": dataset}, day_column="day", first=first, last=last)
        lake.replace(DAILY_COSTS, wanted.filter(pl.col("day").is_between(first, last)), scope)
    return len(differing)


def _differing_days(there: pl.DataFrame, wanted: pl.DataFrame) -> list[date]:
    if there.is_empty():
        return wanted["day"].unique().sort().to_list()
    keys = list(DAILY_COSTS.keys)
    both = there.with_columns(old=True).join(
        wanted.with_columns(new=True), on=keys, how="full", nulls_equal=True, coalesce=True, suffix="_new"
    )
    one_side = pl.col("old").is_null() | pl.col("new").is_null()
    other = [_differs(name, kind.is_float()) for name, kind in DAILY_COSTS.columns.items() if name not in keys]
    return both.filter(one_side | pl.any_horizontal(other))["day"].unique().sort().to_list()


def _differs(name: str, is_amount: bool) -> pl.Expr:
    old, new = pl.col(name), pl.col(f"{name}_new")
    if not is_amount:
        return old.ne_missing(new)
    near = (old - new).abs() <= SAME_WITHIN * pl.max_horizontal(old.abs(), new.abs(), pl.lit(1.0))
    return old.ne_missing(new) & ~near.fill_null(False)


def _stretches(days: list[date]) -> list[tuple[date, date]]:
    """Runs of consecutive days: each is one atomic replacement."""
    stretches: list[tuple[date, date]] = []
    for day in days:
        if stretches and stretches[-1][1] + timedelta(days=1) == day:
            stretches[-1] = (stretches[-1][0], day)
        else:
            stretches.append((day, day))
    return stretches
