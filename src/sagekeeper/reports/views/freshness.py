"""How far the numbers can be trusted: which sources answered, how old their data is, what Sagekeeper itself costs.

In: the ledger's source runs and API use, the cost cube. Out: a line per source, the failures as sentences, and the
own cost beside the spend that is watched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl
from sqlalchemy import func, select

from sagekeeper.core.clock import month_start
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import ApiUseRow, SourceRunRow
from sagekeeper.core.ledger.runs import last_source_runs
from sagekeeper.reports.views.spend import UNATTRIBUTED, between

STALE_AFTER = timedelta(hours=26)
"""A source that runs daily at the latest is late after a day and two hours."""


@dataclass(frozen=True)
class SourceState:
    """A source over all its accounts and regions."""

    source: str
    parts: int
    failed: int
    last_good: datetime | None
    rows: int
    stale: bool


@dataclass(frozen=True)
class Failure:
    """One part of one source that did not answer the last time it was asked."""

    source: str
    account: str
    region: str
    at: datetime
    message: str


@dataclass(frozen=True)
class OwnCost:
    """What Sagekeeper's own calls cost this month."""

    month: date
    usd: Decimal
    calls: int
    share_of_spend: float | None
    dearest: list[tuple[str, Decimal]]


def source_states(ledger: Ledger, as_of: datetime) -> list[SourceState]:
    """One line per source, those in trouble first."""
    with ledger.reading() as session:
        runs = last_source_runs(session)
        good = select(SourceRunRow.source, func.min(SourceRunRow.as_of)).where(SourceRunRow.status == "ok")
        newest = (
            select(func.max(SourceRunRow.id))
            .where(SourceRunRow.status == "ok")
            .group_by(SourceRunRow.source, SourceRunRow.account, SourceRunRow.region)
        )
        of_newest = good.where(SourceRunRow.id.in_(newest)).group_by(SourceRunRow.source)
        last_good = {row[0]: row[1] for row in session.execute(of_newest)}
    states = []
    for source in sorted({run.source for run in runs}):
        own = [run for run in runs if run.source == source]
        upto = last_good.get(source)
        states.append(
            SourceState(
                source=source,
                parts=len(own),
                failed=sum(run.status == "failed" for run in own),
                last_good=upto,
                rows=sum(run.rows or 0 for run in own),
                stale=upto is None or as_of - upto > STALE_AFTER,
            )
        )
    return sorted(states, key=lambda state: (-state.failed, not state.stale, state.source))


def failures(ledger: Ledger) -> list[Failure]:
    """What failed the last time it ran, newest first."""
    with ledger.reading() as session:
        runs = [run for run in last_source_runs(session) if run.status == "failed"]
    found = [
        Failure(
            run.source, run.account, run.region, run.finished_at or run.started_at, run.message or "no reason given"
        )
        for run in runs
    ]
    return sorted(found, key=lambda item: item.at, reverse=True)


def last_collected(ledger: Ledger) -> datetime | None:
    """The newest time anything was read: the time to speak of when the clock itself does not answer."""
    with ledger.reading() as session:
        return session.scalar(select(func.max(SourceRunRow.as_of)))


def own_cost(ledger: Ledger, cube: pl.DataFrame, as_of: datetime) -> OwnCost:
    """This month's own calls, beside the spend of the same month."""
    first = month_start(as_of.date())
    with ledger.reading() as session:
        rows = list(session.scalars(select(ApiUseRow).where(ApiUseRow.day >= first, ApiUseRow.day <= as_of.date())))
    by_call: dict[str, Decimal] = {}
    for row in rows:
        name = f"{row.service} {row.operation}"
        by_call[name] = by_call.get(name, Decimal(0)) + row.cost_usd
    usd = sum(by_call.values(), Decimal(0))
    month = between(cube, first, as_of.date()).filter(pl.col("currency") == "USD")
    spend = float(month["billed"].sum())
    return OwnCost(
        month=first,
        usd=usd,
        calls=sum(row.calls for row in rows),
        share_of_spend=float(usd) / spend if spend else None,
        dearest=sorted(by_call.items(), key=lambda item: item[1], reverse=True)[:3],
    )


def attributed_share(cube: pl.DataFrame) -> float | None:
    """Share of usage cost that the bill or running hours give to a resource; None without any usage."""
    usage = cube.filter(pl.col("charge_category") == "Usage")
    whole = float(usage["billed"].sum())
    return float(usage.filter(pl.col("attribution") != UNATTRIBUTED)["billed"].sum()) / whole if whole else None
