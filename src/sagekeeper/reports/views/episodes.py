"""What of the bill is not to be learned from as it stands: incidents that are over, and days from before a price rose.

In: the ledger's incidents, the bill's rows of what they are about. Out: rows of `DAILY_COSTS` with the four notions under the
names of the cube. Of a resolved or expected incident as much of each as was too much (`forecast_episodes.over`); those about a
family of jobs or a sum have no rows of their own and take nothing out. Of a price that rose what days before lack of it
(`forecast_prices.lacking`), below zero, as billed only: it is known of a usage family, not of whose, so that a budget of an owner
or of resources learns it by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from sqlalchemy import select

from sagekeeper.analyzers.forecast_episodes import INCIDENTS, MONTH_AGO, over
from sagekeeper.analyzers.forecast_prices import COLUMNS as PRICE_COLUMNS
from sagekeeper.analyzers.forecast_prices import lacking
from sagekeeper.analyzers.forecast_settings import ForecastSettings
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_models import IncidentRow
from sagekeeper.core.tables import COSTS, DAILY_COSTS
from sagekeeper.reports.views.spend import COST_EXPLORER, NOTIONS, UNATTRIBUTED

LONGEST = timedelta(days=90)
"""How long ago what is only now over may have begun."""
ENDS = "runaway_job"
"""What is seen to end: a job."""
PRICE = "price_change"


def gone(ledger: Ledger, lake: Lake, as_of: datetime) -> pl.DataFrame:
    """What to take out of what is learned from; no rows where there is nothing."""
    parts = [_episodes(ledger, lake, as_of), _old_prices(ledger, lake, as_of)]
    return pl.concat(parts, how="diagonal_relaxed")


def _episodes(ledger: Ledger, lake: Lake, as_of: datetime) -> pl.DataFrame:
    incidents = _incidents(ledger, as_of)
    first = as_of.date() - LONGEST - timedelta(days=MONTH_AGO[0])
    bill = DAILY_COSTS.empty().lazy() if incidents.is_empty() else lake.scan(DAILY_COSTS)
    rows = (
        bill.filter(
            (pl.col("dataset") == COST_EXPLORER)
            & pl.col("day").is_between(first, as_of.date())
            & pl.col("resource_name").is_in(incidents["resource_name"].unique().to_list())
        )
        .rename({f"{name}_cost": name for name in NOTIONS})
        .with_columns(pl.col("owner", "team", "project").fill_null(UNATTRIBUTED))
        .collect()
    )
    return over(incidents, rows, as_of, tuple(NOTIONS))


def _old_prices(ledger: Ledger, lake: Lake, as_of: datetime) -> pl.DataFrame:
    risen = select(IncidentRow.account, IncidentRow.resource_name).where(
        IncidentRow.kind == PRICE, IncidentRow.state != "resolved"
    )
    with ledger.reading() as session:
        told = session.execute(risen).all()
    first = as_of.date() - timedelta(days=ForecastSettings().learn_days)
    # Nearly always none: the bill's own lines, which may be many, are only asked for those usage types.
    lines = (
        (lake.scan(COSTS) if told else COSTS.empty().lazy())
        .filter(
            (pl.col("x_Dataset") == COST_EXPLORER)
            & pl.col("x_ChargeDate").is_between(first, as_of.date())
            & pl.col("SubAccountId").is_in([account for account, _ in told])
            & pl.col("x_UsageType").is_in([usage_type for _, usage_type in told])
        )
        .select(PRICE_COLUMNS)
        .collect()
    )
    return lacking(lines, as_of)


def _incidents(ledger: Ledger, as_of: datetime) -> pl.DataFrame:
    wanted = select(IncidentRow).where(
        IncidentRow.state.in_(["resolved", "expected"]), IncidentRow.since >= as_of - LONGEST
    )
    with ledger.reading() as session:
        rows = [
            {
                "incident": row.fingerprint,
                "account": row.account,
                "region": row.region,
                "resource_kind": row.resource_kind,
                "resource_name": row.resource_name,
                "since": row.since.date(),
                "excess": float(row.excess),
                "per_day": float(row.per_day),
                # A person may resolve what still runs; Sagekeeper itself does so when the job is no longer there.
                "ended": row.kind == ENDS and row.state == "resolved" and row.decided_by is None,
            }
            for row in session.scalars(wanted)
        ]
    return pl.DataFrame(rows, schema=INCIDENTS)
