"""Money of incidents that are over, for forecasts: what of the bill is not to be learned from.

In: the ledger's incidents that are resolved or expected, and the bill's rows of their resources. Out: rows of `DAILY_COSTS` with
the four notions under the names of the cube, as much of each as was too much (`forecast_episodes.over`). Incidents about a family
of jobs or a sum have no rows of their own and take nothing out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from sqlalchemy import select

from sagekeeper.analyzers.forecast_episodes import BEFORE, INCIDENTS, over
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_models import IncidentRow
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.reports.views.spend import COST_EXPLORER, NOTIONS, UNATTRIBUTED

LONGEST = timedelta(days=90)
"""How long ago what is only now over may have begun."""
ENDS = "runaway_job"
"""What is seen to end: a job."""


def gone(ledger: Ledger, lake: Lake, as_of: datetime) -> pl.DataFrame:
    """What incidents took too much of and is over, by day and resource. No rows where there is none."""
    incidents = _incidents(ledger, as_of)
    first = as_of.date() - LONGEST - timedelta(days=BEFORE)
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
