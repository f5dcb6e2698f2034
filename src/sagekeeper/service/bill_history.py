"""Keeping what each bill said when: after every reading of a bill, the months that were read anew are compared with what
they said before (`analyzers/bill_versions.py`), and what moved is kept beside what it was.

In: the lake. Out: the months that have moved. One month of one bill at a time; a repeated run writes nothing.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from sagekeeper.analyzers.bill_versions import in_period, period_of, versions
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.runs import set_watermark, watermark
from sagekeeper.core.tables import BILL_VERSIONS, COSTS

MARK = ("bill_versions", "*", "*")


def remember_versions(lake: Lake, ledger: Ledger, as_of: datetime) -> int:
    """Compare every month read since the last time. Returns how many months have moved."""
    with ledger.reading() as session:
        done_upto = watermark(session, *MARK)
    days = lake.newest(COSTS, "x_ObservedAt")
    # The moment itself is looked at again: another bill may have been read at it since.
    read = days if done_upto is None else days.filter(pl.col("newest") >= done_upto)
    moved = 0
    for dataset, period, seen_at in _periods(lake, read).iter_rows():
        scope = Scope({"dataset": dataset, "period": period})
        kept = lake.scan(BILL_VERSIONS).filter(scope.expression()).collect()
        rows = lake.scan(COSTS).filter((pl.col("x_Dataset") == dataset) & in_period(period))
        moved += lake.replace(BILL_VERSIONS, versions(kept, rows, seen_at), scope)
    newest = days["newest"].max()
    if isinstance(newest, datetime):
        with ledger.session() as session:
            set_watermark(session, *MARK, newest, as_of)
    return moved


def _periods(lake: Lake, days: pl.DataFrame) -> pl.DataFrame:
    """[dataset, period, seen_at]: the months that rows of these ``days`` of bills are of, and when they were read."""
    found = [
        lake.scan(COSTS)
        .filter((pl.col("x_Dataset") == dataset) & pl.col("x_ChargeDate").is_in(some["x_ChargeDate"].to_list()))
        .group_by(dataset="x_Dataset", period=period_of())
        .agg(seen_at=pl.col("x_ObservedAt").max())
        .collect(engine="streaming")
        for (dataset,), some in days.group_by("x_Dataset")
    ]
    none = pl.DataFrame(schema={"dataset": pl.String(), "period": pl.Date(), "seen_at": COSTS.columns["x_ObservedAt"]})
    return pl.concat([none, *found]).sort("dataset", "period")
