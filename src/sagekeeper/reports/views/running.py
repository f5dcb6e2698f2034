"""Dollars an hour now: what makes it up, what is usual for this hour, what began since the bill's last day, what is not in it.

In: the lake, ``as_of``. Out: a `RunRate`. Basis: estimated, running x the bill's effective rate, else list price
(`analyzers.run_rate`); what is paid by the request is in no figure. One currency; what has no price, and places that nobody has
looked at lately, are counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from sagekeeper.analyzers.effective_rates import BILL_COLUMNS
from sagekeeper.analyzers.estimate_standing import HOLDS, THING
from sagekeeper.analyzers.facts import BILL
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.run_rate import Usual, running_now, usual
from sagekeeper.analyzers.usage_rates import BY_BILL
from sagekeeper.collector.history import latest_inventory, price_book
from sagekeeper.core.clock import day_start, month_start
from sagekeeper.core.lake import Lake
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, JOBS, RUN_RATES

LONGEST_JOB = timedelta(days=29)
"""SageMaker ends a training job after 28 days (aws-facts 1.4)."""
BILL_BACK = timedelta(days=33)
RECORDED = timedelta(days=57)


@dataclass(frozen=True)
class RunRate:
    """``things``: [*THING, owner, since, per_hour (null: unknown), basis, why (there is no price of it, or of a part), new], the
    dearest first; ``kinds``: [resource_kind, per_hour, things]. ``new``: began after the bill's last day.

    ``per_hour`` None: nothing was looked at lately. ``looked``: the oldest of the looks that it rests on; ``unseen``: accounts
    and regions whose last look is older than `HOLDS`. ``unpriced``: resources of which a part or all is in no amount.
    ``by_bill``: share of the amount at the bill's own effective rate, the rest is at list price.
    """

    as_of: datetime
    currency: str
    per_hour: float | None
    usual: Usual
    things: pl.DataFrame
    kinds: pl.DataFrame
    unpriced: int
    by_bill: float | None
    looked: datetime | None
    unseen: list[tuple[str, str]]
    bill_upto: datetime | None


def run_rate(lake: Lake, settings: Settings, as_of: datetime) -> RunRate:
    """What is being spent by the hour as of the last looks."""
    running, looks = running_of(lake, settings, as_of)
    looked = looks.filter(pl.col("observed_at") >= as_of - HOLDS)
    currency = _currency(running)
    newest = lake.scan(COSTS).filter(pl.col("x_Dataset") == BILL).select(pl.col("x_ChargeDate").max()).collect().item()
    upto = None if newest is None else day_start(newest + timedelta(days=1))
    things = _things(running.filter(pl.col("currency") == currency), upto)
    per_hour = float(things["per_hour"].sum())
    by_bill = running.filter((pl.col("currency") == currency) & (pl.col("rate_basis") == BY_BILL))["per_hour"].sum()
    recorded = lake.scan(RUN_RATES).filter(pl.col("day") >= as_of.date() - RECORDED).collect()
    return RunRate(
        as_of=as_of,
        currency=currency,
        per_hour=None if looked.is_empty() else per_hour,
        usual=usual(recorded, as_of, currency),
        things=things,
        kinds=things.group_by("resource_kind")
        .agg(pl.col("per_hour").sum(), things=pl.len())
        .sort("per_hour", "resource_kind", descending=[True, False]),
        unpriced=things["why"].count(),
        by_bill=float(by_bill) / per_hour if per_hour else None,
        looked=looked["observed_at"].min(),  # type: ignore[arg-type]
        unseen=looks.filter(pl.col("observed_at") < as_of - HOLDS)
        .select("account", "region")
        .sort("account", "region")
        .rows(),
        bill_upto=upto,
    )


def running_of(lake: Lake, settings: Settings, as_of: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`run_rate.RUNNING`, and [account, region, observed_at]: the last look at each place; only those within `HOLDS` count."""
    today = as_of.date()
    inventory = latest_inventory(lake, today)
    jobs = lake.scan(JOBS).filter(
        (pl.col("month") >= month_start(today - LONGEST_JOB))
        & (pl.col("ended_at").is_null() | (pl.col("ended_at") >= as_of - timedelta(days=1)))
    )
    on_bill = (
        (pl.col("x_Dataset") == BILL)
        & pl.col("x_ChargeDate").is_between(today - BILL_BACK, today)
        & (pl.col("ChargeCategory") == "Usage")
        & pl.col("ServiceName").str.contains("SageMaker")
    )
    costs = lake.scan(COSTS).filter(on_bill).select(BILL_COLUMNS).collect()
    tags = OwnerRules.of(settings).keys("owner")
    looks = inventory.group_by("account", "region").agg(pl.col("observed_at").max()).sort("account", "region")
    return running_now(inventory, jobs.collect(), costs, price_book(lake, today), as_of, tags), looks


def _things(own: pl.DataFrame, upto: datetime | None) -> pl.DataFrame:
    began = pl.lit(value=False) if upto is None else pl.col("since") >= upto
    return (
        own.group_by(*THING, maintain_order=True)
        .agg(
            pl.col("owner").first(),
            pl.col("since").min(),
            per_hour=pl.when(pl.col("per_hour").is_not_null().any()).then(pl.col("per_hour").sum()),
            basis=pl.col("rate_basis").drop_nulls().first(),
            why=pl.when(pl.col("per_hour").is_null().any()).then(
                pl.coalesce(pl.col("unknown").drop_nulls().first(), pl.lit("its price is not known"))
            ),
        )
        .with_columns(new=began.fill_null(value=False))
        .sort("per_hour", *THING, descending=[True, *[False] * len(THING)], nulls_last=True)
    )


def _currency(running: pl.DataFrame) -> str:
    sums = running.group_by("currency").agg(pl.col("per_hour").sum()).sort("per_hour", "currency")
    return str(sums["currency"][-1]) if sums.height else "USD"
